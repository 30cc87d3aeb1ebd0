/**
 * How a case ended: the body of an `outcome` part, by desk or staff, sealed to the report and to the reporter. Its
 * claim token ties a later reward claim to the outcome: keep it, show it to nobody. Money is whole tenge.
 */

import { members } from "./canonical.js";
import { FormatError } from "./errors.js";
import { bytes32, code, day, integer, items, oneOf, text } from "./rules.js";

const GRAVITIES = ["administrative", "minor", "medium", "grave", "especially_grave"] as const;
const MAX_NAME = 300;
const MAX_TEXT = 100_000;
const MOST_ARTICLES = 50;

/** The court's or body's act, its day, and the day it entered into force, if it did. */
export interface Act {
  court: string;
  number: string;
  date: string;
  inForce: string | null;
}

export interface OutcomeFacts {
  /** The kind's code, which stands in clear with the case too. */
  kind: string;
  act: Act | null;
  gravity: (typeof GRAVITIES)[number] | null;
  articles: string[];
  bribe: number | null;
  damage: number | null;
  valueOfBenefits: number | null;
}

/** Facts, the words for the reporter, and the claim token (b64u of 32 bytes). */
export interface Outcome {
  facts: OutcomeFacts;
  text: string;
  claim: string;
}

/** Parse the body of an `outcome`. Error: FormatError. */
export function parseOutcome(body: unknown): Outcome {
  const found = members(body, ["claim", "outcome", "text"], ["certificate"]);
  return { facts: parseFacts(found["outcome"]), text: text(found["text"], MAX_TEXT), claim: bytes32(found["claim"]) };
}

function parseFacts(value: unknown): OutcomeFacts {
  const found = members(value, ["act", "articles", "bribe", "damage", "gravity", "kind", "value_of_benefits"]);
  const articles = items(found["articles"], MOST_ARTICLES).map(code);
  if (new Set(articles).size !== articles.length) throw new FormatError("one article twice");
  return {
    kind: code(found["kind"]),
    act: orNull(found["act"], parseAct),
    gravity: orNull(found["gravity"], (word) => oneOf(word, GRAVITIES)),
    articles,
    bribe: orNull(found["bribe"], (sum) => integer(sum)),
    damage: orNull(found["damage"], (sum) => integer(sum)),
    valueOfBenefits: orNull(found["value_of_benefits"], (sum) => integer(sum)),
  };
}

function parseAct(value: unknown): Act {
  const found = members(value, ["court", "date", "in_force", "number"]);
  const act = {
    court: text(found["court"], MAX_NAME),
    number: text(found["number"], MAX_NAME),
    date: day(found["date"]),
    inForce: orNull(found["in_force"], day),
  };
  // Days have one spelling, so that their texts compare like they do.
  if (act.inForce !== null && act.inForce < act.date) throw new FormatError("in force before its day");
  return act;
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value);
}
