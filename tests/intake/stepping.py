"""What tests of steps send: notices and outcomes sealed as the desk's client does, and events for the consumers."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx2

from services.contracts.outcomes import RewardsOutcome, claim_hash, seal_outcome
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.canonical import b64, unb64u
from services.crypto.manifests import Manifest
from services.crypto.outcomes import Act, Facts, Outcome
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.signatures import Signed, SigningKey
from tests.intake.builders import Filed, Json, Member, World, desk_message

ACT = Act("Invented court of Astana", "1-23/2026", date(2026, 10, 1), date(2026, 10, 20))
CONVICTED = Facts("convicted", ACT, "grave", ("cc-366-2",), 5_000_000, None, None)
EXPLAINED = Facts("explained")
CLAIM = bytes(range(32))


@dataclass(frozen=True)
class Desk:
    """Somebody who moves one case: headers, and how parts are signed."""

    world: World
    case: Filed
    headers: dict[str, str]
    signing: SigningKey
    by: str = "desk"
    certificate: Signed | None = None

    async def step(self, step: str, **more: Any) -> httpx2.Response:
        body = {"step": step, **more}
        return await self.world.http.post(f"{self.case.path}/steps", json=body, headers=self.headers)

    async def classify(self, found: str) -> httpx2.Response:
        return await self.world.http.put(
            f"{self.case.path}/classification", json={"classification": found}, headers=self.headers
        )

    async def place(self) -> Json:
        found: Json = (await self.world.case(self.case.id))["next"]
        return found

    async def notice(self, text: str = "You are told.", n: int | None = None) -> Json:
        place = await self.place()
        sent = desk_message(
            self.case.report.manifest, self.case.to, self.signing, text=text, by=self.by, n=place["n"],
            prev=unb64u(place["prev"], 32), certificate=self.certificate,
        )  # fmt: skip
        return sent.body(place["n"] if n is None else n)

    async def outcome(self, facts: Facts = EXPLAINED, kind: str | None = None) -> Json:
        place = await self.place()
        part = outcome_part(self, facts, place["n"], unb64u(place["prev"], 32))
        return {"kind": kind or facts.kind, "n": place["n"], "part": b64(part)}

    async def goes(self, *names: str) -> None:
        """Take steps that tell nothing."""
        for name in names:
            answer = await self.step(name)
            assert answer.status_code == 201, answer.text


def outcome_part(
    who: Desk, facts: Facts, n: int = 0, prev: bytes = ZERO32, to: Sequence[HybridRecipient] | None = None
) -> bytes:
    """An `outcome` part for a place of the desk's chain of this case."""
    case = who.case
    return outcome_part_for(
        case.report.manifest, to or case.to, who.signing, facts=facts, n=n, prev=prev, by=who.by,
        certificate=who.certificate,
    )  # fmt: skip


def outcome_part_for(
    manifest: Manifest,
    to: Sequence[HybridRecipient],
    signing: SigningKey,
    *,
    facts: Facts = EXPLAINED,
    kind: str = "outcome",
    by: str = "desk",
    rid: bytes | None = None,
    n: int = 0,
    prev: bytes = ZERO32,
    certificate: Signed | None = None,
) -> bytes:
    """The same for any report, signed by whoever is given."""
    header = Header(kind, by, rid or manifest.rid, manifest.dir_seq, n, prev)
    body = Outcome(facts, "An invented end.", CLAIM).body(certificate)
    return seal_payload(header, body, signing, to)


def events(**sealed: bytes) -> Json:
    return {name: b64(file) for name, file in sealed.items()}


def rewards_event(
    facts: Facts = CONVICTED, to: HybridRecipient | None = None, excluded: Sequence[uuid.UUID] = ()
) -> bytes:
    """A sealed event; intake cannot see for whom, nor what is in it."""
    outcome = RewardsOutcome(
        event=uuid.uuid4(), kind=facts.kind, act=None, gravity=facts.gravity, articles=facts.articles,
        excluded=tuple(excluded), claim=claim_hash(CLAIM), reported="2026-11",
    )  # fmt: skip
    return seal_outcome(outcome, to or HybridIdentity.generate().recipient)


def at_desk(world: World, case: Filed, role: str = "desk", person: str | None = None) -> Desk:
    """Somebody of the desk, or a lead, signing in the desk's name."""
    return Desk(world, case, world.token(role, person=person or str(uuid.uuid4())), world.desk()[1])


def as_staff(world: World, case: Filed, member: Member) -> Desk:
    """An investigator, signing in their own name."""
    return Desk(world, case, world.of(member), member.signing, "staff", member.certificate)
