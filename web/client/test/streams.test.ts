/** Large attachments: the same age files as those sealed in memory, while hardly anything is in memory. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileSource, fileSpool } from "../scripts/files.js";
import { openAttachment, sealAttachment, type Envelope } from "../src/attachments.js";
import { b64u } from "../src/base64.js";
import { concat, random, sha256 } from "../src/bytes.js";
import { CryptoError, FormatError, Refused } from "../src/errors.js";
import { HybridIdentity } from "../src/identities.js";
import { padme } from "../src/padding.js";
import { openPart, plaintextSize, seal } from "../src/parts.js";
import { parseSegments } from "../src/segments.js";
import { paddedStream, sealAttachmentStream, type Source } from "../src/streams.js";
import { blobSpool } from "../src/uploads.js";

const SIZES = [0, 1, 2, 1000, 65535, 65536, 65537, 131072, 300_001, 1_200_003];
const identity = await HybridIdentity.generate();
const other = await HybridIdentity.generate();

async function whole(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream as unknown as AsyncIterable<Uint8Array>) pieces.push(piece);
  return concat(...pieces);
}

/** A source that says another size than it has, in pieces of `step`. */
function source(data: Uint8Array, size = data.length, step = 10_000): Source & { given: number; cancelled: boolean } {
  const made = {
    size, given: 0, cancelled: false,
    stream: () => new ReadableStream<Uint8Array>({
      pull(controller) {
        if (made.given >= data.length) return controller.close();
        controller.enqueue(data.subarray(made.given, made.given + step));
        made.given += step;
      },
      cancel: () => void (made.cancelled = true),
    }, { highWaterMark: 0 }),
  };
  return made;
}

test("a file sealed as a stream has the size, the padding and the content of one sealed in memory", async () => {
  for (const size of SIZES) {
    const data = random(size);
    const readers = [identity.recipient, other.recipient];
    const sealed = await sealAttachmentStream(new Blob([data as Uint8Array<ArrayBuffer>]), readers);
    const file = await whole(sealed.stream);
    assert.equal(file.length, sealed.size);
    assert.equal(file.length, (await sealAttachment(data, readers)).length);
    assert.equal(plaintextSize(file), padme(size));
    const sums = { sha256: b64u(sha256(data)), file_sha256: b64u(sha256(file)) };
    assert.deepEqual(sealed.sums(), sums);
    const line: Envelope = { ...sums, i: 0, name: "a", size, type: "a/b" };
    for (const reader of [identity, other]) assert.deepEqual(await openAttachment(file, line, reader), data);
  }
});

test("the plaintext is the true bytes and zeros, however the source cuts them", async () => {
  for (const step of [1, 999, 65536, 1 << 20]) {
    const data = random(step === 1 ? 300 : 200_001);
    const expected = new Uint8Array(padme(data.length));
    expected.set(data);
    assert.deepEqual(await whole(paddedStream(source(data, data.length, step), () => undefined)), expected);
  }
});

test("a source that has more or less than it said is refused, and let go", async () => {
  for (const [real, said] of [[10, 9], [9, 10], [0, 1], [1, 0], [200_000, 100_000]] as const) {
    const from = source(random(real), said);
    const sealed = await sealAttachmentStream(from, [identity.recipient]);
    await assert.rejects(whole(sealed.stream), Refused, `${real} for ${said}`);
    assert.throws(() => sealed.sums(), Refused);
    if (real > 2 * said) assert.ok(from.cancelled);
  }
});

test("hashes are not given before the file was read to its end", async () => {
  const sealed = await sealAttachmentStream(source(random(300_000)), [identity.recipient]);
  assert.throws(() => sealed.sums(), Refused);
  const reader = sealed.stream.getReader();
  await reader.read();
  assert.throws(() => sealed.sums(), Refused);
  await reader.cancel();
});

test("no more is read ahead than a few pieces, however slowly the sealed bytes are taken", async () => {
  const from = source(new Uint8Array(16 << 20), undefined, 65_536);
  const reader = (await sealAttachmentStream(from, [identity.recipient])).stream.getReader();
  let taken = 0;
  for (let i = 0; i < 40; i++) {
    taken += (await reader.read()).value!.length;
    await new Promise((done) => setTimeout(done, 1));
    assert.ok(from.given - taken < 10 * 65_536, `${from.given} read, ${taken} taken`);
  }
  await reader.cancel();
  await new Promise((done) => setTimeout(done, 50)); // it goes back through the pipes in its own time
  assert.ok(from.given < from.size);
  assert.ok(from.cancelled);
});

