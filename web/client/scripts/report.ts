/**
 * The library as a command, for tests of the whole system and for a reporter with Node:
 *
 *   report.js file  BASE_URL ROOTS INPUT.json   seals and files a report
 *   report.js inbox BASE_URL ROOTS INPUT.json   opens the replies of a receipt, and adds to the report
 *
 * ROOTS are the pinned verify keys of the roots, base64url, with commas between. INPUT may be `-` for standard input:
 * a receipt or an answer is never an argument, which every user of the machine could read. One JSON object comes out.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  CryptoError, Intake, Problem, Refused, checkDirectory, checkFiled, checkIncluded, checkStanding, derive, idempotencyKey,
  openAttachment, openReplies, outcomeDiffers, parseReceipt, proven, safeName, sealIdentity, sealMessage, sealNewKeys, sealReport,
  sealReportWithUploads, newReceipt,
  type Carried, type Directory, type Fields, type Filed, type Inbox, type InboxView, type JsonObject,
  type LargeAttachment,
  type Manifest, type NewAttachment, type NewReport, type ReceiptKeys, type Reply,
} from "../src/index.js";
import { UploadBroken, uploader } from "../src/uploads.js";
import { fileSource, fileSpool } from "./files.js";

/** Attachments above this many bytes together are uploaded before the report is filed. */
const MOST_INLINE = 8 << 20;

type Attached = string | { path: string; name?: string; type?: string };

interface FileInput {
  answers: JsonObject;
  fields: Fields;
  /** anonymous, confidential or open: an answer, sealed like the others. */
  mode?: string;
  identity?: JsonObject | null;
  attachments?: Attached[];
  desk?: string;
  form?: string;
}

interface InboxInput {
  receipt: string;
  message?: { text: string; attachments?: Attached[] };
  identity?: JsonObject;
  replace_code?: boolean;
  /** Folder for attachments of replies. */
  save?: string;
}

async function fileReport(intake: Intake, directory: Directory, input: FileInput): Promise<unknown> {
  const report = {
    answers: { ...input.answers, mode: input.mode ?? "anonymous" },
    fields: input.fields,
    identity: input.identity ?? null,
    attachments: (input.attachments ?? []).map(large),
    directory,
    desks: [input.desk ?? directory.desks[0]!.id],
    form: input.form ?? (await intake.form()).version,
  };
  const total = report.attachments.reduce((sum, { source }) => sum + source.size, 0);
  const { receipt, manifest, filed } = await (total > MOST_INLINE
    ? fileWithUploads(intake, report)
    : fileAtOnce(intake, { ...report, attachments: (input.attachments ?? []).map(attachment) }));
  const { reference, rid, day, promise, record, salt } = filed;
  const { leaf } = checkFiled({ promise, record, salt }, manifest, directory);
  return { receipt, reference, rid, day, promise, record, salt, leaf };
}

type FiledReport = { receipt: string; manifest: Manifest; filed: Filed };

async function fileAtOnce(intake: Intake, report: NewReport): Promise<FiledReport> {
  const sealed = await sealReport(report);
  return { receipt: sealed.receipt, manifest: sealed.package.manifest, filed: await intake.file(sealed.package) };
}

async function fileWithUploads(intake: Intake, report: NewReport<LargeAttachment>): Promise<FiledReport> {
  const draft = await intake.openDraft();
  const sealed = await sealReportWithUploads(report, uploader(intake, draft, { spool: () => fileSpool() }));
  const filed = await intake.file(sealed.package, idempotencyKey(), draft);
  return { receipt: sealed.receipt, manifest: sealed.package.manifest, filed };
}

