"""A staff session: signed in once, with short access tokens that renew themselves.

The session secret and the tokens stay in memory; the passphrase of the staff key is never sent.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2

from services.client.directory import Directories, utc_now
from services.client.errors import NotUnlocked, Problem, understood
from services.client.http import Answer, Call, Http
from services.client.memory import Memory
from services.crypto import rules
from services.crypto.canonical import unb64
from services.crypto.directories import Desk, Directory
from services.crypto.errors import CryptoError, Refused
from services.crypto.signatures import Signed
from services.crypto.staffkeys import GroupKey, StaffKey, unwrap_group_key, unwrap_staff_key

ACCOUNTS = "/api/accounts/v1"
_EARLY = 30.0


#: A proof for the first (0) or second (1) attempt at a step-up, such as {"totp": "123456"}.
Prove = Callable[[int], Mapping[str, str]]


@dataclass(frozen=True)
class Person:
    """Who is signed in: UUID, login, name, roles."""

    id: str
    login: str
    name: str
    roles: frozenset[str]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Person":
        """Read the API's person. Error: KeyError."""
        return cls(str(value["id"]), str(value["login"]), str(value["name"]), frozenset(value["roles"]))


@dataclass(frozen=True)
class Me:
    """One's own account: the wrapped staff key, the certificate and the wrapped group keys, if there are any."""

    person: Person
    wrapped: bytes | None = field(repr=False)
    recipient: str | None = field(repr=False)
    certificate: Signed | None = field(repr=False)
    group_keys: tuple[tuple[str, bytes], ...] = field(repr=False)


@dataclass(frozen=True)
class Unlocked:
    """The keys of a member of staff, on this machine only."""

    key: StaffKey
    groups: tuple[GroupKey, ...]


