/**
 * A thin client of the public API (`/api/intake/v1`): no cookies, no cache, no redirects, nothing logged. It sends what
 * the other modules sealed and hands back what they check; it believes nothing itself.
 */

import type { Challenge } from "altcha-lib";
import { b64u } from "./base64.js";
import { random } from "./bytes.js";
import type { JsonObject } from "./canonical.js";
import { solve } from "./challenge.js";
import { FormatError } from "./errors.js";
import { parseView, type InboxView } from "./inbox.js";
import type { AnyPart, Package } from "./packages.js";
import { bytes32, instant, integer } from "./rules.js";
import type { NewPart, NewWords } from "./sending.js";
import { parseSigned, type Signed } from "./signatures.js";

export interface Filed {
  reference: string;
  rid: string;
  day: string;
  /** The last day to register it; null while the working days of that year are not known. */
  register_by: string | null;
  promise: Signed;
  record: JsonObject;
  salt: string;
}

/** A place for uploads before the report is filed. Who knows `draft` may write to it. */
export interface Draft {
  draft: string;
  expires: Date;
  /** The largest upload. */
  max_bytes: number;
  max_uploads: number;
}

export type Stored = { number: number; n: number; sha256: string };

/** The service said no (RFC 9457): `slug` is stable, `detail` is in the language asked for. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    readonly status: number,
    readonly slug: string,
    readonly detail: string,
  ) {
    super(`${status} ${slug}`);
  }
}

/** 128 random bits and more: repeat a broken request with the same key and it is done once. */
export function idempotencyKey(): string {
  return b64u(random(24));
}

type Options = { body?: unknown; headers?: Record<string, string> };

export class Intake {
  readonly #prefix: string;

  constructor(
    baseUrl: string,
    readonly language = "en",
  ) {
    this.#prefix = `${baseUrl.replace(/\/+$/, "")}/api/intake/v1`;
  }

  /** The key directory, not yet checked: see `checkDirectory`. */
  async directory(): Promise<Signed> {
    return parseSigned(await this.#json("/key-directory"));
  }

  async form(): Promise<JsonObject & { version: string }> {
    return this.#json("/form");
  }

  /** A draft for uploads of a sealed report; see uploads.ts. Its challenge is the one of the filing. */
  async openDraft(): Promise<Draft> {
    const found = await this.#atDoor<JsonObject>("/drafts", { mode: "sealed" });
    return {
      draft: bytes32(found["draft"]),
      expires: instant(found["expires"]),
      max_bytes: integer(found["max_bytes"]),
      max_uploads: integer(found["max_uploads"]),
    };
  }

  /** Where uploads go, as this client was told where the service is. */
  get uploads(): string {
    return `${this.#prefix}/uploads`;
  }

  /**
   * File a sealed package, with the draft where its uploads are; pass the same key again after a broken connection.
   */
  async file(sealed: Package<AnyPart>, key = idempotencyKey(), draft?: Draft): Promise<Filed> {
    const headers = { "Idempotency-Key": key };
    const found = draft
      ? await this.#json<Filed>("/packages", { body: sealed, headers: { ...headers, ...bearer(draft) } })
      : await this.#atDoor<Filed>("/packages", sealed, headers);
    return { ...found, promise: parseSigned(found.promise) };
  }

  /** The proof file of a leaf, or null while the log is not published. */
  async proof(leaf: string): Promise<string | null> {
    try {
      return await (await this.#send(`/log/proofs/${leaf}`)).text();
    } catch (error) {
      if (error instanceof Problem && error.slug === "not-published") return null;
      throw error;
    }
  }

  /** Open the inbox of a receipt with its lookup value; the receipt itself stays here. */
  async openInbox(lookup: string): Promise<Inbox> {
    const { token } = await this.#atDoor<{ token: string }>("/inbox/sessions", { lookup });
    const headers = { Authorization: `Bearer ${token}` };
    return new Inbox((path, options) => this.#send(path, { ...options, headers: { ...headers, ...options?.headers } }));
  }

  /** Send with a solved challenge; once more with a new one if that one was spent or too old. */
  async #atDoor<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
    const attempt = async (): Promise<T> =>
      this.#json(path, { body, headers: { ...headers, ...(await this.#challenge()) } });
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Problem) || error.slug !== "challenge") throw error;
      return attempt();
    }
  }

  async #challenge(): Promise<Record<string, string>> {
    const answer = await this.#send("/challenge");
    if (answer.status === 204) return {};
    return { "Adal-Challenge": await solve(await parsed<Challenge>(answer)) };
  }

  async #json<T>(path: string, options?: Options): Promise<T> {
    return parsed(await this.#send(path, options));
  }

  async #send(path: string, options: Options = {}): Promise<Response> {
    const { body, headers } = options;
    const init: RequestInit = {
      headers: { "Accept-Language": this.language, ...headers },
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    };
    if (body !== undefined) {
      init.method = "POST";
      init.body = JSON.stringify(body);
      init.headers = { ...init.headers, "Content-Type": "application/json" };
    }
    const answer = await fetch(this.#prefix + path, init);
    if (!answer.ok) throw await problem(answer);
    return answer;
  }
}

/** An open inbox; its token lasts half an hour. */
export class Inbox {
  constructor(private readonly send: (path: string, options?: Options) => Promise<Response>) {}

  async view(): Promise<InboxView> {
    return parseView(await parsed(await this.send("/inbox")));
  }

  /** The age file of a part that desk or staff wrote. */
  async part(number: number): Promise<Uint8Array> {
    return new Uint8Array(await (await this.send(`/inbox/parts/${number}`)).arrayBuffer());
  }

  /** A part of `sealMessage`. Error: Problem 409 when its place was taken meanwhile: load the view and seal anew. */
  message(part: NewWords, key = idempotencyKey()): Promise<Stored> {
    return this.#post("/inbox/messages", part, key);
  }

  /** Report retaliation: sealed like a message; the case is flagged and protection runs from this day. */
  retaliation(part: NewWords, key = idempotencyKey()): Promise<Stored> {
    return this.#post("/inbox/retaliation", part, key);
  }

  /** A part of `sealIdentity`. */
  identity(part: NewPart, key = idempotencyKey()): Promise<Stored> {
    return this.#post("/inbox/identity", part, key);
  }

  /** A part of `sealNewKeys`: the old code works until the inbox was opened with the new one and `confirmCode` said so. */
  async offerCode(part: NewPart & { lookup: string; carried?: string }): Promise<void> {
    await this.send("/inbox/code", { body: part });
  }

  async confirmCode(): Promise<void> {
    await this.send("/inbox/code/confirm", { body: {} });
  }

  async #post<T>(path: string, body: unknown, key: string): Promise<T> {
    return parsed(await this.send(path, { body, headers: { "Idempotency-Key": key } }));
  }
}

/** The header that opens a draft. */
export function bearer({ draft }: Draft): { Authorization: string } {
  return { Authorization: `Bearer ${draft}` };
}

async function parsed<T>(answer: Response): Promise<T> {
  try {
    return (await answer.json()) as T;
  } catch {
    throw new FormatError("the answer is not JSON");
  }
}

/** What an answer that is not `ok` says. */
export async function problem(answer: Pick<Response, "status" | "json">): Promise<Problem> {
  const found = (await answer.json().catch(() => ({}))) as { type?: unknown; detail?: unknown };
  const slug = String(found.type ?? "unknown").split(":").at(-1)!;
  return new Problem(answer.status, slug, String(found.detail ?? ""));
}
