/**
 * The shared vectors of what staff do. This side has no custodians: it reads the parts of a dialogue as it always does,
 * and of the other documents what any reader can check, so that bytes, signatures and commitments cannot drift apart.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { combine } from "shamir-secret-sharing";
import { b64u, unb64, unb64u } from "../src/base64.js";
import { sha256, utf8 } from "../src/bytes.js";
import { loads, type JsonObject } from "../src/canonical.js";
import { checkCertificate } from "../src/certificates.js";
import { CryptoError } from "../src/errors.js";
import { HybridIdentity } from "../src/identities.js";
import { LEAST, unframe } from "../src/padding.js";
import { openPart } from "../src/parts.js";
import { checkPayload, openPayload } from "../src/payloads.js";
import { derive } from "../src/receipts.js";
import { openCarried, reportRecipientOf } from "../src/reportkeys.js";
import { digest, parseSigned, verify, type Signed, type SignatureType } from "../src/signatures.js";
import { readDirectory, vector, type Vector } from "./readers.js";

/** Types that only staff sign are not in the types of this side; the construction is the same. */
const typed = (name: string): SignatureType => name as SignatureType;

function checkSigned(type: string, doc: Signed, keys: readonly string[]): void {
  assert.deepEqual(doc.signatures.map(({ key }) => key).sort(), [...keys].sort());
  for (const { key, sig } of doc.signatures) verify(key, typed(type), doc.body, sig);
}

async function opened(file: string, identity: string, exact?: number): Promise<JsonObject> {
  const plaintext = await openPart(unb64(file), await HybridIdentity.parse(identity));
  return loads(unframe(plaintext, exact)) as JsonObject;
}

test("later parts of a dialogue open for each of their readers", async () => {
  const { parts } = vector("later-parts.json");
  assert.deepEqual(parts.map(({ header }: Vector) => header.by).sort(), ["desk", "reporter", "staff"]);
  for (const { file, header, body, verify_key, readers } of parts) {
    for (const { identity } of readers) {
      const found = await openPayload(unb64(file), await HybridIdentity.parse(identity));
      checkPayload(found, header, verify_key);
      assert.deepEqual([found.header, found.body], [header, body]);
    }
    if (header.type !== "report-keys") continue;
    assert.equal(reportRecipientOf(body), (await HybridIdentity.parse(readers[0].identity)).recipient);
  }
});

test("the note for a new code opens with the code", async () => {
  const { receipt, rid, file, n, part, recipient } = vector("later-parts.json").carried;
  const keys = await derive(receipt);
  assert.deepEqual(await openCarried(unb64(file), keys, rid), { n, part, recipient });
  await assert.rejects(openCarried(unb64(file), keys, b64u(new Uint8Array(32))), CryptoError);
});

for (const { why, body } of vector("later-parts.json").refuse) {
  test(`refused: report keys, ${why}`, () => assert.throws(() => reportRecipientOf(body), CryptoError));
}

test("the documents of an opening have the bytes and signatures of the twin", async () => {
  const found = vector("custody.json");
  const directory = readDirectory(found);
  const request = parseSigned(found.request);
  assert.equal(digest(request), found.digest);
  const asker = checkCertificate(parseSigned(request.body["asker"]), directory, found.today);
  checkSigned("identity-request", request, [asker.verify_key]);
  checkSigned("undertaking", parseSigned(found.undertaking), [asker.verify_key]);
  const seats = new Map(directory.seats.map((seat) => [seat.seat, seat.verify_key]));
  for (const document of found.decisions) {
    const decision = parseSigned(document);
    const custodian = checkCertificate(parseSigned(decision.body["custodian"]), directory, found.today);
    checkSigned("identity-decision", decision, [seats.get(decision.body["seat"] as number)!, custodian.verify_key]);
    assert.equal(decision.body["request"], found.digest);
  }
  for (const { seat, file } of found.releases) {
    const release = parseSigned(await opened(file, found.asker.identity, LEAST));
    checkSigned("identity-release", release, [seats.get(seat)!]);
    assert.deepEqual([release.body["request"], release.body["seat"]], [found.digest, seat]);
  }
  for (const [i, file] of found.reasons.entries()) {
    assert.equal((request.body["reason"] as string[])[i], b64u(sha256(unb64(file))));
    for (const { identity } of found.seats) assert.equal((await opened(file, identity))["text"], found.reason);
  }
});

test("an incident of disclosure opens for each lead", async () => {
  const found = vector("disclosure.json");
  for (const identity of [found.identity, ...found.others]) {
    const document = parseSigned(await opened(found.file, identity));
    const { article, certificate, day, rid, who, what } = document.body;
    const writer = checkCertificate(parseSigned(certificate), readDirectory(found), day as string);
    checkSigned("disclosure", document, [writer.verify_key]);
    assert.deepEqual([article, rid], [found.article, found.rid]);
    assert.deepEqual({ person: writer.person, day, who, what }, found.expected);
  }
});

test("sub-shares are those of the statement, and k of them are the secret", async () => {
  const found = vector("key-split.json");
  const statement = parseSigned(found.document);
  checkSigned("key-split", statement, [found.verify_key]);
  const committed = new Map((statement.body["holders"] as Vector[]).map((line) => [line.holder, line.commitment]));
  const shares: Uint8Array<ArrayBuffer>[] = [];
  for (const { holder, identity, file } of found.holders) {
    const document = await opened(file, identity, 1024);
    assert.deepEqual([document["holder"], document["of"], document["split"]], [holder, found.of, digest(statement)]);
    const share = Uint8Array.from(unb64u(document["share"], 65));
    const label = utf8(`adal/v1/key-share${found.of}\0${holder}\0`);
    assert.equal(b64u(sha256(label, share)), committed.get(holder));
    shares.push(share);
  }
  for (const chosen of [shares.slice(0, found.k), shares.slice(-found.k)]) {
    assert.equal(b64u(await combine(chosen)), found.secret);
  }
});