async function visitInbox(intake: Intake, directory: Directory, input: InboxInput): Promise<unknown> {
  const keys = await derive(parseReceipt(input.receipt));
  const inbox = await intake.openInbox(keys.lookup);
  const view = await inbox.view();
  const { replies, outcomes, rejected, newest } = await openReplies(view, keys, [directory], (number) => inbox.part(number));
  const proof = view.published ? await intake.proof(view.leaf) : null;
  const vouched = proven(view, keys, [...replies, ...outcomes]);
  if (!vouched && (input.message || input.identity || input.replace_code)) {
    throw new Refused("the code was replaced and no reply vouches for the report's keys yet");
  }
  return {
    reference: view.reference,
    rid: view.rid,
    state: view.state,
    proven: vouched,
    included: proof !== null && checkIncluded(proof, view.leaf, directory).size > 0,
    log: proof === null ? null : checkStanding(proof, view.leaf, directory, view.filedOn).standing,
    replies: await Promise.all(replies.map((reply) => shown(reply, view, inbox, keys, input.save))),
    outcome: view.outcome,
    outcomes,
    outcomeDiffers: outcomeDiffers(view, outcomes),
    rejected,
    sent: await send(intake, inbox, view, keys, directory, newest, input),
  };
}

/** What the reporter adds, in this order; each part takes the place after the one before, so the view is loaded anew. */
async function send(
  intake: Intake,
  inbox: Inbox,
  view: InboxView,
  keys: ReceiptKeys,
  directory: Directory,
  newest: Carried | null,
  input: InboxInput,
): Promise<JsonObject> {
  const sent: JsonObject = {};
  if (input.message) {
    const { text, attachments = [] } = input.message;
    sent["message"] = await inbox.message(await sealMessage(view, keys, directory, text, attachments.map(attachment), newest));
  }
  if (input.identity) {
    sent["identity"] = await inbox.identity(await sealIdentity(await inbox.view(), keys, directory, input.identity));
  }
  if (input.replace_code) {
    const receipt = newReceipt();
    const fresh = await derive(receipt);
    await inbox.offerCode(await sealNewKeys(await inbox.view(), keys, directory, fresh, newest));
    await (await intake.openInbox(fresh.lookup)).confirmCode();
    sent["receipt"] = receipt;
  }
  return sent;
}

async function shown(
  reply: Reply,
  view: InboxView,
  inbox: Inbox,
  keys: ReceiptKeys,
  folder: string | undefined,
): Promise<unknown> {
  const attachments = [];
  for (const line of reply.attachments) {
    const part = view.parts.find((found) => found.sha256 === line.file_sha256);
    const data = part ? await openAttachment(await inbox.part(part.number), line, keys.identity) : null;
    const path = data && folder ? save(folder, `${reply.number}-${line.i}-${safeName(line)}`, data) : null;
    attachments.push({ name: line.name, type: line.type, size: line.size, sha256: line.sha256, found: data !== null, path });
  }
  const { n, by, signer, day, text } = reply;
  return { n, by, signer, day, text, attachments };
}

function large(given: Attached): LargeAttachment {
  const { path, name, type } = typeof given === "string" ? { path: given, name: undefined, type: undefined } : given;
  return { name: name ?? basename(path), type: type ?? "application/octet-stream", source: fileSource(path) };
}

function attachment(given: Attached): NewAttachment {
  const { name, type } = large(given);
  return { name, type, data: new Uint8Array(readFileSync(typeof given === "string" ? given : given.path)) };
}

function save(folder: string, name: string, data: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, data, { mode: 0o600, flag: "wx" });
  return path;
}

async function main(): Promise<unknown> {
  const [command, baseUrl, roots, input] = process.argv.slice(2);
  if (!baseUrl || !roots || !input || (command !== "file" && command !== "inbox")) {
    throw new CryptoError("usage: report.js file|inbox BASE_URL ROOTS INPUT.json");
  }
  const intake = new Intake(baseUrl);
  const directory = checkDirectory(await intake.directory(), { roots: roots.split(",") });
  const given: unknown = JSON.parse(readFileSync(input === "-" ? 0 : input, "utf8"));
  if (command === "file") return fileReport(intake, directory, given as FileInput);
  return visitInbox(intake, directory, given as InboxInput);
}

try {
  process.stdout.write(`${JSON.stringify(await main())}\n`);
} catch (error) {
  // Texts of our own errors are fixed; those of others could quote what was typed.
  const known = error instanceof CryptoError || error instanceof Problem || error instanceof UploadBroken;
  const { name, message } = known ? error : { name: "Error", message: error instanceof Error ? error.name : "unknown" };
  const detail = error instanceof Problem ? error.detail : undefined;
  process.stderr.write(`${JSON.stringify({ error: name, message, detail })}\n`);
  process.exitCode = 1;
}
