/**
 * Proofs that an entry is in the log, checked offline with the log's key alone; needs nothing but SHA-256 and a
 * signed checkpoint. Source: C2SP tlog-checkpoint and tlog-proof, RFC 6962 section 2.1 (the loop of RFC 9162, 2.1.3.2).
 * Sizes and indexes are plain numbers: a log beyond 2^53 - 1 entries is refused.
 */

import { unb64 } from "./base64.js";
import { equal, sha256 } from "./bytes.js";
import { BadSignature, FormatError, Refused } from "./errors.js";
import { openNote, splitNote, type VerifierKey } from "./notes.js";

const PROOF = "c2sp.org/tlog-proof@v1";
const MAX_HASHES = 63;
const MAX_EXTRA = 64 * 1024;

/** Head of a log: origin, number of entries, root hash (32 bytes). */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
}

/** Index, sibling hashes, signed checkpoint; `extra` is not authenticated by itself. */
export interface LogProof {
  index: number;
  hashes: Uint8Array[];
  checkpoint: string;
  extra: Uint8Array | null;
}

/** Hash of a leaf: SHA-256(0x00 | entry). */
export function recordHash(entry: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0), entry);
}

/** Hash of an inner node: SHA-256(0x01 | left | right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(1), left, right);
}

/** Return if the leaf is number `index` (from 0) of the tree of `size` leaves with this root. Error: Refused. */
export function checkInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  if ([leaf, root, ...proof].some((hash) => hash.length !== 32)) throw new FormatError("a hash is not 32 bytes long");
  if (!(index >= 0 && index < size && Number.isSafeInteger(size))) throw new Refused("the index is outside the tree");
  let [node, last, current] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) throw new Refused("the inclusion proof is too long");
    if (node % 2 === 1 || node === last) {
      current = nodeHash(sibling, current);
      // On the ragged right edge a node has no sibling for some levels: skip them.
      while (node !== 0 && node % 2 === 0) [node, last] = [half(node), half(last)];
    } else {
      current = nodeHash(current, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0 || !equal(current, root)) throw new Refused("the inclusion proof does not lead to the root");
}

/** The text of a checkpoint, NOT its signatures. Error: FormatError. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.includes("")) throw new FormatError("not a checkpoint");
  return { origin: lines[0]!, size: number(lines[1]!), root: hash(lines[2]!) };
}

/** The checkpoint of the log with this key, seen by `quorum` witnesses. Errors: FormatError, BadSignature, Refused. */
export function openCheckpoint(
  note: string,
  log: VerifierKey,
  witnesses: readonly VerifierKey[] = [],
  quorum = 0,
): Checkpoint {
  // A witness named like the log would stand in for it, and the log must not witness itself.
  const { text, names } = openNote(note, [log, ...witnesses.filter((key) => key.name !== log.name)]);
  if (!names.includes(log.name)) throw new BadSignature("the checkpoint is not signed by the log");
  if (names.length - 1 < quorum) throw new Refused("too few witnesses signed the checkpoint");
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name) throw new Refused("the checkpoint is of another log");
  return checkpoint;
}

/** A proof file; nothing is checked but its form. Error: FormatError. */
export function parseProof(text: string): LogProof {
  const blank = text.indexOf("\n\n");
  const [head, ...lines] = text.slice(0, Math.max(blank, 0)).split("\n");
  if (head !== PROOF) throw new FormatError("not a log proof");
  const extra = lines[0]?.startsWith("extra ") ? unb64(lines.shift()!.slice("extra ".length)) : null;
  const [index, ...hashes] = lines;
  if (!index?.startsWith("index ") || hashes.length > MAX_HASHES) throw new FormatError("not a log proof");
  if (extra && (extra.length === 0 || extra.length > MAX_EXTRA)) throw new FormatError("not a log proof");
  const checkpoint = text.slice(blank + 2);
  parseCheckpoint(splitNote(checkpoint).text);
  return { index: number(index.slice("index ".length)), hashes: hashes.map(hash), checkpoint, extra };
}

/** The checkpoint which says that `entry` is in the log. Errors: FormatError, BadSignature, Refused. */
export function checkProof(
  proof: LogProof,
  entry: Uint8Array,
  log: VerifierKey,
  witnesses: readonly VerifierKey[] = [],
  quorum = 0,
): Checkpoint {
  const checkpoint = openCheckpoint(proof.checkpoint, log, witnesses, quorum);
  checkInclusion(recordHash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root);
  return checkpoint;
}

function number(text: string): number {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new FormatError("not a number of a log");
  }
  return Number(text);
}

function hash(text: string): Uint8Array {
  const data = unb64(text);
  if (data.length !== 32) throw new FormatError("a hash is not 32 bytes long");
  return data;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
