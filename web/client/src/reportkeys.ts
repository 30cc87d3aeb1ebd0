/**
 * A report gets a new key when somebody's access ends: a `report-keys` part of the desk's chain names its recipient,
 * and later parts are sealed to it. A reporter who replaces the receipt code notes the newest one for the new code,
 * which cannot open what was sealed to the old one.
 */

import { isObject, members } from "./canonical.js";
import { FormatError, Refused } from "./errors.js";
import { parseRecipient } from "./identities.js";
import { checkPayload, openPayload, sealPayload, type Header } from "./payloads.js";
import type { ReceiptKeys } from "./receipts.js";

/** The newest report recipient: that of the part at place `n` of the desk's chain, named by the hash of its file. */
export interface Carried {
  n: number;
  part: string;
  recipient: string;
}

/** The recipient that a `report-keys` part names. Error: FormatError. */
export function reportRecipientOf(body: unknown): string {
  if (!isObject(body)) throw new FormatError("not an object");
  const { certificate: _, ...rest } = body;
  return parseRecipient(members(members(rest, ["report"])["report"], ["recipient"])["recipient"]);
}

/** The note for a new code, sealed to it and signed by it. */
export function sealCarried(rid: string, dirSeq: number, newest: Carried, to: ReceiptKeys): Promise<Uint8Array> {
  const { n, part: prev, recipient } = newest;
  const header: Header = { by: "reporter", dir_seq: dirSeq, n, prev, rid, type: "report-keys", v: 1 };
  return sealPayload(header, { report: { recipient } }, to.signing, [to.identity.recipient]);
}

/** Read one's own note. Errors: FormatError, WrongKey, Refused, BadSignature. */
export async function openCarried(file: Uint8Array, keys: ReceiptKeys, rid: string): Promise<Carried> {
  const opened = await openPayload(file, keys.identity);
  const { by, n, prev, type } = opened.header;
  if (by !== "reporter" || type !== "report-keys") throw new Refused("the part is of another type or author");
  checkPayload(opened, { by, n, prev, rid, type }, keys.signing.verifyKey);
  return { n, part: prev, recipient: reportRecipientOf(opened.body) };
}
