/** The small shapes that documents are made of: codes, days, instants, sequences; each with one spelling. */

import { unb64u } from "./base64.js";
import type { Json } from "./canonical.js";
import { FormatError } from "./errors.js";

const CODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Text of 1 to `limit` Unicode code points. Error: FormatError. */
export function text(value: unknown, limit: number): string {
  if (typeof value !== "string" || value.length > 2 * limit) throw new FormatError("not a text of the right length");
  const size = [...value].length;
  if (size < 1 || size > limit) throw new FormatError("not a text of the right length");
  return value;
}

/** 1 to 64 of ASCII letters, digits, `._-`, a letter or digit first. Error: FormatError. */
export function code(value: unknown): string {
  return matching(CODE, value, "not a code");
}

/** An integer from `low` to `high`. Error: FormatError. */
export function integer(value: unknown, low = 0, high = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < low || value > high) {
    throw new FormatError("not an integer in range");
  }
  return value;
}

/** A list of at most `limit` items. Error: FormatError. */
export function items(value: unknown, limit: number): Json[] {
  if (!Array.isArray(value) || value.length > limit) throw new FormatError("not a list of the right length");
  return value as Json[];
}

/** 1, the only version there is. Error: FormatError. */
export function version(value: unknown): 1 {
  if (integer(value) !== 1) throw new FormatError("unknown version");
  return 1;
}

/** The text of 32 bytes in base64url. Error: FormatError. */
export function bytes32(value: unknown): string {
  unb64u(value, 32);
  return value as string;
}

/** A day of the calendar, `YYYY-MM-DD`. Error: FormatError. */
export function day(value: unknown): string {
  const found = matching(DAY, value, "not a day");
  if (found.startsWith("0000") || !exists(`${found}T00:00:00Z`)) throw new FormatError("not a day");
  return found;
}

/** An instant that exists, `YYYY-MM-DDTHH:MM:SSZ`. Error: FormatError. */
export function instant(value: unknown): Date {
  const found = matching(INSTANT, value, "not an instant");
  if (found.startsWith("0000") || !exists(found)) throw new FormatError("not an instant");
  return new Date(found);
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T {
  if (typeof value !== "string" || !(allowed as readonly string[]).includes(value)) {
    throw new FormatError("unknown word");
  }
  return value as T;
}

export function matching(pattern: RegExp, value: unknown, message: string): string {
  if (typeof value !== "string" || !pattern.test(value)) throw new FormatError(message);
  return value;
}

function exists(text: string): boolean {
  const date = new Date(text);
  // Some engines roll 30 February over into March.
  return !Number.isNaN(date.getTime()) && date.toISOString() === text.replace("Z", ".000Z");
}
