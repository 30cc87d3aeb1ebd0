/** Filing and dialogue through HTTP: what the reporter sends the desk opens, what the desk says is checked. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, before, test } from "node:test";
import { Intake, Problem, type Inbox } from "../src/api.js";
import { openAttachment, parseEnvelopes, sealAttachments, type NewAttachment } from "../src/attachments.js";
import { b64u, unb64 } from "../src/base64.js";
import { random, sha256, utf8 } from "../src/bytes.js";
import { checkDirectory } from "../src/directories.js";
import { BadSignature, CryptoError, FormatError, Refused, WrongKey } from "../src/errors.js";
import { openGrant } from "../src/grants.js";
import { HybridIdentity } from "../src/identities.js";
import { openReplies, outcomeDiffers, parseView, proven, type Ended, type InboxView, type Opened } from "../src/inbox.js";
import { sealReport, type SealedReport } from "../src/packages.js";
import { checkPayload, openPayload, sealPayload, type Header } from "../src/payloads.js";
import { checkFiled, checkIncluded } from "../src/promises.js";
import { derive, newReceipt } from "../src/receipts.js";
import { sealCarried } from "../src/reportkeys.js";
import { sealIdentity, sealMessage, sealNewKeys, sealRetaliation } from "../src/sending.js";
import { parseSigned, SigningKey } from "../src/signatures.js";
import { Service } from "./service.js";
import { certify, FIELDS, makeWorld, NOW, type World } from "./world.js";

let world: World;
let service: Service;
let intake: Intake;
let sealed: SealedReport;
let report: HybridIdentity;
let inbox: Inbox;
let view: InboxView;

before(async () => {
  world = await makeWorld();
});

beforeEach(async () => {
  service = new Service(world);
  intake = new Intake(`${await service.start()}/`, "kk");
  const directory = checkDirectory(await intake.directory(), { roots: world.rootKeys, now: new Date(NOW) });
  sealed = await sealReport({
    answers: { what: "invented" }, fields: FIELDS, identity: null, attachments: [], directory, desks: ["central"],
    form: (await intake.form()).version, today: new Date(NOW),
  });
  const filed = await intake.file(sealed.package);
  assert.equal(checkFiled(filed, sealed.package.manifest, directory).leaf, service.leaf);
  report = await openGrant(unb64(sealed.package.grants[0]!.data), world.desk.identity, sealed.package.manifest);
  inbox = await intake.openInbox(sealed.keys.lookup);
  view = await inbox.view();
});

afterEach(() => service.stop());

/** What the desk (or somebody else) puts into the chain of replies. */
async function reply(
  text: string,
  changes: { header?: Partial<Header>; body?: object; signing?: SigningKey; to?: string; files?: NewAttachment[] } = {},
): Promise<void> {
  const by = changes.header?.by ?? "desk";
  const readers = [report.recipient, changes.to ?? sealed.keys.identity.recipient];
  const { files, envelopes } = await sealAttachments(changes.files ?? [], readers);
  const head: Header = { by, dir_seq: 1, rid: view.rid, type: "message", v: 1, ...service.next(by), ...changes.header };
  const body = { attachments: envelopes, text, ...changes.body };
  service.add("message", by, await sealPayload(head, body, changes.signing ?? world.desk.signing, readers));
  for (const file of files) service.add("attachment", by, file);
}

async function read(): Promise<Opened> {
  view = await inbox.view();
  return openReplies(view, sealed.keys, [world.directory], (number) => inbox.part(number));
}

test("the service sees neither receipt nor words nor a cookie, and asks for a fresh challenge each time", () => {
  assert.ok(service.asked >= 2);
  for (const { path, headers, body } of service.seen) {
    const text = path + body + JSON.stringify(headers);
    for (const word of [sealed.receipt, "invented", "AGE-SECRET"]) assert.ok(!text.includes(word), path);
    assert.equal(headers.cookie, undefined);
    assert.equal(headers["accept-language"], "kk");
  }
});

