"""A report's later keys: believed from the desk's chain and the grant that fits, from nothing else."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from services.client.cases import OpenedCase
from services.client.keyring import Keyring, last_key
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64
from services.crypto.errors import WrongKey
from services.crypto.grants import open_grant, seal_grant, seal_later_grant
from services.crypto.reportkeys import report_keys_body
from services.crypto.signatures import SigningKey
from tests.client.test_cases import Server, said
from tests.crypto.builders import certificate, identity, reporter, sealed, signer, world

NEW = identity("new report key")


@dataclass
class Renewed:
    """A case whose report got a new key, as an honest or a lying server tells it."""

    server: Server = field(default_factory=lambda: Server(sealed(), world().desk))

    def part(
        self, key: HybridIdentity = NEW, signing: SigningKey | None = None, by: str = "desk", **more: Any
    ) -> None:
        body = more.pop("body", report_keys_body(key.recipient))
        readers = [NEW.recipient, reporter().identity.recipient]
        self.server.write(by, signing or world().desk_signing, body, "report-keys", readers, **more)

    def open(self, *later: bytes) -> OpenedCase:
        """With the first grant and these of key 1, 2, ..."""
        first = seal_grant(self.server.key, "desk", self.server.holder.recipient)
        data = (first, *later)
        self.server.changes["grants"] = [
            {"key": i, "holder": "central", "data": b64(one)} for i, one in enumerate(data)
        ]
        return self.server.open()

    def grant(
        self, key: HybridIdentity = NEW, number: int = 1, rid: bytes = b"", to: HybridIdentity | None = None
    ) -> bytes:
        holder = to or self.server.holder
        return seal_later_grant(key, rid or self.server.report.rid, number, "desk", holder.recipient)


@pytest.fixture
def renewed() -> Renewed:
    return Renewed()


def believed(case: OpenedCase) -> bool:
    assert (case.rejected == ()) == (case.keyring.recipient == NEW.recipient)
    return case.rejected == ()


def test_parts_before_and_after_a_new_key_are_read(renewed: Renewed):
    keys = reporter()
    renewed.server.write("reporter", keys.signing, said("before"))
    renewed.part()
    renewed.server.write("reporter", keys.signing, said("after"), recipients=[NEW.recipient])
    # Sent by a client that had not looked: sealed to the first key, and still read.
    renewed.server.write("reporter", keys.signing, said("late"))
    case = renewed.open(renewed.grant())
    assert believed(case)
    assert [one.text for one in case.messages] == ["before", "after", "late"]
    assert last_key(case.sealed.parts) == 1
    assert str(NEW) not in repr(case)


def test_without_a_grant_of_the_new_key_what_follows_stays_sealed(renewed: Renewed):
    renewed.part()
    renewed.server.write("reporter", reporter().signing, said("after"), recipients=[NEW.recipient])
    for later in ((), (renewed.grant(to=identity("removed")),)):
        case = renewed.open(*later)
        assert [one.reason for one in case.rejected] == ["key", "key"]
        assert case.messages == ()
        assert set(case.keyring.keys) == {0}


def test_a_key_that_neither_desk_nor_lead_signed_is_not_sealed_to(renewed: Renewed):
    renewed.part(signing=signer("the server"))
    assert not believed(renewed.open(renewed.grant()))


@pytest.mark.parametrize(("role", "counts"), [("lead", True), ("desk", True), ("investigator", False)])
def test_staff_give_a_new_key_only_with_a_desks_role(renewed: Renewed, role: str, counts: bool):
    document = certificate(roles=(role,)).to_json()
    body = {**report_keys_body(NEW.recipient), "certificate": document}
    renewed.part(signing=signer("staff"), by="staff", body=body)
    assert believed(renewed.open(renewed.grant())) is counts


def test_part_and_grant_must_be_of_one_report_and_one_key(renewed: Renewed):
    renewed.part()
    assert believed(renewed.open(renewed.grant()))
    assert not believed(renewed.open(renewed.grant(rid=bytes(32))))
    assert not believed(renewed.open(renewed.grant(number=2)))
    assert not believed(renewed.open(renewed.grant(identity("the server's"))))


def test_a_part_that_names_another_key_or_report_is_refused(renewed: Renewed):
    renewed.part(identity("the server's"))
    assert not believed(renewed.open(renewed.grant()))
    moved = Renewed()
    moved.part(rid=bytes(32))
    assert not believed(moved.open(moved.grant()))
    replayed = Renewed()
    replayed.part()
    replayed.server.add("report-keys", "desk", 1, replayed.server.files[-1])
    case = replayed.open(replayed.grant(), replayed.grant(number=2))
    assert set(case.keyring.keys) == {0, 1}


def test_every_key_is_handed_on(renewed: Renewed):
    renewed.part()
    keyring = renewed.open(renewed.grant()).keyring
    made = keyring.grants("investigator", identity("late").recipient, renewed.server.report.rid)
    assert set(made) == {0, 1}
    assert open_grant(made[0], identity("late"), sealed().manifest) == renewed.server.key
    late = Renewed(renewed.server)
    late.server.holder = identity("late")
    assert late.open(made[1]).keyring.keys[1] == NEW


def test_a_ring_opens_with_the_key_it_has_or_not_at_all():
    ring = Keyring.of(identity("first"))
    with pytest.raises(WrongKey):
        ring.open(sealed().parts[0].data)
    assert ring.recipient == identity("first").recipient