test("only hybrid recipients are sealed to, at most eight", async () => {
  for (const recipients of [[], Array<string>(9).fill(identity.recipient), ["age1nothing"]]) {
    await assert.rejects(sealAttachmentStream(source(random(5)), recipients), CryptoError);
  }
});

test("a spool gives back any part of what was written, again and again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "adal-spool-"));
  const data = random(500_000);
  for (const spool of [blobSpool(), await fileSpool(folder)]) {
    await spool.write(source(data).stream());
    for (const [start, end] of [[0, 500_000], [0, 1], [499_999, 500_000], [100_000, 300_001], [7, 7], [0, 1]] as const) {
      const found = new Uint8Array(await (await spool.slice(start, end)).arrayBuffer());
      assert.deepEqual(found, data.subarray(start, end));
    }
    await spool.remove();
  }
  assert.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test("a spool on disk has no name that anybody could open, even while it is used", async () => {
  const folder = mkdtempSync(join(tmpdir(), "adal-spool-"));
  const spool = await fileSpool(folder);
  await spool.write(source(random(1000)).stream());
  assert.deepEqual(readdirSync(folder), []);
  await spool.remove();
  rmSync(folder, { recursive: true });
});

test("a file is a source of its bytes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "adal-source-"));
  const data = random(200_000);
  writeFileSync(join(folder, "a"), data);
  const from = fileSource(join(folder, "a"));
  assert.equal(from.size, data.length);
  assert.deepEqual(await whole(from.stream()), data);
  rmSync(folder, { recursive: true });
});

/** A file in segments of these pieces, the last padded, as the service makes it. */
async function segmented(pieces: Uint8Array[]): Promise<{ file: Uint8Array; line: Envelope }> {
  const files: Uint8Array[] = [];
  for (const [i, piece] of pieces.entries()) {
    const sealing = i === pieces.length - 1 ? sealAttachment : seal;
    files.push(await sealing(piece, [identity.recipient]));
  }
  const file = concat(...files);
  const segments = pieces.map((piece, i): [number, number] => [piece.length, files[i]!.length]);
  const size = segments.reduce((sum, [plain]) => sum + plain, 0);
  return { file, line: { file_sha256: b64u(sha256(file)), i: 0, name: "a", segments, sha256: null, size, type: "a/b" } };
}

test("a file in segments opens, with no padding but that of the last", async () => {
  for (const sizes of [[0], [1], [1001], [1001, 5, 70_000, 999]]) {
    const pieces = sizes.map((size) => random(size));
    const { file, line } = await segmented(pieces);
    assert.deepEqual(await openAttachment(file, line, identity), concat(...pieces));
    await assert.rejects(openAttachment(file, { ...line, file_sha256: b64u(random(32)) }, identity), Refused);
  }
  assert.notEqual(padme(1001), 1001);
  const { file, line } = await segmented([random(10), random(1001)]);
  const swapped: Envelope = { ...line, segments: [line.segments![1]!, line.segments![0]!] };
  await assert.rejects(openAttachment(file, swapped, identity), FormatError);
  assert.equal((await openPart(file.subarray(line.segments![0]![1]), identity)).length, padme(1001));
});

test("a list of segments has one form, and the sum of the size", () => {
  assert.deepEqual(parseSegments([[3, 2000], [1, 1800]], 4), [[3, 2000], [1, 1800]]);
  const most = (8 << 20) + 1;
  const wrong = [
    [[], 0], [[[3, 2000]], 4], [[[0, 1700], [4, 1800]], 4], [[[4, 0]], 4], [[[-1, 9], [5, 9]], 4], [[[4]], 4],
    [[[4, 5, 6]], 4], [[4, 5], 4], [[["4", 5]], 4], [[[most, 9]], most], [{}, 0], [null, 0],
    [Array.from({ length: 4097 }, () => [1, 9]), 4097],
  ] as const;
  for (const [value, size] of wrong) assert.throws(() => parseSegments(value, size), FormatError, JSON.stringify(value));
});
