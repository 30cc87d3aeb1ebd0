/** One value, one spelling: RFC 8785 JSON, with a parser that refuses every other spelling. */

import canonicalize from "canonicalize";
import { equal, fromUtf8, utf8 } from "./bytes.js";
import { FormatError } from "./errors.js";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export const MAX_DEPTH = 32;

/**
 * The canonical bytes of null, booleans, integers within +-(2^53 - 1), text, and lists and objects of them.
 * Error: FormatError for anything else, for nesting deeper than 32 and for lone surrogates.
 */
export function dumps(value: unknown): Uint8Array {
  check(value, 0);
  try {
    return utf8(canonicalize(value) as string);
  } catch {
    throw new FormatError("not representable as canonical JSON");
  }
}

/** The value whose canonical bytes are exactly `data`. Error: FormatError. */
export function loads(data: Uint8Array): Json {
  let value: Json;
  try {
    value = JSON.parse(fromUtf8(data)) as Json;
  } catch {
    throw new FormatError("not JSON");
  }
  // Floats, duplicate keys, escapes and white space all come back in another spelling.
  if (!equal(dumps(value), data)) throw new FormatError("not canonical JSON");
  return value;
}

/** Whether two values have the same canonical bytes. Error: FormatError. */
export function same(a: unknown, b: unknown): boolean {
  return equal(dumps(a), dumps(b));
}

/** `value` if it is a plain object with exactly these members. Error: FormatError. */
export function members(value: unknown, required: readonly string[], optional: readonly string[] = []): JsonObject {
  if (!isObject(value)) throw new FormatError("not an object");
  const names = Object.keys(value);
  const allowed = names.every((name) => required.includes(name) || optional.includes(name));
  if (!allowed || !required.every((name) => Object.hasOwn(value, name))) throw new FormatError("wrong members");
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function check(value: unknown, depth: number): void {
  if (value === null || typeof value === "boolean" || typeof value === "string") return;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new FormatError("not an integer in range");
    return;
  }
  if (!Array.isArray(value) && !isObject(value)) throw new FormatError("not a JSON value");
  if (depth >= MAX_DEPTH) throw new FormatError("nested too deeply");
  // Array.from shows the holes of a sparse list, which are no JSON value either.
  const items: unknown[] = Array.isArray(value) ? Array.from(value) : Object.values(value);
  for (const item of items) check(item, depth + 1);
}
