/**
 * Who the reporter is takes k of n custodians: the identity key's seed, split and sealed to their seats. A share
 * from elsewhere is refused, a false one is named by its seat, and the rebuilt key counts only if its recipient is
 * the manifest's. A share with x = 0 would choose the secret, so none is ever taken.
 */

import { combine as join, split } from "shamir-secret-sharing";
import { b64u, unb64u } from "./base64.js";
import { sha256, utf8 } from "./bytes.js";
import { dumps, loads, members, same } from "./canonical.js";
import { FormatError, Refused } from "./errors.js";
import { HybridIdentity } from "./identities.js";
import type { Manifest } from "./manifests.js";
import { frame, unframe } from "./padding.js";
import { openPart, seal } from "./parts.js";

export const SHARE_SIZE = 33;

/** A custodian's seat: its number, the recipient of its epoch's key, the epoch. */
export type Seat = { epoch: string; recipient: string; seat: number; verify_key: string };

export interface SealedShare {
  seat: number;
  data: Uint8Array;
  commitment: string;
}

/** A share that is not the one the manifest commits to; `seat` says whose. */
export class BadShare extends Refused {
  override name = "BadShare";

  constructor(readonly seat: number) {
    super("a share differs from its commitment");
  }
}

/** What the manifest says of a 33-byte share, base64url. */
export function commitment(rid: string, seat: number, share: Uint8Array): string {
  return b64u(sha256(utf8("adal/v1/share"), unb64u(rid, 32), Uint8Array.of(seat), share));
}

/** The identity key for seats 1..n, in that order, any k of which rebuild it. Error: Refused. */
export async function splitIdentity(
  identity: HybridIdentity,
  rid: string,
  seats: readonly Seat[],
  k: number,
  dirSeq: number,
): Promise<SealedShare[]> {
  if (seats.some(({ seat }, i) => seat !== i + 1)) throw new Refused("seats are not numbered 1 to n");
  const shares = await split(identity.seed(), seats.length, k);
  const fixed = { dir_seq: dirSeq, identity_recipient: identity.recipient, k, n: seats.length, rid };
  return Promise.all(
    seats.map(async ({ seat, recipient }, i) => {
      const share = shares[i]!;
      const document = dumps({ ...fixed, seat, share: b64u(share), type: "share", v: 1 });
      return { seat, data: await seal(frame(document), [recipient]), commitment: commitment(rid, seat, share) };
    }),
  );
}

/**
 * The 33 bytes of the share of `seat`. Errors: FormatError, WrongKey; BadShare if it is not the committed one;
 * Refused if anything else differs.
 */
export async function openShare(
  file: Uint8Array,
  holder: HybridIdentity,
  seat: number,
  manifest: Manifest,
): Promise<Uint8Array> {
  const { dir_seq, identity_recipient, k, n, rid } = manifest;
  const expected = { dir_seq, identity_recipient, k, n, rid, seat, share: "", type: "share", v: 1 };
  const found = members(loads(unframe(await openPart(file, holder))), Object.keys(expected));
  const share = unb64u(found["share"], SHARE_SIZE);
  if (!same({ ...found, share: "" }, expected)) throw new Refused("the share is of another report or seat");
  checkShare(seat, share, manifest);
  return share;
}

/** The identity key from exactly k shares by seat. Errors: BadShare, naming the seat; Refused. */
export async function combine(
  shares: ReadonlyMap<number, Uint8Array>,
  manifest: Manifest,
): Promise<HybridIdentity> {
  if (shares.size !== manifest.k) throw new Refused("not exactly as many shares as the threshold");
  for (const [seat, share] of shares) checkShare(seat, share, manifest);
  const pieces = [...shares.values()];
  if (new Set(pieces.map((share) => share[SHARE_SIZE - 1])).size !== pieces.length) {
    throw new Refused("two shares have one place");
  }
  const identity = await HybridIdentity.fromSeed(await join(pieces));
  if (identity.recipient !== manifest.identity_recipient) throw new Refused("the shares give another key");
  return identity;
}

function checkShare(seat: number, share: Uint8Array, manifest: Manifest): void {
  const line = manifest.shares.find((found) => found.seat === seat);
  if (!line) throw new Refused("no such seat");
  if (share.length !== SHARE_SIZE) throw new FormatError("wrong length of a share");
  if (commitment(manifest.rid, seat, share) !== line.commitment || share[SHARE_SIZE - 1] === 0) {
    throw new BadShare(seat);
  }
}
