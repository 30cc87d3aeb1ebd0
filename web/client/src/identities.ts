/**
 * Hybrid post-quantum keys (ML-KEM-768 with X25519): an identity is a 32-byte seed and opens files, a recipient is
 * its public half as text, `age1pq1...`, and every text that is accepted is the only spelling of its key.
 */

import { x25519 } from "@noble/curves/ed25519.js";
import { bech32 } from "@scure/base";
import { identityToRecipient } from "age-encryption";
import { random } from "./bytes.js";
import { FormatError } from "./errors.js";

const RECIPIENT = "age1pq";
const IDENTITY = "age-secret-key-pq-";
const SEED = 32;
const MLKEM_COEFFICIENTS = 1152; // bytes; 32 bytes of seed follow, then 32 of X25519
const RECIPIENT_SIZE = 1216;
const MODULUS = 3329;
const ANY_SCALAR = new Uint8Array(SEED).fill(1);

export class HybridIdentity {
  /** Private, so that neither `String` nor `JSON.stringify` of an identity shows the secret. */
  readonly #text: string;

  private constructor(
    text: string,
    readonly recipient: string,
  ) {
    this.#text = text;
  }

  static generate(): Promise<HybridIdentity> {
    return HybridIdentity.fromSeed(random(SEED));
  }

  /** The identity of 32 secret bytes. Error: FormatError. */
  static async fromSeed(seed: Uint8Array): Promise<HybridIdentity> {
    if (seed.length !== SEED) throw new FormatError("wrong number of bytes");
    const text = bech32.encodeFromBytes(IDENTITY, seed).toUpperCase();
    return new HybridIdentity(text, await identityToRecipient(text));
  }

  /** From `AGE-SECRET-KEY-PQ-1...`. Error: FormatError. */
  static async parse(text: string): Promise<HybridIdentity> {
    if (text !== text.toUpperCase()) throw new FormatError("not a hybrid identity");
    return HybridIdentity.fromSeed(decode(text, IDENTITY, SEED));
  }

  /** The secret as text, to be handed to `age` or sealed, never shown. */
  secret(): string {
    return this.#text;
  }

  seed(): Uint8Array {
    return decode(this.#text, IDENTITY, SEED);
  }
}

/** `text` if it is the lower-case text of a usable hybrid public key. Error: FormatError. */
export function parseRecipient(text: unknown): string {
  if (typeof text !== "string" || text !== text.toLowerCase()) throw new FormatError("not a hybrid recipient");
  const key = decode(text, RECIPIENT, RECIPIENT_SIZE);
  if (!reduced(key.subarray(0, MLKEM_COEFFICIENTS)) || !sound(key.subarray(-32))) {
    throw new FormatError("not a hybrid recipient");
  }
  return text;
}

/** False for a low-order point, with which the exchange gives zero whatever the secret. */
export function sound(share: Uint8Array): boolean {
  try {
    x25519.getSharedSecret(ANY_SCALAR, share);
    return true;
  } catch {
    return false;
  }
}

/** FIPS 203, section 7.2: every 12-bit coefficient of an encapsulation key is below the modulus. */
function reduced(packed: Uint8Array): boolean {
  for (let i = 0; i < packed.length; i += 3) {
    const [a, b, c] = [packed[i]!, packed[i + 1]!, packed[i + 2]!];
    if ((a | ((b & 15) << 8)) >= MODULUS || ((b >> 4) | (c << 4)) >= MODULUS) return false;
  }
  return true;
}

function decode(text: string, prefix: string, size: number): Uint8Array {
  let found: { prefix: string; bytes: Uint8Array };
  try {
    const { prefix: named, words } = bech32.decode(text as `${string}1${string}`, false);
    found = { prefix: named.toLowerCase(), bytes: bech32.fromWords(words) };
  } catch {
    throw new FormatError("not a hybrid key");
  }
  if (found.prefix !== prefix || found.bytes.length !== size) throw new FormatError("not a hybrid key");
  return found.bytes;
}