test("the view says when and on what ground custodians opened an identity, and refuses what is no such line", async () => {
  assert.deepEqual(view.openings, [{ day: "2026-11-24", ground: "court" }]);
  const answer = (await viewJson()) as Record<string, unknown>;
  for (const openings of [{}, [1], [{ day: "soon", ground: "court" }], [{ day: "2026-11-24", ground: "a b" }]]) {
    assert.throws(() => parseView({ ...answer, openings }), FormatError);
  }
});

test("replies of desk and certified staff are read in order, with their attachments", async () => {
  const data = random(70000);
  await reply("Қай күні болды?", { files: [{ name: "a.pdf", type: "application/pdf", data }] });
  const staff = { signing: SigningKey.generate(), identity: await HybridIdentity.generate() };
  const certificate = certify(world, staff.identity.recipient, staff.signing.verifyKey);
  await reply("second", { header: { by: "staff" }, signing: staff.signing, body: { certificate } });
  const { replies, rejected } = await read();
  assert.deepEqual(rejected, []);
  assert.deepEqual(replies.map(({ text, by, signer, n }) => [text, by, signer, n]), [
    ["Қай күні болды?", "desk", "central", 0],
    ["second", "staff", "0d1c1b1a-1111-4222-8333-444455556666", 1],
  ]);
  const [line] = replies[0]!.attachments;
  const part = view.parts.find((found) => found.sha256 === line!.file_sha256)!;
  assert.deepEqual(await openAttachment(await inbox.part(part.number), line!, sealed.keys.identity), data);
});

test("a reply that is forged, moved or sealed to somebody else is named, not shown; those around it are", async () => {
  const stranger = SigningKey.generate();
  const uncertified = certify(world, sealed.keys.identity.recipient, stranger.verifyKey, 1);
  await reply("good");
  await reply("forged", { signing: stranger });
  await reply("other report", { header: { rid: b64u(random(32)) } });
  await reply("replayed", { header: { n: 0 } });
  await reply("no chain", { header: { prev: b64u(random(32)) } });
  await reply("one certifier", { header: { by: "staff" }, signing: stranger, body: { certificate: uncertified } });
  await reply("no certificate", { header: { by: "staff" }, signing: stranger });
  await reply("other key", { to: (await HybridIdentity.generate()).recipient });
  await reply("as reporter", { header: { type: "narrative" } });
  await reply("", { body: { text: 7 } });
  await reply("good again");
  const { replies, rejected } = await read();
  assert.deepEqual(replies.map(({ text }) => text), ["good", "good again"]);
  assert.deepEqual(rejected.map(({ reason }) => reason),
    ["signature", "place", "place", "place", "signature", "form", "key", "place", "form"]);
});

test("a file that is not the one of the list is not shown", async () => {
  await reply("good");
  service.parts.at(-1)!.data = utf8("something else");
  assert.deepEqual((await read()).rejected.map(({ reason }) => reason), ["place"]);
});

test("a view with a gap, or of another report, is refused", async () => {
  await reply("one");
  const good = JSON.parse(JSON.stringify(await viewJson()));
  assert.equal(parseView(good).parts.length, 3);
  const wrong = [
    { ...good, rid: b64u(random(32)) }, { ...good, next: { n: 1, prev: good.next.prev } },
    { ...good, parts: good.parts.slice(1) }, { ...good, parts: [...good.parts, good.parts[1]] },
    { ...good, next: { n: 2, prev: b64u(random(32)) } }, { ...good, manifest: {} }, { ...good, parts: null }, null, "x",
  ];
  for (const changed of wrong) assert.throws(() => parseView(changed), CryptoError);
  const gap = parseView({ ...good, parts: good.parts.map((part: { by: string }) =>
    part.by === "desk" ? { ...part, n: 1 } : part) });
  await assert.rejects(openReplies(gap, sealed.keys, [world.directory], (number) => inbox.part(number)), Refused);
});

