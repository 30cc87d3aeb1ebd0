/**
 * A whole report, sealed in one call. The report key and the identity key exist only inside that call: what leaves it
 * is the package, which opens nothing, and the receipt, which opens the replies only.
 */

import { b64, b64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import type { JsonObject } from "./canonical.js";
import { checkNamed, numbered, sealFile, type Line, type NewAttachment } from "./attachments.js";
import { deskOf, type Directory } from "./directories.js";
import { Refused } from "./errors.js";
import { sealGrant } from "./grants.js";
import { HybridIdentity } from "./identities.js";
import {
  parseFields, parseManifest, ridOf, type Fields, type Manifest, type PartLine, type Role,
} from "./manifests.js";
import { sealPayload, ZERO32, type Header } from "./payloads.js";
import { derive, newReceipt, parseReceipt, type ReceiptKeys } from "./receipts.js";
import { splitIdentity } from "./shares.js";
import { sealAttachmentStream, type LargeAttachment, type SealedStream } from "./streams.js";

export type PackagePart = { data: string; role: Role };
/** An attachment that was uploaded before; `upload` is the id at the end of its address. */
export type UploadedPart = { role: "attachment"; upload: string };
export type AnyPart = PackagePart | UploadedPart;

/** What a client sends, section 7: `data` is padded base64 of age files, the rest base64url. */
export type Package<P = PackagePart> = {
  grants: { data: string; desk: string }[];
  lookup: string;
  manifest: Manifest;
  parts: P[];
  shares: { data: string; seat: number }[];
  signature: string;
};

export interface NewReport<A = NewAttachment> {
  answers: JsonObject;
  fields: Fields;
  identity: JsonObject | null;
  attachments: readonly A[];
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

export interface SealedReport<P = PackagePart> {
  receipt: string;
  keys: ReceiptKeys;
  package: Package<P>;
}

/** Takes a sealed file to the service, reading its stream to the end, and gives the id of the upload. */
export type Upload = (sealed: SealedStream) => Promise<string>;

/** An attachment, sealed: where its file is, how large that is, what the narrative says of it. */
type SealedFile<P> = { part: P; size: number; line: Line };
type Sealer<A, P> = (item: A, recipients: readonly string[]) => Promise<SealedFile<P>>;

/**
 * Seal a report to its desks and to the seats of a checked directory. Errors: FormatError for fields, form or
 * answers; Refused for a desk that is not in the directory, an identity that does not fit 4 KiB, or keys without
 * their receipt.
 */
export function sealReport(report: NewReport): Promise<SealedReport> {
  return sealWith(report, sealHere);
}

/**
 * The same with attachments too large for memory: each is sealed while it is read and goes through `upload`, one after
 * the other. The report key exists only inside this call, so a report that was given up is uploaded anew. Errors: as
 * `sealReport`; those of `upload`; Refused for a source of another size.
 */
export function sealReportWithUploads(
  report: NewReport<NewAttachment | LargeAttachment>,
  upload: Upload,
): Promise<SealedReport<AnyPart>> {
  return sealWith<NewAttachment | LargeAttachment, AnyPart>(report, (item, recipients) =>
    "data" in item ? sealHere(item, recipients) : sealAway(item, recipients, upload));
}

async function sealWith<A extends { name: string; type: string }, P>(
  report: NewReport<A>,
  sealer: Sealer<A, P>,
): Promise<SealedReport<P | PackagePart>> {
  const { directory } = report;
  parseFields(report.fields);
  for (const { name, type } of report.attachments) checkNamed(name, type); // before anything large is sent
  if (report.keys && !report.receipt) throw new Refused("keys without their receipt");
  if (new Set(report.desks).size !== report.desks.length || report.desks.length < 1 || report.desks.length > 8) {
    throw new Refused("a report goes to 1 to 8 different desks");
  }
  const desks = report.desks.map((id) => deskOf(directory, id, report.today));
  const receipt = report.receipt ? parseReceipt(report.receipt) : newReceipt();
  const keys = report.keys ?? (await derive(receipt));
  const [key, secret] = await Promise.all([HybridIdentity.generate(), HybridIdentity.generate()]);
  const rid = ridOf(key.recipient);

  const parts = await sealParts(report, sealer, keys, key.recipient, secret.recipient);
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
    parts: parts.map(({ line }) => line),
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
      parts: parts.map(({ part }) => part),
      shares: shares.map(({ seat, data }) => ({ data: b64(data), seat })),
      signature: keys.signing.sign("manifest", manifest),
    },
  };
}

async function sealHere(item: NewAttachment, recipients: readonly string[]): Promise<SealedFile<PackagePart>> {
  const { file, line } = await sealFile(item, recipients);
  return { part: { data: b64(file), role: "attachment" }, size: file.length, line };
}

async function sealAway(
  { name, type, source }: LargeAttachment,
  recipients: readonly string[],
  upload: Upload,
): Promise<SealedFile<UploadedPart>> {
  const { size } = source;
  const sealed = await sealAttachmentStream(source, recipients);
  const part = { role: "attachment", upload: await upload(sealed) } as const;
  return { part, size: sealed.size, line: { ...sealed.sums(), name, size, type } };
}

/** Narrative, identity, attachments, in the manifest's order, each with its line there. */
async function sealParts<A, P>(
  report: NewReport<A>,
  sealer: Sealer<A, P>,
  keys: ReceiptKeys,
  reportRecipient: string,
  identityRecipient: string,
): Promise<{ part: P | PackagePart; line: PartLine }[]> {
  const files: SealedFile<P>[] = [];
  for (const item of report.attachments) files.push(await sealer(item, [reportRecipient]));
  const head = (type: Header["type"], n: number, prev: string): Header => ({
    by: "reporter", dir_seq: report.directory.sequence, n, prev, rid: ridOf(reportRecipient), type, v: 1,
  });
  const body = {
    answers: report.answers,
    attachments: numbered(files.map(({ line }) => line)),
    fields: report.fields,
    reporter: { recipient: keys.identity.recipient, verify_key: keys.signing.verifyKey },
  };
  const narrative = await sealPayload(head("narrative", 0, ZERO32), body, keys.signing, [reportRecipient]);
  const second = head("identity", 1, b64u(sha256(narrative)));
  const identity = await sealPayload(second, { identity: report.identity }, keys.signing, [identityRecipient]);
  const small = (role: Role, data: Uint8Array): { part: PackagePart; line: PartLine } => ({
    part: { data: b64(data), role },
    line: { role, sha256: b64u(sha256(data)), size: data.length },
  });
  return [
    small("narrative", narrative),
    small("identity", identity),
    ...files.map(({ part, size, line }) => ({
      part,
      line: { role: "attachment" as const, sha256: line.file_sha256, size },
    })),
  ];
}
