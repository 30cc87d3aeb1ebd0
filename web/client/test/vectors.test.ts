/** The shared vectors of tests/crypto/vectors/adal: made by the Python twin, run here without exception. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { openAttachment, parseEnvelopes } from "../src/attachments.js";
import { b64, b64u, unb64, unb64u } from "../src/base64.js";
import { dumps, loads } from "../src/canonical.js";
import { checkCertificate } from "../src/certificates.js";
import { fromUtf8, utf8 } from "../src/bytes.js";
import { CryptoError } from "../src/errors.js";
import { HybridIdentity, parseRecipient } from "../src/identities.js";
import { ridOf } from "../src/manifests.js";
import { parseOutcome } from "../src/outcomes.js";
import { padded, padme } from "../src/padding.js";
import { checkPromise, entry, leafHash } from "../src/promises.js";
import { derive, parseReceipt, ReceiptError } from "../src/receipts.js";
import { parseSigned, SigningKey, verify } from "../src/signatures.js";
import { FOLDER, readDirectory, READERS, readPackage, readReply, vector, whole, type Vector } from "./readers.js";

test("every vector file is run by a test of this file", () => {
  const run = [
    "canonical", "certificate", "directory", "negative", "outcome", "package", "padding", "promise", "receipt", "reply", "rid", "segments",
    "signatures",
  ];
  const found = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
  const elsewhere = ["custody", "disclosure", "key-split", "later-parts"]; // custody.test.ts
  const known = [...run, ...elsewhere, "from-ts-package", "from-ts-reply"].map((name) => `${name}.json`);
  assert.deepEqual(found.filter((name) => !known.includes(name)), []);
});

test("canonical JSON has the bytes of the twin", () => {
  const { accept, refuse } = vector("canonical.json");
  for (const { value, text } of accept) {
    assert.equal(fromUtf8(dumps(value)), text);
    assert.deepEqual(loads(utf8(text)), value);
  }
  for (const { text, why } of refuse) assert.throws(() => loads(utf8(text)), CryptoError, why);
  assert.ok(accept.length > 0 && refuse.length > 0);
});

test("paddings have the sizes of the twin", () => {
  const found = vector("padding.json");
  for (const [n, size] of found.padme) assert.equal(padme(n), size);
  for (const [n, size] of found.padded_4096) assert.equal(padded(n, 4096), size);
});

test("identities give the recipients and report ids of the twin", async () => {
  for (const { identity, recipient, rid } of vector("rid.json")) {
    const key = await HybridIdentity.parse(identity);
    assert.equal(key.recipient, recipient);
    assert.equal(parseRecipient(recipient), recipient);
    assert.equal(ridOf(recipient), rid);
  }
});

test("receipts give the keys of the twin, typed in every way", async () => {
  const found = vector("receipt.json");
  for (const { receipt, lookup, recipient, verify_key } of found.derive) {
    const keys = await derive(receipt);
    assert.deepEqual([keys.lookup, keys.identity.recipient, keys.signing.verifyKey], [lookup, recipient, verify_key]);
  }
  for (const { input, receipt } of found.parse) assert.equal(parseReceipt(input), receipt);
  for (const { input, reason } of found.refuse) {
    assert.throws(() => parseReceipt(input), (error) => error instanceof ReceiptError && error.reason === reason);
  }
});

test("signatures are those of the twin", () => {
  for (const { seed, verify_key, type, body, sig } of vector("signatures.json")) {
    const key = SigningKey.fromSeed(unb64u(seed, 32));
    assert.equal(key.verifyKey, verify_key);
    assert.equal(key.sign(type, body), sig);
    verify(verify_key, type, body, sig);
  }
});

test("a package sealed by the twin opens and says what is expected", async () => {
  const found = vector("package.json");
  assert.deepEqual(await readPackage(found), found.expected);
});

test("the committed package and reply of this side still open", async () => {
  const found = vector("from-ts-package.json");
  assert.deepEqual(await readPackage(found), found.expected);
  const reply = vector("from-ts-reply.json");
  const reporter = (await derive(reply.receipt)).identity;
  const [line] = await readReply(reply, reporter);
  assert.equal(b64(await openAttachment(unb64(reply.attachments[0].file), line!, reporter)), reply.attachments[0].data);
});

test("a reply sealed by the twin opens for the reporter and for the desk, its attachments for the reporter", async () => {
  const found = vector("reply.json");
  await readReply(found, await HybridIdentity.parse(found.report_identity));
  const reporter = (await derive(found.receipt)).identity;
  for (const line of await readReply(found, reporter)) {
    const { file, data } = found.attachments[line.i];
    assert.equal(b64(await openAttachment(unb64(file), line, reporter)), data);
  }
});

const segments = vector("segments.json");

async function openSegmented({ file, envelope }: Vector): Promise<string> {
  const [line] = parseEnvelopes([envelope]);
  return b64(await openAttachment(unb64(file), line!, await HybridIdentity.parse(segments.identity)));
}

test("attachments that the twin sealed in segments open", async () => {
  assert.ok(segments.cases.length > 0);
  for (const found of segments.cases) assert.equal(await openSegmented(found), found.data);
});

for (const refused of segments.refuse) {
  test(`refused: segments, ${refused.why}`, () => assert.rejects(openSegmented(refused), CryptoError));
}

test("outcomes are read and refused as by the twin", () => {
  const { accept, refuse } = vector("outcome.json");
  for (const body of accept) {
    const { facts, text, claim } = parseOutcome(body);
    const told = body.outcome;
    assert.deepEqual([claim, text], [body.claim, body.text]);
    const { kind, articles, gravity, bribe, damage, valueOfBenefits } = facts;
    const read = [kind, articles, gravity, bribe, damage, valueOfBenefits];
    assert.deepEqual(read, [told.kind, told.articles, told.gravity, told.bribe, told.damage, told.value_of_benefits]);
    const { act } = facts;
    const written = act && { court: act.court, date: act.date, in_force: act.inForce, number: act.number };
    assert.deepEqual(written, told.act);
  }
  for (const { why, body } of refuse) assert.throws(() => parseOutcome(body), CryptoError, why);
  assert.ok(accept.length > 0 && refuse.length > 0);
});

test("a certificate made by the twin is believed under its directory", () => {
  const found = vector("certificate.json");
  const cert = checkCertificate(parseSigned(found.certificate), readDirectory(found), found.today);
  assert.deepEqual(cert, found.expected);
});

test("directories of the twin hold with and without services, and wrong services are refused", () => {
  const { roots, now, accept, refuse } = vector("directory.json");
  for (const { directory, services } of accept) {
    assert.deepEqual(readDirectory({ roots, now, directory }).services, services);
  }
  for (const { directory, why } of refuse) {
    assert.throws(() => readDirectory({ roots, now, directory }), CryptoError, why);
  }
  assert.ok(accept.length > 0 && refuse.length > 0);
});

test("a promise made by the twin is of the record", () => {
  const found = vector("promise.json");
  assert.equal(leafHash(found.salt, found.record), found.leaf);
  assert.equal(b64u(entry(unb64u(found.random), found.leaf)), found.entry);
  const promised = checkPromise(parseSigned(found.promise), found.verify_key, found.record, found.salt);
  assert.equal(promised.leaf, found.leaf);
});

const negative = vector("negative.json");
const cases: Vector[] = negative.cases;

for (const { kind, input, why } of cases) {
  test(`refused: ${kind}, ${why}`, async () => {
    const reader = READERS[kind];
    assert.ok(reader, "an unknown kind of vector");
    await assert.rejects(async () => reader(whole(input, negative.strings)), CryptoError);
  });
}
