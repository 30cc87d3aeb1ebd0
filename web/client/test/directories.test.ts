/** Directories and certificates: nothing unsigned, expired, older or playing two parts is believed. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { b64u } from "../src/base64.js";
import { random } from "../src/bytes.js";
import type { JsonObject } from "../src/canonical.js";
import { checkCertificate } from "../src/certificates.js";
import { checkDirectory, deskOf, serviceOf, type Directory } from "../src/directories.js";
import { BadSignature, CryptoError, FormatError, Refused } from "../src/errors.js";
import { HybridIdentity } from "../src/identities.js";
import { digest, parseSigned, signDocument, SigningKey } from "../src/signatures.js";
import { certify, makeWorld, NOW, type World } from "./world.js";

let world: World;
let person: HybridIdentity;
const staff = SigningKey.generate();
const now = new Date(NOW);

before(async () => {
  world = await makeWorld();
  person = await HybridIdentity.generate();
});

function check(changes: JsonObject, pins: { last?: Directory; minimumSequence?: number; now?: Date } = {}): Directory {
  const doc = signDocument("directory", { ...world.body, ...changes }, world.roots.slice(0, 2));
  return checkDirectory(doc, { roots: world.rootKeys, now, ...pins });
}

test("two of three roots are enough, one signing twice or a stranger is not", () => {
  const [a, b, c] = world.roots as [SigningKey, SigningKey, SigningKey];
  for (const keys of [[a, b], [b, c], [a, c], [a, b, c], [a, b, SigningKey.generate()]]) {
    const doc = parseSigned(JSON.parse(JSON.stringify(signDocument("directory", world.body, keys))));
    assert.equal(checkDirectory(doc, { roots: world.rootKeys, now }).digest, digest(doc));
  }
  for (const keys of [[], [a], [a, a], [a, SigningKey.generate()]]) {
    const doc = signDocument("directory", world.body, keys);
    assert.throws(() => checkDirectory(doc, { roots: world.rootKeys, now }), BadSignature);
  }
  const elsewhere = signDocument("certificate", world.body, [a, b]);
  assert.throws(() => checkDirectory(elsewhere, { roots: world.rootKeys, now }), BadSignature);
});

test("a wrong signature does not spoil two good ones", () => {
  const doc = signDocument("directory", world.body, world.roots.slice(0, 2));
  doc.signatures.push({ key: world.rootKeys[2]!, sig: b64u(new Uint8Array(64)) });
  assert.equal(checkDirectory(doc, { roots: world.rootKeys, now }).sequence, 1);
});

test("a directory holds from its first instant until before its last", () => {
  assert.equal(check({}, { now: new Date("2026-11-01T00:00:00Z") }).sequence, 1);
  for (const when of ["2026-10-31T23:59:59Z", "2027-01-30T00:00:00Z"]) {
    assert.throws(() => check({}, { now: new Date(when) }), Refused);
  }
  assert.throws(() => check({ valid_until: "2027-01-30T00:00:01Z" }), Refused);
  assert.throws(() => check({ valid_until: "2026-10-01T00:00:00Z" }), Refused);
});

test("an older directory, a fork and another environment are refused", () => {
  const { digest: previous } = world.directory;
  const second = check({ sequence: 2, previous }, { last: world.directory });
  assert.equal(check({ sequence: 9, previous }, { last: second }).sequence, 9);
  assert.throws(() => check({}, { last: second }), Refused);
  assert.throws(() => check({}, { minimumSequence: 2 }), Refused);
  assert.throws(() => check({ sequence: 2, previous: b64u(random(32)) }, { last: world.directory }), Refused);
  assert.throws(() => check({ witnesses: [], valid_until: "2027-01-01T00:00:00Z" }, { last: world.directory }), Refused);
  assert.throws(() => check({ environment: "production" }, { last: world.directory }), Refused);
  assert.throws(() => check({ sequence: 2 }), Refused);
  assert.throws(() => check({ previous }), Refused);
});

test("outcomes are sealed to a service's own key, where the directory has one", async () => {
  const { recipient } = await HybridIdentity.generate();
  const directory = check({ services: [{ id: "rewards", recipient }] });
  assert.equal(serviceOf(directory, "rewards"), recipient);
  assert.throws(() => serviceOf(directory, "registry"), Refused);
  assert.deepEqual(world.directory.services, []);
  assert.throws(() => check({ services: [{ id: "rewards", recipient: world.desk.identity.recipient }] }), Refused);
  assert.throws(() => check({ services: [] }), FormatError);
});

test("one key in two places is refused, roots included", () => {
  const [desk] = world.body["desks"] as JsonObject[];
  const [seat] = world.body["seats"] as JsonObject[];
  const twice: JsonObject[] = [
    { desks: [{ ...desk!, recipient: seat!["recipient"]! }] },
    { desks: [{ ...desk!, verify_key: world.rootKeys[0]! }] },
    { payments: [{ ...seat!, recipient: world.desk.identity.recipient }] },
    { desks: [{ ...desk!, verify_key: seat!["verify_key"]! }] },
    { certifiers: [{ id: "a", verify_key: world.desk.signing.verifyKey }] },
    { payments: world.body["seats"]! },
    { witnesses: [world.vkey] },
    { desks: [desk!, { ...desk!, id: "other" }] },
  ];
  for (const changes of twice) assert.throws(() => check(changes), Refused);
});

test("a directory of another form is refused", () => {
  const [desk] = world.body["desks"] as JsonObject[];
  const wrong: JsonObject[] = [
    { extra: 1 }, { v: 2 }, { environment: "test" }, { desks: [] }, { desks: [{ ...desk!, month: "2026-13" }] },
    { seats: [...(world.body["seats"] as JsonObject[])].reverse() }, { sequence: 0 }, { logs: [{ origin: "x", vkey: "y" }] },
    { thresholds: { certifiers: 2, identity: 4, payments: 2 } }, { thresholds: { certifiers: 2, identity: 1, payments: 2 } },
    { thresholds: { certifiers: 1, identity: 2, payments: 2 } }, { valid_from: "2026-11-01" },
    { certifiers: [{ id: "a", verify_key: "AAAA" }] },
  ];
  for (const changes of wrong) assert.throws(() => check(changes), CryptoError);
  for (const doc of [null, {}, { body: {}, signatures: [{}] }, { body: 1, signatures: [] }]) {
    assert.throws(() => parseSigned(doc), FormatError);
  }
  const many = Array.from({ length: 17 }, () => ({ key: world.rootKeys[0], sig: b64u(new Uint8Array(64)) }));
  assert.throws(() => parseSigned({ body: {}, signatures: many }), FormatError);
});

test("a report is sealed to the desk's key of the month, else to the latest before", async () => {
  const [desk] = world.body["desks"] as JsonObject[];
  const later = await HybridIdentity.generate();
  const desks = [desk!, {
    id: "central", month: "2027-01", recipient: later.recipient, verify_key: SigningKey.generate().verifyKey,
  }];
  const directory = check({ desks });
  assert.equal(deskOf(directory, "central", now).recipient, world.desk.identity.recipient);
  assert.equal(deskOf(directory, "central", new Date("2026-12-31T23:59:59Z")).recipient, world.desk.identity.recipient);
  assert.equal(deskOf(directory, "central", new Date("2027-01-01T00:00:00Z")).recipient, later.recipient);
  assert.throws(() => deskOf(directory, "central", new Date("2026-10-01T00:00:00Z")), Refused);
  assert.throws(() => deskOf(directory, "other", now), Refused);
});

test("a certificate needs two certifiers of the directory, and its days", () => {
  const good = certify(world, person.recipient, staff.verifyKey);
  for (const today of ["2026-11-01", "2026-12-31"]) {
    assert.equal(checkCertificate(good, world.directory, today).verify_key, staff.verifyKey);
  }
  for (const today of ["2026-10-31", "2027-01-01"]) {
    assert.throws(() => checkCertificate(good, world.directory, today), Refused);
  }
  const lone = certify(world, person.recipient, staff.verifyKey, 1);
  assert.throws(() => checkCertificate(lone, world.directory, "2026-11-24"), BadSignature);
  const rooted = signDocument("certificate", good.body, world.roots);
  assert.throws(() => checkCertificate(rooted, world.directory, "2026-11-24"), BadSignature);
});

test("a certificate for a key of the directory, or of another form, is refused", () => {
  const bad = [
    certify(world, world.desk.identity.recipient, staff.verifyKey),
    certify(world, person.recipient, world.desk.signing.verifyKey),
    certify(world, person.recipient, staff.verifyKey, 2, { roles: [] }),
    certify(world, person.recipient, staff.verifyKey, 2, { roles: ["lead", "desk"] }),
    certify(world, person.recipient, staff.verifyKey, 2, { roles: ["desk", "desk"] }),
    certify(world, person.recipient, staff.verifyKey, 2, { person: "0D1C1B1A-1111-4222-8333-444455556666" }),
    certify(world, person.recipient, staff.verifyKey, 2, { more: 1 }),
  ];
  for (const doc of bad) assert.throws(() => checkCertificate(doc, world.directory, "2026-11-24"), CryptoError);
});
