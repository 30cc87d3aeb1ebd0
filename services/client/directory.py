"""The key directory, fetched and checked against pinned roots and against everything seen before."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from services.client.errors import understood
from services.client.http import Http
from services.client.memory import Memory
from services.crypto import rules
from services.crypto.directories import Directory, Log, check_directory
from services.crypto.errors import Refused
from services.crypto.notes import VerifierKey
from services.crypto.signatures import Signed

INTAKE = "/api/intake/v1"


def utc_now() -> datetime:
    """The present instant, aware."""
    return datetime.now(UTC)


class Directories:
    """The directory of one server as this client believes it."""

    def __init__(
        self,
        http: Http,
        roots: Sequence[bytes],
        memory: Memory | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._http, self._roots, self.clock = http, tuple(roots), clock
        self.memory = memory or Memory(roots)

    def current(self) -> Directory:
        """The directory in force. Errors: CryptoError if it is not signed, expired or older than one seen."""
        with understood():
            document = Signed.from_json(self._http.get(f"{INTAKE}/key-directory").json())
            directory = check_directory(document, self._roots, self.clock(), last=self.memory.last)
        self.memory.saw_directory(document)
        return directory

    def known(self) -> tuple[Directory, ...]:
        """Every directory this client ever checked here, newest first; `current` is asked for before."""
        self.current()
        return self.memory.directories[::-1]

    def of_report(self, document: object, digest: bytes) -> Directory:
        """The directory a report was filed under, judged at its own time. Errors: CryptoError."""
        with understood():
            signed = Signed.from_json(document)
            if signed.digest != digest:
                raise Refused("the report was sealed under another directory")
            start = rules.instant(signed.body["valid_from"])
            return check_directory(signed, self._roots, start)


def log_of(directory: Directory, origin: str | None = None) -> Log:
    """The log of this name, or the first one. Error: Refused."""
    for log in directory.logs:
        if origin in (None, log.origin):
            return log
    raise Refused("the directory names no such log")


def verifier(log: Log) -> VerifierKey:
    """The key that checks the checkpoints of a log."""
    return VerifierKey.parse(log.vkey)
