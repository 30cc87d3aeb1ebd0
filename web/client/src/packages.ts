/**
 * A whole report, sealed in one call. The report key and the identity key exist only inside that call: what leaves it
 * is the package, which opens nothing, and the receipt, which opens the replies only.
 */

import { b64, b64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import type { JsonObject } from "./canonical.js";
import { sealAttachments, type NewAttachment } from "./attachments.js";
import { deskOf, type Directory } from "./directories.js";
import { Refused } from "./errors.js";
import { sealGrant } from "./grants.js";
import { HybridIdentity } from "./identities.js";
import { parseFields, parseManifest, ridOf, type Fields, type Manifest, type Role } from "./manifests.js";
import { sealPayload, ZERO32, type Header } from "./payloads.js";
import { derive, newReceipt, parseReceipt, type ReceiptKeys } from "./receipts.js";
import { splitIdentity } from "./shares.js";

/** What a client sends, section 7: `data` is padded base64 of age files, the rest base64url. */
export type Package = {
  grants: { data: string; desk: string }[];
  lookup: string;
  manifest: Manifest;
  parts: { data: string; role: Role }[];
  shares: { data: string; seat: number }[];
  signature: string;
};

export interface NewReport {
  answers: JsonObject;
  fields: Fields;
  identity: JsonObject | null;
  attachments: readonly NewAttachment[];
  /** Checked, see `checkDirectory`. */
  directory: Directory;
  /** Ids of 1 to 8 desks. */
  desks: readonly string[];
  /** The version of the form. */
  form: string;
  /** A receipt made before with its keys, for instance while the reporter was typing. */
  receipt?: string;
  keys?: ReceiptKeys;
  today?: Date;
}

export interface SealedReport {
  receipt: string;
  keys: ReceiptKeys;
  package: Package;
}

/**
 * Seal a report to its desks and to the seats of a checked directory. Errors: FormatError for fields, form or
 * answers; Refused for a desk that is not in the directory, an identity that does not fit 4 KiB, or keys without
 * their receipt.
 */
export async function sealReport(report: NewReport): Promise<SealedReport> {
  const { directory } = report;
  if (report.keys && !report.receipt) throw new Refused("keys without their receipt");
  if (new Set(report.desks).size !== report.desks.length || report.desks.length < 1 || report.desks.length > 8) {
    throw new Refused("a report goes to 1 to 8 different desks");
  }
  const desks = report.desks.map((id) => deskOf(directory, id, report.today));
  const receipt = report.receipt ? parseReceipt(report.receipt) : newReceipt();
  const keys = report.keys ?? (await derive(receipt));
  const [key, secret] = await Promise.all([HybridIdentity.generate(), HybridIdentity.generate()]);
  const rid = ridOf(key.recipient);

  const parts = await sealParts(report, keys, key.recipient, secret.recipient);
  const shares = await splitIdentity(secret, rid, directory.seats, directory.k, directory.sequence);
  const manifest = parseManifest({
    dir_seq: directory.sequence,
    directory: directory.digest,
    fields: report.fields,
    form: report.form,
    identity_recipient: secret.recipient,
    k: directory.k,
    mode: "sealed",
    n: directory.n,
    parts: parts.map(({ role, data }) => ({ role, sha256: b64u(sha256(data)), size: data.length })),
    report_recipient: key.recipient,
    rid,
    shares: shares.map(({ seat, commitment }) => ({ commitment, seat })),
    v: 1,
  });
  const grants = await Promise.all(
    desks.map(async (desk) => ({ data: b64(await sealGrant(key, "desk", desk.recipient)), desk: desk.id })),
  );
  return {
    receipt,
    keys,
    package: {
      grants,
      lookup: keys.lookup,
      manifest,
      parts: parts.map(({ role, data }) => ({ data: b64(data), role })),
      shares: shares.map(({ seat, data }) => ({ data: b64(data), seat })),
      signature: keys.signing.sign("manifest", manifest),
    },
  };
}

/** Narrative, identity, attachments, in the manifest's order. */
async function sealParts(
  report: NewReport,
  keys: ReceiptKeys,
  reportRecipient: string,
  identityRecipient: string,
): Promise<{ role: Role; data: Uint8Array }[]> {
  const { files, envelopes } = await sealAttachments(report.attachments, [reportRecipient]);
  const head = (type: Header["type"], n: number, prev: string): Header => ({
    by: "reporter", dir_seq: report.directory.sequence, n, prev, rid: ridOf(reportRecipient), type, v: 1,
  });
  const body = {
    answers: report.answers,
    attachments: envelopes,
    fields: parseFields(report.fields),
    reporter: { recipient: keys.identity.recipient, verify_key: keys.signing.verifyKey },
  };
  const narrative = await sealPayload(head("narrative", 0, ZERO32), body, keys.signing, [reportRecipient]);
  const second = head("identity", 1, b64u(sha256(narrative)));
  const identity = await sealPayload(second, { identity: report.identity }, keys.signing, [identityRecipient]);
  return [
    { role: "narrative", data: narrative },
    { role: "identity", data: identity },
    ...files.map((data) => ({ role: "attachment" as const, data })),
  ];
}
