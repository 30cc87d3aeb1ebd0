/** Every parser, fed with damaged and invented input for a bounded time, gives a value or a CryptoError, nothing else. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { unb64, unb64u } from "../src/base64.js";
import { concat, fromUtf8, random, utf8 } from "../src/bytes.js";
import { dumps, loads, type Json } from "../src/canonical.js";
import { parseCertificate } from "../src/certificates.js";
import { parsePackage } from "../src/checks.js";
import { parseDirectory } from "../src/directories.js";
import { CryptoError } from "../src/errors.js";
import { readHeader } from "../src/header.js";
import { parseRecipient } from "../src/identities.js";
import { parseView } from "../src/inbox.js";
import { parseManifest } from "../src/manifests.js";
import { openNote, parseVkey } from "../src/notes.js";
import { sealReport } from "../src/packages.js";
import { checkPart } from "../src/parts.js";
import { checkPromise } from "../src/promises.js";
import { parseReceipt } from "../src/receipts.js";
import { parseSigned } from "../src/signatures.js";
import { parseProof } from "../src/tlog.js";
import { certify, FIELDS, makeWorld, NOW, proofOf, type World } from "./world.js";

const TIME = 300; // milliseconds for each parser
const ODD: Json[] = [null, true, 0, -1, 1.5, 2 ** 53, "", "x", "\u0000", [], {}, [[]], { a: 1 }, "A".repeat(43)];

let world: World;
let good: Record<string, Json>;

before(async () => {
  world = await makeWorld();
  const { package: sealed } = await sealReport({
    answers: {}, fields: FIELDS, identity: null, attachments: [{ name: "a", type: "b/c", data: random(10) }],
    directory: world.directory, desks: ["central"], form: "1", today: new Date(NOW),
  });
  const { manifest, signature } = sealed;
  const [narrative, identity] = manifest.parts.map((line, i) => ({
    number: i, by: "reporter", n: i, day: "2026-11-24", ...line,
  }));
  const view = {
    reference: "A", rid: manifest.rid, state: "received", filed_on: "2026-11-24", code_replaced_on: null, manifest, signature,
    leaf: manifest.rid, published: false, parts: [narrative, identity], next: { n: 2, prev: identity!.sha256 },
  };
  const certificate = certify(world, sealed.manifest.report_recipient, manifest.rid);
  good = JSON.parse(JSON.stringify({
    package: sealed, manifest, view, certificate: certificate.body, directory: world.document,
    file: sealed.parts[1]!.data, note: proofOf(world, [random(64), random(64)], 0),
  })) as Record<string, Json>;
});

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** A copy in which one member or item, somewhere, was replaced, removed, doubled or added. */
function damaged(value: Json): Json {
  if (typeof value !== "object" || value === null || Math.random() < 0.05) return pick(ODD);
  if (Array.isArray(value)) {
    if (value.length === 0 || Math.random() < 0.1) return [...value, pick(ODD)];
    const at = Math.floor(Math.random() * value.length);
    if (Math.random() < 0.2) return [...value.slice(0, at), ...value.slice(at + 1)];
    if (Math.random() < 0.2) return [...value, value[at]!];
    return value.map((item, i) => (i === at ? damaged(item) : item));
  }
  const name = pick(Object.keys(value));
  if (name === undefined || Math.random() < 0.05) return { ...value, [pick(["", "extra", "__proto__", "v"])]: pick(ODD) };
  const { [name]: old, ...rest } = value;
  return Math.random() < 0.1 ? rest : { ...rest, [name]: damaged(old!) };
}

/** Bytes in which some were changed, cut out or put in. */
function mangled(data: Uint8Array): Uint8Array {
  const at = Math.floor(Math.random() * data.length);
  const size = Math.floor(Math.random() * 8);
  const middle = pick([random(size), new Uint8Array(), utf8("\n"), utf8("="), utf8(" "), Uint8Array.of(0xff)]);
  return concat(data.subarray(0, at), middle, data.subarray(at + pick([0, 1, size])));
}

test("the undamaged inputs are good, so that damage is what is refused", () => {
  parseManifest(good["manifest"]);
  parsePackage(good["package"]);
  parseView(good["view"]);
  parseCertificate(good["certificate"]);
  parseDirectory(parseSigned(good["directory"]));
  checkPart(unb64(good["file"]));
  parseProof(good["note"] as string);
});

async function holdsOut(parse: () => unknown): Promise<void> {
  const end = performance.now() + TIME;
  let refused = 0;
  for (let rounds = 0; rounds < 30 || performance.now() < end; rounds++) {
    try {
      await parse();
    } catch (error) {
      assert.ok(error instanceof CryptoError, String(error));
      refused++;
    }
  }
  assert.ok(refused > 0);
}

test("documents", async () => {
  await holdsOut(() => parseManifest(damaged(good["manifest"]!)));
  await holdsOut(() => parsePackage(damaged(good["package"]!)));
  await holdsOut(() => parseView(damaged(good["view"]!)));
  await holdsOut(() => parseCertificate(damaged(good["certificate"]!)));
  await holdsOut(() => parseDirectory(parseSigned(damaged(good["directory"]!))));
  await holdsOut(() => checkPromise(parseSigned(damaged(good["directory"]!)), world.log.verifyKey, {}, ""));
});

test("files", async () => {
  const file = unb64(good["file"]);
  await holdsOut(() => readHeader(mangled(file)));
  await holdsOut(() => checkPart(mangled(file.subarray(0, 1700))));
});

test("texts", async () => {
  const text = (given: string): string => {
    const data = mangled(utf8(given));
    return String.fromCharCode(...data.subarray(0, 60000));
  };
  const note = good["note"] as string;
  await holdsOut(() => loads(mangled(dumps(good["manifest"]!))));
  await holdsOut(() => parseProof(text(note)));
  await holdsOut(() => openNote(text(note.slice(note.indexOf("\n\n") + 2)), [parseVkey(world.vkey)]));
  await holdsOut(() => parseVkey(text(world.vkey)));
  await holdsOut(() => parseReceipt(text("1234 5678 9012 3456 7890 1234")));
  await holdsOut(() => parseRecipient(text(world.desk.identity.recipient)));
  await holdsOut(() => [unb64(text("AAAABBBB")), unb64u(text("AAAABBBB"))]);
  await holdsOut(() => fromUtf8(mangled(utf8("Қазақстан"))));
});
