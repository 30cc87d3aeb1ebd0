/** Writes from-ts-package.json and from-ts-reply.json of the shared vectors, for the Python twin to open. */

import { writeFileSync } from "node:fs";
import { sealAttachments } from "../src/attachments.js";
import { b64, b64u } from "../src/base64.js";
import { utf8 } from "../src/bytes.js";
import { HybridIdentity } from "../src/identities.js";
import { ridOf } from "../src/manifests.js";
import { sealReport } from "../src/packages.js";
import { sealPayload, ZERO32, type Header } from "../src/payloads.js";
import { derive, newReceipt } from "../src/receipts.js";
import { FOLDER, type Vector } from "../test/readers.js";
import { FIELDS, makeWorld, NOW, type World } from "../test/world.js";

const ATTACHMENTS = [
  { name: "хат «құпия».txt", type: "text/plain", data: utf8("Invented evidence.\n") },
  { name: "empty.bin", type: "application/octet-stream", data: new Uint8Array() },
  { name: "two chunks.bin", type: "application/octet-stream", data: new Uint8Array(3001).map((_, i) => i % 251) },
];

async function makePackage(world: World): Promise<Vector> {
  const answers = { what: "Ойдан шығарылған оқиға: a doctor asked for money.", witnesses: 2, "€ \u{1f512}": [true, null] };
  const identity = { name: "Айгүл Ойданқызы", contact: "+7 700 000 00 00" };
  const sealed = await sealReport({
    answers,
    fields: FIELDS,
    identity,
    attachments: ATTACHMENTS,
    directory: world.directory,
    desks: [world.desk.id],
    form: "2026-1",
    today: new Date(NOW),
  });
  const { manifest } = sealed.package;
  return {
    roots: world.rootKeys,
    now: NOW,
    directory: world.document,
    desk: { id: world.desk.id, identity: world.desk.identity.secret(), seed: b64u(world.desk.signing.seed()) },
    seats: world.seats.map((seat, i) => ({ seat: i + 1, identity: seat.secret() })),
    receipt: sealed.receipt,
    package: sealed.package,
    expected: {
      rid: manifest.rid,
      mode: "sealed",
      form: "2026-1",
      answers,
      fields: FIELDS,
      identity,
      attachments: ATTACHMENTS.map(({ name, type, data }) => ({ name, type, data: b64(data) })),
      reporter: { recipient: sealed.keys.identity.recipient, verify_key: sealed.keys.signing.verifyKey },
    },
  };
}

async function makeReply(world: World): Promise<Vector> {
  const receipt = newReceipt();
  const { identity } = await derive(receipt);
  const report = await HybridIdentity.generate();
  const readers = [report.recipient, identity.recipient];
  const { files, envelopes } = await sealAttachments(ATTACHMENTS.slice(0, 1), readers);
  const rid = ridOf(report.recipient);
  const header: Header = { by: "desk", dir_seq: 1, n: 0, prev: ZERO32, rid, type: "message", v: 1 };
  const body = { attachments: envelopes, text: "Рахмет. Қай күні болды?" };
  const file = await sealPayload(header, body, world.desk.signing, readers);
  return {
    receipt,
    report_identity: report.secret(),
    rid,
    verify_key: world.desk.signing.verifyKey,
    file: b64(file),
    header,
    body,
    attachments: files.map((data) => ({ file: b64(data), data: b64(ATTACHMENTS[0]!.data) })),
  };
}


function write(name: string, value: Vector): void {
  writeFileSync(new URL(name, FOLDER), `${JSON.stringify(value, null, 1)}\n`);
}

const world = await makeWorld();
write("from-ts-package.json", await makePackage(world));
write("from-ts-reply.json", await makeReply(world));
