/** What a reporter adds to a report later: messages, an identity, new keys; each sealed for its place in the chain. */

import { sealAttachments, type NewAttachment } from "./attachments.js";
import { b64 } from "./base64.js";
import type { JsonObject } from "./canonical.js";
import type { Directory } from "./directories.js";
import { Refused } from "./errors.js";
import { lastKey, type InboxView } from "./inbox.js";
import { sealPayload, type Header } from "./payloads.js";
import type { ReceiptKeys } from "./receipts.js";
import { sealCarried, type Carried } from "./reportkeys.js";

/** A part for the place `n`, base64, as `POST /inbox/...` takes it. */
export type NewPart = { n: number; part: string };

/** A part with words: `key` is the newest report key seen, so that a newer one is a conflict. */
export type NewWords = NewPart & { key: number; attachments: string[] };

/**
 * A message to the desk. Only for a view that is `proven`; `newest` is what `openReplies` found: the report's newest
 * key, if it got one since it was filed. Errors: FormatError, Refused.
 */
export function sealMessage(
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  text: string,
  attachments: readonly NewAttachment[] = [],
  newest?: Carried | null,
): Promise<NewWords> {
  return sealWords("message", view, keys, directory, text, attachments, newest);
}

/** A report of retaliation, sealed like a message; that there is one stands in clear. Errors as `sealMessage`. */
export function sealRetaliation(
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  text: string,
  attachments: readonly NewAttachment[] = [],
  newest?: Carried | null,
): Promise<NewWords> {
  return sealWords("retaliation", view, keys, directory, text, attachments, newest);
}

async function sealWords(
  type: "message" | "retaliation",
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  text: string,
  attachments: readonly NewAttachment[],
  newest: Carried | null | undefined,
): Promise<NewWords> {
  const recipient = recipientOf(view, newest);
  const { files, envelopes } = await sealAttachments(attachments, [recipient]);
  const part = await sealNext(type, { attachments: envelopes, text }, view, keys, directory, recipient);
  return { ...part, key: lastKey(view.parts), attachments: files.map(b64) };
}

/** Who the reporter is, sealed to the key only k custodians rebuild. Error: Refused if it does not fit 4 KiB. */
export function sealIdentity(
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  identity: JsonObject,
): Promise<NewPart> {
  return sealNext("identity", { identity }, view, keys, directory, view.manifest.identity_recipient);
}

/** The keys of a new receipt, told to the desk and signed with the old one. */
export async function sealNewKeys(
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  fresh: ReceiptKeys,
  newest?: Carried | null,
): Promise<NewPart & { lookup: string; carried?: string }> {
  const reporter = { recipient: fresh.identity.recipient, verify_key: fresh.signing.verifyKey };
  const recipient = recipientOf(view, newest);
  const part = await sealNext("reporter-keys", { reporter }, view, keys, directory, recipient);
  if (!newest) return { ...part, lookup: fresh.lookup };
  const carried = b64(await sealCarried(view.rid, directory.sequence, newest, fresh));
  return { ...part, lookup: fresh.lookup, carried };
}

/** Whom to seal to. Error: Refused if the report may have got a new key and the caller never looked. */
function recipientOf(view: InboxView, newest: Carried | null | undefined): string {
  if (newest === undefined && lastKey(view.parts) > 0) throw new Refused("open the replies first");
  return newest?.recipient ?? view.manifest.report_recipient;
}

async function sealNext(
  type: Header["type"],
  body: unknown,
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  recipient: string,
): Promise<NewPart> {
  const { n, prev } = view.next;
  const head: Header = { by: "reporter", dir_seq: directory.sequence, n, prev, rid: view.rid, type, v: 1 };
  return { n, part: b64(await sealPayload(head, body, keys.signing, [recipient])) };
}