class Session:
    """Sign-in, renewal and keys. Errors of every call: Problem, Unreachable, BadAnswer; CryptoError."""

    def __init__(
        self,
        base_url: str,
        roots: Sequence[bytes],
        transport: httpx2.BaseTransport | None = None,
        memory: Memory | None = None,
        language: str = "en",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._http = Http(base_url, language, transport)
        self._directories = Directories(self._http, roots, memory, clock)
        self._secret = self._token = ""
        self._renew_at = 0.0
        self._me: Me | None = None
        self._unlocked: Unlocked | None = None
        self.prove: Prove | None = None
        #: Whether this object gave a full proof itself, instead of going on with a session from before.
        self.proved = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def close(self) -> None:
        """Close the connections and forget the keys."""
        self._unlocked, self._secret, self._token = None, "", ""
        self._http.close()

    @property
    def secret(self) -> str:
        """The session secret: whoever has it is signed in."""
        return self._secret

    def key_directory(self) -> Directory:
        """The key directory in force, checked."""
        return self._directories.current()

    def sign_in(self, login: str, password: str, totp: str | None = None) -> Person:
        """Sign in. Errors: Problem `sign-in` for whatever is wrong, `too-many-attempts`."""
        body = {"login": login, "password": password} | ({"totp": totp} if totp else {})
        answer = self._http.post(f"{ACCOUNTS}/sessions", body).json()
        with understood():
            self._secret = str(answer["session"])
            self.proved = True
            self._take(answer)
            return Person.from_json(answer["person"])

    def resume(self, secret: str) -> None:
        """Go on with a session from before. Error: Problem when it has ended."""
        self._secret = secret
        self._renew()

    def sign_out(self) -> None:
        """End the session on the server too."""
        self._http.send(
            Call(
                "DELETE", f"{ACCOUNTS}/sessions/current", headers={"Authorization": f"Session {self._secret}"}
            )
        )
        self._secret = self._token = ""

    def me(self) -> Me:
        """One's own account, read once."""
        if self._me is None:
            found = self.call("GET", f"{ACCOUNTS}/me").json()
            with understood():
                self._me = _me(found)
        return self._me

    def unlock(self, passphrase: str) -> Unlocked:
        """Open the staff key with its passphrase (about a second), and the group keys with it.

        Errors: NotUnlocked if there is no key; WrongKey for a wrong passphrase; Refused if the key is not the one
        of the account.
        """
        me = self.me()
        if me.wrapped is None:
            raise NotUnlocked()
        key = unwrap_staff_key(me.wrapped, passphrase)
        if str(key.identity.recipient) != me.recipient:
            raise Refused("the key is not the one of the account")
        opened = (_group_key(name, data, key) for name, data in me.group_keys)
        self._unlocked = Unlocked(key, tuple(group for group in opened if group is not None))
        return self._unlocked

    @property
    def unlocked(self) -> Unlocked:
        """The keys. Error: NotUnlocked before `unlock`."""
        if self._unlocked is None:
            raise NotUnlocked()
        return self._unlocked

    @property
    def is_unlocked(self) -> bool:
        """Whether `unlock` opened the staff key."""
        return self._unlocked is not None

    def desk_key(self, directory: Directory, desk: str) -> tuple[Desk, GroupKey]:
        """A desk of the directory whose key this person holds, its newest month. Error: NotUnlocked."""
        for line in sorted(directory.desks, key=lambda line: line.month, reverse=True):
            for group in self.unlocked.groups:
                held = (group.identity.recipient, group.signing.verify_key if group.signing else b"")
                if line.id == desk and held == (line.recipient, line.verify_key):
                    return line, group
        raise NotUnlocked()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Answer:
        """A request with a valid access token, renewed when it ran out, and a fresh proof where one is asked for."""
        try:
            return self._call(method, path, body, params, progress)
        except Problem as exc:
            if exc.slug != "step-up" or self.prove is None:
                raise
        self.prove_anew()
        return self._call(method, path, body, params, progress)

    def step_up(self, proof: Mapping[str, Any]) -> None:
        """Prove anew who one is: {"totp"}, {"passkey"}, or {"password"} in development. Error: Problem."""
        headers = {"Authorization": f"Session {self._secret}"}
        answer = self._http.post(f"{ACCOUNTS}/sessions/current/step-up", dict(proof), headers).json()
        with understood():
            self._take(answer)

    def prove_anew(self) -> None:
        """A step-up with what `prove` gives, if that was set. Error: Problem `step-up-refused`."""
        if self.prove is None:
            return
        # The code of this half minute may have been used to sign in.
        try:
            self.step_up(self.prove(0))
        except Problem as exc:
            if exc.slug != "step-up-refused":
                raise
            self.step_up(self.prove(1))

    def session_call(self, method: str, path: str) -> Answer:
        """A request about one's sessions, with the session secret instead of a token."""
        return self._http.send(Call(method, path, headers={"Authorization": f"Session {self._secret}"}))

    def _call(
        self,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, str] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Answer:
        call = Call(method, path, body, self.bearer(), params or {}, progress)
        try:
            return self._http.send(call)
        except Problem as exc:
            if exc.status != 401 or not self._secret:
                raise
        self._renew()
        return self._http.send(Call(method, path, body, self.bearer(), params or {}, progress))

    def bearer(self) -> dict[str, str]:
        """The header of an access token that is good for a while yet."""
        if time.monotonic() >= self._renew_at:
            self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    def _renew(self) -> None:
        headers = {"Authorization": f"Session {self._secret}"}
        answer = self._http.post(f"{ACCOUNTS}/sessions/current/token", {}, headers).json()
        with understood():
            self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        self._token = str(answer["access_token"])
        self._renew_at = time.monotonic() + max(int(answer["expires_in"]) - _EARLY, 1.0)


def _group_key(id: str, data: bytes, key: StaffKey) -> GroupKey | None:  # noqa: A002
    """A wrapped key, or None: one for an earlier key of this person, or spoilt by somebody, locks nobody out."""
    try:
        found = unwrap_group_key(data, key.identity)
    except CryptoError:
        return None
    return found if found.id == id else None


def _me(found: dict[str, Any]) -> Me:
    key = found["key"]
    certificate = found["certificate"]
    return Me(
        person=Person.from_json(found),
        wrapped=None if key is None else unb64(key["wrapped"]),
        recipient=None if key is None else str(rules.recipient(key["recipient"])),
        certificate=None if certificate is None else Signed.from_json(certificate),
        group_keys=tuple((str(line["id"]), unb64(line["data"])) for line in found["group_keys"]),
    )
