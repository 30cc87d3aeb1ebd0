/** Time limits of the law as an inbox shows them. They are the server's word: nothing here is signed. */

import { FormatError } from "./errors.js";
import { code, day, items, oneOf, text } from "./rules.js";

const MAX_LIMITS = 1000;
const MAX_TEXT = 500;
const LANGUAGES = ["kk", "ru", "en"] as const;
const STATES = ["running", "overdue", "met", "late", "extended", "ended"] as const;

export type Labels = Record<(typeof LANGUAGES)[number], string>;

/** One time limit, all days (`YYYY-MM-DD`); `due` is its last day. */
export interface Deadline {
  kind: string;
  labels: Labels;
  /** Where it stands in the law: article, and the source by language. */
  article: string;
  source: Labels;
  /** Whether rule and working days were seen in that source; otherwise show a mark. */
  confirmed: boolean;
  /** No law of Kazakhstan: shown for comparison. */
  benchmark: boolean;
  started: string;
  due: string;
  state: (typeof STATES)[number];
  metOn: string | null;
  endedOn: string | null;
  /** It took the place of a limit that was extended. */
  extension: boolean;
}

/** The limits of an answer; none from a service of the time before there were any. Error: FormatError. */
export function parseDeadlines(value: unknown): Deadline[] {
  return items(value ?? [], MAX_LIMITS).map(parseDeadline);
}

function parseDeadline(value: unknown): Deadline {
  const found = object(value);
  return {
    kind: code(found["kind"]),
    labels: parseLabels(found["labels"]),
    article: text(found["article"], MAX_TEXT),
    source: parseLabels(found["source_labels"]),
    confirmed: found["confirmed"] === true,
    benchmark: found["benchmark"] === true,
    started: day(found["started"]),
    due: day(found["due"]),
    state: oneOf(found["state"], STATES),
    metOn: dayOrNull(found["met_on"]),
    endedOn: dayOrNull(found["ended_on"]),
    extension: found["extension"] === true,
  };
}

function parseLabels(value: unknown): Labels {
  const found = object(value);
  const [kk, ru, en] = LANGUAGES.map((language) => text(found[language], MAX_TEXT));
  return { kk: kk!, ru: ru!, en: en! };
}

function dayOrNull(value: unknown): string | null {
  return (value ?? null) === null ? null : day(value);
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new FormatError("not an object");
  return value as Record<string, unknown>;
}
