/**
 * Large files are sealed while they are read, once, in pieces of 64 KiB: a video of 2 GiB never lies in memory at once.
 * What comes out is the attachment that `sealAttachment` makes; sizes and padding are those of the sealing format.
 */

import { sha256 as noble } from "@noble/hashes/sha2.js";
import { b64u } from "./base64.js";
import { Refused } from "./errors.js";
import { padme } from "./padding.js";
import { sealStream } from "./parts.js";

/** True bytes that are read when they are needed; a `Blob` or `File` is one. `stream` gives exactly `size` bytes. */
export interface Source {
  readonly size: number;
  stream(): ReadableStream<Uint8Array>;
}

/** A file to be added: its name, media type and where its bytes are. */
export interface LargeAttachment {
  name: string;
  type: string;
  source: Source;
}

/** An age file of `size` bytes that is made while it is read. */
export interface SealedStream {
  readonly size: number;
  readonly stream: ReadableStream<Uint8Array>;
  /** Of the true bytes and of the age file, base64url. Error: Refused before the stream was read to its end. */
  sums(): { sha256: string; file_sha256: string };
}

const ZEROS = new Uint8Array(65536);

/** The age file of a large attachment. The stream fails with Refused if the source gives another size. */
export async function sealAttachmentStream(source: Source, recipients: readonly string[]): Promise<SealedStream> {
  const [data, file] = [noble.create(), noble.create()];
  let sums: ReturnType<SealedStream["sums"]> | undefined;
  const sealed = await sealStream(paddedStream(source, (piece) => data.update(piece)), recipients);
  const end = (): void => {
    sums = { sha256: b64u(data.digest()), file_sha256: b64u(file.digest()) };
  };
  return {
    size: sealed.size(padme(source.size)),
    stream: watched(sealed, (piece) => file.update(piece), end),
    sums() {
      if (!sums) throw new Refused("the file was not read to its end");
      return sums;
    },
  };
}

/** The bytes of a source and zeros, `padme(size)` bytes; `see` gets every piece but the zeros. Error: Refused. */
export function paddedStream(source: Source, see: (piece: Uint8Array) => void): ReadableStream<Uint8Array> {
  const reader = source.stream().getReader();
  let left = source.size;
  let zeros = padme(left) - left;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { done, value } = await reader.read(); // at its end it says so again and again
    if (!done) {
      left -= value.length;
      if (left < 0) return refuse(controller);
      see(value);
      return controller.enqueue(value);
    }
    if (left > 0) return refuse(controller);
    if (zeros === 0) return controller.close();
    const piece = ZEROS.subarray(0, Math.min(zeros, ZEROS.length));
    zeros -= piece.length;
    controller.enqueue(piece);
  };
  const refuse = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    controller.error(new Refused("the size is not the announced one"));
    await reader.cancel().catch(() => undefined);
  };
  return new ReadableStream({ pull, cancel: (reason) => reader.cancel(reason) }, { highWaterMark: 0 });
}

/** The same bytes; `see` gets every piece, `end` is called after the last. */
function watched(
  stream: ReadableStream<Uint8Array>,
  see: (piece: Uint8Array) => void,
  end: () => void,
): ReadableStream<Uint8Array> {
  const transform = (piece: Uint8Array, controller: TransformStreamDefaultController<Uint8Array>): void => {
    see(piece);
    controller.enqueue(piece);
  };
  return stream.pipeThrough(new TransformStream({ transform, flush: end }));
}
