"""Sealing, signing and proving: bytes in, bytes out.

Nothing here reads a file, a clock, a setting or the network. Callers pass in what is needed, time included,
and get bytes or frozen values back; chance comes from the operating system alone. So every construction can
be tested against vectors, and the same code runs in a service, on the command line and on an air-gapped
machine.

What the package promises:

* **Closed.** What is sealed can be read only by the holders of the keys it was sealed to. Parts, grants and
  shares are sealed hybrid post-quantum; a file that a classical key could open as well is refused.
* **Bound.** A part, grant or share belongs to one report and one place in it. Moved elsewhere, replayed or
  left unsigned, it is refused by every opener.
* **Whole.** No plaintext leaves before it was authenticated. A file that was cut or altered ends in an error.
* **Strict.** Every parser accepts one spelling only, so two programs never read the same bytes differently.
* **Silent.** Errors are subclasses of `CryptoError` with fixed texts; no input, key or name is part of one.
  `repr` of a secret hides it.
* **Standard.** age v1, HPKE, RFC 8785 JSON, Ed25519, Argon2id, Shamir, RFC 6962 and C2SP's log formats, on
  `cryptography` and `pyshamir`, which no other package imports. Sealed files open with stock `age` as well.

What it does not promise: to erase secrets from memory (Python cannot), or to hide lengths beyond the padding
of the format.

Who relies on it: reporters, through the intake service in plain mode and through the clients that seal for
them; the desks, investigators and custodians who open with the command line; everyone who verifies the log.
`web/client` is its twin in TypeScript, and both run the vectors in `tests/crypto/vectors`.

Byte layouts: docs/sealing-format.md. Who can learn what, and what remains: docs/threat-model.md.
"""
