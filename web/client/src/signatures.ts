/**
 * Who said it: Ed25519 over a label and canonical JSON. The label `adal/v1/<type>` keeps a signature made for one
 * kind of document from passing for another.
 *
 * Ed25519 comes from @noble/curves: WebCrypto has it only in recent engines, and a reporter with an older phone
 * or Tor Browser must not be sent to plain mode for that.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { b64u, unb64u } from "./base64.js";
import { concat, random, sha256, utf8 } from "./bytes.js";
import { dumps, isObject, members, type JsonObject } from "./canonical.js";
import { BadSignature, FormatError } from "./errors.js";
import { bytes32, items } from "./rules.js";

export type SignatureType = "payload" | "manifest" | "promise" | "directory" | "certificate" | "access-token";

/** A body and the signatures under it, not yet checked. Keys and signatures are base64url. */
export interface Signed {
  body: JsonObject;
  signatures: { key: string; sig: string }[];
}

const MAX_SIGNATURES = 16;

/** A secret Ed25519 key, kept as its 32-byte seed; `verifyKey` is the public half in base64url. */
export class SigningKey {
  readonly #seed: Uint8Array;
  readonly verifyKey: string;

  private constructor(seed: Uint8Array) {
    this.#seed = Uint8Array.from(seed);
    this.verifyKey = b64u(ed25519.getPublicKey(this.#seed));
  }

  static generate(): SigningKey {
    return new SigningKey(random(32));
  }

  static fromSeed(seed: Uint8Array): SigningKey {
    if (seed.length !== 32) throw new FormatError("wrong number of bytes");
    return new SigningKey(seed);
  }

  seed(): Uint8Array {
    return Uint8Array.from(this.#seed);
  }

  /** The signature of `body` as a document of `type`, base64url. Error: FormatError. */
  sign(type: SignatureType, body: unknown): string {
    return b64u(this.signRaw(message(type, body)));
  }

  /** The signature of bytes that carry a label of their own, such as signed notes. */
  signRaw(data: Uint8Array): Uint8Array {
    return ed25519.sign(data, this.#seed);
  }
}

/** Return if `sig` is `verifyKey`'s signature of `body` as `type`. Errors: BadSignature, FormatError. */
export function verify(verifyKey: string, type: SignatureType, body: unknown, sig: string): void {
  verifyRaw(unb64u(verifyKey, 32), message(type, body), unb64u(sig, 64));
}

/** Return if `sig` is `key`'s signature of exactly `data`. Error: BadSignature. */
export function verifyRaw(key: Uint8Array, data: Uint8Array, sig: Uint8Array): void {
  let good = false;
  try {
    good = ed25519.verify(sig, data, key, { zip215: false });
  } catch {
    // a key or signature of a wrong length
  }
  if (!good) throw new BadSignature("wrong signature");
}

/** `body` signed by each of `keys`. Error: FormatError. */
export function signDocument(type: SignatureType, body: JsonObject, keys: readonly SigningKey[]): Signed {
  return { body, signatures: keys.map((key) => ({ key: key.verifyKey, sig: key.sign(type, body) })) };
}

/** A signed document from JSON: members, sizes and canonical form only. Error: FormatError. */
export function parseSigned(value: unknown): Signed {
  const { body, signatures } = members(value, ["body", "signatures"]);
  if (!isObject(body)) throw new FormatError("not a signed document");
  dumps(body);
  const lines = items(signatures, MAX_SIGNATURES).map((line) => {
    const { key, sig } = members(line, ["key", "sig"]);
    unb64u(sig, 64);
    return { key: bytes32(key), sig: sig as string };
  });
  return { body, signatures: lines };
}

/** Return if at least `threshold` different keys of `keys` signed. Errors: BadSignature, FormatError. */
export function checkDocument(type: SignatureType, doc: Signed, keys: readonly string[], threshold: number): void {
  const good = doc.signatures.filter(({ key, sig }) => keys.includes(key) && holds(key, type, doc.body, sig));
  if (new Set(good.map(({ key }) => key)).size < Math.max(threshold, 1)) {
    throw new BadSignature("too few valid signatures");
  }
}

/** SHA-256 of the canonical body, base64url; signatures do not change it. */
export function digest(doc: Signed): string {
  return b64u(sha256(dumps(doc.body)));
}

function message(type: SignatureType, body: unknown): Uint8Array {
  return concat(utf8(`adal/v1/${type}\n`), dumps(body));
}

function holds(key: string, type: SignatureType, body: unknown, sig: string): boolean {
  try {
    verify(key, type, body, sig);
    return true;
  } catch (error) {
    if (error instanceof BadSignature) return false;
    throw error;
  }
}
