"""The key of a service that outcomes are sealed to: a secret file on its server, a line in the key directory.

Stock `age -i` reads the file: lines that begin with `#` are comments to it.
"""

from services.crypto.age import HybridIdentity
from services.crypto.directories import WITH_KEYS, Service
from services.crypto.errors import FormatError

_LABEL = "# adal/v1/service-key"


def new_service_key(id: str) -> tuple[bytes, Service]:  # noqa: A002 - the name of the format
    """(secret file, line) of a new key for `rewards`, `registry` or `notifier`. Error: FormatError."""
    if id not in WITH_KEYS:
        raise FormatError("unknown word")
    identity = HybridIdentity.generate()
    return f"{_LABEL}\n# id: {id}\n{identity}\n".encode(), Service(id, identity.recipient)


def read_service_key(data: bytes) -> HybridIdentity:
    """The identity in such a file; comments may differ. Error: FormatError."""
    found = [line for line in data.split(b"\n") if line.strip() and not line.startswith(b"#")]
    if len(found) != 1 or not found[0].isascii():
        raise FormatError("not one identity")
    return HybridIdentity.parse(found[0].strip().decode("ascii"))
