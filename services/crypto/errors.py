"""What goes wrong in sealed data, in four kinds.

Every message is fixed text: no input, key or name is ever part of one.
"""


class CryptoError(ValueError):
    """Base of everything this package raises about data it was given."""


class FormatError(CryptoError):
    """The bytes are malformed, truncated or altered."""


class WrongKey(CryptoError):
    """Well-formed, but none of the given identities opens it."""


class BadSignature(CryptoError):
    """A signature is missing or does not verify."""


class Refused(CryptoError):
    """Well-formed, but it breaks a rule or belongs somewhere else."""
