"""A client believes a directory for a reason, at a time, and never an older one than it saw."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.crypto import canonical
from services.crypto.directories import Desk, Directory, Service, check_directory
from services.crypto.errors import BadSignature, CryptoError, Refused
from services.crypto.notes import VerifierKey
from services.crypto.signatures import Signed
from tests.crypto.builders import NOW, ORIGIN, directory_body, identity, signed_directory, signer, world

ROOTS = [signer(f"root {i}").verify_key for i in (1, 2, 3)]


def checked(doc: Signed, **options: Any) -> Directory:
    return check_directory(doc, ROOTS, options.pop("now", NOW), **options)


def following(**changes: Any) -> Signed:
    return signed_directory(
        directory_body(**{"sequence": 2, "previous": world().directory.digest, **changes})
    )


@pytest.mark.parametrize("roots", [(1, 2), (1, 3), (3, 2), (1, 2, 3)])
def test_any_two_of_three_roots_are_enough(roots: tuple[int, ...]):
    assert checked(signed_directory(roots=roots)).sequence == 1


def test_it_gives_everybody_s_keys():
    directory = world().directory
    assert directory.environment == "development"
    assert [seat.recipient for seat in directory.seats] == [
        identity(f"seat {i}").recipient for i in (1, 2, 3)
    ]
    assert [seat.seat for seat in directory.payments] == [1, 2]
    assert (directory.k, directory.n, directory.certifier_threshold, directory.payment_threshold) == (
        2,
        3,
        2,
        2,
    )
    assert [(log.origin, log.verify_key) for log in directory.logs] == [(ORIGIN, signer("log").verify_key)]
    assert len(set(directory.keys)) == len(directory.keys) == 2 + 2 * 3 + 2 * 2 + 3 + 1


def test_its_digest_is_that_of_the_document():
    assert world().directory.digest == world().document.digest


@pytest.mark.parametrize("moment", [NOW - timedelta(days=10), NOW + timedelta(days=80, seconds=-1)])
def test_it_is_valid_from_its_first_to_its_last_second(moment: datetime):
    assert checked(world().document, now=moment) == world().directory


@pytest.mark.parametrize("moment", [NOW - timedelta(days=10, seconds=1), NOW + timedelta(days=80)])
def test_it_is_refused_outside_its_validity(moment: datetime):
    with pytest.raises(Refused):
        checked(world().document, now=moment)


def test_a_successor_is_accepted_after_the_one_it_names():
    assert checked(following(), last=world().directory).sequence == 2


def test_sequences_may_be_skipped_by_a_client_that_was_away():
    assert checked(following(sequence=5), last=world().directory).sequence == 5


def test_an_older_directory_is_refused_after_a_newer_one():
    with pytest.raises(Refused):
        checked(world().document, last=checked(following()))


def test_the_same_directory_is_accepted_again():
    assert checked(world().document, last=world().directory) == world().directory


def test_another_directory_with_the_same_sequence_is_refused():
    with pytest.raises(Refused):
        checked(signed_directory(directory_body(k=3)), last=world().directory)


def test_a_successor_of_another_line_is_refused():
    with pytest.raises(Refused):
        checked(following(previous=bytes(31) + b"\1"), last=world().directory)


def test_production_does_not_follow_development():
    with pytest.raises(Refused):
        checked(following(environment="production"), last=world().directory)


def test_fewer_than_two_pinned_roots_never_suffice():
    with pytest.raises(BadSignature):
        check_directory(world().document, ROOTS[:1], NOW)
    with pytest.raises(CryptoError):
        check_directory(world().document, [ROOTS[0], ROOTS[0]], NOW)


def desk(label: str, month: str, name: str = "central") -> Desk:
    return Desk(name, month, identity(label).recipient, signer(label).verify_key)


def test_a_report_goes_to_the_desk_s_key_of_the_month():
    desks = [desk("october", "2026-10"), desk("december", "2026-12"), desk("other", "2026-11", "west")]
    directory = checked(signed_directory(directory_body(desks=desks)))
    assert directory.desk("central", date(2026, 10, 31)) == desks[0]
    assert directory.desk("central", date(2026, 11, 1)) == desks[0]
    assert directory.desk("central", date(2027, 1, 1)) == desks[1]
    for name, day in (("central", date(2026, 9, 30)), ("nobody", date(2026, 11, 1))):
        with pytest.raises(Refused):
            directory.desk(name, day)


def test_one_desk_has_one_key_a_month():
    with pytest.raises(Refused):
        checked(signed_directory(directory_body(desks=[desk("a", "2026-11"), desk("b", "2026-11")])))


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "26-01", "2026-1", "2026-111", "2026-1\n"])
def test_a_month_that_is_none_is_refused(month: str):
    with pytest.raises(CryptoError):
        checked(signed_directory(directory_body(desks=[desk("a", month)])))


def test_a_witness_that_is_also_the_log_is_refused():
    vkey = str(VerifierKey("witness.example", signer("log").verify_key, 4))
    with pytest.raises(Refused):
        checked(signed_directory(directory_body(witnesses=[vkey])))


def test_a_witness_with_a_key_of_its_own_is_kept():
    vkey = str(VerifierKey("witness.example", signer("witness").verify_key, 4))
    directory = checked(signed_directory(directory_body(witnesses=[vkey])))
    assert directory.witnesses == (vkey,)
    assert signer("witness").verify_key in directory.keys


# --- services that outcomes are sealed to

REWARDS = Service("rewards", identity("rewards").recipient)
REGISTRY = Service("registry", identity("registry").recipient)


def test_without_services_a_directory_is_spelled_as_it_always_was():
    assert "services" not in directory_body() == directory_body(services=[])
    assert world().directory.services == ()


def test_outcomes_are_sealed_to_the_service_s_key():
    directory = checked(signed_directory(directory_body(services=[REGISTRY, REWARDS])))
    assert directory.services == (REGISTRY, REWARDS)
    assert directory.service("rewards") == REWARDS.recipient
    assert directory.service("registry") == REGISTRY.recipient
    assert set(directory.keys) - set(world().directory.keys) == {
        REWARDS.recipient.key,
        REGISTRY.recipient.key,
    }
    for name in ("accounts", ""):
        with pytest.raises(Refused):
            directory.service(name)
    with pytest.raises(Refused):
        world().directory.service("rewards")


@pytest.mark.parametrize("taken", ["seat 1", "desk"])
def test_a_service_with_the_key_of_another_part_is_refused(taken: str):
    other = identity(taken).recipient
    assert other.key in world().directory.keys
    with pytest.raises(Refused):
        checked(signed_directory(directory_body(services=[Service("rewards", other)])))


def test_two_services_have_two_names_and_two_keys():
    for second in (Service("rewards", REGISTRY.recipient), Service("registry", REWARDS.recipient)):
        with pytest.raises(Refused):
            checked(signed_directory(directory_body(services=[REWARDS, second])))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        None,
        {},
        ["rewards"],
        [{"id": "rewards"}],
        [{"id": "accounts", "recipient": str(REWARDS.recipient)}],
        [{"id": ["rewards"], "recipient": str(REWARDS.recipient)}],
        [{"id": "rewards", "recipient": "age1"}],
        [{"id": "rewards", "recipient": str(REWARDS.recipient), "verify_key": ""}],
        [{"id": "rewards", "recipient": str(REWARDS.recipient)}] * 3,
    ],
)
def test_services_of_another_form_are_refused(wrong: Any):
    with pytest.raises(CryptoError):
        checked(signed_directory({**directory_body(), "services": wrong}))


def test_a_directory_with_services_has_one_spelling():
    body = directory_body(services=[REWARDS])
    assert canonical.loads(canonical.dumps(body)) == body
    assert body["services"] == [{"id": "rewards", "recipient": str(REWARDS.recipient)}]


@pytest.mark.parametrize("name", sorted(directory_body()))
@pytest.mark.parametrize("wrong", [None, "?", [1], {"a": 1}, 10**9])
def test_a_member_of_another_kind_is_refused(name: str, wrong: Any):
    with pytest.raises(CryptoError):
        checked(signed_directory({**directory_body(), name: wrong}))
