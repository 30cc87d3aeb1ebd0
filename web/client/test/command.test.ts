/** The command of scripts/report.ts, run as a program against a small service: one JSON object out, no secret in. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sealAttachments } from "../src/attachments.js";
import { unb64 } from "../src/base64.js";
import { random } from "../src/bytes.js";
import { openGrant } from "../src/grants.js";
import { openReport } from "../src/opening.js";
import { sealPayload } from "../src/payloads.js";
import { signDocument } from "../src/signatures.js";
import { Service } from "./service.js";
import { FIELDS, makeWorld, type World } from "./world.js";

const PROGRAM = new URL("../scripts/report.js", import.meta.url).pathname;

let world: World;
let service: Service;
let url: string;
let folder: string;

before(async () => {
  world = await makeWorld();
  // The command takes the present from the clock, so the directory is made valid around it.
  const day = 24 * 3600 * 1000;
  const at = (shift: number): string => `${new Date(Date.now() + shift * day).toISOString().slice(0, 19)}Z`;
  const [desk] = world.body["desks"] as { [name: string]: string }[];
  world.body["desks"] = [{ ...desk!, month: at(0).slice(0, 7) }];
  Object.assign(world.body, { valid_from: at(-1), valid_until: at(30) });
  world.document = signDocument("directory", world.body, world.roots.slice(1));
  const { parseDirectory } = await import("../src/directories.js");
  world.directory = parseDirectory(world.document);
  service = new Service(world);
  url = await service.start();
  folder = mkdtempSync(join(tmpdir(), "adal-client-"));
});

after(() => {
  service.stop();
  rmSync(folder, { recursive: true });
});

/** What came out is looked at, not typed. */
type Ran = { code: number | null; out: Record<string, any>; error: string };

function run(command: string, input: unknown, roots = world.rootKeys.join(",")): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, command, url, roots, "-"]);
  let [out, error] = ["", ""];
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (error += data.toString()));
  child.stdin.end(JSON.stringify(input));
  return new Promise((done) =>
    child.on("close", (code) => done({ code, out: out === "" ? {} : JSON.parse(out), error })));
}

test("a report is filed, answered, and added to with nothing but its receipt", async () => {
  const path = join(folder, "photo.jpg");
  const bytes = random(70001);
  writeFileSync(path, bytes);
  const input = {
    answers: { what: "marker-7193" }, fields: FIELDS, mode: "confidential", identity: { name: "Invented" },
    attachments: [path, { path, name: "хат.txt", type: "text/plain" }],
  };
  const filed = await run("file", input);
  assert.equal(filed.error, "");
  const { receipt, reference, promise } = filed.out;
  assert.match(receipt!, /^[0-9]{24}$/);
  assert.equal(reference, "AAAA-BBBB-CC");
  assert.ok(promise);
  assert.ok(!service.seen.some(({ body }) => body.includes("marker-7193") || body.includes(receipt!)));

  const { manifest, signature, grants, parts } = service.package!;
  const report = await openGrant(unb64(grants[0]!.data), world.desk.identity, manifest);
  const opened = await openReport(manifest, signature, parts.map((part) => unb64(part.data)), report);
  assert.deepEqual(opened.answers, { what: "marker-7193", mode: "confidential" });
  assert.deepEqual(opened.envelopes.map(({ name, size }) => [name, size]), [["photo.jpg", 70001], ["хат.txt", 70001]]);

  const readers = [report.recipient, opened.reporter.recipient];
  const { files, envelopes } = await sealAttachments([{ name: "../ask.bin", type: "a/b", data: bytes }], readers);
  const head = { by: "desk", dir_seq: 1, rid: manifest.rid, type: "message", v: 1, ...service.next("desk") } as const;
  const body = { attachments: envelopes, text: "When?" };
  service.add("message", "desk", await sealPayload(head, body, world.desk.signing, readers));
  service.add("attachment", "desk", files[0]!);
  service.published = true;

  const visit = await run("inbox", { receipt, message: { text: "Today" }, identity: { name: "X" }, save: folder });
  assert.equal(visit.error, "");
  const { replies, included, sent } = visit.out;
  assert.equal(included, true);
  assert.deepEqual(Object.keys(sent), ["message", "identity"]);
  const [reply] = replies as { text: string; attachments: { path: string; found: boolean }[] }[];
  assert.equal(reply!.text, "When?");
  const saved = reply!.attachments[0]!.path;
  assert.equal(saved, join(folder, "4-0-ask.bin"));
  assert.deepEqual(new Uint8Array(readFileSync(saved)), bytes);
  assert.equal(statSync(saved).mode & 0o777, 0o600);
});

test("a directory of other roots stops everything before a word is sealed", async () => {
  const asked = service.seen.length;
  const other = await makeWorld();
  const { code, error } = await run("file", { answers: {}, fields: FIELDS }, other.rootKeys.join(","));
  assert.equal(code, 1);
  assert.match(error, /BadSignature/);
  assert.deepEqual(service.seen.slice(asked).map(({ path }) => path), ["/key-directory"]);
});

test("errors are fixed texts and repeat nothing that was typed", async () => {
  for (const receipt of ["5", "123456789012345678901234", "x".repeat(300)]) {
    const { code, error } = await run("inbox", { receipt });
    assert.equal(code, 1);
    assert.match(error, /ReceiptError/);
    assert.ok(receipt.length < 5 || !error.includes(receipt));
  }
  assert.equal((await run("nonsense", {})).code, 1);
});
