"""What the accounts service holds in memory while it runs: its two keys and the bound on password hashing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, cast
from uuid import UUID

import anyio
from fastapi import Depends, FastAPI, Request

from services.accounts.identity_provider import Provider
from services.accounts.passkeys import RelyingParty
from services.accounts.settings import Settings
from services.accounts.throttle import Budget
from services.crypto import secretbox, totp
from services.crypto.signatures import SigningKey
from services.kit.settings import SettingsError, key_bytes, read_secret

T = TypeVar("T")
NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Context:
    """Everything a route of accounts needs beside its connection."""

    settings: Settings
    token_key: SigningKey
    service_key: bytes = field(repr=False)
    hashing: anyio.CapacityLimiter
    #: A second factor of nobody, so that an unknown login costs the same work.
    dummy_box: bytes = field(repr=False)
    #: None where single sign-on is off.
    provider: Provider | None = None

    async def hash(self, work: Callable[..., T], *arguments: str) -> T:
        """Run a password function in a thread, only so many at once: each takes 19 MiB and a core."""
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self.hashing)

    def throttle_key(self, login: str) -> bytes:
        """What attempts are counted by: the same for known and unknown logins, and of no use to a thief."""
        return secretbox.mac(self.service_key, b"adal/v1/accounts/throttle", login.encode())

    def budget(self, kind: str, subject: str, attempts: int) -> Budget:
        """The attempts of one subject at one kind of proof: a login, a person, or an API client."""
        key = secretbox.mac(self.service_key, b"adal/v1/accounts/budget", kind.encode(), subject.encode())
        return Budget(key, attempts, self.settings.throttle_window)

    def challenge_owner(self, purpose: str, subject: bytes) -> bytes:
        """What a passkey challenge is stored under: it answers for this purpose and this asker only."""
        return secretbox.mac(self.service_key, b"adal/v1/accounts/challenge", purpose.encode(), subject)

    def recovery_hash(self, person: UUID, letters: str) -> bytes:
        """How a recovery code of 80 bits is stored: a thief of the table cannot even test a guess."""
        return secretbox.mac(self.service_key, b"adal/v1/accounts/recovery", person.bytes, letters.encode())

    @property
    def relying_party(self) -> RelyingParty:
        """Who passkeys are made for. On a development machine that is `localhost`, on any port."""
        settings = self.settings
        if settings.development and not settings.passkey_rp_id:
            return RelyingParty("localhost", (), local=True)
        return RelyingParty(settings.passkey_rp_id, settings.passkey_origins)

    def seal_totp(self, secret: bytes, person: UUID) -> bytes:
        """A TOTP secret as stored: it opens for this person's row only."""
        return secretbox.seal(self.service_key, secret, person.bytes)

    def open_totp(self, box: bytes, person: UUID) -> bytes:
        return secretbox.open_box(self.service_key, box, person.bytes)


def provider_of(settings: Settings) -> Provider | None:
    """The identity provider of the settings, None where there is none. Errors: SettingsError."""
    if not settings.oidc_issuer:
        return None
    secret = None
    if settings.oidc_client_secret_file is not None:
        name = "oidc_client_secret_file"
        try:
            secret = read_secret(settings.oidc_client_secret_file, name).decode().strip()
        except ValueError:
            raise SettingsError(f"the secret file of {name} does not hold text") from None
    return Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_redirect_uri, secret)


async def start(app: FastAPI) -> None:
    """Read the secrets. Errors: SettingsError."""
    settings: Settings = app.state.settings
    service_key = key_bytes(settings.service_key_file, "service_key_file")
    app.state.context = Context(
        settings=settings,
        token_key=SigningKey.from_seed(key_bytes(settings.token_key_file, "token_key_file")),
        service_key=service_key,
        hashing=anyio.CapacityLimiter(settings.argon2_at_once),
        dummy_box=secretbox.seal(service_key, totp.new_secret(), NOBODY.bytes),
        provider=provider_of(settings),
    )


def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


InContext = Annotated[Context, Depends(_context)]
