/** Time limits are read strictly: a day that does not exist or a state nobody knows is refused, not shown. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDeadlines } from "../src/deadlines.js";
import { FormatError } from "../src/errors.js";

const LABELS = { kk: "Тіркеу", ru: "Регистрация", en: "Registration" };
const LINE = {
  kind: "register", labels: LABELS, article: "64(3)", source: "APPC", source_labels: LABELS, confirmed: true,
  benchmark: false, started: "2026-11-25", due: "2026-11-26", state: "late", met_on: "2026-11-27", ended_on: null,
  reason: null, extension: false,
};

test("a limit is read with its days, its texts and its marks", () => {
  const [found] = parseDeadlines([LINE]);
  assert.deepEqual(found, {
    kind: "register", labels: LABELS, article: "64(3)", source: LABELS, confirmed: true, benchmark: false,
    started: "2026-11-25", due: "2026-11-26", state: "late", metOn: "2026-11-27", endedOn: null, extension: false,
  });
});

test("an older service says nothing of limits", () => {
  assert.deepEqual(parseDeadlines(undefined), []);
  assert.deepEqual(parseDeadlines([]), []);
});

test("what is not confirmed stays marked unless the server says so in clear", () => {
  const [found] = parseDeadlines([{ ...LINE, confirmed: "yes" }]);
  assert.equal(found?.confirmed, false);
});

test("lines of another form are refused", () => {
  for (const bad of [
    { ...LINE, due: "2026-02-30" }, { ...LINE, state: "soon" }, { ...LINE, labels: { kk: "a", ru: "b" } },
    { ...LINE, met_on: 5 }, { ...LINE, kind: "a b" }, { ...LINE, article: "" }, null, "text",
  ]) {
    assert.throws(() => parseDeadlines([bad]), FormatError);
  }
  assert.throws(() => parseDeadlines({}), FormatError);
});
