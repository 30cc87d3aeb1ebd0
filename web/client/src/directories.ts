/**
 * The key directory says whose keys are whose; two of three offline roots vouch for it, clients trust no other. One
 * that is unsigned, expired, too long valid, older than what was seen, or in which one key plays two parts is refused.
 */

import { b64u } from "./base64.js";
import { members, type Json } from "./canonical.js";
import { FormatError, Refused } from "./errors.js";
import { parseRecipient } from "./identities.js";
import { parseVkey } from "./notes.js";
import { ZERO32 } from "./payloads.js";
import { bytes32, code, instant, integer, items, matching, oneOf, text, version } from "./rules.js";
import type { Seat } from "./shares.js";
import { checkDocument, digest, type Signed } from "./signatures.js";

export type Desk = { id: string; month: string; recipient: string; verify_key: string };
export type Certifier = { id: string; verify_key: string };
export type Log = { origin: string; vkey: string };
/** A service that outcomes, or the notifier, that addresses are sealed to. */
export type Service = { id: "registry" | "rewards" | "notifier"; recipient: string };

/** A directory; `digest` is that of its document, `k` of `n` seats open an identity. */
export interface Directory {
  sequence: number;
  digest: string;
  previous: string;
  environment: "development" | "production";
  validFrom: Date;
  validUntil: Date;
  desks: Desk[];
  seats: Seat[];
  payments: Seat[];
  certifiers: Certifier[];
  logs: Log[];
  witnesses: string[];
  services: Service[];
  k: number;
  n: number;
}

const ROOT_THRESHOLD = 2;
const THRESHOLD = 2;
const LONGEST = 90 * 24 * 3600 * 1000;
const MAX_LINES = 255;
const SERVICES = ["registry", "rewards", "notifier"] as const;
const MEMBERS = [
  "certifiers", "desks", "environment", "logs", "payments", "previous", "seats", "sequence",
  "thresholds", "v", "valid_from", "valid_until", "witnesses",
];

/** What a client pinned and what it saw before; `now` is the present. */
export interface Pins {
  roots: readonly string[];
  now?: Date;
  minimumSequence?: number;
  last?: Directory;
}

/** The directory, if two of the roots signed it and every rule holds. Errors: FormatError, BadSignature, Refused. */
export function checkDirectory(doc: Signed, pins: Pins): Directory {
  checkDocument("directory", doc, pins.roots, ROOT_THRESHOLD);
  const directory = parseDirectory(doc);
  refuseDoubles([...pins.roots, ...directoryKeys(directory)]);
  const now = pins.now ?? new Date();
  if (now < directory.validFrom || now >= directory.validUntil) {
    throw new Refused("the directory is not valid at this time");
  }
  if (directory.sequence < (pins.minimumSequence ?? 1)) throw new Refused("the directory is too old");
  if (pins.last) checkAfter(directory, pins.last);
  return directory;
}

/** The shape of a directory, without trust in it. Errors: FormatError; Refused if it breaks a rule in itself. */
export function parseDirectory(doc: Signed): Directory {
  const body = members(doc.body, MEMBERS, ["services"]);
  version(body["v"]);
  const thresholds = members(body["thresholds"], ["certifiers", "identity", "payments"]);
  const seats = items(body["seats"], MAX_LINES).map(parseSeat);
  const directory: Directory = {
    sequence: integer(body["sequence"], 1),
    digest: digest(doc),
    previous: bytes32(body["previous"]),
    environment: oneOf(body["environment"], ["development", "production"] as const),
    validFrom: instant(body["valid_from"]),
    validUntil: instant(body["valid_until"]),
    desks: items(body["desks"], MAX_LINES).map(parseDesk),
    seats,
    payments: items(body["payments"], MAX_LINES).map(parseSeat),
    certifiers: items(body["certifiers"], MAX_LINES).map(parseCertifier),
    logs: items(body["logs"], MAX_LINES).map(parseLog),
    witnesses: items(body["witnesses"], MAX_LINES).map(vkey),
    services: "services" in body ? parseServices(body["services"]!) : [],
    k: integer(thresholds["identity"]),
    n: seats.length,
  };
  const { certifiers, payments } = thresholds;
  if (integer(certifiers) !== THRESHOLD || integer(payments) !== THRESHOLD) throw new Refused("impossible threshold");
  checkWhole(directory);
  return directory;
}

