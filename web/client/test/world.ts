/** An invented authority with every key in hand: roots, a desk, three seats, certifiers, a log. For tests and vectors. */

import { b64, b64u, unb64u } from "../src/base64.js";
import type { JsonObject } from "../src/canonical.js";
import { checkDirectory, type Directory } from "../src/directories.js";
import { HybridIdentity } from "../src/identities.js";
import { makeVkey, signNote } from "../src/notes.js";
import { nodeHash, recordHash } from "../src/tlog.js";
import { signDocument, SigningKey, type Signed } from "../src/signatures.js";

export const NOW = "2026-11-24T12:00:00Z";
export const ORIGIN = "log.adal.example/intake";

export const FIELDS = {
  amount_band: "b3", category: "bribery", channel: "web", language: "kk",
  region: "71", sector: "health", urgency: "normal", year: 2026,
};

export interface World {
  roots: SigningKey[];
  rootKeys: string[];
  desk: { id: string; identity: HybridIdentity; signing: SigningKey };
  seats: HybridIdentity[];
  certifiers: SigningKey[];
  log: SigningKey;
  vkey: string;
  body: JsonObject;
  document: Signed;
  directory: Directory;
}

export async function makeWorld(): Promise<World> {
  const roots = [SigningKey.generate(), SigningKey.generate(), SigningKey.generate()];
  const certifiers = [SigningKey.generate(), SigningKey.generate(), SigningKey.generate()];
  const log = SigningKey.generate();
  const seats = [await HybridIdentity.generate(), await HybridIdentity.generate(), await HybridIdentity.generate()];
  const desk = { id: "central", identity: await HybridIdentity.generate(), signing: SigningKey.generate() };
  const vkey = makeVkey(ORIGIN, unb64u(log.verifyKey));
  const body: JsonObject = {
    certifiers: certifiers.map((key, i) => ({ id: `certifier-${i + 1}`, verify_key: key.verifyKey })),
    desks: [
      { id: desk.id, month: "2026-11", recipient: desk.identity.recipient, verify_key: desk.signing.verifyKey },
    ],
    environment: "development",
    logs: [{ origin: ORIGIN, vkey }],
    payments: [],
    previous: b64u(new Uint8Array(32)),
    seats: seats.map(({ recipient }, i) => (
      { epoch: "2026H2", recipient, seat: i + 1, verify_key: SigningKey.generate().verifyKey }
    )),
    sequence: 1,
    thresholds: { certifiers: 2, identity: 2, payments: 2 },
    v: 1,
    valid_from: "2026-11-01T00:00:00Z",
    valid_until: "2027-01-30T00:00:00Z",
    witnesses: [],
  };
  const document = signDocument("directory", body, roots.slice(0, 2));
  const rootKeys = roots.map((root) => root.verifyKey);
  const directory = checkDirectory(document, { roots: rootKeys, now: new Date(NOW) });
  return { roots, rootKeys, desk, seats, certifiers, log, vkey, body, document, directory };
}

/** Certificate of a person for keys, signed by the first `signers` certifiers. */
export function certify(world: World, recipient: string, verifyKey: string, signers = 2, changes = {}): Signed {
  const body = {
    person: "0d1c1b1a-1111-4222-8333-444455556666",
    recipient,
    roles: ["investigator"],
    v: 1,
    valid_from: "2026-11-01",
    valid_until: "2026-12-31",
    verify_key: verifyKey,
    ...changes,
  };
  return signDocument("certificate", body, world.certifiers.slice(0, signers));
}

/** The proof file of `entries[index]`, from a tree built the slow way. */
export function proofOf(world: World, entries: Uint8Array[], index: number): string {
  const leaves = entries.map(recordHash);
  const path: Uint8Array[] = [];
  let [lo, hi] = [0, leaves.length];
  while (hi - lo > 1) {
    const middle = lo + splitPoint(hi - lo);
    path.unshift(index < middle ? rootOf(leaves.slice(middle, hi)) : rootOf(leaves.slice(lo, middle)));
    [lo, hi] = index < middle ? [lo, middle] : [middle, hi];
  }
  const text = `${ORIGIN}\n${leaves.length}\n${b64(rootOf(leaves))}\n`;
  const note = signNote(text, ORIGIN, world.log, world.vkey);
  const extra = b64(entries[index]!.subarray(0, 32));
  return ["c2sp.org/tlog-proof@v1", `extra ${extra}`, `index ${index}`, ...path.map(b64), "", note].join("\n");
}

export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  const middle = splitPoint(leaves.length);
  return nodeHash(rootOf(leaves.slice(0, middle)), rootOf(leaves.slice(middle)));
}

function splitPoint(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}
