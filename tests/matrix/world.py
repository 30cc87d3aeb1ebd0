"""An invented office in which every relation of the matrix exists: who has what, and what belongs to somebody else.

It is written with the services' own routes where they make keys, and with plain rows where only the relation matters.
A snapshot of all tables lets every operation begin in the same world.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psycopg
from fastapi import FastAPI
from psycopg import sql
from psycopg.types.json import Jsonb

from services.contracts.accounts import Role, Scope, TokenClaims
from services.crypto import tokens
from services.crypto.signatures import SigningKey
from services.dev import all_jobs
from services.first_run import SERVICES
from services.intake.jobs import publish_log
from tests.intake.builders import World as Intake

Headers = dict[str, str]
ROLES = tuple(str(role) for role in Role)
ERASED = UUID("00000000-0000-4000-8000-00000000dead")
#: Digits of a person's own key that was split.
SPLIT = "0" * 30
FURTHER = ("other", "left", "powerful")
HALF = "2026H2"


def _named(name: str) -> UUID:
    return uuid.uuid5(ERASED, name)


@dataclass
class World:
    """The four services at one instant, and the ids of what is in them."""

    apps: Mapping[str, FastAPI]
    clients: Mapping[str, httpx2.AsyncClient]
    database: psycopg.Connection
    intake: Intake
    now: datetime
    #: Role -> member of staff with this role only; further `other`, a desk member, `left`, who went for good, and
    #: `powerful`, who could not exist: every role at once.
    people: dict[str, UUID] = field(default_factory=lambda: {n: _named(n) for n in (*ROLES, *FURTHER)})
    #: Relation or role -> id of a thing, by kind of thing.
    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Secrets of inbox, draft and session, as headers.
    secrets: dict[str, Headers] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    #: `content` of the snapshot.
    kept: dict[str, str] = field(default_factory=dict)
    files: dict[Path, bytes] = field(default_factory=dict)

    # --- callers

    def token(
        self,
        person: UUID,
        *roles: str,
        key: SigningKey | None = None,
        age: int = 0,
        stepped: int | None = None,
        **changes: Any,
    ) -> Headers:
        """A token `age` seconds old, whose last full proof is `stepped` seconds ago (as old as the token itself)."""
        issued = int(self.now.timestamp()) - age
        proof = issued - (stepped or 0)
        claims = TokenClaims(person, roles, issued, issued + 300, proof).to_json() | changes
        return bearer(tokens.issue(claims, key or self.intake.folder.signing("accounts-token")))

    def strangers(self) -> dict[str, Headers]:
        """Callers whom no route of staff knows: they get 401."""
        administrator, every = self.people["administrator"], ROLES
        session = self.secrets["session"]["Authorization"].removeprefix("Session ")
        return {
            "nobody": {},
            "garbage": bearer("garbage"),
            "half a token": bearer(self.token(administrator, *every)["Authorization"][7:-40]),
            "no bearer": {"Authorization": self.token(administrator, *every)["Authorization"][7:]},
            "expired": self.token(administrator, *every, age=301),
            "from tomorrow": self.token(administrator, *every, age=-86_400),
            "another key": self.token(administrator, *every, key=SigningKey.generate()),
            "another issuer": self.token(administrator, *every, iss="somebody"),
            "a session's secret": bearer(session),
            "an inbox": self.secrets["inbox"],
            "a draft": self.secrets["draft"],
        }

    def systems(self) -> dict[str, Headers]:
        """API clients, one for each scope: no person, so no role."""
        return {str(scope): self.token(_named(scope), scope) for scope in Scope}

    def staff(self, stepped: int = 0) -> dict[str, Headers]:
        """One member of staff for each role."""
        return {role: self.token(self.people[role], role, stepped=stepped) for role in ROLES}

    def powerful(self) -> Headers:
        return self.token(self.people["powerful"], *ROLES)

    # --- rows

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.database.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def add(self, table: str, **values: Any) -> None:
        schema, name = table.split(".")
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(schema, name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        self.database.execute(statement, [Jsonb(v) if isinstance(v, dict) else v for v in values.values()])

    def content(self) -> dict[str, str]:
        """A hash of everything in each table: more than a count, since a refused caller must change nothing at all."""
        query = " UNION ALL ".join(
            f"SELECT '{name}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"
            for name in self.tables
        )
        return dict(self.rows(query))

    def keep(self) -> None:
        """Take the snapshot."""
        found = self.rows(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1",
            list(SERVICES),
        )
        self.tables = tuple(name for (name,) in found)
        copies = (f'CREATE TABLE matrix."{name}" AS TABLE {name}' for name in self.tables)
        self.rows("; ".join(["DROP SCHEMA IF EXISTS matrix CASCADE", "CREATE SCHEMA matrix", *copies]))
        self.kept = self.content()
        self.files = {path: path.read_bytes() for path in self._blobs()}

    def _blobs(self) -> Iterator[Path]:
        folder = self.apps["intake"].state.settings.blobs_folder
        return (path for path in folder.rglob("*") if path.is_file())

    def changed(self) -> list[str]:
        """The tables that are not as they were when the snapshot was taken."""
        now = self.content()
        return [name for name in self.tables if now[name] != self.kept[name]]

    def restore(self) -> None:
        """Everything as it was when the snapshot was taken."""
        lines = (
            f'DELETE FROM {n}; INSERT INTO {n} OVERRIDING SYSTEM VALUE SELECT * FROM matrix."{n}"'
            for n in self.tables
        )
        # As a replica, so that foreign keys need no order.
        self.rows("; ".join(["BEGIN", "SET LOCAL session_replication_role = replica", *lines, "COMMIT"]))
        for path, data in self.files.items():
            path.write_bytes(data)


def bearer(secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}"}


async def fill(world: World) -> None:
    """Put everybody and everything there."""
    _people(world)
    await _cases(world)
    _calls(world)
    _requests(world)
    await _drafts(world)
    await publish_log(world.apps["intake"].state, world.now)
    for name in all_jobs():  # ran just now, so that none changes a row in the middle of a comparison
        service, _, _ = name.partition(".")
        world.add(f"{service}.job_runs", name=name, started=world.now, done=0, error="")
    world.keep()


def _people(world: World) -> None:
    day = world.now.date()
    for name, person in world.people.items():
        roles = [name] if name in ROLES else list(ROLES) if name == "powerful" else ["desk"]
        gone = day if name == "left" else None
        login = f"matrix-{name}"
        world.add(
            "accounts.people",
            id=person, login=login, name=f"Invented {name}", roles=roles, active=gone is None, created=day,
            left_on=gone,
        )  # fmt: skip
        world.add("accounts.credentials", person=person, totp_last_step=-1, totp_confirmed=False)
        world.things.setdefault("passkey", {})[name] = _named(f"passkey {name}")
        world.add(
            "accounts.passkeys",
            id=_named(f"passkey {name}"), person=person, credential=person.bytes, public_key=b"k", sign_count=0,
            name="key", created=day,
        )  # fmt: skip
        world.add("accounts.group_keys", person=person, key_id="central/2026-11", data=b"k")
    for holder, key_id in (
        ("custodian", f"seat-1/{HALF}"), ("payments", f"payments-1/{HALF}"),
        ("other", "central/2026-10"), ("other", "central/2020-01"),
    ):  # fmt: skip
        world.add("accounts.group_keys", person=world.people[holder], key_id=key_id, data=b"k")
    world.things["client"] = {"other": _named("client")}
    world.add(
        "accounts.api_clients",
        id=_named("client"), name="matrix", scopes=[Scope.CALLS], secret_hash=b"h" * 32, active=True, created=day,
    )  # fmt: skip
    for name in ("auditor", "other"):
        _session(world, name, f"secret of {name}", world.now + timedelta(hours=12))
    _session(world, "auditor", "an old secret", world.now - timedelta(seconds=1))
    world.secrets["session"] = {"Authorization": "Session secret of auditor"}
    world.secrets["old session"] = {"Authorization": "Session an old secret"}


def _session(world: World, name: str, secret: str, expires: datetime) -> None:
    digest = hashlib.sha256(secret.encode()).digest()
    world.things.setdefault("session", {}).setdefault(name, UUID(bytes=digest[:16]))
    created = expires - timedelta(hours=12)
    world.add(
        "accounts.sessions",
        hash=digest,
        person=world.people[name],
        created=created,
        expires=expires,
        revoked=False,
    )


async def _cases(world: World) -> None:
    """One report of which everybody who may has the case, and one of which only `other` has."""
    day, found = world.now.date(), {}
    for relation in ("own", "other"):
        report, answer = await world.intake.file_sealed()
        case = UUID(await world.intake.case_id(answer["reference"]))
        found[relation] = case
        readers = ["desk", "lead", "investigator", "powerful"] if relation == "own" else []
        for name in (*readers, "other"):
            world.add(
                "intake.assignments",
                id=uuid.uuid4(), report_id=case, person=world.people[name], role="investigator",
                assigned_by=world.people["lead"], day=day,
            )  # fmt: skip
        world.add(
            "intake.protections", id=uuid.uuid4(), report_id=case, started=day, ends=day, status="asked"
        )
        incident = world.things.setdefault("incident", {}).setdefault(relation, uuid.uuid4())
        world.add(
            "intake.disclosures",
            id=incident, report_id=case, day=day, article="cc-424", status="recorded",
            recorded_by=world.people["other"], sealed=b"facts",
        )  # fmt: skip
        if relation == "own":
            world.add("intake.notice_addresses", report_id=case, sealed=b"address")
            world.secrets["inbox"] = await world.intake.open_inbox(report.keys.lookup)
            await _opened_long_ago(world, report.keys.lookup)
            world.things["part"] = {"own": _desk_part(world, case), "other": 0}
            world.things["leaf"] = {"own": answer["promise"]["body"]["leaf"]}
    world.things["case"] = found
    world.add(
        "intake.case_links",
        report_id=found["other"], other_id=found["own"], kind="linked", person=world.people["lead"],
        day=world.now.date(),
    )  # fmt: skip


async def _opened_long_ago(world: World, lookup: bytes) -> None:
    clock = world.apps["intake"].state.clock
    world.apps["intake"].state.clock = lambda: clock() - timedelta(hours=2)
    world.secrets["old inbox"] = await world.intake.open_inbox(lookup)
    world.apps["intake"].state.clock = clock


def _desk_part(world: World, case: UUID) -> int:
    [(number,)] = world.rows("SELECT max(number) + 1 FROM intake.parts WHERE report_id = %s", case)
    world.add(
        "intake.parts",
        id=uuid.uuid4(), report_id=case, number=number, role="message", author="desk", n=0, day=world.now.date(),
        size=4, sha256=bytes(32), sealed=b"part", chain="desk",
    )  # fmt: skip
    return int(number)


def _calls(world: World) -> None:
    """A call with a note that waits for the desk."""
    call, note, day = _named("call"), _named("note"), world.now.date()
    world.things["note"] = {"other": note}
    world.add(
        "intake.calls",
        id=call, day=day, operator=world.people["operator"], kind="consultation", language="kk", named=False,
        wrap_up="call-back-asked",
    )  # fmt: skip
    world.add(
        "intake.call_notes",
        id=note, call_id=call, day=day, kind="callback", desk="central", dir_seq=1, sealed=b"note",
    )  # fmt: skip


def _requests(world: World) -> None:
    """An approved identity request of each role that may ask, which the custodian approved with seat 1."""
    world.things["request"] = {}
    for name in ("desk", "lead", "investigator", "powerful", "other"):
        request = _named(f"request {name}")
        world.things["request"][name] = request
        case = world.things["case"]["other" if name == "other" else "own"]
        digest, day = hashlib.sha256(request.bytes).digest(), world.now.date()
        [(leaf,)] = world.rows("SELECT leaf FROM intake.reports WHERE id = %s", case)
        world.add(
            "intake.identity_requests",
            id=request, report_id=case, digest=digest, document={"body": {}, "signatures": []},
            asker=world.people[name], ground="court", day=day, expires=world.now + timedelta(days=7), k=2, n=3,
            state="approved", leaf=leaf,
        )  # fmt: skip
        for seat, person in ((1, "custodian"), (2, "other")):
            world.add(
                "intake.identity_decisions",
                id=uuid.uuid4(), request_id=request, seat=seat, person=world.people[person], approves=True,
                digest=digest, document={}, day=day,
            )  # fmt: skip


async def _drafts(world: World) -> None:
    client, uploads = world.clients["intake"], {}
    for relation, name in (("own", "draft"), ("other", "another draft")):
        opened = await client.post("/api/intake/v1/drafts", json={"mode": "sealed"})
        assert opened.status_code == 201, opened.text
        world.secrets[name] = bearer(opened.json()["draft"])
        headers = {**world.secrets[name], "Tus-Resumable": "1.0.0", "Upload-Length": "40"}
        made = await client.post("/api/intake/v1/uploads", headers=headers)
        assert made.status_code == 201, made.text
        uploads[relation] = made.headers["location"].rpartition("/")[2]
    world.things["upload"] = uploads
