/** Files of Node for uploads: a source that reads from a path, a spool that no name leads to. */

import { createReadStream, statSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { ReadableStream as NodeStream } from "node:stream/web";
import type { Source } from "../src/index.js";
import type { Spool } from "../src/uploads.js";

/** The bytes of a file, read in pieces. */
export function fileSource(path: string): Source {
  const stream = (): ReadableStream<Uint8Array> =>
    Readable.toWeb(createReadStream(path)) as NodeStream as ReadableStream<Uint8Array>;
  return { size: statSync(path).size, stream };
}

/** Sealed bytes in a file (0600) below `folder` that loses its name at once: whatever ends the process ends it too. */
export async function fileSpool(folder = tmpdir()): Promise<Spool> {
  const own = await mkdtemp(join(folder, "adal-sealed-"));
  const file = await open(join(own, "file"), "wx+", 0o600).finally(() => rm(own, { recursive: true, force: true }));
  return {
    async write(stream) {
      for await (const piece of stream as NodeStream<Uint8Array>) await file.writeFile(piece);
    },
    async slice(start, end) {
      const data = new Uint8Array(end - start);
      for (let at = 0; at < data.length; ) {
        const { bytesRead } = await file.read(data, at, data.length - at, start + at);
        if (bytesRead === 0) return new Blob([data.subarray(0, at)]);
        at += bytesRead;
      }
      return new Blob([data]);
    },
    remove: () => file.close(),
  };
}
