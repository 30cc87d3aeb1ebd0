/** A staff certificate says which keys are a person's: two certifiers of the directory vouch for it. */

import { members } from "./canonical.js";
import { directoryKeys, type Directory } from "./directories.js";
import { FormatError, Refused } from "./errors.js";
import { parseRecipient } from "./identities.js";
import { bytes32, code, day, items, matching, version } from "./rules.js";
import { checkDocument, type Signed } from "./signatures.js";

/** The keys of a person (UUID) and the roles they hold, from day to day, both inclusive. */
export type Certificate = {
  person: string;
  recipient: string;
  roles: string[];
  v: 1;
  valid_from: string;
  valid_until: string;
  verify_key: string;
};

const THRESHOLD = 2;
const MAX_ROLES = 32;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The certificate, if two certifiers signed it and it is valid on the day. Errors: FormatError, BadSignature, Refused. */
export function checkCertificate(doc: Signed, directory: Directory, today: string): Certificate {
  const certifiers = directory.certifiers.map((certifier) => certifier.verify_key);
  checkDocument("certificate", doc, certifiers, THRESHOLD);
  const found = parseCertificate(doc.body);
  if (today < found.valid_from || today > found.valid_until) {
    throw new Refused("the certificate is not valid on this day");
  }
  const keys = directoryKeys(directory);
  if (keys.includes(found.recipient) || keys.includes(found.verify_key)) throw new Refused("one key in two places");
  return found;
}

/** The body of a certificate, without trust in it. Error: FormatError. */
export function parseCertificate(value: unknown): Certificate {
  const found = members(value, ["person", "recipient", "roles", "v", "valid_from", "valid_until", "verify_key"]);
  const roles = items(found["roles"], MAX_ROLES).map(code);
  // Codes are ASCII, so that plain comparison is the order of the format.
  if (roles.length === 0 || roles.some((role, i) => i > 0 && role <= roles[i - 1]!)) {
    throw new FormatError("roles are not sorted");
  }
  return {
    person: matching(UUID, found["person"], "not a UUID"),
    recipient: parseRecipient(found["recipient"]),
    roles,
    v: version(found["v"]),
    valid_from: day(found["valid_from"]),
    valid_until: day(found["valid_until"]),
    verify_key: bytes32(found["verify_key"]),
  };
}
