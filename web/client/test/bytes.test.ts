/** Base64, canonical JSON, small shapes and padding: one spelling in, one spelling out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { b64, b64u, unb64, unb64u } from "../src/base64.js";
import { fromUtf8, random, u32, utf8 } from "../src/bytes.js";
import { dumps, loads, MAX_DEPTH, members, same } from "../src/canonical.js";
import { FormatError, Refused } from "../src/errors.js";
import { frame, LEAST, pad, padded, padme, unframe, unpad } from "../src/padding.js";
import { code, day, instant, integer, text } from "../src/rules.js";

const SIZES = [0, 1, 2, 3, 4, 5, 31, 32, 33, 255, 256, 0x5fff, 0x6000, 0x6001, 70000];

test("base64 comes back for every size around its groups and pieces", () => {
  for (const size of SIZES) {
    const data = random(size);
    assert.deepEqual(unb64(b64(data)), data);
    assert.deepEqual(unb64u(b64u(data), size), data);
    assert.equal(b64(data), Buffer.from(data).toString("base64"));
    assert.equal(b64u(data), Buffer.from(data).toString("base64url"));
  }
});

test("another spelling of base64 is refused", () => {
  for (const bad of ["A", "AA", "AAA", "AA=A", "AAAA=", "AA==\n", " AA==", "AB==", "AAB=", "A-==", "====", null, 4]) {
    assert.throws(() => unb64(bad), FormatError, String(bad));
  }
  for (const bad of ["A", "AA==", "AB", "AAB", "A+AA", "A/AA", "AA A", "AAAA\n", undefined, {}]) {
    assert.throws(() => unb64u(bad), FormatError, String(bad));
  }
  assert.throws(() => unb64u("AAAA", 4), FormatError);
});

test("canonical JSON sorts by UTF-16 unit, escapes little and comes back", () => {
  const value = { "\ufb33": 1, "\u{1f600}": 2, "€": "\u20ac\n\u0001\"\\", a: [null, true, -1, {}], "1": [] };
  const data = dumps(value);
  assert.equal(fromUtf8(data), '{"1":[],"a":[null,true,-1,{}],"€":"€\\n\\u0001\\"\\\\","\u{1f600}":2,"\ufb33":1}');
  assert.deepEqual(loads(data), value);
  assert.ok(same({ a: 1, b: 2 }, { b: 2, a: 1 }));
});

test("a member called __proto__ or toJSON is a member like any other", () => {
  const data = utf8('{"__proto__":{"rid":1},"toJSON":"x"}');
  const value = loads(data);
  assert.deepEqual(dumps(value), data);
  assert.throws(() => members(JSON.parse('{"__proto__":{"rid":1}}'), ["rid"]), FormatError);
});

test("what is no JSON value has no canonical form", () => {
  const sparse: unknown[] = [];
  sparse.length = 2;
  const odd = [1.5, NaN, Infinity, 2 ** 53, undefined, [undefined], sparse, { a: undefined }, () => 1, 1n,
    "\ud800", { "\udfff": 1 }, new Date(), new Uint8Array(2), new Map(), Symbol("x")];
  for (const value of odd) assert.throws(() => dumps(value), FormatError);
});

test("nesting is bounded: 32 is read, 33 and a million are refused", () => {
  const nested = (depth: number): Uint8Array => utf8("[".repeat(depth) + "]".repeat(depth));
  assert.deepEqual(dumps(loads(nested(MAX_DEPTH))), nested(MAX_DEPTH));
  for (const depth of [MAX_DEPTH + 1, 1_000_000]) assert.throws(() => loads(nested(depth)), FormatError);
});

test("JSON in another spelling is refused", () => {
  for (const bad of ["", " 1", "1 ", "01", "1.0", "1e2", "-0", '"\\u0041"', '{"a":1,"a":1}', '{"b":1,"a":1}',
    '{"a": 1}', "NaN", "9007199254740993", '"\\ud800"', "\ufeff1", "nul"]) {
    assert.throws(() => loads(utf8(bad)), FormatError, bad);
  }
  assert.throws(() => loads(Uint8Array.of(0x22, 0xff, 0x22)), FormatError);
});

test("members are exactly the wanted ones", () => {
  assert.deepEqual(members({ a: 1, c: 2 }, ["a"], ["b", "c"]), { a: 1, c: 2 });
  for (const bad of [null, [], "a", { b: 1 }, { a: 1, d: 1 }, {}]) {
    assert.throws(() => members(bad, ["a"], ["b", "c"]), FormatError);
  }
});

test("codes, integers, texts, days and instants have one shape", () => {
  for (const good of ["a", "A.b_c-1", "9".repeat(64)]) assert.equal(code(good), good);
  for (const bad of ["", ".a", "a b", "a\n", "é", "9".repeat(65), 5, null]) assert.throws(() => code(bad), FormatError);
  for (const bad of [true, 1.5, "1", -1, 256, null]) assert.throws(() => integer(bad, 0, 255), FormatError);
  assert.equal(text("\u{1f600}".repeat(255), 255).length, 510);
  for (const bad of ["", "a".repeat(256), "\u{1f600}".repeat(256), 1]) assert.throws(() => text(bad, 255), FormatError);
  assert.equal(day("2028-02-29"), "2028-02-29");
  for (const bad of ["2026-02-29", "2026-13-01", "2026-1-1", "2026-02-30", "0000-01-01", "2026-01-01\n", 1]) {
    assert.throws(() => day(bad), FormatError, String(bad));
  }
  assert.equal(instant("2026-11-24T12:00:00Z").toISOString(), "2026-11-24T12:00:00.000Z");
  for (const bad of ["2026-11-24T24:00:00Z", "2026-11-24T12:60:00Z", "2026-11-24T12:00:00", "2026-02-30T00:00:00Z"]) {
    assert.throws(() => instant(bad), FormatError, bad);
  }
});

test("Padme rounds up, by at most an eighth, to sizes that stay", () => {
  assert.deepEqual([0, 1, 2, 9, 100, 1000, 4097, 65537].map(padme), [0, 1, 2, 10, 104, 1024, 4352, 67584]);
  for (let n = 2; n < 2 ** 40; n = Math.ceil(n * 1.37)) {
    const size = padme(n);
    assert.ok(size >= n && size <= n * 1.125 && padme(size) === size, String(n));
  }
  assert.equal(padded(7, LEAST), LEAST);
});

test("a frame has a Padme size of at least 4096 and gives its document back", () => {
  for (const size of [0, 1, 4091, 4092, 4093, 10000]) {
    const document = random(size);
    const framed = frame(document);
    assert.equal(framed.length, padded(size + 4, LEAST));
    assert.deepEqual(unframe(framed), document);
  }
  assert.throws(() => frame(random(4093), LEAST), Refused);
  assert.equal(frame(random(4092), LEAST).length, LEAST);
});

test("padding that is not zero, or of another size, is refused", () => {
  const framed = frame(utf8("{}"));
  for (const at of [6, 7, LEAST - 1]) {
    const changed = framed.slice();
    changed[at] = 1;
    assert.throws(() => unframe(changed), FormatError);
  }
  for (const bad of [new Uint8Array(3), framed.subarray(1), pad(framed, 5120), u32(2), pad(u32(2 ** 32 - 1), LEAST)]) {
    assert.throws(() => unframe(bad), FormatError);
  }
  assert.throws(() => unpad(new Uint8Array(4), 5, 4), FormatError);
  // A view into a larger buffer is read from its own start.
  assert.deepEqual(unframe(pad(framed, 5000).subarray(0, LEAST)), utf8("{}"));
});
