/** What anybody can check of a package without a key: form, sizes, hashes, the part rule, directory, seats, desks. */

import { b64u, unb64, unb64u } from "./base64.js";
import { sha256 } from "./bytes.js";
import { members } from "./canonical.js";
import type { Directory } from "./directories.js";
import { FormatError, Refused } from "./errors.js";
import { MAX_PARTS, parseManifest, ROLES, type Manifest, type PartLine } from "./manifests.js";
import type { Package } from "./packages.js";
import { LEAST, padme } from "./padding.js";
import { checkPart, plaintextSize } from "./parts.js";
import { bytes32, code, integer, items, oneOf } from "./rules.js";

/** An age file of 4096 bytes for one hybrid recipient: the size of every identity part and every share. */
export const SMALL_FILE = 5755;
const MAX_GRANTS = 8;

/** A package from JSON, strictly; `checkPackage` comes next. Error: FormatError. */
export function parsePackage(value: unknown): Package {
  const found = members(value, ["grants", "lookup", "manifest", "parts", "shares", "signature"]);
  unb64u(found["signature"], 64);
  const manifest = parseManifest(found["manifest"]);
  const shares = items(found["shares"], 255).map((line) => {
    const { data, seat } = members(line, ["data", "seat"]);
    return { data: base64(data), seat: integer(seat) };
  });
  if (shares.length !== manifest.n || shares.some(({ seat }, i) => seat !== i + 1)) throw new FormatError("wrong seats");
  return {
    grants: items(found["grants"], MAX_GRANTS).map((line) => {
      const { data, desk } = members(line, ["data", "desk"]);
      return { data: base64(data), desk: code(desk) };
    }),
    lookup: bytes32(found["lookup"]),
    manifest,
    parts: items(found["parts"], MAX_PARTS).map((line) => {
      const { data, role } = members(line, ["data", "role"]);
      return { data: base64(data), role: oneOf(role, ROLES) };
    }),
    shares,
    signature: found["signature"] as string,
  };
}

/** Return if all that can be checked without a key holds under this directory. Errors: FormatError, Refused. */
export function checkPackage(found: Package, directory: Directory): void {
  const { manifest } = found;
  if (manifest.dir_seq !== directory.sequence || manifest.directory !== directory.digest) {
    throw new Refused("the report was sealed under another directory");
  }
  if (manifest.k !== directory.k || manifest.n !== directory.n) {
    throw new Refused("the report was sealed to other seats");
  }
  const desks = found.grants.map((grant) => grant.desk);
  const known = new Set(directory.desks.map((desk) => desk.id));
  if (desks.length === 0 || new Set(desks).size !== desks.length || !desks.every((desk) => known.has(desk))) {
    throw new Refused("the report was sealed to other desks");
  }
  checkParts(manifest, found.parts);
  for (const share of found.shares) checkSmall(unb64(share.data));
  for (const grant of found.grants) checkPart(unb64(grant.data));
}

/** Return if a file is the one that this line of a manifest names. Error: Refused. */
export function checkLine(file: Uint8Array, line: PartLine): void {
  if (file.length !== line.size || b64u(sha256(file)) !== line.sha256) {
    throw new Refused("a part differs from the manifest");
  }
}

function checkParts(manifest: Manifest, parts: Package["parts"]): void {
  if (parts.length !== manifest.parts.length) throw new Refused("a part differs from the manifest");
  manifest.parts.forEach((line, i) => {
    const { data, role } = parts[i]!;
    const file = unb64(data);
    if (role !== line.role) throw new Refused("a part differs from the manifest");
    checkLine(file, line);
    if (role === "identity") return checkSmall(file);
    const size = plaintextSize(file);
    if (size !== padme(size) || (role === "narrative" && size < LEAST)) throw new Refused("a part is not padded");
  });
}

function checkSmall(file: Uint8Array): void {
  checkPart(file);
  if (file.length !== SMALL_FILE) throw new Refused("a part has a telling size");
}

function base64(value: unknown): string {
  unb64(value);
  return value as string;
}
