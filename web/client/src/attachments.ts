/**
 * Attachments are bytes and zeros in an age file; a line in the signed part, the envelope, makes them evidence.
 * Nothing of an attachment is given out before its last chunk and its hashes passed.
 */

import { b64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import { members } from "./canonical.js";
import { FormatError, Refused } from "./errors.js";
import type { HybridIdentity } from "./identities.js";
import { parseSegments, openSegments } from "./segments.js";
import { pad, padme, unpad } from "./padding.js";
import { openPart, seal } from "./parts.js";
import { bytes32, integer, items, matching, text } from "./rules.js";

const MAX_NAME = 255;
const MAX_ATTACHMENTS = 100;
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,63}\/[A-Za-z0-9!#$&^_.+-]{1,63}$/;

/** A file to be added: its name, media type and bytes. */
export interface NewAttachment {
  name: string;
  type: string;
  data: Uint8Array;
}

/**
 * Line `i`: name as given, media type, true size, hash of the true bytes (null in plain mode) and of the file;
 * `segments` where that is a concatenation of age files: [true bytes, file bytes] of each.
 */
export type Envelope = {
  file_sha256: string;
  i: number;
  name: string;
  segments?: [plain: number, file: number][];
  sha256: string | null;
  size: number;
  type: string;
};

/** The `attachments` of a body, numbered from 0. Error: FormatError. */
export function parseEnvelopes(value: unknown): Envelope[] {
  const found = items(value, MAX_ATTACHMENTS).map(parseEnvelope);
  if (found.some((line, i) => line.i !== i)) throw new FormatError("attachments are not numbered from 0");
  return found;
}

/** A name without folders, control and direction characters; never empty, never hidden. */
export function safeName(envelope: Envelope): string {
  const last = envelope.name.split(/[\\/:]/).at(-1)!;
  return last.replace(/\p{C}/gu, "").replace(/^[ .]+|[ .]+$/g, "") || `attachment-${envelope.i + 1}`;
}

/** The age files of attachments and their envelopes, in order. Errors: FormatError, Refused. */
export async function sealAttachments(
  attachments: readonly NewAttachment[],
  recipients: readonly string[],
): Promise<{ files: Uint8Array[]; envelopes: Envelope[] }> {
  const sealed: { file: Uint8Array; line: Line }[] = [];
  for (const item of attachments) sealed.push(await sealFile(item, recipients));
  return { files: sealed.map(({ file }) => file), envelopes: numbered(sealed.map(({ line }) => line)) };
}

/** What an envelope says, but for its place. */
export type Line = Omit<Envelope, "i">;

/** The age file of one attachment and its line. Error: FormatError for an unusable name or media type. */
export async function sealFile(
  { name, type, data }: NewAttachment,
  recipients: readonly string[],
): Promise<{ file: Uint8Array; line: Line }> {
  checkNamed(name, type);
  const file = await sealAttachment(data, recipients);
  const line = { file_sha256: b64u(sha256(file)), name, sha256: b64u(sha256(data)), size: data.length, type };
  return { file, line };
}

/** Lines as envelopes, in order. Error: FormatError. */
export function numbered(lines: readonly Line[]): Envelope[] {
  return parseEnvelopes(lines.map((line, i) => ({ ...line, i })));
}

/** Return if these can stand in an envelope. Error: FormatError. */
export function checkNamed(name: string, type: string): void {
  text(name, MAX_NAME);
  matching(MEDIA_TYPE, type, "not a media type");
}

/** The age file of one attachment. */
export function sealAttachment(data: Uint8Array, recipients: readonly string[]): Promise<Uint8Array> {
  return seal(pad(data, padme(data.length)), recipients);
}

/** The true bytes. Errors: FormatError, WrongKey; Refused if a hash or the size is not the envelope's. */
export async function openAttachment(
  file: Uint8Array,
  envelope: Envelope,
  identity: HybridIdentity,
): Promise<Uint8Array> {
  if (b64u(sha256(file)) !== envelope.file_sha256) throw new Refused("not the file of the envelope");
  const { segments, size } = envelope;
  const data = segments
    ? await openSegments(file, segments, identity)
    : unpad(await openPart(file, identity), size, padme(size));
  if (envelope.sha256 !== null && b64u(sha256(data)) !== envelope.sha256) {
    throw new Refused("not the file of the envelope");
  }
  return data;
}

function parseEnvelope(value: unknown): Envelope {
  const found = members(value, ["file_sha256", "i", "name", "sha256", "size", "type"], ["segments"]);
  const size = integer(found["size"]);
  const envelope: Envelope = {
    file_sha256: bytes32(found["file_sha256"]),
    i: integer(found["i"]),
    name: text(found["name"], MAX_NAME),
    sha256: found["sha256"] === null ? null : bytes32(found["sha256"]),
    size,
    type: matching(MEDIA_TYPE, found["type"], "not a media type"),
  };
  return "segments" in found ? { ...envelope, segments: parseSegments(found["segments"], size) } : envelope;
}
