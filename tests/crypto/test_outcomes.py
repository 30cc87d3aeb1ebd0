"""The body of an outcome: strict, without a person, and with ids of events that only its readers can make."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.dialogue import check_desk_chain
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.outcomes import GRAVITIES, Act, Facts, Outcome, event_id, new_claim, read_outcome
from services.crypto.payloads import ZERO32, Header, open_payload, seal_payload
from tests.crypto.builders import TODAY, identity, reporter, sealed, signer, world

FACTS = Facts("convicted", Act("court", "1", date(2026, 10, 1), None), "grave", ("cc-366",), 1, None, 0)
OUTCOME = Outcome(FACTS, "words", bytes(32))
sums = st.none() | st.integers(0, 2**53 - 1)


@given(
    st.builds(
        Facts, st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True), st.none(), st.sampled_from([None, *GRAVITIES]),
        st.lists(st.from_regex(r"cc-[0-9]{1,3}", fullmatch=True), unique=True, max_size=5).map(tuple), sums, sums, sums,
    )
)  # fmt: skip
def test_facts_are_read_as_they_were_written(facts: Facts) -> None:
    outcome = Outcome(facts, "words", new_claim())
    assert read_outcome(outcome.body()) == outcome


def test_claim_tokens_are_random_and_never_shown() -> None:
    assert len({new_claim() for _ in range(100)}) == 100
    assert "claim" not in repr(OUTCOME)
    assert "words" not in repr(OUTCOME)


def test_an_event_has_an_id_for_each_consumer_place_and_claim() -> None:
    made = {
        event_id(claim, consumer, n)
        for claim in (bytes(32), b"\x01" * 32) for consumer in ("rewards", "registry") for n in range(3)
    }  # fmt: skip
    assert len(made) == 12
    assert {one.version for one in made} == {4}
    assert event_id(bytes(32), "rewards", 0) == event_id(bytes(32), "rewards", 0)
    assert isinstance(min(made), UUID)


@pytest.mark.parametrize(
    "outcome",
    [
        replace(OUTCOME, text=""),
        replace(OUTCOME, claim=bytes(31)),
        replace(OUTCOME, facts=replace(FACTS, kind="")),
        replace(OUTCOME, facts=replace(FACTS, damage=True)),
    ],
    ids=["no words", "a short claim", "no kind", "a truth for a sum"],
)
def test_what_no_reader_takes_is_not_written(outcome: Outcome) -> None:
    with pytest.raises(FormatError):
        outcome.body()


def header(**changes: object) -> Header:
    return replace(Header("outcome", "desk", sealed().rid, 1, 0, ZERO32), **changes)  # type: ignore[arg-type]


def test_an_outcome_stands_in_the_desk_s_chain_and_is_never_a_reporter_s() -> None:
    recipients = [reporter().identity.recipient, identity("report").recipient]
    file = seal_payload(header(), OUTCOME.body(), world().desk_signing, recipients)
    opened = open_payload(file, reporter().identity)
    check_desk_chain(sealed().rid, [opened], [world().desk_signing.verify_key], world().directory, [TODAY])
    forged = open_payload(
        seal_payload(header(), OUTCOME.body(), signer("nobody"), recipients), reporter().identity
    )
    with pytest.raises(BadSignature):
        check_desk_chain(
            sealed().rid, [forged], [world().desk_signing.verify_key], world().directory, [TODAY]
        )
    with pytest.raises(Refused):
        check_desk_chain(bytes(32), [opened], [world().desk_signing.verify_key], world().directory, [TODAY])
    with pytest.raises(FormatError):
        seal_payload(header(by="reporter"), OUTCOME.body(), reporter().signing, recipients)
