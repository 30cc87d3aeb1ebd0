/**
 * A grant hands the key of one report to one holder, as a file stock `age -i` can use. A grant moved from another
 * report, or one whose lines and key disagree, is refused before the key is used.
 */

import { unb64u } from "./base64.js";
import { fromUtf8, utf8 } from "./bytes.js";
import { FormatError, Refused } from "./errors.js";
import { HybridIdentity } from "./identities.js";
import { ridOf, type Manifest } from "./manifests.js";
import { openPart, seal } from "./parts.js";

export type GrantRole = "desk" | "lead" | "investigator";

const GRANT = /^# adal\/v1\/grant\n# rid: ([^\n]*)\n# role: (?:desk|lead|investigator)\n([^\n]*)\n$/;

/** The age file that gives `report` to the holder of the recipient `to`. */
export function sealGrant(report: HybridIdentity, role: GrantRole, to: string): Promise<Uint8Array> {
  const lines = ["# adal/v1/grant", `# rid: ${ridOf(report.recipient)}`, `# role: ${role}`, report.secret(), ""];
  return seal(utf8(lines.join("\n")), [to]);
}

/** The key of the manifest's report. Errors: FormatError, WrongKey; Refused if it is of another report. */
export async function openGrant(
  file: Uint8Array,
  holder: HybridIdentity,
  manifest: Manifest,
): Promise<HybridIdentity> {
  const found = GRANT.exec(fromUtf8(await openPart(file, holder)));
  if (!found) throw new FormatError("not a grant");
  const [, rid, secret] = found;
  unb64u(rid, 32);
  const report = await HybridIdentity.parse(secret!);
  if (rid !== manifest.rid || ridOf(report.recipient) !== manifest.rid) {
    throw new Refused("the grant is of another report");
  }
  if (report.recipient !== manifest.report_recipient) throw new Refused("the grant is of another key");
  return report;
}
