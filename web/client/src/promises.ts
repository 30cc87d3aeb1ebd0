/**
 * A promise is the authority's signed word that a record will stand in the log within 48 hours. The log shows a
 * salted hash only; the reporter holds record and salt and can recompute it.
 */

import { b64u, unb64u } from "./base64.js";
import { concat, sha256, utf8 } from "./bytes.js";
import { dumps, members, same, type JsonObject } from "./canonical.js";
import type { Directory } from "./directories.js";
import { FormatError, Refused } from "./errors.js";
import { manifestDigest, type Manifest } from "./manifests.js";
import { openNote, parseVkey, type VerifierKey } from "./notes.js";
import { bytes32, day, integer, text, version } from "./rules.js";
import { checkDocument, signDocument, type Signed, type SigningKey } from "./signatures.js";
import { checkProof, parseProof, type Checkpoint } from "./tlog.js";

export const WITHIN_HOURS = 48;
/** So many independent witnesses make a head witnessed. */
export const QUORUM = 2;
/** How long an entry may go without its witnesses after its promise was due. */
export const GRACE_HOURS = 48;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export type Promised = { day: string; leaf: string; origin: string; v: 1; within_hours: number };

/** The leaf of a record under a 32-byte salt, base64url. Error: FormatError. */
export function leafHash(salt: string, record: unknown): string {
  return b64u(sha256(utf8("adal/v1/leaf"), unb64u(salt, 32), dumps(record)));
}

/** The 64-byte entry of the log: 32 random bytes, then the leaf. Error: FormatError. */
export function entry(random32: Uint8Array, leaf: string): Uint8Array {
  if (random32.length !== 32) throw new FormatError("wrong number of bytes");
  return concat(random32, unb64u(leaf, 32));
}

/** The record of a filed report. */
export function reportRecord(manifest: Manifest, filedOn: string): JsonObject {
  return { day: filedOn, manifest: manifestDigest(manifest), rid: manifest.rid, type: "manifest", v: 1 };
}

/** The promise of the log `origin` to include `leaf`. */
export function makePromise(leaf: string, filedOn: string, origin: string, key: SigningKey): Signed {
  return signDocument("promise", { day: filedOn, leaf, origin, v: 1, within_hours: WITHIN_HOURS }, [key]);
}

/** The body, if the log promised exactly this record. Errors: FormatError, BadSignature, Refused. */
export function checkPromise(doc: Signed, verifyKey: string, record: JsonObject, salt: string): Promised {
  checkDocument("promise", doc, [verifyKey], 1);
  const body = members(doc.body, ["day", "leaf", "origin", "v", "within_hours"]);
  const found: Promised = {
    day: day(body["day"]),
    leaf: bytes32(body["leaf"]),
    origin: text(body["origin"], 255),
    v: version(body["v"]),
    within_hours: integer(body["within_hours"], 1),
  };
  if (found.within_hours > WITHIN_HOURS) throw new Refused("the promise is for too late");
  if (found.leaf !== leafHash(salt, record)) throw new Refused("the promise is of another record");
  if (found.day !== record["day"]) throw new Refused("the promise is of another day");
  return found;
}

/**
 * What a client checks of the answer to a filing: a log of the directory promised the record of this manifest.
 * Errors: FormatError, BadSignature, Refused.
 */
export function checkFiled(
  answer: { promise: Signed; record: JsonObject; salt: string },
  manifest: Manifest,
  directory: Directory,
): Promised {
  const log = logOf(directory, String(answer.promise.body["origin"]));
  const promised = checkPromise(answer.promise, b64u(log.key), answer.record, answer.salt);
  if (!same(answer.record, reportRecord(manifest, promised.day))) {
    throw new Refused("the promise is of another record");
  }
  return promised;
}

/** The checkpoint of the log which holds the leaf, from a proof file. Errors: FormatError, BadSignature, Refused. */
export function checkIncluded(proofText: string, leaf: string, directory: Directory, quorum = 0): Checkpoint {
  const proof = parseProof(proofText);
  if (!proof.extra) throw new FormatError("the proof lacks the random bytes of the entry");
  const origin = proof.checkpoint.slice(0, proof.checkpoint.indexOf("\n"));
  const witnesses = directory.witnesses.map(parseVkey);
  return checkProof(proof, entry(proof.extra, leaf), logOf(directory, origin), witnesses, quorum);
}

/** Who vouches for a head of the log, beside the authority that signed it. */
export type Standing = "witnessed" | "not-yet-witnessed" | "no-witnesses";

/**
 * The same, and who saw that head. With two witnesses in the directory, an entry that they have not seen 48 hours after
 * the promise of `promisedOn` (YYYY-MM-DD) was due is refused. Errors: FormatError, BadSignature, Refused.
 */
export function checkStanding(
  proofText: string,
  leaf: string,
  directory: Directory,
  promisedOn: string,
  now: Date = new Date(),
): { checkpoint: Checkpoint; standing: Standing } {
  const checkpoint = checkIncluded(proofText, leaf, directory);
  if (directory.witnesses.length < QUORUM) return { checkpoint, standing: "no-witnesses" };
  const origin = checkpoint.origin;
  const { names } = openNote(parseProof(proofText).checkpoint, [logOf(directory, origin), ...directory.witnesses.map(parseVkey)]);
  if (names.filter((name) => name !== origin).length >= QUORUM) return { checkpoint, standing: "witnessed" };
  // The day may have lasted until midnight in any time zone.
  const due = Date.parse(`${day(promisedOn)}T00:00:00Z`) + 2 * DAY + WITHIN_HOURS * HOUR;
  if (now.getTime() > Math.max(due, directory.validFrom.getTime()) + GRACE_HOURS * HOUR) {
    throw new Refused("no witness saw this entry in time");
  }
  return { checkpoint, standing: "not-yet-witnessed" };
}

function logOf(directory: Directory, origin: string): VerifierKey {
  const log = directory.logs.find((found) => found.origin === origin);
  if (!log) throw new Refused("no such log in the directory");
  return parseVkey(log.vkey);
}
