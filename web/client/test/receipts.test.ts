/** Receipts: slips are caught while typing, separators are forgiven, and the same digits give the same keys. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { damm, derive, formatReceipt, newReceipt, parseReceipt, ReceiptError } from "../src/receipts.js";

const RECEIPTS = Array.from({ length: 20 }, newReceipt);

function reason(input: string): string {
  try {
    parseReceipt(input);
  } catch (error) {
    assert.ok(error instanceof ReceiptError);
    assert.ok(!error.message.includes(input) || input === "");
    return error.reason;
  }
  return "none";
}

test("a new receipt is 24 digits with a right check digit, never the same twice", () => {
  for (const receipt of RECEIPTS) {
    assert.match(receipt, /^[0-9]{24}$/);
    assert.equal(damm(receipt), 0);
    assert.equal(parseReceipt(receipt), receipt);
  }
  assert.equal(new Set(RECEIPTS).size, RECEIPTS.length);
});

test("every digit appears, so that none is lost to a rounding", () => {
  const seen = new Set(Array.from({ length: 50 }, newReceipt).join(""));
  assert.equal(seen.size, 10);
});

test("spaces, dashes, marks and wide digits are forgiven", () => {
  const [receipt] = RECEIPTS as [string];
  const groups = formatReceipt(receipt).split(" ");
  assert.equal(groups.length, 6);
  for (const between of [" ", "-", "\u2013", "\u2014", "\u2212", "\u00a0", "\t", "\r\n", "\u200b", "\ufeff", "\u00ad", " - "]) {
    assert.equal(parseReceipt(groups.join(between)), receipt);
  }
  const wide = [...receipt].map((digit) => String.fromCharCode(0xff10 + Number(digit))).join("");
  assert.equal(parseReceipt(wide), receipt);
});

test("one wrong digit or two swapped neighbours are a wrong check digit", () => {
  for (const receipt of RECEIPTS) {
    for (let i = 0; i < 24; i++) {
      const digit = (Number(receipt[i]) + 1 + (i % 9)) % 10;
      if (String(digit) !== receipt[i]) {
        assert.equal(reason(receipt.slice(0, i) + String(digit) + receipt.slice(i + 1)), "check");
      }
      if (i > 0 && receipt[i] !== receipt[i - 1]) {
        assert.equal(reason(receipt.slice(0, i - 1) + receipt[i]! + receipt[i - 1]! + receipt.slice(i + 1)), "check");
      }
    }
  }
});

test("anything that is not 24 digits is a wrong length", () => {
  const [receipt] = RECEIPTS as [string];
  const arabic = receipt.replace(/./g, (digit) => String.fromCharCode(0x660 + Number(digit)));
  for (const input of ["", receipt.slice(1), `${receipt}0`, `${receipt}x`, arabic, " ".repeat(257), receipt.replace(/.$/, "O")]) {
    assert.equal(reason(input), "length");
  }
  assert.equal(reason(receipt + " ".repeat(233)), "length");
  assert.equal(reason(receipt + " ".repeat(232)), "none");
});

test("the same digits give the same keys, others give others", async () => {
  const [first, second] = RECEIPTS as [string, string];
  const [a, b, c] = [await derive(first), await derive(formatReceipt(first)), await derive(second)];
  assert.equal(a.lookup, b.lookup);
  assert.equal(a.identity.recipient, b.identity.recipient);
  assert.equal(a.signing.verifyKey, b.signing.verifyKey);
  assert.notEqual(a.lookup, c.lookup);
  await assert.rejects(derive(first.slice(1)), ReceiptError);
});
