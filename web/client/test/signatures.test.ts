/** Signatures: bound to a type, strict about keys and sizes, and a secret key does not show itself. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { b64u, unb64u } from "../src/base64.js";
import { random, utf8 } from "../src/bytes.js";
import { BadSignature, FormatError } from "../src/errors.js";
import { checkDocument, digest, parseSigned, signDocument, SigningKey, verify, verifyRaw } from "../src/signatures.js";

const key = SigningKey.generate();
const body = { a: 1, text: "қ" };

test("a signature holds for its type, its body and its key, however the members were ordered", () => {
  const sig = key.sign("payload", body);
  verify(key.verifyKey, "payload", { text: "қ", a: 1 }, sig);
  assert.equal(key.sign("payload", { text: "қ", a: 1 }), sig);
  assert.throws(() => verify(key.verifyKey, "manifest", body, sig), BadSignature);
  assert.throws(() => verify(key.verifyKey, "payload", { ...body, a: 2 }, sig), BadSignature);
  assert.throws(() => verify(SigningKey.generate().verifyKey, "payload", body, sig), BadSignature);
});

test("a signature with any bit changed does not hold", () => {
  const sig = unb64u(key.sign("payload", body));
  for (let at = 0; at < 64; at++) {
    const changed = sig.slice();
    changed[at]! ^= 1 << at % 8;
    assert.throws(() => verify(key.verifyKey, "payload", body, b64u(changed)), BadSignature);
  }
});

test("a weak key, under which anything would hold, is refused", () => {
  const small = new Uint8Array(32);
  small[0] = 1; // the neutral element: R = identity, S = 0 passes a careless check of every message
  const sig = new Uint8Array(64);
  sig[0] = 1;
  assert.throws(() => verifyRaw(small, utf8("anything"), sig), BadSignature);
});

test("keys and signatures of another length are refused", () => {
  assert.throws(() => verify(b64u(random(31)), "payload", body, key.sign("payload", body)), FormatError);
  assert.throws(() => verify(key.verifyKey, "payload", body, b64u(random(63))), FormatError);
  assert.throws(() => verifyRaw(random(31), utf8("x"), random(64)), BadSignature);
  assert.throws(() => SigningKey.fromSeed(random(33)), FormatError);
  assert.throws(() => key.sign("payload", { a: 0.5 }), FormatError);
});

test("a document counts different keys only, and its digest is of the body alone", () => {
  const [a, b] = [SigningKey.generate(), SigningKey.generate()];
  const doc = signDocument("promise", body, [a, b]);
  const keys = [a.verifyKey, b.verifyKey];
  checkDocument("promise", doc, keys, 2);
  assert.throws(() => checkDocument("promise", doc, keys, 3), BadSignature);
  assert.throws(() => checkDocument("promise", doc, [a.verifyKey, a.verifyKey], 2), BadSignature);
  assert.throws(() => checkDocument("promise", doc, [], 0), BadSignature);
  assert.equal(digest(doc), digest(signDocument("directory", body, [])));
  assert.deepEqual(parseSigned(JSON.parse(JSON.stringify(doc))), doc);
});

test("the seed gives the key back and does not show itself", () => {
  const again = SigningKey.fromSeed(key.seed());
  assert.equal(again.verifyKey, key.verifyKey);
  assert.ok(!JSON.stringify(key).includes(b64u(key.seed())));
  const seed = key.seed();
  seed.fill(0);
  assert.notDeepEqual(key.seed(), seed);
});
