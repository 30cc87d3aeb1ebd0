/**
 * The inbox: what the desk answered, opened and checked here. A reply counts only if it is the file the list names,
 * stands in its place, follows the part before, and was signed by a desk of a checked directory or by staff whose
 * certificate such a directory vouches for. What does not count is named with a reason, never shown.
 */

import { parseEnvelopes, type Envelope } from "./attachments.js";
import { b64u, unb64, unb64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import { same } from "./canonical.js";
import { checkCertificate } from "./certificates.js";
import { parseDeadlines, type Deadline } from "./deadlines.js";
import type { Directory } from "./directories.js";
import { BadSignature, CryptoError, FormatError, Refused, WrongKey } from "./errors.js";
import type { HybridIdentity } from "./identities.js";
import { parseManifest, type Manifest } from "./manifests.js";
import { parseOutcome, type Outcome } from "./outcomes.js";
import { checkPayload, openPayload, ZERO32, type Header, type OpenedPayload } from "./payloads.js";
import type { ReceiptKeys } from "./receipts.js";
import { openCarried, reportRecipientOf, type Carried } from "./reportkeys.js";
import { bytes32, code, day, integer, items, oneOf } from "./rules.js";
import { parseSigned, verify } from "./signatures.js";

const MAX_TEXT = 1 << 20;
const MAX_OPENINGS = 1000;

/** The number of the newest key that the list of parts names, 0 for the manifest's; a message says what it saw. */
export function lastKey(parts: readonly PartInfo[]): number {
  const places = parts.filter((part) => part.role === "report-keys" && part.n !== null);
  return Math.max(0, ...places.map((part) => part.n! + 1));
}

/** A line of the list of parts; `n` is the place in the author's chain, null for an attachment. */
export type PartInfo = {
  number: number;
  role: string;
  by: "reporter" | "desk" | "staff";
  n: number | null;
  size: number;
  sha256: string;
  day: string;
};

/** The server's view of a report, its form checked; what it says is proven by `proven` and by the replies. */
export interface InboxView {
  reference: string;
  rid: string;
  state: string;
  codeReplacedOn: string | null;
  /** When custodians opened who the reporter is, and on what ground (a code), as far as the server shows it. */
  openings: { day: string; ground: string }[];
  /** How a closed case ended, as far as it stands in clear; null for a case that is open. */
  outcome: { day: string; kind: string } | null;
  manifest: Manifest;
  signature: string;
  leaf: string;
  published: boolean;
  filedOn: string;
  /** Time limits of the law, and the EU benchmark beside them, as the server says them. */
  deadlines: Deadline[];
  parts: PartInfo[];
  next: { n: number; prev: string };
  /** The reporter's own note of the newest report key, written when the code was replaced. */
  carried: Uint8Array | null;
}

/** A reply that was opened, checked and believed; `signer` is a desk's id or the UUID of a person. */
export interface Reply {
  number: number;
  n: number;
  by: "desk" | "staff";
  day: string;
  signer: string;
  text: string;
  attachments: Envelope[];
}

/** How the case ended on a day: opened, checked and believed; `signer` as of a reply. */
export interface Ended {
  number: number;
  n: number;
  by: "desk" | "staff";
  day: string;
  signer: string;
  outcome: Outcome;
}

export interface Rejected {
  number: number;
  /** `key`: sealed to a receipt that was replaced since; `signature`, `place` or `form`: not to be believed. */
  reason: "key" | "signature" | "place" | "form";
}

/** The desk's chain as this receipt reads it; `newest` is the report's newest key, null for the manifest's. */
export interface Opened {
  replies: Reply[];
  /** One for each time that the case was closed. */
  outcomes: Ended[];
  rejected: Rejected[];
  newest: Carried | null;
}

/** The answer of `GET /inbox`, checked against itself. Errors: FormatError, Refused. */
export function parseView(value: unknown): InboxView {
  const found = value as Record<string, unknown> | null;
  if (typeof found !== "object" || found === null) throw new FormatError("not an object");
  const next = found["next"] as Record<string, unknown> | undefined;
  unb64u(found["signature"], 64);
  const view: InboxView = {
    reference: String(found["reference"]),
    rid: bytes32(found["rid"]),
    state: String(found["state"]),
    codeReplacedOn: found["code_replaced_on"] === null ? null : day(found["code_replaced_on"]),
    openings: items(found["openings"] ?? [], MAX_OPENINGS).map(parseOpening),
    outcome: (found["outcome"] ?? null) === null ? null : parseInClear(found["outcome"]),
    manifest: parseManifest(found["manifest"]),
    signature: found["signature"] as string,
    leaf: bytes32(found["leaf"]),
    published: found["published"] === true,
    filedOn: day(found["filed_on"]),
    deadlines: parseDeadlines(found["deadlines"]),
    parts: parseParts(found["parts"]),
    next: { n: integer(next?.["n"]), prev: bytes32(next?.["prev"]) },
    carried: (found["carried"] ?? null) === null ? null : unb64(found["carried"]),
  };
  checkView(view);
  return view;
}

function parseOpening(value: unknown): { day: string; ground: string } {
  const found = value as Record<string, unknown> | null;
  if (typeof found !== "object" || found === null) throw new FormatError("not an object");
  return { day: day(found["day"]), ground: code(found["ground"]) };
}

function parseInClear(value: unknown): { day: string; kind: string } {
  const found = value as Record<string, unknown> | null;
  if (typeof found !== "object" || found === null) throw new FormatError("not an object");
  return { day: day(found["day"]), kind: code(found["kind"]) };
}

/** Whether the outcome in clear is another than the last one that could be opened: the server changed it. */
export function outcomeDiffers(view: InboxView, outcomes: readonly Ended[]): boolean {
  const last = outcomes.at(-1);
  return view.outcome !== null && last !== undefined && last.outcome.facts.kind !== view.outcome.kind;
}

/** The parts of the reporter's chain, or of the one that desk and staff share. Error: Refused if one is missing. */
export function chainOf(parts: readonly PartInfo[], reporter: boolean): PartInfo[] {
  const chain = parts.filter((part) => part.n !== null && (part.by === "reporter") === reporter);
  chain.sort((a, b) => a.n! - b.n!);
  if (chain.some((part, i) => part.n !== i)) throw new Refused("a part of the chain is missing");
  return chain;
}

/**
 * The replies of desk and staff. `fetchPart` gets the age file of a part by its number; `directories` are all that
 * this client checked, newest first: an old reply is signed with a key of its month. Errors: those of `fetchPart`;
 * Refused if a part of the chain is missing.
 */
export async function openReplies(
  view: InboxView,
  keys: ReceiptKeys,
  directories: readonly Directory[],
  fetchPart: (number: number) => Promise<Uint8Array>,
): Promise<Opened> {
  const replies: Reply[] = [];
  const outcomes: Ended[] = [];
  const rejected: Rejected[] = [];
  let newest: Carried | null = null;
  let prev = ZERO32;
  for (const part of chainOf(view.parts, false)) {
    const file = await fetchPart(part.number);
    try {
      const { opened, signer, by } = await openPart(file, part, view.rid, prev, keys.identity, directories);
      if (part.role === "report-keys") {
        newest = { n: part.n!, part: part.sha256, recipient: reportRecipientOf(opened.body) };
      } else if (part.role === "outcome") {
        const outcome = parseOutcome(opened.body);
        outcomes.push({ number: part.number, n: part.n!, by, day: part.day, signer, outcome });
      } else {
        replies.push(replyOf(opened, part, by, signer));
      }
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      const noted = await notedOf(part, view, keys);
      if (noted !== null) newest = noted;
      else rejected.push({ number: part.number, reason: reasonOf(error) });
    }
    prev = part.sha256;
  }
  return { replies, outcomes, rejected, newest };
}

/** What an earlier code of this reporter noted of a `report-keys` part, which was sealed to that code. */
async function notedOf(part: PartInfo, view: InboxView, keys: ReceiptKeys): Promise<Carried | null> {
  if (part.role !== "report-keys" || view.carried === null) return null;
  try {
    const found = await openCarried(view.carried, keys, view.rid);
    return found.n === part.n && found.part === part.sha256 ? found : null;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return null;
  }
}

/**
 * Whether the report's public keys are vouched for, so that something may be sealed to them: by this receipt's
 * signature, or, when the code was replaced, by a believed reply, which names the id of the report and so its key.
 * Error: BadSignature when the receipt was never replaced and still did not sign.
 */
export function proven(view: InboxView, keys: ReceiptKeys, replies: readonly (Reply | Ended)[]): boolean {
  try {
    verify(keys.signing.verifyKey, "manifest", view.manifest, view.signature);
    return true;
  } catch (error) {
    if (view.codeReplacedOn === null) throw error;
    return replies.length > 0;
  }
}

async function openPart(
  file: Uint8Array,
  part: PartInfo,
  rid: string,
  prev: string,
  identity: HybridIdentity,
  directories: readonly Directory[],
): Promise<{ opened: OpenedPayload; signer: string; by: Reply["by"] }> {
  if (file.length !== part.size || b64u(sha256(file)) !== part.sha256) throw new Refused("not the file of the list");
  const opened = await openPayload(file, identity);
  const n = part.n!;
  const by = oneOf(part.by, ["desk", "staff"] as const);
  const type = part.role === "report-keys" || part.role === "outcome" ? part.role : "message";
  const place = { rid, type, by, n, prev } as const;
  return { opened, signer: signerOf(opened, place, part.day, directories), by };
}

function replyOf(opened: OpenedPayload, part: PartInfo, by: Reply["by"], signer: string): Reply {
  const { text, attachments } = opened.body;
  if (typeof text !== "string" || text.length > MAX_TEXT) throw new FormatError("a message without text");
  return { number: part.number, n: part.n!, by, day: part.day, signer, text, attachments: parseEnvelopes(attachments) };
}

function signerOf(
  opened: OpenedPayload,
  place: Parameters<typeof checkPayload>[1],
  onDay: string,
  directories: readonly Directory[],
): string {
  for (const [key, name] of signers(opened, place, onDay, directories)) {
    try {
      checkPayload(opened, place, key);
      return name;
    } catch (error) {
      if (!(error instanceof BadSignature)) throw error;
    }
  }
  throw new BadSignature("signed by nobody the directory names");
}

/** Verify keys and names of those who may have written it. */
function signers(
  opened: OpenedPayload,
  { by, type }: Pick<Header, "by" | "type">,
  onDay: string,
  directories: readonly Directory[],
): Map<string, string> {
  if (by === "desk") return new Map(directories.flatMap(({ desks }) => desks.map((desk) => [desk.verify_key, desk.id])));
  const certificate = parseSigned(opened.body["certificate"]);
  for (const directory of directories) {
    try {
      const { verify_key, person, roles } = checkCertificate(certificate, directory, onDay);
      // A new report key is given by desk and leads; an investigator whose access ends must not give one.
      if (type === "report-keys" && !roles.some((role) => role === "desk" || role === "lead")) break;
      return new Map([[verify_key, person]]);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
    }
  }
  return new Map();
}

function reasonOf(error: CryptoError): Rejected["reason"] {
  if (error instanceof WrongKey) return "key";
  if (error instanceof BadSignature) return "signature";
  return error instanceof Refused ? "place" : "form";
}

function parseParts(value: unknown): PartInfo[] {
  if (!Array.isArray(value)) throw new FormatError("not a list of parts");
  return value.map((line: Record<string, unknown>) => ({
    number: integer(line["number"]),
    role: String(line["role"]),
    by: oneOf(line["by"], ["reporter", "desk", "staff"] as const),
    n: line["n"] === null ? null : integer(line["n"]),
    size: integer(line["size"]),
    sha256: bytes32(line["sha256"]),
    day: day(line["day"]),
  }));
}

function checkView(view: InboxView): void {
  if (view.rid !== view.manifest.rid) throw new Refused("the manifest is of another report");
  const mine = chainOf(view.parts, true);
  const filed = view.manifest.parts.slice(0, 2).map((line) => line.sha256);
  if (!same(mine.slice(0, 2).map((part) => part.sha256), filed)) {
    throw new Refused("the list of parts is not that of the manifest");
  }
  const last = mine.at(-1);
  if (view.next.n !== mine.length || view.next.prev !== (last?.sha256 ?? ZERO32)) {
    throw new Refused("the next place is not behind the last part");
  }
}
