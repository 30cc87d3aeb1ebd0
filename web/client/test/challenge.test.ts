/** The proof of work fits the service's library: PyPI altcha makes the challenge, this solves it, altcha accepts it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { createChallenge, verifySolution, type Challenge } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";
import { MOST_COST, solve } from "../src/challenge.js";
import { Refused } from "../src/errors.js";

const MAKE = `
import altcha, datetime, json
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
made = altcha.create_challenge("PBKDF2/SHA-256", 100, key_prefix="00", expires_at=until, hmac_secret=b"k" * 32)
print(json.dumps(made.to_dict()))`;
const VERIFY = `
import altcha, sys
print(altcha.verify_solution(sys.stdin.read(), b"k" * 32).verified)`;

/** The project's Python is on PATH under \`make\`, or beside the repository's root. */
function python(code: string, input = ""): string | null {
  const near = new URL("../../../../.venv/bin/python", import.meta.url).pathname;
  for (const program of [near, "python3"]) {
    const { status, stdout } = spawnSync(program, ["-c", code], { input, encoding: "utf8" });
    if (status === 0) return stdout.trim();
  }
  return null;
}

test("a challenge of the service's library is solved, and accepted once untouched", (t) => {
  const made = python(MAKE);
  if (made === null) return t.skip("no Python with altcha here");
  return solve(JSON.parse(made) as Challenge).then((header) => {
    assert.match(header, /^[A-Za-z0-9+/]+={0,2}$/);
    assert.equal(python(VERIFY, header), "True");
    const payload = JSON.parse(Buffer.from(header, "base64").toString());
    payload.solution.counter += 1;
    assert.equal(python(VERIFY, Buffer.from(JSON.stringify(payload)).toString("base64")), "False");
  });
});

test("what is sent holds the challenge and its solution, not how long this machine took", async () => {
  const hmacSignatureSecret = "k".repeat(32);
  const challenge = await createChallenge({ algorithm: "PBKDF2/SHA-256", cost: 10, deriveKey, hmacSignatureSecret });
  const payload = JSON.parse(Buffer.from(await solve(challenge), "base64").toString());
  assert.deepEqual(Object.keys(payload.solution).sort(), ["counter", "derivedKey"]);
  assert.ok((await verifySolution({ ...payload, deriveKey, hmacSignatureSecret })).verified);
});

test("a challenge that would keep a phone busy, or of another kind, is refused", async () => {
  const { parameters } = await createChallenge({ algorithm: "PBKDF2/SHA-256", cost: 10, deriveKey });
  for (const change of [{ cost: MOST_COST + 1 }, { cost: NaN }, { algorithm: "SCRYPT" }]) {
    await assert.rejects(solve({ parameters: { ...parameters, ...change } }), Refused);
  }
});