/** Every public key in it, as text. */
export function directoryKeys(directory: Directory): string[] {
  const { desks, seats, payments, certifiers, logs, witnesses, services } = directory;
  return [
    ...desks.flatMap((desk) => [desk.recipient, desk.verify_key]),
    ...[...seats, ...payments].flatMap((seat) => [seat.recipient, seat.verify_key]),
    ...certifiers.map((certifier) => certifier.verify_key),
    ...[...logs.map((log) => log.vkey), ...witnesses].map((found) => b64u(parseVkey(found).key)),
    ...services.map((service) => service.recipient),
  ];
}

/** The recipient of `rewards` or `registry`, to seal an outcome to. Error: Refused when there is none. */
export function serviceOf(directory: Directory, id: Service["id"]): string {
  const found = directory.services.find((service) => service.id === id);
  if (!found) throw new Refused("no such service");
  return found.recipient;
}

/** The desk's key to seal to: of this UTC month, else of the latest month before. Error: Refused. */
export function deskOf(directory: Directory, id: string, today: Date = new Date()): Desk {
  const month = today.toISOString().slice(0, 7);
  const known = directory.desks.filter((desk) => desk.id === id && desk.month <= month);
  const newest = known.reduce<Desk | undefined>((best, desk) => (!best || desk.month > best.month ? desk : best), undefined);
  if (!newest) throw new Refused("no such desk");
  return newest;
}

function checkWhole(directory: Directory): void {
  const lasts = directory.validUntil.getTime() - directory.validFrom.getTime();
  if (lasts <= 0 || lasts > LONGEST) throw new Refused("the directory is valid for too long");
  if (directory.k < 2 || directory.k > directory.n) throw new Refused("impossible threshold");
  for (const seats of [directory.seats, directory.payments]) {
    if (seats.some(({ seat }, i) => seat !== i + 1)) throw new Refused("seats are not numbered 1 to n");
  }
  if (directory.desks.length === 0) throw new Refused("no desk");
  refuseDoubles(directory.desks.map((desk) => `${desk.id} ${desk.month}`));
  refuseDoubles(directory.certifiers.map((certifier) => certifier.id));
  refuseDoubles(directory.logs.map((log) => log.origin));
  refuseDoubles(directory.services.map((service) => service.id));
  if ((directory.sequence === 1) !== (directory.previous === ZERO32)) {
    throw new Refused("the first directory, and no other, has no previous one");
  }
}

function checkAfter(directory: Directory, last: Directory): void {
  if (directory.sequence < last.sequence) throw new Refused("the directory is too old");
  if (directory.environment !== last.environment) throw new Refused("the directory is of another environment");
  if (directory.sequence === last.sequence && directory.digest !== last.digest) {
    throw new Refused("two directories with one sequence");
  }
  if (directory.sequence === last.sequence + 1 && directory.previous !== last.digest) {
    throw new Refused("the directory does not follow the last one");
  }
}

function refuseDoubles(names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw new Refused("one key or name in two places");
}

function parseDesk(value: Json): Desk {
  const found = members(value, ["id", "month", "recipient", "verify_key"]);
  return {
    id: code(found["id"]),
    month: matching(/^[0-9]{4}-(?:0[1-9]|1[0-2])$/, found["month"], "not a month"),
    recipient: parseRecipient(found["recipient"]),
    verify_key: bytes32(found["verify_key"]),
  };
}

function parseSeat(value: Json): Seat {
  const found = members(value, ["epoch", "recipient", "seat", "verify_key"]);
  return {
    epoch: matching(/^[0-9]{4}H[12]$/, found["epoch"], "not an epoch"),
    recipient: parseRecipient(found["recipient"]),
    seat: integer(found["seat"], 1, 255),
    verify_key: bytes32(found["verify_key"]),
  };
}

function parseCertifier(value: Json): Certifier {
  const found = members(value, ["id", "verify_key"]);
  return { id: code(found["id"]), verify_key: bytes32(found["verify_key"]) };
}

function parseLog(value: Json): Log {
  const found = members(value, ["origin", "vkey"]);
  return { origin: text(found["origin"], 255), vkey: vkey(found["vkey"]!) };
}

/** No services, no member: an empty list would be a second spelling. */
function parseServices(value: Json): Service[] {
  const found = items(value, SERVICES.length);
  if (found.length === 0) throw new FormatError("an empty list is left out");
  return found.map((line) => {
    const { id, recipient } = members(line, ["id", "recipient"]);
    return { id: oneOf(id, SERVICES), recipient: parseRecipient(recipient) };
  });
}

function vkey(value: Json): string {
  return parseVkey(text(value, 512)).text;
}
