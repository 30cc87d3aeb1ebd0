"""Invented staff of a running development installation, made through the client alone."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import httpx2

from services.client.reporter import Reporter
from services.client.staff import StaffSession
from services.crypto import age
from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.signatures import SigningKey
from services.crypto.staffkeys import GroupKey, StaffKey, unwrap_group_key
from tests.system.conftest import Server

PASSWORD = "a long invented password"
PASSPHRASE = "an invented passphrase"


@dataclass(frozen=True)
class Member:
    """Somebody who can sign in."""

    id: str
    login: str
    role: str


@dataclass
class Team:
    """The staff of one installation; members are made when first asked for."""

    server: Server
    made: dict[str, Member] = field(default_factory=dict)

    @property
    def dev(self) -> Path:
        return self.server.var / "dev"

    @cached_property
    def roots(self) -> list[bytes]:
        return [unb64u(root, 32) for root in json.loads((self.dev / "roots.json").read_text())["roots"]]

    def reporter(self, transport: httpx2.BaseTransport | None = None) -> Reporter:
        return Reporter(self.server.url, self.roots, transport)

    def session(self, transport: httpx2.BaseTransport | None = None) -> StaffSession:
        return StaffSession(self.server.url, self.roots, transport)

    def administrator(self) -> StaffSession:
        found = json.loads((self.dev / "administrator.json").read_text())
        session = self.session()
        session.sign_in(found["login"], found["password"])
        return session

    def signed_in(self, login: str, role: str, transport: httpx2.BaseTransport | None = None) -> StaffSession:
        """A session of the member with this login, made if need be, with the key unlocked."""
        if login not in self.made:
            self.made[login] = self.make(login, role)
        session = self.session(transport)
        session.sign_in(login, PASSWORD)
        session.unlock(PASSPHRASE)
        return session

    def make(self, login: str, role: str, certified: bool = True) -> Member:
        admin, key = self.administrator(), StaffKey.generate()
        person, enrolment = admin.add_staff(login, f"Invented {login}", [role])
        admin.enrol(login, enrolment, PASSWORD)
        session = self.session()
        session.sign_in(login, PASSWORD)
        session.put_key(key, PASSPHRASE)
        if certified:
            certificate = self.certificate(person, role, key)
            admin.put_certificate(person, make_certificate(certificate, self.certifiers()))
            if role in ("desk", "lead"):
                admin.put_group_key(certificate, self.desk_key())
        session.close()
        admin.close()
        return Member(person, login, role)

    def certificate(self, person: str, role: str, key: StaffKey) -> Certificate:
        today = datetime.now(UTC).date()
        return Certificate(
            person, (role,), key.identity.recipient, key.signing.verify_key, today, today + timedelta(days=30)
        )

    def certifiers(self) -> list[SigningKey]:
        return [self.signing(f"certifier-{i}") for i in (1, 2)]

    def signing(self, name: str) -> SigningKey:
        return SigningKey.from_seed(unb64u((self.dev / "keys" / f"{name}.key").read_text().strip(), 32))

    def desk_key(self) -> GroupKey:
        path = next((self.dev / "keys").glob("desk-*.key"))
        reader = HybridIdentity.generate()
        return unwrap_group_key(age.seal(path.read_bytes(), [reader.recipient]), reader)
