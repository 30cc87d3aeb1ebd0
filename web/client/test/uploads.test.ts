/**
 * Uploads to a service that fails or means harm. That a large file arrives whole over a bad line is tested against the
 * real one, in tests/system/test_node_uploads.py.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { Intake, Problem, type Draft } from "../src/api.js";
import { b64u } from "../src/base64.js";
import { concat, random, sha256 } from "../src/bytes.js";
import { Refused } from "../src/errors.js";
import type { SealedStream } from "../src/streams.js";
import { blobSpool, UploadBroken, uploader, type UploadOptions } from "../src/uploads.js";

const PREFIX = "/api/intake/v1/uploads";
const FILE = random((9 << 20) + 5); // three requests
type Seen = { method: string; path: string; headers: IncomingMessage["headers"]; size: number };
type Answer = { status: number; headers?: Record<string, string>; body?: string; cut?: true };

let server: Server;
let url: string;
let seen: Seen[];
let stored: Uint8Array;
/** What this service does instead of its duty. */
let instead: (request: Seen) => Answer | undefined;

beforeEach(async () => {
  [seen, stored, instead] = [[], new Uint8Array(), () => undefined];
  server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = concat(...pieces);
  const line = { method: request.method!, path: request.url!, headers: request.headers, size: body.length };
  seen.push(line);
  const { status, headers, body: text, cut } = instead(line) ?? honest(line, body);
  if (cut) return void request.socket.destroy();
  response.writeHead(status, { "Tus-Resumable": "1.0.0", ...headers }).end(text);
}

function honest({ method, headers }: Seen, body: Uint8Array): Answer {
  if (method === "POST") return { status: 201, headers: { Location: `${PREFIX}/${randomUUID()}` } };
  const at = { "Upload-Offset": String(stored.length), "Upload-Length": String(FILE.length) };
  if (method === "HEAD") return { status: 200, headers: at };
  if (Number(headers["upload-offset"]) !== stored.length) return { status: 409 };
  stored = concat(stored, body);
  return { status: 204, headers: { "Upload-Offset": String(stored.length) } };
}

function draft(): Draft {
  return { draft: b64u(random(32)), expires: new Date(), max_bytes: 1 << 30, max_uploads: 20 };
}

function sealed(data = FILE): SealedStream {
  const stream = new Blob([data as Uint8Array<ArrayBuffer>]).stream();
  return { size: data.length, stream, sums: () => ({ sha256: "", file_sha256: b64u(sha256(data)) }) };
}

function send(options: UploadOptions = {}, place = draft(), file = sealed()): Promise<string> {
  return uploader(new Intake(url, "kk"), place, { retryDelays: [1, 1, 1], ...options })(file);
}

test("a file goes in pieces, tells nothing but its size, and every request carries the draft", async () => {
  const place = draft();
  const progress: number[] = [];
  const id = await send({ onProgress: (done, total) => progress.push(done, total) }, place);
  assert.deepEqual(stored, FILE);
  assert.equal(seen.at(-1)!.path, `${PREFIX}/${id}`);
  assert.deepEqual(seen.map(({ method, size }) => [method, size]), [
    ["POST", 0], ["PATCH", 4 << 20], ["PATCH", 4 << 20], ["PATCH", (1 << 20) + 5],
  ]);
  assert.deepEqual(progress.filter((_, i) => i % 2 === 0), [4 << 20, 8 << 20, FILE.length]);
  for (const { headers } of seen) {
    assert.equal(headers.authorization, `Bearer ${place.draft}`);
    assert.equal(headers["tus-resumable"], "1.0.0");
    assert.equal(headers["accept-language"], "kk");
    for (const name of ["upload-metadata", "cookie", "x-request-id"]) assert.equal(headers[name], undefined);
  }
  assert.equal(seen[0]!.headers["upload-length"], String(FILE.length));
});

test("a cut is followed by a question how far it came", async () => {
  let cuts = 0;
  instead = ({ method }) => (method === "PATCH" && stored.length > 0 && cuts++ < 2 ? { status: 0, cut: true } : undefined);
  await send();
  assert.deepEqual(stored, FILE);
  const methods = seen.map(({ method }) => method).join(" ");
  assert.equal(methods, "POST PATCH PATCH HEAD PATCH HEAD PATCH PATCH");
});

test("a line that stays cut ends it with an error that quotes nothing", async () => {
  instead = ({ method }) => (method === "PATCH" ? { status: 0, cut: true } : undefined);
  await assert.rejects(send(), (error: Error) => error instanceof UploadBroken && error.message === "the upload broke off");
  assert.equal(seen.filter(({ method }) => method === "PATCH").length, 4);
});

test("a refusal of the service is told as such, at once", async () => {
  for (const [status, slug] of [[410, "draft-gone"], [413, "too-large"], [401, "unauthorised"], [507, "storage"]] as const) {
    const before = seen.length;
    const body = JSON.stringify({ type: `urn:adal:problem:${slug}`, detail: "No." });
    instead = () => ({ status, body });
    await assert.rejects(send(), (error) => error instanceof Problem && error.status === status && error.slug === slug);
    assert.equal(seen.length, before + 1);
  }
  instead = () => ({ status: 400, body: "<html>" });
  await assert.rejects(send(), (error) => error instanceof Problem && error.slug === "unknown");
});

test("what passes is tried again: an error of a gateway, another writer", async () => {
  for (const status of [502, 503, 423, 429]) {
    let once = true;
    stored = new Uint8Array();
    instead = ({ method }) => {
      if (method !== "PATCH" || !once) return undefined;
      once = false;
      return { status };
    };
    await send();
    assert.deepEqual(stored, FILE, String(status));
  }
});

test("the secret of a draft goes to no other address than those of uploads", async () => {
  const elsewhere = [
    `http://127.0.0.1:1${PREFIX}/${randomUUID()}`, `${PREFIX}/../inbox`, `${PREFIX}/${randomUUID()}?x`,
    `//other.example${PREFIX}/${randomUUID()}`, `${PREFIX}x/${randomUUID()}`, "/", `${PREFIX}/${randomUUID()}/more`,
  ];
  for (const Location of elsewhere) {
    const before = seen.length;
    instead = () => ({ status: 201, headers: { Location } });
    await assert.rejects(send(), Refused, Location);
    assert.equal(seen.length, before + 1);
  }
  instead = () => ({ status: 307, headers: { Location: `http://127.0.0.1:1${PREFIX}` } });
  await assert.rejects(send({ retryDelays: [] }), UploadBroken);
});

test("a file that is larger than the draft allows is not begun", async () => {
  await assert.rejects(send({}, { ...draft(), max_bytes: FILE.length - 1 }), Refused);
  assert.equal(seen.length, 0);
});

test("an upload can be ended, and its bytes are let go in every case", async () => {
  let removed = 0;
  const spool = () => {
    const made = blobSpool();
    return { ...made, remove: async () => void (removed++, await made.remove()) };
  };
  const controller = new AbortController();
  const reason = new Error("enough");
  instead = ({ method }) => (method === "PATCH" ? void controller.abort(reason) : undefined);
  await assert.rejects(send({ spool, signal: controller.signal }), reason);
  await assert.rejects(send({ spool, signal: AbortSignal.abort(reason) }), reason);
  instead = () => ({ status: 410 });
  await assert.rejects(send({ spool }), Problem);
  instead = () => undefined;
  stored = new Uint8Array();
  await send({ spool });
  assert.equal(removed, 4);
  const broken: SealedStream = { ...sealed(), stream: new ReadableStream({ start: (c) => c.error(new Refused("x")) }) };
  await assert.rejects(send({ spool }, draft(), broken), Refused);
  assert.equal(removed, 5);
});
