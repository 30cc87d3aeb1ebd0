/** The library runs in a browser under a strict policy: nothing of Node, no eval, no logging. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url);

test("sources use nothing of Node, evaluate nothing and log nothing", () => {
  const names = readdirSync(new URL("src/", ROOT));
  assert.ok(names.length > 20);
  for (const name of names) {
    const text = readFileSync(new URL(`src/${name}`, ROOT), "utf8");
    for (const bad of [/from "node:/, /\bBuffer\b/, /\bprocess\./, /\beval\(/, /new Function/, /console\./, /localStorage/]) {
      assert.doesNotMatch(text, bad, name);
    }
    assert.ok(text.split("\n").length < 400, name);
  }
});

test("the lock names hashes and no place to fetch from", () => {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", ROOT), "utf8")) as {
    packages: Record<string, { integrity?: string; resolved?: string }>;
  };
  const entries = Object.entries(lock.packages).filter(([name]) => name !== "");
  assert.ok(entries.length > 5);
  for (const [name, { integrity, resolved }] of entries) {
    assert.match(integrity ?? "", /^sha512-/, name);
    assert.equal(resolved, undefined, name);
  }
});