async function viewJson(): Promise<unknown> {
  const { seen } = service;
  const before = seen.length;
  await inbox.view();
  const token = seen[before]!.headers.authorization!;
  const url = `http://${seen[before]!.headers.host}/api/intake/v1/inbox`;
  return (await fetch(url, { headers: { Authorization: token } })).json();
}

test("a message and an identity reach the desk and the seats' key, each in its place", async () => {
  const data = random(5);
  const attachments = [{ name: "b.txt", type: "text/plain", data }];
  await inbox.message(await sealMessage(view, sealed.keys, world.directory, "Тағы бір сөз", attachments));
  view = await inbox.view();
  const stored = await inbox.identity(await sealIdentity(view, sealed.keys, world.directory, { name: "Invented" }));
  assert.equal(stored.n, 3);
  const [message, file, identity] = service.parts.slice(2);
  const opened = await openPayload(message!.data, report);
  const place = { rid: view.rid, type: "message", by: "reporter", n: 2, prev: service.parts[1]!.sha256 } as const;
  checkPayload(opened, place, sealed.keys.signing.verifyKey);
  assert.equal(opened.body["text"], "Тағы бір сөз");
  const [line] = parseEnvelopes(opened.body["attachments"]);
  assert.deepEqual(await openAttachment(file!.data, line!, report), data);
  assert.equal(identity!.size, 5755);
  await assert.rejects(openPayload(identity!.data, report), CryptoError);
});

test("a report of retaliation is sealed like a message, and is none", async () => {
  const stored = await inbox.retaliation(await sealRetaliation(view, sealed.keys, world.directory, "Мені ауыстырды"));
  assert.equal(stored.n, 2);
  const { role, data } = service.parts[2]!;
  assert.equal(role, "retaliation");
  const opened = await openPayload(data, report);
  const place = { rid: view.rid, type: "retaliation", by: "reporter", n: 2, prev: service.parts[1]!.sha256 } as const;
  checkPayload(opened, place, sealed.keys.signing.verifyKey);
  assert.equal(opened.body["text"], "Мені ауыстырды");
  assert.throws(() => checkPayload(opened, { ...place, type: "message" }, sealed.keys.signing.verifyKey), Refused);
});

test("a message sealed for a place that was taken is a conflict, not a gap", async () => {
  const late = await sealMessage(view, sealed.keys, world.directory, "late");
  await inbox.message(await sealMessage(view, sealed.keys, world.directory, "first"));
  await assert.rejects(inbox.message(late), (error) => error instanceof Problem && error.status === 409);
});

test("a replaced code: the old one is dead, the new one opens the inbox and is told to the desk", async () => {
  await reply("before");
  const receipt = newReceipt();
  const fresh = await derive(receipt);
  await inbox.offerCode(await sealNewKeys(view, sealed.keys, world.directory, fresh));
  await (await intake.openInbox(fresh.lookup)).confirmCode();
  await assert.rejects(intake.openInbox(sealed.keys.lookup), (error) =>
    error instanceof Problem && error.slug === "no-such-receipt");
  const opened = await openPayload(service.parts.at(-1)!.data, report);
  assert.deepEqual(opened.body, {
    reporter: { recipient: fresh.identity.recipient, verify_key: fresh.signing.verifyKey },
  });
  sealed = { ...sealed, keys: fresh };
  inbox = await intake.openInbox(fresh.lookup);
  const { replies, rejected } = await read();
  assert.deepEqual([replies, rejected.map(({ reason }) => reason)], [[], ["key"]]);
  assert.equal(proven(view, fresh, replies), false);
  await reply("after");
  assert.equal(proven(view, fresh, (await read()).replies), true);
});

test("a server that shows another report's keys is caught before anything is sealed to them", () => {
  assert.equal(proven(view, sealed.keys, []), true);
  const foreign = { ...view, signature: SigningKey.generate().sign("manifest", view.manifest) };
  assert.throws(() => proven(foreign, sealed.keys, []), BadSignature);
});

