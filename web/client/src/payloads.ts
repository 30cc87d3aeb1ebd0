/**
 * What is inside a sealed part: a header that binds it to a report and a place in it, a body, a signature. A part
 * moved to another report, replayed in another place, unsigned or signed by somebody else is refused.
 */

import { b64u, unb64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import { dumps, isObject, loads, members, type JsonObject } from "./canonical.js";
import { FormatError, Refused } from "./errors.js";
import type { HybridIdentity } from "./identities.js";
import { frame, LEAST, unframe } from "./padding.js";
import { openPart, seal } from "./parts.js";
import { bytes32, integer, oneOf, version } from "./rules.js";
import { verify, type SigningKey } from "./signatures.js";

/** 32 zero bytes, base64url: the `prev` of the first part of a chain. */
export const ZERO32 = b64u(new Uint8Array(32));
const TYPES = ["narrative", "identity", "message", "reporter-keys", "retaliation", "report-keys", "outcome"] as const;
const AUTHORS = ["reporter", "desk", "staff"] as const;

/** Type, author, report, directory, place `n` in the author's chain and the hash of the file before. */
export type Header = {
  by: (typeof AUTHORS)[number];
  dir_seq: number;
  n: number;
  prev: string;
  rid: string;
  type: (typeof TYPES)[number];
  v: 1;
};

/** Opened, but its author is not believed before `checkPayload`. */
export interface OpenedPayload {
  header: Header;
  body: JsonObject;
  sig: string;
  fileSha256: string;
}

export type Place = Pick<Header, "rid" | "type" | "by" | "n" | "prev">;

/** The age file of a signed payload. Errors: FormatError; Refused if an identity does not fit 4 KiB. */
export async function sealPayload(
  header: Header,
  body: unknown,
  signing: SigningKey,
  recipients: readonly string[],
): Promise<Uint8Array> {
  const signed = { body, header: parseHeader(header) };
  const document = dumps({ ...signed, sig: signing.sign("payload", signed) });
  return seal(frame(document, exact(header)), recipients);
}

/** Open a part and check rule, padding and form, not yet whose it is. Errors: FormatError, WrongKey, Refused. */
export async function openPayload(file: Uint8Array, identity: HybridIdentity): Promise<OpenedPayload> {
  const plaintext = await openPart(file, identity);
  // The size is checked once the header says which rule holds; until then any size finds the document.
  const found = members(loads(unframe(plaintext, plaintext.length)), ["body", "header", "sig"]);
  const header = parseHeader(found["header"]);
  unframe(plaintext, exact(header));
  const { body, sig } = found;
  if (!isObject(body)) throw new FormatError("not an object");
  unb64u(sig, 64);
  return { header, body, sig: sig as string, fileSha256: b64u(sha256(file)) };
}

/** Return if report, type, author, place and signature are these. Errors: Refused, BadSignature. */
export function checkPayload(opened: OpenedPayload, expected: Place, verifyKey: string): void {
  const { header } = opened;
  if (header.rid !== expected.rid) throw new Refused("the part is of another report");
  if (header.type !== expected.type || header.by !== expected.by) {
    throw new Refused("the part is of another type or author");
  }
  if (header.n !== expected.n || header.prev !== expected.prev) throw new Refused("the part is out of its place");
  checkPayloadSignature(opened, verifyKey);
}

/** Return if `verifyKey` signed it. Error: BadSignature. */
export function checkPayloadSignature(opened: OpenedPayload, verifyKey: string): void {
  verify(verifyKey, "payload", { body: opened.body, header: opened.header }, opened.sig);
}

function parseHeader(value: unknown): Header {
  const found = members(value, ["by", "dir_seq", "n", "prev", "rid", "type", "v"]);
  if (found["type"] === "outcome" && found["by"] === "reporter") {
    throw new FormatError("an outcome is no reporter's to write");
  }
  return {
    by: oneOf(found["by"], AUTHORS),
    dir_seq: integer(found["dir_seq"], 1),
    n: integer(found["n"]),
    prev: bytes32(found["prev"]),
    rid: bytes32(found["rid"]),
    type: oneOf(found["type"], TYPES),
    v: version(found["v"]),
  };
}

function exact(header: Header): number | undefined {
  return header.type === "identity" ? LEAST : undefined;
}
