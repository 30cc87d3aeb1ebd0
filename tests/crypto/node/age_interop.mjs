// Runs jobs with npm's age-encryption: reads a JSON list from standard input, writes the list of answers to standard output.
//   {"op": "encrypt", "recipients": [text], "plaintext": base64, "chunk"?: bytes}   -> {"file": base64}
//   {"op": "encrypt", "passphrase": text, "log_n": number, "plaintext": base64}     -> {"file": base64}
//   {"op": "decrypt", "identities": [text], "passphrase"?: text, "file": base64, "chunk"?: bytes} -> {"plaintext": base64} or {"error": true}
//   {"op": "identity", "kind": "hybrid" | "x25519"}                                 -> {"identity", "recipient"}
//   {"op": "recipient", "identity": text}                                           -> {"recipient"}
//   {"op": "armor" | "dearmor", "data": base64}                                     -> {"data": base64}
// With "chunk" the library's streams are used, fed in pieces of that many bytes.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

const client = createRequire(new URL("../../../web/client/package.json", import.meta.url));
const age = await import(pathToFileURL(client.resolve("age-encryption")).href);

const bytes = (b64) => new Uint8Array(Buffer.from(b64, "base64"));
const b64 = (data) => Buffer.from(data).toString("base64");

function pieces(data, size) {
  let start = 0;
  return new ReadableStream({
    pull(controller) {
      if (start >= data.length) return controller.close();
      controller.enqueue(data.subarray(start, (start += size)));
    },
  });
}

const collect = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

async function encrypt({ recipients = [], passphrase, log_n, plaintext, chunk }) {
  const encrypter = new age.Encrypter();
  recipients.forEach((recipient) => encrypter.addRecipient(recipient));
  if (passphrase !== undefined) {
    encrypter.setPassphrase(passphrase);
    encrypter.setScryptWorkFactor(log_n);
  }
  const data = bytes(plaintext);
  const file = chunk ? await collect(await encrypter.encrypt(pieces(data, chunk))) : await encrypter.encrypt(data);
  return { file: b64(file) };
}

async function decrypt({ identities = [], passphrase, file, chunk }) {
  const decrypter = new age.Decrypter();
  identities.forEach((identity) => decrypter.addIdentity(identity));
  if (passphrase !== undefined) decrypter.addPassphrase(passphrase);
  const data = bytes(file);
  try {
    const plaintext = chunk ? await collect(await decrypter.decrypt(pieces(data, chunk))) : await decrypter.decrypt(data);
    return { plaintext: b64(plaintext) };
  } catch {
    return { error: true };
  }
}

async function identity({ kind }) {
  const made = kind === "hybrid" ? await age.generateHybridIdentity() : await age.generateX25519Identity();
  return { identity: made, recipient: await age.identityToRecipient(made) };
}

const operations = {
  encrypt,
  decrypt,
  identity,
  recipient: async (job) => ({ recipient: await age.identityToRecipient(job.identity) }),
  armor: async ({ data }) => ({ data: b64(Buffer.from(age.armor.encode(bytes(data)))) }),
  dearmor: async ({ data }) => ({ data: b64(age.armor.decode(Buffer.from(data, "base64").toString())) }),
};

const answers = [];
for (const job of JSON.parse(await text(process.stdin))) answers.push(await operations[job.op](job));
process.stdout.write(JSON.stringify(answers));
