/** What a reporter adds to a report later: messages, an identity, new keys; each sealed for its place in the chain. */

import { sealAttachments, type NewAttachment } from "./attachments.js";
import { b64 } from "./base64.js";
import type { JsonObject } from "./canonical.js";
import type { Directory } from "./directories.js";
import type { InboxView } from "./inbox.js";
import { sealPayload, type Header } from "./payloads.js";
import type { ReceiptKeys } from "./receipts.js";

/** A part for the place `n`, base64, as `POST /inbox/...` takes it. */
export type NewPart = { n: number; part: string };

/** A message to the desk. Only for a view that is `proven`. Errors: FormatError, Refused. */
export async function sealMessage(
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  text: string,
  attachments: readonly NewAttachment[] = [],
): Promise<NewPart & { attachments: string[] }> {
  const recipient = view.manifest.report_recipient;
  const { files, envelopes } = await sealAttachments(attachments, [recipient]);
  const part = await sealNext("message", { attachments: envelopes, text }, view, keys, directory, recipient);
  return { ...part, attachments: files.map(b64) };
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
): Promise<NewPart & { lookup: string }> {
  const reporter = { recipient: fresh.identity.recipient, verify_key: fresh.signing.verifyKey };
  const recipient = view.manifest.report_recipient;
  const part = await sealNext("reporter-keys", { reporter }, view, keys, directory, recipient);
  return { ...part, lookup: fresh.lookup };
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
