/** The part rule, and keys: what is not wholly post-quantum, altered, cut or for somebody else does not open. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { bech32 } from "@scure/base";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { concat, random, utf8 } from "../src/bytes.js";
import { CryptoError, FormatError, Refused, WrongKey } from "../src/errors.js";
import { readHeader } from "../src/header.js";
import { HybridIdentity, parseRecipient } from "../src/identities.js";
import { checkPart, openPart, plaintextSize, seal } from "../src/parts.js";

let identity: HybridIdentity;
let other: HybridIdentity;

before(async () => {
  identity = await HybridIdentity.generate();
  other = await HybridIdentity.generate();
});

test("a part comes back for sizes around the chunks, and its size shows from outside", async () => {
  for (const size of [0, 1, 4096, 65535, 65536, 65537, 131072, 200001]) {
    const data = random(size);
    const file = await seal(data, [identity.recipient]);
    assert.equal(plaintextSize(file), size);
    assert.deepEqual(await openPart(file, identity), data);
  }
});

test("1 to 8 recipients may open a part, 0 and 9 may not be", async () => {
  const recipients = Array<string>(7).fill(other.recipient);
  const file = await seal(utf8("x"), [...recipients, identity.recipient]);
  assert.equal(checkPart(file).stanzas.length, 8);
  assert.deepEqual(await openPart(file, identity), utf8("x"));
  await assert.rejects(seal(utf8("x"), []), Refused);
  await assert.rejects(seal(utf8("x"), [...recipients, other.recipient, other.recipient]), Refused);
});

test("a mixture, which age-encryption itself opens, is refused before the key is tried", async () => {
  const encrypter = new Encrypter();
  encrypter.addRecipient(identity.recipient);
  encrypter.addRecipient(await identityToRecipient(await generateX25519Identity()));
  const file = await encrypter.encrypt(utf8("mixed"));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity.secret());
  assert.equal(await decrypter.decrypt(file, "text"), "mixed");
  assert.throws(() => checkPart(file), Refused);
  await assert.rejects(openPart(file, identity), Refused);
});

test("a classical or a passphrase file is no part", async () => {
  const classical = new Encrypter();
  classical.addRecipient(await identityToRecipient(await generateX25519Identity()));
  const passphrase = new Encrypter();
  passphrase.setPassphrase("invented");
  passphrase.setScryptWorkFactor(2);
  for (const encrypter of [classical, passphrase]) {
    await assert.rejects(openPart(await encrypter.encrypt(utf8("x")), identity), Refused);
  }
});

test("nobody else opens a part", async () => {
  await assert.rejects(openPart(await seal(utf8("x"), [identity.recipient]), other), WrongKey);
});

test("a flipped bit anywhere, and every cut, is refused", async () => {
  const file = await seal(random(100), [identity.recipient]);
  for (let at = 0; at < file.length; at += 37) {
    const changed = file.slice();
    changed[at]! ^= 1;
    await assert.rejects(openPart(changed, identity), CryptoError, `bit at ${at}`);
    await assert.rejects(openPart(file.subarray(0, at), identity), CryptoError, `cut at ${at}`);
  }
  await assert.rejects(openPart(concat(file, Uint8Array.of(0)), identity), FormatError);
});

test("a file cut between its chunks is refused", async () => {
  const file = await seal(random(65536 * 2), [identity.recipient]);
  await assert.rejects(openPart(file.subarray(0, file.length - 65552), identity), FormatError);
});

test("a header that could be spelled in two ways is refused", async () => {
  const file = await seal(utf8("x"), [identity.recipient]);
  const text = Buffer.from(file).toString("latin1");
  const wrong = [
    text.replace("v1\n", "v1\r\n"),
    text.replace("-> ml", "->  ml"),
    text.replace("-> mlkem768x25519 ", "-> mlkem768x25519  "),
    text.replace("\n---", "\n\n---"),
    text.replace("--- ", "---  "),
    text.replace("age-encryption.org/v1", "age-encryption.org/v2"),
    text.replace(/(-> mlkem768x25519 [^\n]*)/, "$1="),
    text.replace(/(-> mlkem768x25519 [^\n]*)/, "$1 more"),
    text.slice(text.indexOf("-> ")),
  ];
  for (const changed of wrong) {
    assert.notEqual(changed, text);
    assert.throws(() => checkPart(Buffer.from(changed, "latin1")), CryptoError);
  }
});

test("an endless header is refused", () => {
  const endless = utf8(`age-encryption.org/v1\n-> x ${"a".repeat(1 << 20)}\n`);
  assert.throws(() => readHeader(endless), FormatError);
});

test("a recipient has one spelling and is a usable key", () => {
  const text = identity.recipient;
  assert.equal(parseRecipient(text), text);
  const { words } = bech32.decode(text as `${string}1${string}`, false);
  const key = bech32.fromWords(words);
  const recipient = (bytes: Uint8Array, prefix = "age1pq".slice(0, 6)): string =>
    bech32.encode(prefix, bech32.toWords(bytes), false);
  assert.equal(recipient(key), text);
  const unreduced = key.slice();
  unreduced.set([0xff, 0xff, 0xff]);
  const lowOrder = key.slice();
  lowOrder.fill(0, 1184);
  const bad = [text.toUpperCase(), `${text}q`, ` ${text}`, text.slice(0, -1), recipient(key.subarray(1)),
    recipient(key, "age"), recipient(unreduced), recipient(lowOrder), "", null, 7];
  for (const wrong of bad) assert.throws(() => parseRecipient(wrong), FormatError);
});

test("an identity is its seed and does not show itself", async () => {
  const again = await HybridIdentity.fromSeed(identity.seed());
  assert.equal(again.secret(), identity.secret());
  assert.equal((await HybridIdentity.parse(identity.secret())).recipient, identity.recipient);
  assert.ok(!JSON.stringify(identity).includes(identity.secret()));
  assert.ok(!String(identity).includes("AGE-SECRET"));
  await assert.rejects(HybridIdentity.parse(identity.secret().toLowerCase()), FormatError);
  await assert.rejects(HybridIdentity.parse(identity.recipient), FormatError);
  await assert.rejects(HybridIdentity.fromSeed(random(31)), FormatError);
});
