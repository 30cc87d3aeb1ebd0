/** base64url without padding for what is short, padded base64 for files; decoders take one spelling only. */

import { FormatError } from "./errors.js";

const PIECE = 0x6000; // a multiple of three, small enough to be spread into arguments
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Standard base64 with padding, for the `data` members of a package. */
export function b64(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += PIECE) {
    text += btoa(String.fromCharCode(...data.subarray(at, at + PIECE)));
  }
  return text;
}

/** The bytes whose `b64` is exactly `text`. Error: FormatError. */
export function unb64(text: unknown): Uint8Array {
  if (typeof text !== "string" || text.length % 4 !== 0 || !BASE64.test(text)) {
    throw new FormatError("not base64");
  }
  const binary = atob(text);
  const data = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) data[i] = binary.charCodeAt(i);
  // Trailing bits that are not zero would give a second spelling of the same bytes.
  if (b64(data.subarray(-((data.length - 1) % 3) - 1)) !== text.slice(-4)) throw new FormatError("not base64");
  return data;
}

/** base64url without padding. */
export function b64u(data: Uint8Array): string {
  return b64(data).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes whose `b64u` is exactly `text`, `size` of them if given. Error: FormatError. */
export function unb64u(text: unknown, size?: number): Uint8Array {
  if (typeof text !== "string" || /[^A-Za-z0-9_-]/.test(text) || text.length % 4 === 1) {
    throw new FormatError("not base64url");
  }
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  const data = unb64(padded);
  if (size !== undefined && data.length !== size) throw new FormatError("wrong number of bytes");
  return data;
}
