/** Notes, checkpoints and inclusion proofs: only the log's own word, and only for what is in it. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { b64, b64u, unb64u } from "../src/base64.js";
import { concat, random, sha256, utf8 } from "../src/bytes.js";
import { BadSignature, CryptoError, FormatError, Refused } from "../src/errors.js";
import { openNote, parseVkey, signNote, type VerifierKey } from "../src/notes.js";
import { checkStanding, entry } from "../src/promises.js";
import { SigningKey } from "../src/signatures.js";
import { checkInclusion, checkProof, openCheckpoint, parseCheckpoint, parseProof, recordHash } from "../src/tlog.js";
import { makeWorld, ORIGIN, proofOf, rootOf, type World } from "./world.js";

let world: World;
let log: VerifierKey;

before(async () => {
  world = await makeWorld();
  log = parseVkey(world.vkey);
});

/** A witness: its key of kind 4 and the line it adds. */
function cosign(note: string, name: string, time: bigint): { line: string; key: VerifierKey } {
  const signing = SigningKey.generate();
  const material = concat(Uint8Array.of(4), unb64u(signing.verifyKey));
  const keyId = [...sha256(utf8(`${name}\n`), material).subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0"));
  const key = parseVkey(`${name}+${keyId.join("")}+${b64(material)}`);
  const stamp = new Uint8Array(8);
  new DataView(stamp.buffer).setBigUint64(0, time);
  const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
  const signature = signing.signRaw(utf8(`cosignature/v1\ntime ${time}\n${text}`));
  const id = Uint8Array.from(key.id.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  return { line: `— ${name} ${b64(concat(id, stamp, signature))}\n`, key };
}

test("every leaf of every small tree is proven, and only in its place", () => {
  for (let size = 1; size <= 17; size++) {
    const entries = Array.from({ length: size }, () => random(64));
    const root = rootOf(entries.map(recordHash));
    for (let index = 0; index < size; index++) {
      const proof = parseProof(proofOf(world, entries, index));
      const leaf = recordHash(entries[index]!);
      checkInclusion(leaf, index, size, proof.hashes, root);
      assert.equal(checkProof(proof, entries[index]!, log).size, size);
      assert.throws(() => checkInclusion(recordHash(random(64)), index, size, proof.hashes, root), Refused);
      assert.throws(() => checkInclusion(leaf, index, size, [...proof.hashes, root], root), Refused);
      if (size > 1) {
        assert.throws(() => checkInclusion(leaf, (index + 1) % size, size, proof.hashes, root), Refused);
        assert.throws(() => checkInclusion(leaf, index, size, proof.hashes.slice(1), root), Refused);
      }
    }
    assert.throws(() => checkInclusion(root, size, size, [], root), Refused);
  }
});

test("a hash of another length and an impossible index are refused", () => {
  const root = random(32);
  assert.throws(() => checkInclusion(root, 0, 1, [random(31)], root), FormatError);
  for (const index of [-1, 1, NaN]) assert.throws(() => checkInclusion(root, index, 1, [], root), Refused);
});

test("a note opens only with a good signature of a known key", () => {
  const note = signNote("text\n", ORIGIN, world.log, world.vkey);
  assert.deepEqual(openNote(note, [log]), { text: "text\n", names: [ORIGIN] });
  assert.throws(() => openNote(note, []), BadSignature);
  assert.throws(() => openNote(note.replace("text", "next"), [log]), BadSignature);
  const doubled = `${note}— stranger.example ${b64(random(68))}\n`;
  assert.deepEqual(openNote(doubled, [log]).names, [ORIGIN]);
  const spoiled = `${note}— ${ORIGIN} ${b64(concat(idOf(log), random(64)))}\n`;
  assert.throws(() => openNote(spoiled, [log]), BadSignature);
});

test("a malformed note is refused", () => {
  const note = signNote("text\n", ORIGIN, world.log, world.vkey);
  const wrong = ["", "text\n", note.slice(0, -1), note.replace("— ", "- "), note.replace("\n\n", "\n"), `${note}\n`,
    note.replace("text", "te\txt"), note.replace("text", "te\rxt"), note.replace(/ [^ ]*\n$/, " AAAA\n"),
    note + "— x AAAAAAAA\n".repeat(64)];
  for (const bad of wrong) assert.throws(() => openNote(bad, [log]), CryptoError);
  assert.throws(() => signNote("no newline", ORIGIN, world.log, world.vkey), FormatError);
  assert.throws(() => signNote("\ud800\n", ORIGIN, world.log, world.vkey), FormatError);
});

test("a vkey has one spelling", () => {
  const { vkey } = world;
  assert.equal(log.name, ORIGIN);
  const wrong = ["", "a+b", vkey.slice(0, -1), vkey.replace("+", "++"), vkey.replace(ORIGIN, "other"), ` ${vkey}`,
    vkey.toUpperCase(), `${vkey}\n`, "a+00000000+AQ=="];
  for (const bad of wrong) assert.throws(() => parseVkey(bad), FormatError, bad);
});

test("a checkpoint needs the log's signature, its origin and the quorum of witnesses", () => {
  const text = `${ORIGIN}\n7\n${b64(random(32))}\n`;
  const note = signNote(text, ORIGIN, world.log, world.vkey);
  assert.equal(openCheckpoint(note, log).size, 7);
  assert.throws(() => openCheckpoint(note, log, [], 1), Refused);
  const { line, key } = cosign(note, "witness.example", 1795000000n);
  assert.equal(openCheckpoint(note + line, log, [key], 1).size, 7);
  const late = cosign(note, "witness.example", 2n ** 63n);
  assert.throws(() => openCheckpoint(note + late.line, log, [late.key], 1), BadSignature);
  const alone = note.slice(0, note.indexOf("—")) + line;
  assert.throws(() => openCheckpoint(alone, log, [key]), BadSignature);
  const foreign = signNote(text.replace(ORIGIN, "other.example"), ORIGIN, world.log, world.vkey);
  assert.throws(() => openCheckpoint(foreign, log), Refused);
});

test("an entry is witnessed, not yet witnessed, or too long without its witnesses", () => {
  const leaf = b64u(random(32));
  const entries = [random(64), entry(random(32), leaf)];
  const proof = proofOf(world, entries, 1);
  const note = parseProof(proof).checkpoint;
  const [one, two] = ["witness.example/1", "witness.example/2"].map((name) => cosign(note, name, 1795000000n));
  const watched = { ...world.directory, witnesses: [one!, two!].map(({ key }) => key.text) };
  const at = (text: string, when: string, directory = watched) =>
    checkStanding(text, leaf, directory, "2026-11-10", new Date(when)).standing;
  assert.equal(at(proof, "2026-12-30T00:00:00Z", world.directory), "no-witnesses");
  assert.equal(at(proof + one!.line + two!.line, "2026-12-30T00:00:00Z"), "witnessed");
  assert.equal(at(proof + one!.line + one!.line, "2026-11-15T23:59:59Z"), "not-yet-witnessed");
  assert.throws(() => at(proof + one!.line, "2026-11-16T00:00:01Z"), Refused);
  const late = { ...watched, validFrom: new Date("2026-12-01T00:00:00Z") };
  assert.equal(at(proof, "2026-12-02T23:00:00Z", late), "not-yet-witnessed");
  assert.throws(() => at(proof, "2026-12-03T00:00:01Z", late), Refused);
  const moved = cosign(note.replace("\n2\n", "\n3\n"), "witness.example/1", 1795000000n);
  assert.throws(
    () => at(proof + moved.line, "2026-11-15T00:00:00Z", { ...watched, witnesses: [moved.key.text, two!.key.text] }),
    BadSignature,
  );
});

test("a malformed checkpoint or proof is refused", () => {
  const root = b64(random(32));
  for (const bad of ["", "o\n", `o\n1\n${root}`, `o\n01\n${root}\n`, `o\n-1\n${root}\n`, `o\n1\n${b64(random(31))}\n`,
    `o\n99999999999999999\n${root}\n`, `\n1\n${root}\n`, `o\n1\n${root}\n\n`]) {
    assert.throws(() => parseCheckpoint(bad), FormatError, bad);
  }
  const good = proofOf(world, [random(64), random(64)], 1);
  for (const bad of ["", good.replace("@v1", "@v2"), good.replace("index 1", "index 01"), good.replace("index", "INDEX"),
    good.replace(/extra .*/, "extra "), good.replace(/index 1\n.*/, "index 1\nAAAA"), good.slice(0, 60)]) {
    assert.throws(() => parseProof(bad), FormatError, bad);
  }
});

function idOf(key: VerifierKey): Uint8Array {
  return Uint8Array.from(key.id.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
