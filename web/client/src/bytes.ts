/** Bytes: hash, random, join, compare. Text is UTF-8 and nothing else. */

import { sha256 as noble } from "@noble/hashes/sha2.js";
import { FormatError } from "./errors.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const MOST_AT_ONCE = 65536; // what getRandomValues gives in one call

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes, a byte order mark kept. Error: FormatError. */
export function fromUtf8(data: Uint8Array): string {
  try {
    return decoder.decode(data);
  } catch {
    throw new FormatError("not UTF-8");
  }
}

export function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = noble.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function random(size: number): Uint8Array {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += MOST_AT_ONCE) {
    crypto.getRandomValues(data.subarray(at, Math.min(size, at + MOST_AT_ONCE)));
  }
  return data;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** `size` (below 2^32) as four bytes, the highest first. */
export function u32(size: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, size);
  return data;
}
