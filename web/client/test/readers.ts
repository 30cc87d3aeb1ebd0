/** What a reader of the shared vectors does with each file and with each kind of negative vector. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { openAttachment, parseEnvelopes, type Envelope } from "../src/attachments.js";
import { b64, unb64, unb64u } from "../src/base64.js";
import { utf8 } from "../src/bytes.js";
import { loads, type JsonObject } from "../src/canonical.js";
import { checkCertificate } from "../src/certificates.js";
import { checkPackage, parsePackage } from "../src/checks.js";
import { checkDirectory, type Directory } from "../src/directories.js";
import { openGrant } from "../src/grants.js";
import { HybridIdentity } from "../src/identities.js";
import { parseManifest } from "../src/manifests.js";
import { openIdentity, openReport } from "../src/opening.js";
import { checkPart } from "../src/parts.js";
import { checkPayload, openPayload } from "../src/payloads.js";
import { checkPromise } from "../src/promises.js";
import { derive } from "../src/receipts.js";
import { day, instant } from "../src/rules.js";
import { combine, openShare } from "../src/shares.js";
import { parseSigned } from "../src/signatures.js";

/** Vectors are walked before they are checked. */
export type Vector = any;

/** The folder of the shared vectors, seen from dist/test or dist/scripts. */
export const FOLDER = new URL("../../../../tests/crypto/vectors/adal/", import.meta.url);

export function vector(name: string): Vector {
  return JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
}

export function readDirectory(found: Vector, minimumSequence = 1): Directory {
  const doc = parseSigned(found.directory);
  return checkDirectory(doc, { roots: found.roots, now: instant(found.now), minimumSequence });
}

/** All that `package.json` promises, read with its secrets; compare with its `expected`. */
export async function readPackage(found: Vector): Promise<unknown> {
  const directory = readDirectory(found);
  const sealed = parsePackage(found.package);
  checkPackage(sealed, directory);
  const { manifest } = sealed;
  const desk = await HybridIdentity.parse(found.desk.identity);
  const report = await openGrant(unb64(sealed.grants[0]!.data), desk, manifest);
  const files = sealed.parts.map((part) => unb64(part.data));
  const opened = await openReport(manifest, sealed.signature, files, report);
  assert.deepEqual(opened.differences, []);

  const shares = new Map<number, Uint8Array>();
  for (const { seat, identity } of found.seats.slice(-manifest.k)) {
    const file = unb64(sealed.shares[seat - 1]!.data);
    shares.set(seat, await openShare(file, await HybridIdentity.parse(identity), seat, manifest));
  }
  const key = await combine(shares, manifest);
  const keys = await derive(found.receipt);
  assert.equal(keys.lookup, sealed.lookup);
  assert.deepEqual(opened.reporter, { recipient: keys.identity.recipient, verify_key: keys.signing.verifyKey });

  const attachments = [];
  for (const line of opened.envelopes) {
    const data = await openAttachment(files[2 + line.i]!, line, report);
    attachments.push({ name: line.name, type: line.type, data: b64(data) });
  }
  return {
    rid: manifest.rid,
    mode: manifest.mode,
    form: manifest.form,
    answers: opened.answers,
    fields: opened.fields,
    identity: await openIdentity(files[1]!, key, manifest, opened.reporter.verify_key),
    attachments,
    reporter: opened.reporter,
  };
}

/** Open a reply as one of its two readers; gives the envelopes of its attachments. */
export async function readReply(found: Vector, reader: HybridIdentity): Promise<Envelope[]> {
  const opened = await openPayload(unb64(found.file), reader);
  const { type, by, n, prev } = found.header;
  checkPayload(opened, { rid: found.rid, type, by, n, prev }, found.verify_key);
  assert.deepEqual(opened.header, found.header);
  assert.deepEqual(opened.body, found.body);
  return parseEnvelopes(opened.body["attachments"]);
}

export const READERS: Record<string, (input: Vector) => unknown> = {
  canonical: (input) => loads(utf8(input.text)),
  b64u: (input) => unb64u(input.text),
  payload: async (input) => {
    const opened = await openPayload(unb64(input.file), await HybridIdentity.parse(input.identity));
    checkPayload(opened, input.expect, input.verify_key);
  },
  part: (input) => checkPart(unb64(input.file)),
  grant: async (input) => {
    const manifest = parseManifest(input.manifest);
    await openGrant(unb64(input.file), await HybridIdentity.parse(input.holder), manifest);
  },
  share: async (input) => {
    const manifest = parseManifest(input.manifest);
    await openShare(unb64(input.file), await HybridIdentity.parse(input.identity), input.seat, manifest);
  },
  combine: async (input) => {
    const shares = new Map<number, Uint8Array>();
    for (const { seat, share } of input.shares) shares.set(seat, unb64u(share));
    await combine(shares, parseManifest(input.manifest));
  },
  manifest: (input) => parseManifest(input.manifest),
  package: (input) => {
    const directory = readDirectory(input);
    checkPackage(parsePackage(input.package), directory);
  },
  directory: (input) => readDirectory(input, input.minimum_sequence),
  certificate: (input) => {
    const directory = readDirectory(input);
    checkCertificate(parseSigned(input.certificate), directory, day(input.today));
  },
  promise: (input) => checkPromise(parseSigned(input.promise), input.verify_key, input.record as JsonObject, input.salt),
};

/** A negative vector's input with `@number` replaced by the long strings of its file. */
export function whole(value: Vector, strings: Record<string, string>): Vector {
  if (typeof value === "string") return strings[value] ?? value;
  if (Array.isArray(value)) return value.map((item) => whole(item, strings));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, whole(item, strings)]));
}
