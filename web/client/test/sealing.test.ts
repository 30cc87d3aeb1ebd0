/** Reports, grants, shares: what was moved, replayed, swapped, unsigned or guessed is refused by every opener. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { openAttachment, parseEnvelopes, safeName, sealAttachment, type Envelope } from "../src/attachments.js";
import { b64, b64u, unb64 } from "../src/base64.js";
import { random, sha256, utf8 } from "../src/bytes.js";
import { checkPackage, parsePackage, SMALL_FILE } from "../src/checks.js";
import { BadSignature, CryptoError, FormatError, Refused, WrongKey } from "../src/errors.js";
import { openGrant, sealGrant } from "../src/grants.js";
import { HybridIdentity } from "../src/identities.js";
import { parseManifest, ridOf, type Manifest } from "../src/manifests.js";
import { openIdentity, openReport } from "../src/opening.js";
import { sealReport, type SealedReport } from "../src/packages.js";
import { frame, padme } from "../src/padding.js";
import { openPart, seal } from "../src/parts.js";
import { checkPayload, openPayload, sealPayload, ZERO32, type Header } from "../src/payloads.js";
import { derive, newReceipt, type ReceiptKeys } from "../src/receipts.js";
import { BadShare, combine, commitment, openShare, splitIdentity } from "../src/shares.js";
import { SigningKey } from "../src/signatures.js";
import { dumps } from "../src/canonical.js";
import { FIELDS, makeWorld, NOW, type World } from "./world.js";

const FILES = [0, 1, 65536, 65537].map((size) => ({ name: `f${size}`, type: "image/jpeg", data: random(size) }));

let world: World;
let receipt: string;
let keys: ReceiptKeys;
let first: SealedReport;
let second: SealedReport;

async function sealOne(changes = {}): Promise<SealedReport> {
  return sealReport({
    answers: { what: "invented" }, fields: FIELDS, identity: null, attachments: FILES, directory: world.directory,
    desks: ["central"], form: "2026-1", receipt, keys, today: new Date(NOW), ...changes,
  });
}

const files = (sealed: SealedReport): Uint8Array[] => sealed.package.parts.map((part) => unb64(part.data));
const grant = (sealed: SealedReport): Uint8Array => unb64(sealed.package.grants[0]!.data);
const share = (sealed: SealedReport, seat: number): Uint8Array => unb64(sealed.package.shares[seat - 1]!.data);
const manifest = (sealed: SealedReport): Manifest => sealed.package.manifest;

async function reportKey(sealed: SealedReport): Promise<HybridIdentity> {
  return openGrant(grant(sealed), world.desk.identity, manifest(sealed));
}

async function openShares(sealed: SealedReport, seats: number[]): Promise<Map<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>();
  for (const seat of seats) {
    found.set(seat, await openShare(share(sealed, seat), world.seats[seat - 1]!, seat, manifest(sealed)));
  }
  return found;
}

before(async () => {
  world = await makeWorld();
  receipt = newReceipt();
  keys = await derive(receipt);
  first = await sealOne({ identity: { name: "Invented", contact: "nowhere" } });
  second = await sealOne();
});

test("a sealed report passes the service's checks and opens for the desk, with attachments of every size", async () => {
  const parsed = parsePackage(JSON.parse(JSON.stringify(first.package)));
  assert.deepEqual(parsed, first.package);
  checkPackage(parsed, world.directory);
  const report = await reportKey(first);
  const opened = await openReport(manifest(first), first.package.signature, files(first), report);
  assert.deepEqual(opened.answers, { what: "invented" });
  assert.deepEqual(opened.differences, []);
  assert.equal(opened.reporter.verify_key, keys.signing.verifyKey);
  for (const [i, line] of opened.envelopes.entries()) {
    assert.deepEqual(await openAttachment(files(first)[2 + i]!, line, report), FILES[i]!.data);
  }
});

test("any k seats, and no fewer, give the identity", async () => {
  for (const seats of [[1, 2], [1, 3], [3, 2]]) {
    const key = await combine(await openShares(first, seats), manifest(first));
    const name = await openIdentity(files(first)[1]!, key, manifest(first), keys.signing.verifyKey);
    assert.deepEqual(name, { name: "Invented", contact: "nowhere" });
  }
  for (const seats of [[], [1], [1, 2, 3]]) {
    await assert.rejects(combine(await openShares(first, seats), manifest(first)), Refused);
  }
});

test("nothing shows from outside whether somebody gave a name", () => {
  for (const sealed of [first, second]) {
    assert.equal(files(sealed)[1]!.length, SMALL_FILE);
    for (const seat of [1, 2, 3]) assert.equal(share(sealed, seat).length, SMALL_FILE);
  }
});

test("an anonymous report opens to no identity, and nobody but the seats opens it", async () => {
  const key = await combine(await openShares(second, [1, 2]), manifest(second));
  assert.equal(await openIdentity(files(second)[1]!, key, manifest(second), keys.signing.verifyKey), null);
  const report = await reportKey(second);
  await assert.rejects(openPart(files(second)[1]!, report), WrongKey);
  await assert.rejects(openShare(share(second, 1), world.desk.identity, 1, manifest(second)), WrongKey);
});

test("the package holds neither the receipt nor a word of the report", () => {
  const text = JSON.stringify(first.package);
  for (const word of [receipt, "invented", "Invented", "nowhere", keys.signing.verifyKey, keys.identity.recipient]) {
    assert.ok(!text.includes(word));
  }
});

test("grants, shares and parts of another report are refused", async () => {
  await assert.rejects(openGrant(grant(first), world.desk.identity, manifest(second)), Refused);
  await assert.rejects(openShare(share(first, 1), world.seats[0]!, 1, manifest(second)), Refused);
  await assert.rejects(openShare(share(first, 1), world.seats[0]!, 2, manifest(first)), Refused);
  const [mine, foreign] = [await openShares(first, [1, 2]), await openShares(second, [2])];
  await assert.rejects(combine(new Map([...mine, ...foreign]), manifest(first)), (error) =>
    error instanceof BadShare && error.seat === 2);
  const report = await reportKey(first);
  const swapped = [files(second)[0]!, ...files(first).slice(1)];
  await assert.rejects(openReport(manifest(first), first.package.signature, swapped, report), Refused);
  await assert.rejects(openReport(manifest(second), second.package.signature, files(second), report), WrongKey);
});

test("a grant whose lines and key disagree is refused", async () => {
  const [a, b] = [await HybridIdentity.generate(), await HybridIdentity.generate()];
  const holder = world.desk.identity;
  const other = { ...manifest(first), rid: ridOf(a.recipient), report_recipient: a.recipient };
  const grantOf = (lines: string): Promise<Uint8Array> => seal(utf8(lines), [holder.recipient]);
  const rid = `# rid: ${ridOf(a.recipient)}`;
  await assert.rejects(
    openGrant(await grantOf(`# adal/v1/grant\n${rid}\n# role: desk\n${b.secret()}\n`), holder, other), Refused);
  const spoiled = [`${rid}\n# role: desk\n${a.secret()}\n`, `# adal/v1/grant\n${rid}\n# role: king\n${a.secret()}\n`,
    `# adal/v1/grant\n${rid}\n# role: desk\n${a.secret()}`, `# adal/v1/grant\n${rid}\n# role: desk\n${a.secret()}\n\n`,
    `# adal/v1/grant\r\n${rid}\n# role: desk\n${a.secret()}\n`, "", "\u00e9"];
  for (const lines of spoiled) await assert.rejects(openGrant(await grantOf(lines), holder, other), FormatError);
  const good = await openGrant(await sealGrant(a, "lead", holder.recipient), holder, other);
  assert.equal(good.secret(), a.secret());
});

test("a share with x = 0, which would choose the secret, and one place twice are refused", async () => {
  const chosen = new Uint8Array(33);
  const target = manifest(first);
  const real = await openShares(first, [2, 3]);
  const zero = { ...target, shares: target.shares.map((line) =>
    line.seat === 1 ? { seat: 1, commitment: commitment(target.rid, 1, chosen) } : line) };
  await assert.rejects(combine(new Map([[1, chosen], [2, real.get(2)!]]), zero), BadShare);
  const copied = real.get(2)!;
  const twice = { ...target, shares: target.shares.map((line) =>
    line.seat === 3 ? { seat: 3, commitment: commitment(target.rid, 3, copied) } : line) };
  await assert.rejects(combine(new Map([[2, copied], [3, copied]]), twice), Refused);
});

test("shares that were committed to, but of another key, give no identity", async () => {
  const forged = await HybridIdentity.generate();
  const rid = manifest(first).rid;
  const sealed = await splitIdentity(forged, rid, world.directory.seats, 2, 1);
  const target = { ...manifest(first), shares: sealed.map(({ seat, commitment }) => ({ seat, commitment })) };
  const honest = { ...target, identity_recipient: forged.recipient };
  const shares = new Map<number, Uint8Array>();
  for (const { seat, data } of sealed.slice(0, 2)) {
    shares.set(seat, await openShare(data, world.seats[seat - 1]!, seat, honest));
  }
  assert.equal((await combine(shares, honest)).secret(), forged.secret());
  await assert.rejects(combine(shares, target), Refused);
});

test("a narrative signed by somebody else, or in another place, is refused", async () => {
  const report = await HybridIdentity.generate();
  const rid = ridOf(report.recipient);
  const header: Header = { by: "reporter", dir_seq: 1, n: 3, prev: ZERO32, rid, type: "message", v: 1 };
  const stranger = SigningKey.generate();
  const file = await sealPayload(header, { attachments: [], text: "x" }, keys.signing, [report.recipient]);
  const opened = await openPayload(file, report);
  const place = { rid, type: "message", by: "reporter", n: 3, prev: ZERO32 } as const;
  checkPayload(opened, place, keys.signing.verifyKey);
  assert.throws(() => checkPayload(opened, place, stranger.verifyKey), BadSignature);
  const wrong = [{ rid: ZERO32 }, { type: "narrative" }, { by: "desk" }, { n: 2 }, { prev: b64u(sha256(file)) }] as const;
  for (const change of wrong) {
    assert.throws(() => checkPayload(opened, { ...place, ...change }, keys.signing.verifyKey), Refused);
  }
});

test("a payload of another form is refused, also when it is signed", async () => {
  const report = await HybridIdentity.generate();
  const header = { by: "reporter", dir_seq: 1, n: 2, prev: ZERO32, rid: ridOf(report.recipient), type: "message", v: 1 };
  const document = (changes: object, body: unknown = {}): Uint8Array => {
    const signed = { body, header: { ...header, ...changes } };
    return dumps({ ...signed, sig: keys.signing.sign("payload", signed) });
  };
  const wrong = [frame(document({ v: 2 })), frame(document({ type: "poem" })), frame(document({ more: 1 })),
    frame(document({ n: -1 })), frame(document({}, [])), frame(document({ dir_seq: 0 })), frame(utf8("{}")),
    frame(document({}), 8192), document({}), frame(document({ type: "identity" }), 5120)];
  for (const plaintext of wrong) {
    await assert.rejects(openPayload(await seal(plaintext, [report.recipient]), report), FormatError);
  }
  await openPayload(await seal(frame(document({})), [report.recipient]), report);
});

test("an identity that does not fit its fixed size is refused, not cut", async () => {
  await assert.rejects(sealOne({ identity: { name: "x".repeat(4000) } }), Refused);
});

test("clear fields hold codes only, desks are those of the directory", async () => {
  for (const fields of [{ ...FIELDS, region: "two words" }, { ...FIELDS, year: "2026" }, { ...FIELDS, extra: "x" }]) {
    await assert.rejects(sealOne({ fields }), FormatError);
  }
  for (const desks of [[], ["nowhere"], ["central", "central"]]) await assert.rejects(sealOne({ desks }), Refused);
  await assert.rejects(sealOne({ today: new Date("2026-10-31T23:59:59Z") }), Refused);
  await assert.rejects(sealOne({ receipt: undefined }), Refused);
});

test("a package that was changed on the way is refused", () => {
  const { package: good } = second;
  const parts = (i: number, data: string): typeof good =>
    ({ ...good, parts: good.parts.map((part, j) => (i === j ? { ...part, data } : part)) });
  const wrong = [
    parts(0, good.parts[1]!.data), parts(2, b64(random(300))), { ...good, parts: good.parts.slice(0, -1) },
    { ...good, grants: [] }, { ...good, grants: [...good.grants, ...good.grants] },
    { ...good, grants: [{ ...good.grants[0]!, desk: "elsewhere" }] },
    { ...good, shares: good.shares.map((line) => ({ ...line, data: good.grants[0]!.data })) },
    { ...good, manifest: { ...good.manifest, dir_seq: 2 } }, { ...good, manifest: { ...good.manifest, directory: ZERO32 } },
    { ...good, manifest: { ...good.manifest, k: 3 } },
  ];
  for (const changed of wrong) assert.throws(() => checkPackage(changed, world.directory), CryptoError);
  const malformed = [null, [], {}, { ...good, extra: 1 }, { ...good, lookup: "AAAA" }, { ...good, signature: "" },
    { ...good, shares: good.shares.slice(1) }, { ...good, parts: [{ role: "poem", data: "" }] }];
  for (const changed of malformed) assert.throws(() => parsePackage(changed), FormatError);
});

test("a manifest that disagrees with itself is refused", () => {
  const good = manifest(first);
  assert.deepEqual(parseManifest(good), good);
  const wrong = [
    { ...good, rid: ZERO32 }, { ...good, k: 1 }, { ...good, k: 4 }, { ...good, n: 2 }, { ...good, v: 2 },
    { ...good, mode: "open" }, { ...good, form: "" }, { ...good, identity_recipient: good.report_recipient },
    { ...good, parts: good.parts.slice(1) }, { ...good, parts: [...good.parts].reverse() },
    { ...good, shares: [...good.shares].reverse() }, { ...good, dir_seq: true }, { ...good, k: "2" },
  ];
  for (const changed of wrong) assert.throws(() => parseManifest(changed), FormatError);
});

test("a clear field that differs from the sealed one is shown, not refused", async () => {
  const changed = { ...manifest(first), fields: { ...FIELDS, region: "75" } };
  const signature = keys.signing.sign("manifest", changed);
  const opened = await openReport(changed, signature, files(first), await reportKey(first));
  assert.deepEqual(opened.differences, ["region"]);
});

test("a manifest that the reporter did not sign is refused", async () => {
  const signature = SigningKey.generate().sign("manifest", manifest(first));
  await assert.rejects(openReport(manifest(first), signature, files(first), await reportKey(first)), BadSignature);
});

test("an attachment counts only with its envelope", async () => {
  const { identity } = keys;
  const data = random(1000);
  const file = await sealAttachment(data, [identity.recipient]);
  assert.equal((await openPart(file, identity)).length, padme(1000));
  const line: Envelope = {
    file_sha256: b64u(sha256(file)), i: 0, name: "a", sha256: b64u(sha256(data)), size: 1000, type: "text/plain",
  };
  assert.deepEqual(await openAttachment(file, line, identity), data);
  assert.deepEqual(await openAttachment(file, { ...line, sha256: null }, identity), data);
  for (const change of [{ size: 999 }, { size: 1001 }, { size: 5000 }, { sha256: ZERO32 }, { file_sha256: ZERO32 }]) {
    await assert.rejects(openAttachment(file, { ...line, ...change }, identity), CryptoError);
  }
  for (const change of [{ i: 1 }, { name: "" }, { name: "x".repeat(256) }, { type: "text" }, { type: "a/b; c=d" }, { size: -1 }]) {
    assert.throws(() => parseEnvelopes([{ ...line, ...change }]), FormatError);
  }
});

test("a hostile file name is made harmless only where it is shown or saved", () => {
  const line: Envelope = { file_sha256: ZERO32, i: 4, name: "", sha256: null, size: 0, type: "a/b" };
  const names = { "../../etc/passwd": "passwd", "C:\\a\\b.txt": "b.txt", "a\u202egnp.exe": "agnp.exe", "...": "attachment-5",
    ".hidden": "hidden", "a\u0000b": "ab", "хат.pdf": "хат.pdf" };
  for (const [name, safe] of Object.entries(names)) assert.equal(safeName({ ...line, name }), safe);
});
