/**
 * Parts: age files sealed to 1 to 8 recipients, all hybrid, so that no classical key opens what is promised to be
 * post-quantum. The rule is checked on the header before any key is tried: age-encryption itself takes mixtures.
 */

import { Decrypter, Encrypter, type ReadableStreamWithSize } from "age-encryption";
import { FormatError, Refused, WrongKey } from "./errors.js";
import { readHeader, unpadded, type Header } from "./header.js";
import { parseRecipient, sound, type HybridIdentity } from "./identities.js";

const HYBRID = "mlkem768x25519";
const MAX_STANZAS = 8;
const MLKEM_ENC = 1088;
const ENC = MLKEM_ENC + 32;
const WRAPPED = 32;
const CHUNK = 65536;
const TAG = 16;
const NONCE = 16;

/** The header of a file that obeys the part rule. Needs no key. Errors: FormatError, Refused. */
export function checkPart(file: Uint8Array): Header {
  const header = readHeader(file);
  if (header.stanzas.length > MAX_STANZAS || header.stanzas.some((stanza) => stanza.type !== HYBRID)) {
    throw new Refused("part: needs 1 to 8 stanzas, all hybrid");
  }
  for (const { args, body } of header.stanzas) {
    const share = args.length === 1 ? unpadded(args[0]!) : new Uint8Array();
    // A longer body could open under two keys, so its length is checked before anything is decrypted.
    if (share.length !== ENC || body.length !== WRAPPED) throw new FormatError("age header: stanza with wrong lengths");
  }
  return header;
}

/** A part for 1 to 8 hybrid recipients. Errors: Refused, FormatError. */
export async function seal(plaintext: Uint8Array, recipients: readonly string[]): Promise<Uint8Array> {
  return encrypter(recipients).encrypt(plaintext);
}

/** The same of a stream: `size` of the answer gives the size of the file from that of the plaintext. */
export async function sealStream(
  plaintext: ReadableStream<Uint8Array>,
  recipients: readonly string[],
): Promise<ReadableStreamWithSize> {
  return encrypter(recipients).encrypt(plaintext);
}

function encrypter(recipients: readonly string[]): Encrypter {
  if (recipients.length < 1 || recipients.length > MAX_STANZAS) throw new Refused("part: needs 1 to 8 recipients");
  const made = new Encrypter();
  for (const recipient of recipients) made.addRecipient(parseRecipient(recipient));
  return made;
}

/** The plaintext of a part, whole and authenticated. Errors: FormatError, WrongKey, Refused. */
export async function openPart(file: Uint8Array, identity: HybridIdentity): Promise<Uint8Array> {
  const header = checkPart(file);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity.secret());
  return decrypter.decrypt(file).catch((error: unknown) => {
    if (header.stanzas.some(({ args }) => !sound(unpadded(args[0]!).subarray(MLKEM_ENC)))) {
      throw new FormatError("age header: low-order share");
    }
    const unmatched = error instanceof Error && error.message.startsWith("no identity");
    throw unmatched ? new WrongKey("age file: no identity opens it") : new FormatError("age file: altered or cut");
  });
}

/** The size of the plaintext of a part, which shows from outside. Errors: FormatError, Refused. */
export function plaintextSize(file: Uint8Array): number {
  const body = file.length - checkPart(file).size - NONCE;
  const size = body - TAG * Math.ceil(body / (CHUNK + TAG));
  if (body < TAG || size < 0) throw new FormatError("age file: altered or cut");
  return size;
}
