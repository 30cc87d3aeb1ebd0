"""What crosses from intake to rewards and registry has one shape, and no place for what must not cross."""

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.outcomes import (
    Act,
    Name,
    Outcome,
    Person,
    RegistryOutcome,
    RewardsOutcome,
    claim_hash,
    seal_outcome,
)
from services.crypto import canonical
from services.crypto.age import HybridIdentity, check_part, encrypt, seal
from services.crypto.errors import CryptoError, FormatError, WrongKey
from services.crypto.padding import frame
from tests.contracts.outcomes import ACT, OFFICIAL, STAFF, TOKEN, for_registry, for_rewards

KEY = HybridIdentity(bytes(range(32)))
BOTH = pytest.mark.parametrize("made", [for_rewards(), for_registry()], ids=["rewards", "registry"])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
MONEY = st.none() | st.integers(0, canonical.MAX_INTEGER)


@BOTH
def test_what_was_sealed_is_what_is_read(made: Outcome) -> None:
    assert type(made).opened(seal_outcome(made, KEY.recipient), KEY) == made


@given(
    act=st.none() | st.builds(Act, WORDS, WORDS, DAYS, st.none()),
    bribe=MONEY, damage=MONEY, value_of_benefits=MONEY,
    excluded=st.lists(st.uuids(), max_size=5, unique=True).map(lambda found: tuple(sorted(found, key=str))),
    articles=st.lists(st.from_regex(r"\A[0-9]{3}(-[0-9])?\Z"), max_size=5, unique=True).map(tuple),
    claim=st.none() | st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_any_outcome_for_rewards_survives_the_way(**facts: Any) -> None:
    made = for_rewards(**facts)
    assert RewardsOutcome.from_json(canonical.loads(canonical.dumps(made.to_json()))) == made


@given(names=st.lists(st.sampled_from(["kk", "ru", "latin"]), min_size=1, unique=True), word=WORDS, born=DAYS)
def test_any_person_survives_the_way(names: list[str], word: str, born: date) -> None:
    person = Person(tuple(Name(language, word, word) for language in names), born, None, word, None, word)
    assert Person.from_json(canonical.loads(canonical.dumps(person.to_json()))) == person


def test_there_is_no_place_for_a_report_or_a_reporter() -> None:
    common = {
        *("act", "articles", "bribe", "damage", "event", "excluded", "gravity", "kind", "replaces", "v"),
        "value_of_benefits",
    }
    assert set(for_rewards().to_json()) == common | {"claim", "reported"}
    assert set(for_registry().to_json()) == common | {"persons", "region"}


def test_rewards_learns_no_person_and_the_registry_no_claim() -> None:
    with pytest.raises(FormatError):
        RewardsOutcome.from_json(for_registry().to_json())
    with pytest.raises(FormatError):
        RegistryOutcome.from_json(for_rewards().to_json())


def test_a_claim_is_known_by_its_hash_under_its_own_label() -> None:
    assert claim_hash(TOKEN) == hashlib.sha256(b"adal/v1/claim" + TOKEN).digest()
    assert TOKEN not in canonical.dumps(for_rewards().to_json())


@BOTH
def test_size_tells_little(made: Outcome) -> None:
    small = replace(made, act=None, articles=(), excluded=())
    assert len(seal_outcome(small, KEY.recipient)) == len(seal_outcome(made, KEY.recipient))


@BOTH
def test_it_is_a_part_that_only_the_consumer_opens(made: Outcome) -> None:
    file = seal_outcome(made, KEY.recipient)
    check_part(file)
    with pytest.raises(WrongKey):
        type(made).opened(file, HybridIdentity(bytes(32)))
    for altered in (file[:-1], file[:300] + bytes([file[300] ^ 1]) + file[301:], b"", file + b"\0"):
        with pytest.raises(CryptoError):
            type(made).opened(altered, KEY)


def test_a_file_for_two_or_without_padding_or_of_loose_json_is_read_by_nobody() -> None:
    body = canonical.dumps(for_rewards().to_json())
    for plain in (body, frame(body.replace(b'"v":1', b'"v": 1')), frame(body)[:-1]):
        with pytest.raises(CryptoError):
            RewardsOutcome.opened(seal(plain, [KEY.recipient]), KEY)
    assert RewardsOutcome.opened(encrypt(frame(body), [KEY.recipient]), KEY).kind == "convicted"


@pytest.mark.parametrize("name", sorted(for_rewards().to_json()))
def test_a_missing_or_foreign_member_is_refused(name: str) -> None:
    body = for_rewards().to_json()
    with pytest.raises(FormatError):
        RewardsOutcome.from_json({key: value for key, value in body.items() if key != name})
    with pytest.raises(FormatError):
        RewardsOutcome.from_json({**body, "rid": "x"})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("act", {**ACT.to_json(), "judge": "x"}),
        ("act", {**ACT.to_json(), "in_force": "2026-08-31"}),
        ("act", {**ACT.to_json(), "date": "2026-02-30"}),
        ("act", {**ACT.to_json(), "court": ""}),
        ("act", []),
        ("articles", ["366", "366"]),
        ("articles", ["с пробелом"]),
        ("articles", ["366"] * 51),
        ("bribe", -1),
        ("bribe", 1.5),
        ("bribe", True),
        ("damage", "5"),
        ("value_of_benefits", 2**53),
        ("event", "0fcc3c66-e89b-11f1-8001-000000000001"),
        ("event", "not a uuid"),
        ("event", None),
        ("excluded", [str(STAFF[0]), str(STAFF[0])]),
        ("excluded", [str(STAFF[0]).upper()]),
        ("gravity", "terrible"),
        ("kind", "has space"),
        ("kind", None),
        ("replaces", "0fcc3c66-e89b-11f1-8001-000000000001"),
        ("v", 2),
        ("v", True),
        ("claim", "short"),
        ("reported", "2026-13"),
        ("reported", "2026-03-01"),
        ("reported", "2026-3"),
    ],
)
def test_a_wrong_value_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(FormatError):
        RewardsOutcome.from_json({**for_rewards().to_json(), name: wrong})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("names", []),
        ("names", [OFFICIAL.names[0].to_json()] * 2),
        ("names", [{**OFFICIAL.names[0].to_json(), "language": "en"}]),
        ("names", [{**OFFICIAL.names[0].to_json(), "surname": ""}]),
        ("names", [{**OFFICIAL.names[0].to_json(), "given": None}]),
        ("iin", "80022930000"),
        ("iin", "80022930000Х"),
        ("iin", "٨٠٠٢٢٩٣٠٠٠٠٠"),
        ("born", "29.02.1980"),
        ("position", ""),
        ("penalty", "x" * 2001),
    ],
)
def test_a_person_who_cannot_be_meant_is_refused(name: str, wrong: Any) -> None:
    persons = [{**OFFICIAL.to_json(), name: wrong}]
    with pytest.raises(FormatError):
        RegistryOutcome.from_json({**for_registry().to_json(), "persons": persons})


def test_nobody_seals_what_the_consumer_would_refuse() -> None:
    for wrong in (for_rewards(kind=""), for_rewards(bribe=-1), for_registry(persons=(Person(()),))):
        with pytest.raises(FormatError):
            seal_outcome(wrong, KEY.recipient)


def test_the_same_outcome_has_the_same_digest_however_often_it_is_sealed() -> None:
    made = for_rewards()
    other = RewardsOutcome.opened(seal_outcome(made, KEY.recipient), KEY)
    assert made.digest == other.digest != replace(made, bribe=1).digest
    assert replace(made, excluded=STAFF[::-1]).digest == made.digest
    assert isinstance(made.event, UUID)


def test_what_is_sealed_does_not_show_when_it_is_printed() -> None:
    shown = repr(for_registry()) + repr(for_rewards())
    assert "Образцов" not in shown
    assert "800229300000" not in shown
