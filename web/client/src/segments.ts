/**
 * A file that the service sealed while it came (plain mode) is a concatenation of age files, each opened by itself
 * under the part rule; only the last one is padded. Layout: docs/sealing-format.md, section 3.
 */

import { concat } from "./bytes.js";
import { FormatError } from "./errors.js";
import type { HybridIdentity } from "./identities.js";
import { padme, unpad } from "./padding.js";
import { openPart } from "./parts.js";
import { integer, items } from "./rules.js";

const MOST_PLAIN = 8 << 20;
const MAX_SEGMENTS = 4096;

/** True bytes and file bytes of each segment, in order. */
export type Segments = [plain: number, file: number][];

/** The `segments` of an envelope of `size` true bytes. Error: FormatError. */
export function parseSegments(value: unknown, size: number): Segments {
  const found = items(value, MAX_SEGMENTS).map((line): Segments[number] => {
    const [plain, file] = items(line, 2);
    return [integer(plain, 0, MOST_PLAIN), integer(file, 1)];
  });
  if (found.length === 0 || found.reduce((sum, [plain]) => sum + plain, 0) !== size) {
    throw new FormatError("segments of another size");
  }
  if (found.length > 1 && found.some(([plain]) => plain === 0)) throw new FormatError("an empty segment");
  return found;
}

/** The true bytes of all segments; hashes are not checked here. Errors: FormatError, WrongKey, Refused. */
export async function openSegments(file: Uint8Array, segments: Segments, identity: HybridIdentity): Promise<Uint8Array> {
  if (segments.reduce((sum, [, size]) => sum + size, 0) !== file.length) {
    throw new FormatError("not the bytes of the segments");
  }
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const [i, [plain, size]] of segments.entries()) {
    const opened = await openPart(file.subarray(at, at + size), identity);
    pieces.push(unpad(opened, plain, i === segments.length - 1 ? padme(plain) : plain));
    at += size;
  }
  return concat(...pieces);
}
