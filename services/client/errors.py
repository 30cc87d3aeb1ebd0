"""What can go wrong between a client and a server; beside these only `CryptoError` leaves this package.

None of them repeats what was sent: a receipt, a password or a report never stands in an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from services.crypto.errors import CryptoError


class ClientError(Exception):
    """Base of everything this package raises itself."""


class Unreachable(ClientError):
    """No usable connection, after all attempts. Whether the server acted is not known."""

    def __init__(self) -> None:
        super().__init__("the server cannot be reached")


class BadAnswer(ClientError):
    """The server answered something that no Adal server answers."""

    def __init__(self) -> None:
        super().__init__("the answer of the server cannot be understood")


class BadAddress(ClientError):
    """The base address is no `https` address (or `http` on this machine or an onion service)."""

    def __init__(self) -> None:
        super().__init__("not a usable address of a server")


class NotUnlocked(ClientError):
    """A staff key, or the desk's signing key, is needed and was not unlocked."""

    def __init__(self) -> None:
        super().__init__("the key for this is not at hand")


class NotHanded(ClientError):
    """The case was handed on, and this person holds no key of it: they see its coded fields only."""

    def __init__(self) -> None:
        super().__init__("no key of this case is at hand")


class NoLead(ClientError):
    """An investigator works under a lead, and nobody is certified as one."""

    def __init__(self) -> None:
        super().__init__("there is no certified lead")


class CodeInDoubt(ClientError):
    """The reporter told 1424 that somebody else used the receipt code: nothing is sealed to it until it is replaced."""

    def __init__(self) -> None:
        super().__init__("the receipt code is in doubt")


class Unproven(ClientError):
    """After the code was replaced nothing yet proves that the server shows the right report key."""

    def __init__(self) -> None:
        super().__init__("the report key is not proven")


class NotLogged(ClientError):
    """The identity request does not stand in the log yet, or its witnesses have not seen it: nothing is released."""

    def __init__(self) -> None:
        super().__init__("the request is not in the log yet")


class Problem(ClientError):
    """A refusal of the server (RFC 9457): `type` URN, `title`, `status`, `detail` in the reader's language.

    `errors` are pairs of JSON pointer and text; `retry_after` seconds or None.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - the name of the member
        title: str,
        status: int,
        detail: str,
        errors: tuple[tuple[str, str], ...] = (),
        retry_after: int | None = None,
    ) -> None:
        self.type, self.title, self.status, self.detail = type, title, status, detail
        self.errors, self.retry_after = errors, retry_after
        super().__init__(f"{status} {self.slug}")

    @property
    def slug(self) -> str:
        """The last word of the type, such as `no-such-receipt`."""
        return self.type.rpartition(":")[2]

    def __repr__(self) -> str:
        return f"Problem(status={self.status}, type={self.type!r})"


@contextmanager
def understood() -> Iterator[None]:
    """Turn what a malformed answer causes into BadAnswer; failed checks stay CryptoError."""
    try:
        yield
    except CryptoError:
        raise
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        raise BadAnswer() from None
