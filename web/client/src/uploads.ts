/**
 * Sealed attachments on their way to a draft, resumable (tus 1.0): after every cut the service is asked how far it
 * came, and the same sealed bytes go on from there. Nothing of the file but its sealed size is told; nothing is kept
 * in the browser's storage, so what a closed page began ends with its draft.
 */

import { Upload as Tus, type HttpRequest, type HttpResponse } from "tus-js-client";
import { bearer, problem, type Draft, type Intake } from "./api.js";
import { CryptoError, Refused } from "./errors.js";
import type { Upload } from "./packages.js";
import { blobSpool, type Spool } from "./spools.js";
import type { SealedStream } from "./streams.js";

export { blobSpool, diskSpool, type Spool } from "./spools.js";

export interface UploadOptions {
  /** Makes a new spool: `blobSpool`, unless another is given. */
  spool?: () => Spool | Promise<Spool>;
  /** Called with bytes that are on the service's durable storage, and the sealed size. */
  onProgress?: (done: number, total: number) => void;
  /** Ends it; what was sent is forgotten with the draft. */
  signal?: AbortSignal;
  /** Milliseconds to wait before each new try; they begin anew whenever bytes arrived. */
  retryDelays?: number[];
}

/** The connection broke and did not come back within all tries. */
export class UploadBroken extends Error {
  override name = "UploadBroken";

  constructor() {
    super("the upload broke off");
  }
}

const CHUNK = 4 << 20;
const MOST_TIME = 600_000; // of one request: 4 MiB through 56 kbit/s
const DELAYS = [250, 1000, 2000, 4000, 8000, 15_000, 30_000, 60_000];
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * What `sealReportWithUploads` sends its large attachments with; file the package with the same draft. Errors, of
 * sending: Problem, UploadBroken, the reason of `signal`; Refused for an address that is not the service's.
 */
export function uploader(intake: Intake, draft: Draft, options: UploadOptions = {}): Upload {
  const endpoint = new URL(intake.uploads, globalThis.location?.href).href;
  const headers = { ...bearer(draft), "Accept-Language": intake.language };
  return async (sealed) => {
    if (sealed.size > draft.max_bytes) throw new Refused("larger than an upload may be");
    const spool = (await options.spool?.()) ?? blobSpool();
    try {
      await spool.write(sealed.stream);
      return await send(spool, sealed, endpoint, headers, options);
    } finally {
      await spool.remove();
    }
  };
}

function send(
  spool: Spool,
  { size }: SealedStream,
  endpoint: string,
  headers: Record<string, string>,
  { onProgress, signal, retryDelays = DELAYS }: UploadOptions,
): Promise<string> {
  const slice = async (start: number, end: number): Promise<{ value: Blob; done: boolean }> =>
    ({ value: await spool.slice(start, end), done: end >= size });
  const source = { size, slice, close: () => undefined };
  return new Promise((resolve, reject) => {
    const upload = new Tus(new Blob(), {
      endpoint,
      headers,
      uploadSize: size,
      chunkSize: CHUNK,
      retryDelays,
      storeFingerprintForResuming: false,
      fingerprint: async () => "",
      fileReader: { openFile: async () => source },
      httpStack: { createRequest: (method, url) => new Sent(method, url, endpoint), getName: () => "fetch" },
      onShouldRetry: ({ causingError, originalResponse }) =>
        !(causingError instanceof CryptoError) && passes(originalResponse?.getStatus()),
      onChunkComplete: (_, done) => onProgress?.(done, size),
      onError: (error) => void told(error).then(reject),
      onSuccess: () => resolve(upload.url!.slice(endpoint.length + 1)),
    });
    const stop = (): void => void upload.abort().then(() => reject(signal?.reason));
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", stop, { once: true });
    upload.start();
  });
}

/** Whether another try may help: no answer, one of a gateway, an offset that moved, another writer. */
function passes(status: number | undefined): boolean {
  return status === undefined || status === 409 || status === 423 || status === 429 || (status >= 500 && status !== 507);
}

/** An error of ours: those of the tus client quote addresses. */
async function told(error: Error): Promise<Error> {
  const { causingError, originalResponse } = error as { causingError?: unknown; originalResponse?: HttpResponse | null };
  if (causingError instanceof CryptoError) return causingError;
  if (!originalResponse || originalResponse.getStatus() < 400) return new UploadBroken();
  const json = async (): Promise<unknown> => JSON.parse(originalResponse.getBody());
  return problem({ status: originalResponse.getStatus(), json });
}

/** A request of the tus client through `fetch`, with the promises of api.ts; only to addresses below the endpoint. */
class Sent implements HttpRequest {
  readonly #headers = new Headers();
  readonly #abort = new AbortController();

  constructor(
    private readonly method: string,
    private readonly url: string,
    private readonly endpoint: string,
  ) {}

  getMethod = (): string => this.method;
  getURL = (): string => this.url;
  getHeader = (name: string): string | undefined => this.#headers.get(name) ?? undefined;
  setHeader = (name: string, value: string): void => this.#headers.set(name, value);
  setProgressHandler = (): void => undefined;
  getUnderlyingObject = (): null => null;
  abort = async (): Promise<void> => this.#abort.abort();

  async send(body: Blob | null): Promise<HttpResponse> {
    // The draft's secret goes nowhere else, whatever address the answer named.
    const below = this.url.startsWith(`${this.endpoint}/`) && ID.test(this.url.slice(this.endpoint.length + 1));
    if (this.url !== this.endpoint && !below) throw new Refused("not an address of the service");
    const slow = setTimeout(() => this.#abort.abort(), MOST_TIME);
    try {
      const answer = await fetch(this.url, {
        method: this.method,
        headers: this.#headers,
        body,
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        signal: this.#abort.signal,
      });
      return received(answer, await answer.text());
    } finally {
      clearTimeout(slow);
    }
  }
}

function received(answer: Response, body: string): HttpResponse {
  return {
    getStatus: () => answer.status,
    getHeader: (name) => answer.headers.get(name) ?? undefined,
    getBody: () => body,
    getUnderlyingObject: () => null,
  };
}
