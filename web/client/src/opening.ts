/**
 * A report, opened as the desk does. Nothing is believed that cannot be checked: the narrative names the reporter's
 * verify key, that key must have signed the narrative and the manifest, and the manifest's hashes must be those of
 * the files.
 */

import { parseEnvelopes, type Envelope } from "./attachments.js";
import { isObject, members, same, type JsonObject } from "./canonical.js";
import { checkLine } from "./checks.js";
import { FormatError, Refused } from "./errors.js";
import { parseRecipient, type HybridIdentity } from "./identities.js";
import type { Manifest } from "./manifests.js";
import { checkPayload, openPayload, ZERO32 } from "./payloads.js";
import { bytes32 } from "./rules.js";
import { verify } from "./signatures.js";

export type Reporter = { recipient: string; verify_key: string };

export interface OpenedReport {
  answers: JsonObject;
  fields: JsonObject;
  reporter: Reporter;
  envelopes: Envelope[];
  /** Names of clear fields that differ from the sealed ones. */
  differences: string[];
}

/**
 * Open the narrative with the key from the grant. `parts` are the files in the manifest's order; later ones may be
 * left out, each given one is checked. Errors: FormatError, WrongKey, BadSignature, Refused.
 */
export async function openReport(
  manifest: Manifest,
  signature: string,
  parts: readonly Uint8Array[],
  report: HybridIdentity,
): Promise<OpenedReport> {
  if (parts.length < 1 || parts.length > manifest.parts.length) throw new Refused("a part differs from the manifest");
  parts.forEach((file, i) => checkLine(file, manifest.parts[i]!));
  const opened = await openPayload(parts[0]!, report);
  const body = members(opened.body, ["answers", "attachments", "fields", "reporter"]);
  const reporter = parseReporter(body["reporter"]);
  const place = { rid: manifest.rid, type: "narrative", by: "reporter", n: 0, prev: ZERO32 } as const;
  checkPayload(opened, place, reporter.verify_key);
  verify(reporter.verify_key, "manifest", manifest, signature);
  if (opened.header.dir_seq !== manifest.dir_seq) throw new Refused("the part was sealed under another directory");
  const { answers, fields } = body;
  if (!isObject(answers) || !isObject(fields)) throw new FormatError("not an object");
  const envelopes = parseEnvelopes(body["attachments"]);
  const listed = manifest.parts.slice(2).map((line) => line.sha256);
  if (!same(envelopes.map((line) => line.file_sha256), listed)) {
    throw new Refused("the attachments are not those of the manifest");
  }
  return { answers, fields, reporter, envelopes, differences: differences(manifest.fields, fields) };
}

/**
 * What the reporter said of themselves at filing, null if nothing, with the key rebuilt from shares; `verifyKey` is
 * the reporter's, from the opened narrative. Errors: FormatError, WrongKey, BadSignature, Refused.
 */
export async function openIdentity(
  file: Uint8Array,
  key: HybridIdentity,
  manifest: Manifest,
  verifyKey: string,
): Promise<JsonObject | null> {
  const [narrative, line] = manifest.parts;
  checkLine(file, line!);
  const opened = await openPayload(file, key);
  const place = { rid: manifest.rid, type: "identity", by: "reporter", n: 1, prev: narrative!.sha256 } as const;
  checkPayload(opened, place, verifyKey);
  const { identity } = members(opened.body, ["identity"]);
  if (identity !== null && !isObject(identity)) throw new FormatError("not an object");
  return identity;
}

function parseReporter(value: unknown): Reporter {
  const found = members(value, ["recipient", "verify_key"]);
  return { recipient: parseRecipient(found["recipient"]), verify_key: bytes32(found["verify_key"]) };
}

function differences(clear: JsonObject, sealed: JsonObject): string[] {
  const names = [...new Set([...Object.keys(clear), ...Object.keys(sealed)])].sort();
  return names.filter((name) => !same(clear[name] ?? null, sealed[name] ?? null));
}
