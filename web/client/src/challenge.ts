/** Proof of work instead of limits by address: the server's altcha v2 challenge, solved with PBKDF2 of WebCrypto. */

import { solveChallenge, type Challenge } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";
import { b64 } from "./base64.js";
import { utf8 } from "./bytes.js";
import { Refused } from "./errors.js";

/** More than any honest challenge: a server cannot keep a phone busy for ever. */
export const MOST_COST = 10_000_000;
const MOST_TIME = 120_000;

/** The value of the `Adal-Challenge` header. Error: Refused for a challenge that is not ours to solve. */
export async function solve(challenge: Challenge): Promise<string> {
  const { algorithm, cost } = challenge.parameters;
  if (!algorithm.startsWith("PBKDF2/") || !(cost <= MOST_COST)) throw new Refused("not a challenge to solve");
  const solution = await solveChallenge({ challenge, deriveKey, timeout: MOST_TIME });
  if (!solution) throw new Refused("the challenge took too long");
  // Without the time it took, which would tell one machine from another.
  const { counter, derivedKey } = solution;
  return b64(utf8(JSON.stringify({ challenge, solution: { counter, derivedKey } })));
}
