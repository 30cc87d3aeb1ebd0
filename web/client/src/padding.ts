/**
 * Sizes tell little: Padme padding with zero bytes, and nothing else accepted as padding.
 * Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019.
 */

import { concat, u32 } from "./bytes.js";
import { FormatError, Refused } from "./errors.js";

export const LEAST = 4096;
const PREFIX = 4;

/** `n` bytes rounded up to the next Padme size. */
export function padme(n: number): number {
  if (n <= 1) return n;
  const exponent = n.toString(2).length - 1;
  const step = 2 ** (exponent - exponent.toString(2).length);
  return Math.ceil(n / step) * step;
}

/** The Padme size of `n` bytes, never below that of `minimum`. */
export function padded(n: number, minimum = 0): number {
  return padme(Math.max(n, minimum));
}

/** `data` and zeros, `total` bytes. Error: Refused if it does not fit. */
export function pad(data: Uint8Array, total: number): Uint8Array {
  if (data.length > total) throw new Refused("too long for its padding");
  const whole = new Uint8Array(total);
  whole.set(data);
  return whole;
}

/** The first `size` bytes of `data`, which has `total` bytes, zeros after those. Error: FormatError. */
export function unpad(data: Uint8Array, size: number, total: number): Uint8Array {
  if (size < 0 || size > total || data.length !== total) throw new FormatError("wrong padded length");
  for (let i = size; i < total; i++) {
    if (data[i] !== 0) throw new FormatError("padding is not zero");
  }
  return data.subarray(0, size);
}

/** `u32 length | document | zeros`, `exact` bytes or the Padme size of at least 4096. Error: Refused. */
export function frame(document: Uint8Array, exact?: number): Uint8Array {
  const content = concat(u32(document.length), document);
  return pad(content, exact ?? padded(content.length, LEAST));
}

/** The document inside `frame`. Error: FormatError. */
export function unframe(data: Uint8Array, exact?: number): Uint8Array {
  if (data.length < PREFIX) throw new FormatError("too short");
  const size = PREFIX + new DataView(data.buffer, data.byteOffset, PREFIX).getUint32(0);
  return unpad(data, size, exact ?? padded(size, LEAST)).subarray(PREFIX);
}
