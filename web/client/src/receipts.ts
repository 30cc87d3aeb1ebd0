/**
 * A receipt is 24 digits a person can say over the phone; from it come the reporter's keys. One wrong digit or two
 * neighbours swapped are caught while typing (Damm, "Total anti-symmetrische Quasigruppen", 2004).
 */

import { argon2idAsync } from "@noble/hashes/argon2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 as noble } from "@noble/hashes/sha2.js";
import { b64u } from "./base64.js";
import { random, sha256, utf8 } from "./bytes.js";
import { CryptoError } from "./errors.js";
import { HybridIdentity } from "./identities.js";
import { SigningKey } from "./signatures.js";

export const LENGTH = 24;
const MAX_INPUT = 256;
const SALT = sha256(utf8("adal/v1/receipt")).subarray(0, 16);
const STRETCH = { t: 2, m: 19456, p: 1, dkLen: 32 };
const DAMM = [
  "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
  "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
];
// Spaces and dashes of any kind; controls, soft hyphen, zero-width and direction marks, hyphen bullet, minus
// sign and byte order mark, which people and programs put between groups.
const DROPPED = /[\p{Zs}\p{Zl}\p{Zp}\p{Pd}\u0009-\u000d\u0085\u00ad\u200b-\u200f\u2043\u2060\u2212\ufeff]/gu;

/** What was typed is no receipt: "length" (not 24 digits) or "check" (a digit is wrong or two are swapped). */
export class ReceiptError extends CryptoError {
  override name = "ReceiptError";

  constructor(readonly reason: "length" | "check") {
    super(reason === "length" ? "the receipt has a wrong length" : "a digit is wrong");
  }
}

/** What the digits give: the lookup value (base64url), the reporter's age identity and signing key. */
export interface ReceiptKeys {
  lookup: string;
  identity: HybridIdentity;
  signing: SigningKey;
}

/** The Damm check digit of ASCII digits; 0 for digits that end in their own check digit. */
export function damm(digits: string): number {
  let interim = 0;
  for (const digit of digits) interim = Number(DAMM[interim]![Number(digit)]);
  return interim;
}

/** 24 digits: 23 random ones (76 bits) and their check digit. */
export function newReceipt(): string {
  let digits = "";
  while (digits.length < LENGTH - 1) {
    const [byte] = random(1);
    if (byte! < 250) digits += String(byte! % 10); // 250 is a multiple of ten: every digit is equally likely
  }
  return digits + String(damm(digits));
}

/** The 24 digits meant by `text`; spaces, dashes and wide digits are forgiven. Error: ReceiptError. */
export function parseReceipt(text: string): string {
  if (text.length > 2 * MAX_INPUT || [...text].length > MAX_INPUT) throw new ReceiptError("length");
  const digits = text.normalize("NFKC").replace(DROPPED, "");
  if (!/^[0-9]{24}$/.test(digits)) throw new ReceiptError("length");
  if (damm(digits) !== 0) throw new ReceiptError("check");
  return digits;
}

/** Six groups of four, as shown and read out. */
export function formatReceipt(receipt: string): string {
  return receipt.replace(/(\d{4})(?=\d)/g, "$1 ");
}

/**
 * The keys of a receipt: 19 MiB and 0.45-0.72 s in an engine with JIT, about 12 s without. Never a reason to fall
 * back to plain mode: show that it takes a while. Yields to the event loop. Error: ReceiptError.
 */
export async function derive(receipt: string): Promise<ReceiptKeys> {
  const digits = parseReceipt(receipt).slice(0, LENGTH - 1);
  const secret = await argon2idAsync(utf8(digits), SALT, STRETCH);
  return {
    lookup: b64u(expand(secret, "lookup")),
    identity: await HybridIdentity.fromSeed(expand(secret, "recipient")),
    signing: SigningKey.fromSeed(expand(secret, "sign")),
  };
}

function expand(secret: Uint8Array, label: string): Uint8Array {
  return hkdf(noble, secret, undefined, utf8(`adal/v1/receipt/${label}`), 32);
}
