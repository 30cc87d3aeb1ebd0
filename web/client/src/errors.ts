/** What goes wrong in sealed data, in four kinds. Every message is fixed text: no input is ever part of one. */

export class CryptoError extends Error {
  override name = "CryptoError";
}

/** The bytes are malformed, truncated or altered. */
export class FormatError extends CryptoError {
  override name = "FormatError";
}

/** Well-formed, but the identity does not open it. */
export class WrongKey extends CryptoError {
  override name = "WrongKey";
}

/** A signature is missing or does not verify. */
export class BadSignature extends CryptoError {
  override name = "BadSignature";
}

/** Well-formed, but it breaks a rule or belongs somewhere else. */
export class Refused extends CryptoError {
  override name = "Refused";
}
