"""What tests of retention do: close a case with an outcome, read it, answer, propose, approve."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from tests.intake.builders import STAFF, Filed, Json, World, filed
from tests.intake.stepping import EXPLAINED, Desk, at_desk

#: Longer than any time of keeping, and than the protection after retaliation.
LATER = timedelta(days=366 * 12)


@dataclass
class Keeper:
    """A case with two people who may decide on it: `lead` proposes, `second` approves."""

    world: World
    case: Filed
    lead: str = field(default_factory=lambda: str(uuid.uuid4()))
    second: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def desk(self) -> Desk:
        return at_desk(self.world, self.case, "lead", self.lead)

    def headers(self, person: str | None = None, role: str = "lead") -> dict[str, str]:
        return self.world.token(role, person=person or self.lead)

    async def send(self, method: str, path: str, body: Any = None, **who: Any) -> httpx2.Response:
        where = f"{self.case.path}{path}"
        return await self.world.http.request(method, where, json=body, headers=self.headers(**who))

    async def read(self, up_to: int | None = None) -> None:
        """What the client says once it has shown everything."""
        last = (await self.world.case(self.case.id))["parts"][-1]["number"]
        answer = await self.send("POST", "/read", {"up_to": last if up_to is None else up_to})
        assert answer.status_code == 200, answer.text

    async def end(self) -> None:
        """Register, close with an explanation, read."""
        await self.desk.goes("register")
        answer = await self.desk.step("close", outcome=await self.desk.outcome(EXPLAINED))
        assert answer.status_code == 201, answer.text
        await self.read()

    async def state(self) -> Json:
        answer = await self.send("GET", "/deletion")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def propose(self, ground: str = "retention", **who: Any) -> httpx2.Response:
        return await self.send("POST", "/deletion", {"ground": ground}, **who)

    async def approve(self, proposal: str, **who: Any) -> httpx2.Response:
        return await self.send(
            "POST", "/deletion/approve", {"proposal": proposal}, **{"person": self.second, **who}
        )

    async def delete(self, ground: str = "retention") -> Json:
        """Both steps; the answer of the second."""
        proposed = await self.propose(ground)
        assert proposed.status_code == 201, proposed.text
        answer = await self.approve(proposed.json()["id"])
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


async def keeper(world: World, **changes: Any) -> Keeper:
    return Keeper(world, await filed(world, **changes))


async def ended(world: World, **changes: Any) -> Keeper:
    """A case that is closed, answered, read, and whose time is over by the clock of the service."""
    made = await keeper(world, **changes)
    await made.end()
    world.at(LATER)
    return made


async def lists(world: World, what: str, role: str = "lead") -> list[Json]:
    """All items of a list of deletions."""
    answer = await world.http.get(f"{STAFF}/deletions{what}", headers=world.token(role))
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items
