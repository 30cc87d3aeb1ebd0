/** A small service behind the public API, with the world's keys: it checks what it gets and answers as the real one. */

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createChallenge, verifySolution } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/pbkdf2";
import { b64u, unb64 } from "../src/base64.js";
import { random, sha256 } from "../src/bytes.js";
import { checkPackage, parsePackage } from "../src/checks.js";
import type { PartInfo } from "../src/inbox.js";
import type { Package } from "../src/packages.js";
import { checkPart } from "../src/parts.js";
import { ZERO32 } from "../src/payloads.js";
import { entry, leafHash, makePromise, reportRecord } from "../src/promises.js";
import { ORIGIN, proofOf, type World } from "./world.js";

const SECRET = "invented secret of the door";
const DAY = "2026-11-24";

type Stored = PartInfo & { data: Uint8Array };
type Answer = [status: number, body: unknown];

export class Service {
  asked = 0;
  published = false;
  codeReplacedOn: string | null = null;
  package: Package | null = null;
  parts: Stored[] = [];
  leaf = "";
  readonly seen: { path: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  readonly #random = random(32);
  readonly #spent = new Set<string>();
  #lookup = "";
  #pending = "";
  #server: Server;

  constructor(private readonly world: World, readonly difficulty = 1) {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Store a part as if desk, staff or reporter had sent it. */
  add(role: string, by: Stored["by"], data: Uint8Array): Stored {
    const chain = this.parts.filter((part) => part.n !== null && (part.by === "reporter") === (by === "reporter"));
    const n = role === "attachment" ? null : chain.length;
    const number = this.parts.length;
    const part: Stored = { number, role, by, n, size: data.length, sha256: b64u(sha256(data)), day: DAY, data };
    this.parts.push(part);
    return part;
  }

  next(by: Stored["by"]): { n: number; prev: string } {
    const chain = this.parts.filter((part) => part.n !== null && (part.by === "reporter") === (by === "reporter"));
    return { n: chain.length, prev: chain.at(-1)?.sha256 ?? ZERO32 };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const path = request.url!.replace("/api/intake/v1", "");
    this.seen.push({ path, headers: request.headers, body });
    const [status, answer] = await this.#answer(path, request, body === "" ? null : JSON.parse(body));
    response.statusCode = status;
    if (answer instanceof Uint8Array || typeof answer === "string") response.end(answer);
    else response.end(answer === null ? undefined : JSON.stringify(answer));
  }

  async #answer(path: string, { headers, method }: IncomingMessage, body: Record<string, never>): Promise<Answer> {
    if (path === "/key-directory") return [200, this.world.document];
    if (path === "/form") return [200, { version: "2026-1" }];
    if (path === "/challenge") return this.#challenge();
    if (path.startsWith("/log/proofs/")) return this.#proof(path);
    if (path === "/packages" || path === "/inbox/sessions") {
      if (!(await this.#solved(headers["adal-challenge"]))) return problem(403, "challenge");
      return path === "/packages" ? this.#file(body, headers["idempotency-key"]) : this.#session(body);
    }
    const pending = headers.authorization === "Bearer pending";
    if (path === "/inbox/code/confirm" && pending) return this.#confirm();
    if (headers.authorization !== "Bearer token") return problem(401, "unauthorised");
    return method === "POST" ? this.#append(path, body) : this.#read(path);
  }

  async #challenge(): Promise<Answer> {
    this.asked++;
    if (this.difficulty === 0) return [204, null];
    const options = { algorithm: "PBKDF2/SHA-256", cost: this.difficulty, keyPrefix: "0", deriveKey };
    return [200, await createChallenge({ ...options, hmacSignatureSecret: SECRET })];
  }

  async #solved(payload: unknown): Promise<boolean> {
    if (this.difficulty === 0) return true;
    if (typeof payload !== "string" || this.#spent.has(payload)) return false;
    this.#spent.add(payload);
    const found = JSON.parse(Buffer.from(payload, "base64").toString());
    return (await verifySolution({ ...found, deriveKey, hmacSignatureSecret: SECRET })).verified;
  }

  #file(body: unknown, key: unknown): Answer {
    if (typeof key !== "string" || !/^[A-Za-z0-9_-]{22,64}$/.test(key)) return problem(400, "idempotency");
    const found = parsePackage(body);
    checkPackage(found, this.world.directory);
    this.package = found;
    this.#lookup = found.lookup;
    for (const { role, data } of found.parts) this.add(role, "reporter", unb64(data));
    const record = reportRecord(found.manifest, DAY);
    const salt = b64u(random(32));
    this.leaf = leafHash(salt, record);
    const promise = makePromise(this.leaf, DAY, ORIGIN, this.world.log);
    return [201, { reference: "AAAA-BBBB-CC", rid: found.manifest.rid, day: DAY, register_by: DAY, promise, record, salt }];
  }

  #session({ lookup }: { lookup?: string }): Answer {
    if (lookup === this.#lookup) return [201, { token: "token", expires_in: 1800 }];
    return lookup === this.#pending ? [201, { token: "pending", expires_in: 1800 }] : problem(404, "no-such-receipt");
  }

  #confirm(): Answer {
    this.#lookup = this.#pending;
    this.codeReplacedOn = DAY;
    return [204, null];
  }

  #proof(path: string): Answer {
    if (!this.published || path !== `/log/proofs/${this.leaf}`) return problem(404, "not-published");
    const entries = Array.from({ length: 5 }, () => random(64));
    entries[3] = entry(this.#random, this.leaf);
    return [200, proofOf(this.world, entries, 3)];
  }

  #read(path: string): Answer {
    const number = /^\/inbox\/parts\/(\d+)$/.exec(path)?.[1];
    if (number !== undefined) return [200, this.parts[Number(number)]!.data];
    const { manifest, signature } = this.package!;
    return [200, {
      reference: "AAAA-BBBB-CC", rid: manifest.rid, state: "received", states: [{ state: "received", day: DAY }],
      mode: "sealed", filed_on: DAY, code_replaced_on: this.codeReplacedOn, code_pending: false, manifest, signature,
      leaf: this.leaf, published: this.published, parts: this.parts.map(({ data: _, ...line }) => line),
      next: this.next("reporter"),
      openings: [{ day: DAY, ground: "court", labels: { kk: "k", ru: "r", en: "e" } }],
    }];
  }

  #append(path: string, body: { n?: number; part?: string; attachments?: string[]; lookup?: string }): Answer {
    const { n } = this.next("reporter");
    if (body.n !== n) return problem(409, "conflict");
    for (const file of [body.part!, ...(body.attachments ?? [])]) checkPart(unb64(file));
    const role = { "/inbox/messages": "message", "/inbox/identity": "identity", "/inbox/retaliation": "retaliation", "/inbox/code": "reporter-keys" }[path]!;
    const { number, sha256 } = this.add(role, "reporter", unb64(body.part!));
    for (const file of body.attachments ?? []) this.add("attachment", "reporter", unb64(file));
    if (path === "/inbox/code") this.#pending = body.lookup!;
    return path === "/inbox/code" ? [202, null] : [201, { number, n, sha256 }];
  }
}

function problem(status: number, slug: string): Answer {
  return [status, { type: `urn:adal:problem:${slug}`, title: slug, status, detail: `Not possible: ${randomUUID()}` }];
}
