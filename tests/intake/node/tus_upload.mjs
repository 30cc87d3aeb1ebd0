// The real tus-js-client against a real server: aborts at random bytes, resumes from its own memory, and at last reports.
// Argument: JSON {endpoint, file, secret, aborts, seed, chunkSize}. Prints JSON {aborts, uploaded, url, requests}.
import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const require = createRequire(new URL("../../../web/client/package.json", import.meta.url));
const tus = await import(pathToFileURL(require.resolve("tus-js-client")).href);

const order = JSON.parse(process.argv[2]);
const size = statSync(order.file).size;
let state = order.seed;
let requests = 0;

/** A number from 0 to 1 that the seed decides (a linear congruence; good enough to scatter aborts). */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** One go: until it is done, or until about `limit` bytes of it went out. The address of the upload, if any. */
function go(url, limit) {
  return new Promise((resolve, reject) => {
    const begun = { bytes: undefined, over: false };
    const upload = new tus.Upload(createReadStream(order.file), {
      endpoint: order.endpoint,
      uploadUrl: url,
      uploadSize: size,
      chunkSize: order.chunkSize,
      headers: { Authorization: `Bearer ${order.secret}` },
      retryDelays: [50, 100, 200, 400, 800, 1600],
      storeFingerprintForResuming: false,
      onBeforeRequest: () => {
        requests += 1;
      },
      onProgress: (sent) => {
        begun.bytes ??= sent;
        if (limit !== undefined && sent - begun.bytes >= limit && sent < size && !begun.over) {
          begun.over = true;
          upload.abort(false).then(() => resolve({ url: upload.url, done: false }), reject);
        }
      },
      onSuccess: () => begun.over || resolve({ url: upload.url, done: true }),
      onError: (error) => begun.over || reject(error),
    });
    upload.start();
  });
}

let aborts = 0;
let found = { url: undefined, done: false };
while (!found.done) {
  found = await go(found.url ?? undefined, aborts < order.aborts ? Math.floor((random() * size) / 8) : undefined);
  if (!found.done) aborts += 1;
}
const head = await fetch(found.url, {
  method: "HEAD",
  headers: { Authorization: `Bearer ${order.secret}`, "Tus-Resumable": "1.0.0" },
});
process.stdout.write(
  JSON.stringify({ aborts, uploaded: Number(head.headers.get("upload-offset")), url: found.url, requests }),
);
