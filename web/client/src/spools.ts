/**
 * Where sealed bytes wait while they are uploaded: a second sealing would give other bytes, and a cut could not be
 * mended. What lies here opens with no key of this device.
 */

/** Keeps the bytes of one sealed file. */
export interface Spool {
  write(stream: ReadableStream<Uint8Array>): Promise<void>;
  slice(start: number, end: number): Promise<Blob>;
  /** Forget them. */
  remove(): Promise<void>;
}

const PIECE = 8 << 20;
const PREFIX = "adal-sealed-";
const OLD = 26 * 3_600_000; // milliseconds: no draft lives longer

/** In Blobs, which leave no trace; the browser decides how much of them is in memory. */
export function blobSpool(): Spool {
  let kept = new Blob();
  return {
    async write(stream) {
      const whole: Blob[] = [];
      let some: Uint8Array<ArrayBuffer>[] = [];
      let size = 0;
      await stream.pipeTo(new WritableStream<Uint8Array>({
        write(piece) {
          some.push(piece as Uint8Array<ArrayBuffer>);
          size += piece.length;
          // Bytes leave the page's memory when they are in a Blob, so not all wait for the last.
          if (size >= PIECE) [whole[whole.length], some, size] = [new Blob(some), [], 0];
        },
      }));
      kept = new Blob([...whole, ...some]);
    },
    slice: async (start, end) => kept.slice(start, end),
    remove: async () => void (kept = new Blob()),
  };
}

/**
 * In a file of the origin private file system: hardly any memory, whatever the size. A page that is closed meanwhile
 * leaves the file; the next spool removes those older than any draft. Error: DOMException where there is no such thing.
 */
export async function diskSpool(): Promise<Spool> {
  const folder = await navigator.storage.getDirectory();
  await sweep(folder);
  const name = PREFIX + crypto.randomUUID();
  const handle = await folder.getFileHandle(name, { create: true });
  return {
    write: async (stream) => stream.pipeTo((await handle.createWritable()) as WritableStream<Uint8Array>),
    slice: async (start, end) => (await handle.getFile()).slice(start, end),
    remove: () => folder.removeEntry(name),
  };
}

async function sweep(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const handle of folder.values()) {
    if (handle.kind !== "file" || !handle.name.startsWith(PREFIX)) continue;
    const { lastModified } = await (handle as FileSystemFileHandle).getFile();
    if (Date.now() - lastModified > OLD) await folder.removeEntry(handle.name);
  }
}