test("the promise is kept when the proof leads to the log's own checkpoint", async () => {
  assert.equal(await intake.proof(view.leaf), null);
  service.published = true;
  const proof = (await intake.proof(view.leaf))!;
  assert.equal(checkIncluded(proof, view.leaf, world.directory).size, 5);
  assert.throws(() => checkIncluded(proof, b64u(random(32)), world.directory), Refused);
  assert.throws(() => checkIncluded(proof.replace("index 3", "index 2"), view.leaf, world.directory), Refused);
  assert.throws(() => checkIncluded(proof.replace(/extra .*\n/, ""), view.leaf, world.directory), FormatError);
  assert.throws(() => checkIncluded(proof, view.leaf, world.directory, 1), Refused);
});

test("an answer with a promise of another record is refused", async () => {
  const answer = await intake.file(sealed.package);
  const good = { promise: answer.promise, record: answer.record, salt: answer.salt };
  const { manifest } = sealed.package;
  checkFiled(good, manifest, world.directory);
  const other = { ...manifest, form: "2026-2" };
  assert.throws(() => checkFiled(good, other, world.directory), Refused);
  assert.throws(() => checkFiled({ ...good, salt: b64u(random(32)) }, manifest, world.directory), Refused);
  assert.throws(() => checkFiled({ ...good, promise: parseSigned({ ...good.promise, signatures: [] }) }, manifest,
    world.directory), BadSignature);
  const elsewhere = { body: { ...good.promise.body, origin: "elsewhere" }, signatures: good.promise.signatures };
  assert.throws(() => checkFiled({ ...good, promise: elsewhere }, manifest, world.directory), Refused);
  assert.equal(b64u(sha256(unb64(sealed.package.parts[0]!.data))), manifest.parts[0]!.sha256);
});

test("no challenge is asked: none is sent", async () => {
  const open = new Service(world, 0);
  try {
    await new Intake(await open.start()).file(sealed.package);
    assert.ok(open.seen.every(({ headers }) => headers["adal-challenge"] === undefined));
  } finally {
    open.stop();
  }
});

/** How the case ended, as desk or staff (or somebody else) put it into the chain. */
async function end(
  kind: string,
  changes: { header?: Partial<Header>; body?: object; signing?: SigningKey; role?: string } = {},
): Promise<void> {
  const by = changes.header?.by ?? "desk";
  const readers = [report.recipient, sealed.keys.identity.recipient];
  const head: Header = { by, dir_seq: 1, rid: view.rid, type: "outcome", v: 1, ...service.next(by), ...changes.header };
  const outcome = { act: null, articles: [], bribe: null, damage: null, gravity: null, kind, value_of_benefits: null };
  const body = { claim: b64u(new Uint8Array(32)), outcome, text: "Іс аяқталды", ...changes.body };
  const file = await sealPayload(head, body, changes.signing ?? world.desk.signing, readers);
  service.add(changes.role ?? "outcome", by, file);
}

test("an outcome is read apart from the replies, and compared with what stands in clear", async () => {
  await reply("wait");
  await end("explained");
  const { replies, outcomes, rejected } = await read();
  assert.deepEqual([replies.map(({ text }) => text), rejected], [["wait"], []]);
  const [{ outcome, n, by, signer }] = outcomes as [Ended];
  assert.deepEqual([outcome.facts.kind, outcome.text, n, by, signer], ["explained", "Іс аяқталды", 1, "desk", "central"]);
  assert.equal(view.outcome, null);
  for (const [kind, differs] of [["explained", false], ["convicted", true]] as const) {
    const seen = parseView({ ...(await viewJson()) as object, outcome: { kind, day: "2026-11-24", labels: {} } });
    assert.equal(outcomeDiffers(seen, outcomes), differs);
  }
  const wrong = { ...(await viewJson()) as object, outcome: { kind: "a b", day: "2026-11-24" } };
  assert.throws(() => parseView(wrong), FormatError);
});

