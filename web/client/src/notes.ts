/**
 * Signed notes: a text that any C2SP tool can check, with one line for each signature. A signature by a known key
 * that fails spoils the note, unknown keys are passed over, a note without a good signature is refused.
 * Source: C2SP signed-note (Ed25519, type 1) and tlog-cosignature (Ed25519 with a time, type 4).
 */

import { b64, unb64 } from "./base64.js";
import { concat, fromUtf8, sha256, utf8 } from "./bytes.js";
import { BadSignature, FormatError, Refused } from "./errors.js";
import { verifyRaw, type SigningKey } from "./signatures.js";

const SIGNATURE = 1;
const COSIGNATURE = 4;
const MAX_NOTE = 512 * 1024;
const MAX_SIGNATURES = 64;
const KEY_ID = 4;
const TIME = 8;
const NAME = /^[^\s+\u0000-\u001f\u0085]+$/u;
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** Who may sign: name, key id in hex, kind, 32-byte Ed25519 public key, and the vkey text it was read from. */
export interface VerifierKey {
  name: string;
  id: string;
  kind: number;
  key: Uint8Array;
  text: string;
}

export interface OpenedNote {
  text: string;
  /** Names of the keys whose signatures were checked, each once. */
  names: string[];
}

/** Read a vkey, `<name>+<key id in hex>+<base64 of kind and key>`, in its one spelling. Error: FormatError. */
export function parseVkey(text: string): VerifierKey {
  const [, name, id, encoded] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text) ?? [];
  const material = unb64(encoded ?? "");
  const [kind] = material;
  if (!name || !NAME.test(name) || material.length !== 33 || (kind !== SIGNATURE && kind !== COSIGNATURE)) {
    throw new FormatError("not a verifier key");
  }
  if (keyId(name, material) !== id) throw new FormatError("not a verifier key");
  return { name, id, kind, key: material.subarray(1), text };
}

/** The vkey of a public key that signs plain notes. */
export function makeVkey(name: string, key: Uint8Array): string {
  const material = concat(Uint8Array.of(SIGNATURE), key);
  return `${name}+${keyId(name, material)}+${b64(material)}`;
}

/** The note `text`, which ends in a newline, signed by `key` under `name`. Error: FormatError. */
export function signNote(text: string, name: string, key: SigningKey, vkey: string): string {
  checkText(text);
  const { id } = parseVkey(vkey);
  return `${text}\n— ${name} ${b64(concat(fromHex(id), key.signRaw(utf8(text))))}\n`;
}

/** Text and verified names. Errors: FormatError, BadSignature, Refused when two keys cannot be told apart. */
export function openNote(note: string, keys: readonly VerifierKey[]): OpenedNote {
  const known = new Map<string, VerifierKey>();
  for (const key of keys) {
    const slot = `${key.name}+${key.id}`;
    if (known.has(slot) && known.get(slot)!.text !== key.text) throw new Refused("two keys have one name and key id");
    known.set(slot, key);
  }
  const { text, lines } = splitNote(note);
  const names = new Set<string>();
  for (const { name, id, signature } of lines) {
    const key = known.get(`${name}+${id}`);
    if (!key) continue;
    checkSignature(key, text, signature);
    names.add(name);
  }
  if (names.size === 0) throw new BadSignature("the note is signed by no known key");
  return { text, names: [...names] };
}

/** Text and signature lines of a note, NOT checked. Error: FormatError. */
export function splitNote(note: string): { text: string; lines: { name: string; id: string; signature: Uint8Array }[] } {
  const blank = note.lastIndexOf("\n\n");
  const tail = note.slice(blank + 2);
  if (utf8(note).length > MAX_NOTE || blank < 0 || !tail.endsWith("\n")) throw new FormatError("not a signed note");
  const text = note.slice(0, blank + 1);
  checkText(text);
  const lines = tail.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new FormatError("the note has too many signatures");
  return { text, lines: lines.map(parseLine) };
}

function parseLine(line: string): { name: string; id: string; signature: Uint8Array } {
  const [dash, name, encoded, ...rest] = line.split(" ");
  const data = unb64(encoded ?? "");
  if (dash !== "—" || !name || !NAME.test(name) || rest.length > 0 || data.length <= KEY_ID) {
    throw new FormatError("a signature line is malformed");
  }
  return { name, id: hex(data.subarray(0, KEY_ID)), signature: data.subarray(KEY_ID) };
}

function checkSignature(key: VerifierKey, text: string, signature: Uint8Array): void {
  if (key.kind === SIGNATURE) return verifyRaw(key.key, utf8(text), signature);
  if (signature.length !== TIME + 64) throw new BadSignature("wrong signature");
  const time = new DataView(signature.buffer, signature.byteOffset, TIME).getBigUint64(0);
  if (time >= 2n ** 63n) throw new BadSignature("the time of a cosignature is out of range");
  verifyRaw(key.key, utf8(`cosignature/v1\ntime ${time}\n${text}`), signature.subarray(TIME));
}

function checkText(text: string): void {
  // A lone surrogate would be replaced on encoding, so that another text would be signed than is shown.
  if (!text.endsWith("\n") || CONTROL.test(text) || fromUtf8(utf8(text)) !== text) {
    throw new FormatError("not the text of a note");
  }
}

function keyId(name: string, material: Uint8Array): string {
  return hex(sha256(utf8(`${name}\n`), material).subarray(0, KEY_ID));
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
