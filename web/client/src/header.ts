/**
 * The header of an age v1 file, read strictly and without any key; a header that could be spelled in two ways is
 * refused. age-encryption reads headers too, but gives no stanza types and takes a file of mixed recipients.
 * Format: C2SP age.md, "Header".
 */

import { unb64 } from "./base64.js";
import { FormatError } from "./errors.js";

export interface Stanza {
  type: string;
  args: string[];
  body: Uint8Array;
}

export interface Header {
  stanzas: Stanza[];
  /** Bytes up to and including the newline after the MAC. */
  size: number;
}

const MAX_HEADER = 1 << 20;
const VERSION = "age-encryption.org/v1";
const COLUMNS = 64;
const MAC = /^--- [A-Za-z0-9+/]{43}$/;

/** The header of a file or of a prefix that holds it. Error: FormatError. */
export function readHeader(file: Uint8Array): Header {
  const lines = new Lines(file);
  if (lines.next() !== VERSION) throw new FormatError("age header: not an age v1 file");
  const stanzas: Stanza[] = [];
  let line = lines.next();
  for (; !line.startsWith("---"); line = lines.next()) stanzas.push(readStanza(line, lines));
  if (stanzas.length === 0) throw new FormatError("age header: no stanza");
  if (!MAC.test(line)) throw new FormatError("age header: bad MAC line");
  unpadded(line.slice(4));
  return { stanzas, size: lines.at };
}

/** The bytes of standard base64 without padding, in its one spelling. Error: FormatError. */
export function unpadded(text: string): Uint8Array {
  if (text.includes("=")) throw new FormatError("age header: bad base64");
  return unb64(text.padEnd(Math.ceil(text.length / 4) * 4, "="));
}

/** Lines of printable ASCII, at most 1 MiB of them. */
class Lines {
  at = 0;

  constructor(private readonly file: Uint8Array) {}

  next(): string {
    const end = this.file.indexOf(0x0a, this.at);
    if (end < 0 || end >= MAX_HEADER) throw new FormatError("age header: truncated or too long");
    let line = "";
    for (const byte of this.file.subarray(this.at, end)) {
      if (byte < 32 || byte > 126) throw new FormatError("age header: not ASCII");
      line += String.fromCharCode(byte);
    }
    this.at = end + 1;
    return line;
  }
}

function readStanza(line: string, lines: Lines): Stanza {
  const [arrow, type, ...args] = line.split(" ");
  if (arrow !== "->" || !type || args.includes("")) throw new FormatError("age header: bad stanza line");
  let text = "";
  for (;;) {
    const piece = lines.next();
    if (piece.length > COLUMNS) throw new FormatError("age header: body line too long");
    text += piece;
    if (piece.length < COLUMNS) return { type, args, body: unpadded(text) };
  }
}
