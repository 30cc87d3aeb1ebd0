"""What the intake service holds in memory while it runs: its secrets, its blob store, the directory in force."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import anyio
from fastapi import Depends, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.crypto.canonical import unb64u
from services.crypto.directories import Directory, check_directory
from services.crypto.errors import CryptoError
from services.crypto.signatures import Signed, SigningKey
from services.crypto.tlog import QUORUM
from services.intake import rules, store
from services.intake.calendar import Calendar, make_calendar, read_years, zone_of
from services.intake.settings import Settings
from services.kit import logs
from services.kit.blobs import LocalBlobs
from services.kit.problems import Unavailable
from services.kit.settings import key_bytes

_RELOAD = timedelta(seconds=10)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class InForce:
    """A checked directory with its signed document."""

    directory: Directory
    document: dict[str, Any]


@dataclass
class DirectoryCache:
    """The newest directories, read again every few seconds, since another process may have published one."""

    roots: list[bytes]
    environment: str
    _known: list[InForce] = field(default_factory=list)
    _read_at: datetime = _NEVER

    async def known(self, conn: AsyncConnection, now: datetime) -> list[InForce]:
        """Usable directories, newest first."""
        if now - self._read_at >= _RELOAD or now < self._read_at:
            rows = await store.last_directories(conn, at=now)
            self._known = [found for row in rows if (found := self._checked(row.document, now))]
            self._read_at = now
        return [d for d in self._known if self._usable(d.directory, now)]

    def forget(self) -> None:
        """Read again at the next question."""
        self._read_at = _NEVER

    async def current(self, conn: AsyncConnection, now: datetime) -> InForce:
        """The directory to seal with now. Errors: Unavailable when there is none: nothing may be filed then."""
        known = await self.known(conn, now)
        if not known:
            raise Unavailable()
        return known[0]

    async def witnesses(self, conn: AsyncConnection, now: datetime) -> tuple[str, ...]:
        """The witnesses (vkeys) of the directory in force; none without a directory."""
        known = await self.known(conn, now)
        return known[0].directory.witnesses if known else ()

    @property
    def watched(self) -> bool:
        """Whether the directory that was read last names enough witnesses for a quorum."""
        return bool(self._known) and len(self._known[0].directory.witnesses) >= QUORUM

    async def for_package(
        self, conn: AsyncConnection, sequence: int, now: datetime, overlap: timedelta
    ) -> InForce | None:
        """The directory that a package names, if it may still be used."""
        known = await self.known(conn, now)
        for found in known:
            if found.directory.sequence == sequence and rules.directory_accepted(
                sequence, known[0].directory.sequence, known[0].directory.valid_from, now, overlap
            ):
                return found
        return None

    def _checked(self, document: dict[str, Any], now: datetime) -> InForce | None:
        try:
            directory = check_directory(Signed.from_json(document), self.roots, now)
        except CryptoError as exc:
            # Not yet valid or expired is no news; a bad signature in our own table would be.
            logs.info("directory-skipped", error=type(exc).__name__)
            return None
        return InForce(directory, document)

    def _usable(self, directory: Directory, now: datetime) -> bool:
        """In force, and made for this kind of installation: production never uses development keys."""
        return directory.environment == self.environment and rules.directory_in_force(
            directory.valid_from, directory.valid_until, now
        )


@dataclass(frozen=True)
class Context:
    """Everything a route of intake needs beside its connection."""

    settings: Settings
    pepper: bytes
    service_key: bytes
    log_key: SigningKey
    blobs: LocalBlobs
    directories: DirectoryCache
    door: Any
    pages: Any
    stretching: anyio.CapacityLimiter
    calendar: Calendar


async def start(app: FastAPI) -> None:
    """Read the secrets and open the blob store."""
    from services.intake.door import Door
    from services.intake.pages_door import PageDoor

    settings: Settings = app.state.settings
    service_key = key_bytes(settings.service_key_file, "service_key_file")
    app.state.context = Context(
        settings=settings,
        pepper=key_bytes(settings.pepper_file, "pepper_file"),
        service_key=service_key,
        log_key=SigningKey.from_seed(key_bytes(settings.log_key_file, "log_key_file")),
        blobs=LocalBlobs(settings.blobs_folder),
        directories=DirectoryCache([unb64u(root, 32) for root in settings.roots], settings.environment),
        door=Door(service_key, settings.challenge_cost, settings.trusted_channels),
        pages=PageDoor.of(service_key, settings),
        stretching=anyio.CapacityLimiter(settings.argon2_at_once),
        calendar=make_calendar(
            read_years(), zone_of(settings.office_zone), settings.office_opens, settings.office_closes
        ),
    )


async def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


InContext = Annotated[Context, Depends(_context)]