test("an outcome by anybody else, of another report or moved, does not count", async () => {
  await end("explained", { signing: SigningKey.generate() });
  await end("explained", { header: { rid: b64u(random(32)) } });
  await end("explained", { header: { n: 9 } });
  await end("explained", { body: { claim: "short" } });
  await end("explained", { role: "message" });
  await reply("words", { header: { type: "message" } });
  service.parts.at(-1)!.role = "outcome";
  const { replies, outcomes, rejected } = await read();
  assert.deepEqual([replies, outcomes], [[], []]);
  assert.deepEqual(rejected.map(({ reason }) => reason), ["signature", "place", "place", "form", "place", "place"]);
  await assert.rejects(end("explained", { header: { by: "reporter" } }), FormatError);
});

/** The desk gives the report a new key: sealed to the new key and the reporter's. */
async function renew(
  changes: { signing?: SigningKey; by?: "desk" | "staff"; body?: object; rid?: string; to?: string } = {},
): Promise<HybridIdentity> {
  const by = changes.by ?? "desk";
  const key = await HybridIdentity.generate();
  const rid = changes.rid ?? view.rid;
  const head: Header = { by, dir_seq: 1, rid, type: "report-keys", v: 1, ...service.next(by) };
  const body = { report: { recipient: key.recipient }, ...changes.body };
  const readers = [key.recipient, changes.to ?? sealed.keys.identity.recipient];
  service.add("report-keys", by, await sealPayload(head, body, changes.signing ?? world.desk.signing, readers));
  return key;
}

test("after a new report key replies are read and words are sealed to it alone", async () => {
  await reply("before");
  const key = await renew();
  await reply("after");
  const { replies, rejected, newest } = await read();
  assert.deepEqual(rejected, []);
  assert.deepEqual(replies.map(({ text }) => text), ["before", "after"]);
  assert.equal(newest!.recipient, key.recipient);
  await assert.rejects(sealMessage(view, sealed.keys, world.directory, "unlooked"), Refused);
  const sent = await sealMessage(view, sealed.keys, world.directory, "Жаңа кілтке", [], newest);
  assert.equal(sent.key, 2);
  assert.equal((await openPayload(unb64(sent.part), key)).body["text"], "Жаңа кілтке");
  await assert.rejects(openPayload(unb64(sent.part), report), WrongKey);
});

test("a new report key by anybody but the desk and leads changes nothing", async () => {
  const investigator = { signing: SigningKey.generate(), identity: await HybridIdentity.generate() };
  const certificate = certify(world, investigator.identity.recipient, investigator.signing.verifyKey);
  await renew({ signing: SigningKey.generate() });
  await renew({ by: "staff", signing: investigator.signing, body: { certificate } });
  await renew({ rid: b64u(random(32)) });
  await renew({ body: { report: { recipient: "age1pq1x" } } });
  await renew({ to: investigator.identity.recipient });
  const { rejected, newest } = await read();
  assert.deepEqual(rejected.map(({ reason }) => reason), ["signature", "signature", "place", "form", "key"]);
  assert.equal(newest, null);
  const sent = await sealMessage(view, sealed.keys, world.directory, "still", [], newest);
  assert.equal((await openPayload(unb64(sent.part), report)).body["text"], "still");
});

test("a new code carries the newest report key along, and only its own note is believed", async () => {
  const key = await renew();
  const { newest } = await read();
  const fresh = await derive(newReceipt());
  const { carried } = await sealNewKeys(view, sealed.keys, world.directory, fresh, newest);
  const seen = { ...view, carried: unb64(carried!) };
  const fetch = (number: number) => inbox.part(number);
  const found = await openReplies(seen, fresh, [world.directory], fetch);
  assert.deepEqual([found.newest!.recipient, found.rejected], [key.recipient, []]);
  const forged = await sealCarried(view.rid, 1, newest!, { ...fresh, signing: SigningKey.generate() });
  const moved = await sealCarried(view.rid, 1, { ...newest!, part: b64u(random(32)) }, fresh);
  for (const carried of [forged, moved, null]) {
    const { newest, rejected } = await openReplies({ ...view, carried }, fresh, [world.directory], fetch);
    assert.deepEqual([newest, rejected.map(({ reason }) => reason)], [null, ["key"]]);
  }
});
