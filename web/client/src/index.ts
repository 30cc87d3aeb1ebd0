/** The reporter's side of Adal's sealing format. See README.md for what it promises. */

export { idempotencyKey, Inbox, Intake, Problem, type Draft, type Filed, type Stored } from "./api.js";
export {
  openAttachment, parseEnvelopes, safeName, sealAttachment, sealAttachments, type Envelope, type NewAttachment,
} from "./attachments.js";
export * from "./base64.js";
export { dumps, loads, type Json, type JsonObject } from "./canonical.js";
export * from "./certificates.js";
export { solve } from "./challenge.js";
export * from "./checks.js";
export * from "./deadlines.js";
export * from "./directories.js";
export * from "./errors.js";
export * from "./grants.js";
export { HybridIdentity, parseRecipient } from "./identities.js";
export * from "./inbox.js";
export * from "./manifests.js";
export * from "./notes.js";
export * from "./opening.js";
export * from "./outcomes.js";
export * from "./packages.js";
export { padded, padme } from "./padding.js";
export { checkPart, openPart, seal } from "./parts.js";
export {
  checkPayload, openPayload, sealPayload, ZERO32,
  type Header as PayloadHeader, type OpenedPayload, type Place,
} from "./payloads.js";
export * from "./promises.js";
export { damm, derive, formatReceipt, newReceipt, parseReceipt, ReceiptError, type ReceiptKeys } from "./receipts.js";
export * from "./reportkeys.js";
export * from "./sending.js";
export * from "./shares.js";
export * from "./signatures.js";
export { sealAttachmentStream, type LargeAttachment, type SealedStream, type Source } from "./streams.js";
export * from "./tlog.js";
