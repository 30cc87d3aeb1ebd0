/**
 * The manifest is what a report shows in clear: coded fields, public keys, and the hash of everything sealed. The
 * reporter signs it with the receipt's signing key, whose public half only the desk can read.
 */

import { b64u } from "./base64.js";
import { sha256, utf8 } from "./bytes.js";
import { dumps, members } from "./canonical.js";
import { FormatError } from "./errors.js";
import { parseRecipient } from "./identities.js";
import { bytes32, code, integer, items, oneOf, version } from "./rules.js";

export const ROLES = ["narrative", "identity", "attachment"] as const;
export const MAX_PARTS = 102;
const CODED = ["amount_band", "category", "channel", "language", "region", "sector", "urgency"] as const;

/** The clear fields: codes or null, `year` an integer or null. */
export type Fields = Record<(typeof CODED)[number], string | null> & { year: number | null };
export type Role = (typeof ROLES)[number];

/** Of the age file: its role, SHA-256 in base64url, size in bytes. */
export type PartLine = { role: Role; sha256: string; size: number };
export type ShareLine = { commitment: string; seat: number };

/** Section 6 of the sealing format; bytes are base64url. */
export type Manifest = {
  dir_seq: number;
  directory: string;
  fields: Fields;
  form: string;
  identity_recipient: string;
  k: number;
  mode: "sealed" | "plain";
  n: number;
  parts: PartLine[];
  report_recipient: string;
  rid: string;
  shares: ShareLine[];
  v: 1;
};

const MEMBERS = [
  "dir_seq", "directory", "fields", "form", "identity_recipient", "k", "mode", "n",
  "parts", "report_recipient", "rid", "shares", "v",
];

/** The id of the report whose key has this recipient, base64url: nobody can choose or reuse it. */
export function ridOf(recipient: string): string {
  return b64u(sha256(utf8(`adal/v1/rid${recipient}`)));
}

/** SHA-256 of the canonical manifest, base64url, as the log's record carries it. */
export function manifestDigest(manifest: Manifest): string {
  return b64u(sha256(dumps(manifest)));
}

/** Check everything that needs no key, the rid too. Error: FormatError. */
export function parseManifest(value: unknown): Manifest {
  const found = members(value, MEMBERS);
  const n = integer(found["n"], 2, 255);
  const manifest: Manifest = {
    dir_seq: integer(found["dir_seq"], 1),
    directory: bytes32(found["directory"]),
    fields: parseFields(found["fields"]),
    form: code(found["form"]),
    identity_recipient: parseRecipient(found["identity_recipient"]),
    k: integer(found["k"], 2, n),
    mode: oneOf(found["mode"], ["sealed", "plain"] as const),
    n,
    parts: items(found["parts"], MAX_PARTS).map(parsePart),
    report_recipient: parseRecipient(found["report_recipient"]),
    rid: bytes32(found["rid"]),
    shares: items(found["shares"], 255).map(parseShare),
    v: version(found["v"]),
  };
  checkWhole(manifest);
  return manifest;
}

/** The clear fields: no free text. Error: FormatError. */
export function parseFields(value: unknown): Fields {
  const found = members(value, [...CODED, "year"]);
  for (const name of CODED) if (found[name] !== null) code(found[name]);
  if (found["year"] !== null) integer(found["year"], 1900, 2999);
  return found as Fields;
}

function parsePart(value: unknown): PartLine {
  const found = members(value, ["role", "sha256", "size"]);
  return { role: oneOf(found["role"], ROLES), sha256: bytes32(found["sha256"]), size: integer(found["size"], 1) };
}

function parseShare(value: unknown): ShareLine {
  const found = members(value, ["commitment", "seat"]);
  return { commitment: bytes32(found["commitment"]), seat: integer(found["seat"], 1, 255) };
}

function checkWhole(manifest: Manifest): void {
  const [first, second, ...rest] = manifest.parts.map((part) => part.role);
  if (first !== "narrative" || second !== "identity" || rest.some((role) => role !== "attachment")) {
    throw new FormatError("wrong order of parts");
  }
  const seats = manifest.shares.map((share) => share.seat);
  if (seats.length !== manifest.n || seats.some((seat, i) => seat !== i + 1)) throw new FormatError("wrong seats");
  if (manifest.rid !== ridOf(manifest.report_recipient)) {
    throw new FormatError("the report id is not that of the report key");
  }
  if (manifest.report_recipient === manifest.identity_recipient) throw new FormatError("one key in two places");
}
