"""Both chains of a report: nothing missing, nothing moved, every author the right one."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import pytest

from services.crypto.dialogue import (
    Reporter,
    check_desk_chain,
    check_reporter_chain,
    message_body,
    next_place,
    read_message,
)
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.packages import reporter_json
from services.crypto.payloads import ZERO32, Header, OpenedPayload, open_payload, seal_payload
from services.crypto.reportkeys import report_keys_body
from services.crypto.signatures import SigningKey
from tests.crypto.builders import (
    TODAY,
    certificate,
    identity,
    opened,
    other,
    report_key,
    reporter,
    sealed,
    signer,
    world,
)

RID = sealed().rid
DESK_KEYS = (world().desk_signing.verify_key,)
FIRST = Reporter(reporter().identity.recipient, reporter().signing.verify_key)
SECOND = Reporter(identity("second").recipient, signer("second").verify_key)


class Chain:
    """Files one after another, each sealed to the report."""

    def __init__(self, by: str, *files: bytes) -> None:
        self.by, self.files = by, list(files)

    def add(
        self,
        body: dict[str, Any],
        signing: SigningKey,
        kind: str = "message",
        by: str | None = None,
        rid: bytes = RID,
    ) -> "Chain":
        n, prev = next_place(self.files)
        header = Header(kind, by or self.by, rid, 1, n, prev)
        self.files.append(seal_payload(header, body, signing, [report_key(sealed()).recipient]))
        return self

    def opened(self):
        return [open_payload(file, report_key(sealed())) for file in self.files]


def reporters(*files: bytes):
    return Chain("reporter", *(files or (part.data for part in sealed().parts[:2])))


def check(chain: "Chain"):
    narrative, named, *rest = chain.files
    key = report_key(sealed())
    parts: list[OpenedPayload | bytes] = [
        open_payload(narrative, key),
        sha256(named).digest(),
        *(open_payload(file, key) for file in rest),
    ]
    return check_reporter_chain(RID, parts, FIRST)


def new_keys(keys: Any = SECOND):
    return {"reporter": reporter_json(keys.recipient, keys.verify_key)}


def check_desk(chain: Chain, keys: Sequence[bytes] = DESK_KEYS, days: Sequence[date] = ()) -> None:
    parts = chain.opened()
    check_desk_chain(RID, parts, keys, world().directory, days or [TODAY] * len(parts))


def test_a_chain_starts_with_the_report_itself():
    assert check(reporters()) == FIRST
    assert next_place([part.data for part in sealed().parts[:2]]) == (2, opened(sealed()).last)


def test_messages_follow_one_another():
    chain = (
        reporters().add(message_body("one"), reporter().signing).add(message_body("two"), reporter().signing)
    )
    assert check(chain) == FIRST


def test_a_missing_message_is_noticed():
    chain = (
        reporters().add(message_body("one"), reporter().signing).add(message_body("two"), reporter().signing)
    )
    del chain.files[2]
    with pytest.raises(Refused):
        check(chain)


def test_exchanged_and_repeated_messages_are_noticed():
    chain = (
        reporters().add(message_body("one"), reporter().signing).add(message_body("two"), reporter().signing)
    )
    one, two = chain.files[2:]
    for order in ([two, one], [one, one], [one, two, two]):
        with pytest.raises(Refused):
            check(reporters(*chain.files[:2], *order))


def test_a_replaced_code_hands_the_chain_to_the_new_key():
    chain = (
        reporters()
        .add(new_keys(), reporter().signing, "reporter-keys")
        .add(message_body("x"), signer("second"))
    )
    assert check(chain) == SECOND


def test_the_old_key_no_longer_speaks_after_a_replacement():
    chain = reporters().add(new_keys(), reporter().signing, "reporter-keys")
    with pytest.raises(BadSignature):
        check(chain.add(message_body("x"), reporter().signing))


def test_new_keys_signed_by_themselves_are_refused():
    with pytest.raises(BadSignature):
        check(reporters().add(new_keys(), signer("second"), "reporter-keys"))


@pytest.mark.parametrize("body", [{}, {"reporter": {}}, {"reporter": None}, {**new_keys(), "extra": 1}])
def test_malformed_new_keys_are_refused(body: Any):
    with pytest.raises(FormatError):
        check(reporters().add(body, reporter().signing, "reporter-keys"))


def test_a_second_narrative_or_a_chain_without_one_is_refused():
    with pytest.raises(Refused):
        check(reporters().add({}, reporter().signing, "narrative"))
    alone = Chain("reporter").add(message_body("x"), reporter().signing)
    with pytest.raises(Refused):
        check_reporter_chain(RID, alone.opened(), FIRST)


def test_a_message_of_another_report_is_refused():
    with pytest.raises(Refused):
        check(reporters().add(message_body("x"), reporter().signing, rid=other().rid))


def test_the_desk_does_not_write_in_the_reporter_s_chain():
    with pytest.raises(Refused):
        check(reporters().add(message_body("x"), world().desk_signing, by="desk"))


def test_desk_and_staff_share_one_chain():
    staff = message_body("from me", certificate=certificate())
    chain = Chain("desk").add(message_body("hello"), world().desk_signing)
    chain.add(staff, signer("staff"), by="staff").add(message_body("bye"), world().desk_signing)
    check_desk(chain)


def test_the_key_of_an_earlier_month_still_counts_if_it_was_checked():
    chain = Chain("desk").add(message_body("a"), signer("old")).add(message_body("b"), world().desk_signing)
    check_desk(chain, [signer("old").verify_key, world().desk_signing.verify_key])
    with pytest.raises(BadSignature):
        check_desk(chain)


def test_a_stranger_does_not_speak_for_the_desk():
    with pytest.raises(BadSignature):
        check_desk(Chain("desk").add(message_body("x"), signer("stranger")))


def test_staff_without_or_with_a_borrowed_certificate_are_refused():
    with pytest.raises(FormatError):
        check_desk(Chain("staff").add(message_body("x"), signer("staff")))
    borrowed = message_body("x", certificate=certificate())
    with pytest.raises(BadSignature):
        check_desk(Chain("staff").add(borrowed, signer("stranger")))
    forged = message_body("x", certificate=certificate((1,)))
    with pytest.raises(BadSignature):
        check_desk(Chain("staff").add(forged, signer("staff")))


def test_a_certificate_must_cover_the_day_of_its_message():
    chain = Chain("staff").add(message_body("x", certificate=certificate()), signer("staff"))
    check_desk(chain, days=[date(2027, 4, 30)])
    with pytest.raises(Refused):
        check_desk(chain, days=[date(2027, 5, 1)])


def test_a_gap_or_a_replay_in_the_desk_s_chain_is_noticed():
    chain = (
        Chain("desk")
        .add(message_body("a"), world().desk_signing)
        .add(message_body("b"), world().desk_signing)
    )
    a, b = chain.files
    for order in ([b], [b, a], [a, a], [a, b, b]):
        with pytest.raises(Refused):
            check_desk(Chain("desk", *order))


def test_the_reporter_does_not_write_in_the_desk_s_chain():
    chain = Chain("reporter").add(message_body("x"), reporter().signing)
    with pytest.raises(Refused):
        check_desk(chain, [reporter().signing.verify_key])


def test_the_desk_sends_messages_only():
    with pytest.raises(Refused):
        check_desk(Chain("desk").add(new_keys(), world().desk_signing, "reporter-keys"))


def test_a_message_body_is_read_back():
    lines = opened(sealed()).envelopes
    found = read_message(message_body("мәтін", lines, certificate()))
    assert (found.text, found.envelopes) == ("мәтін", lines)
    assert "мәтін" not in repr(found)


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "x"}, {"attachments": [], "text": ""}, {"attachments": [], "text": 1}, {"attachments": {}, "text": "x"},
     {"attachments": [], "text": "x" * 100_001}, {"attachments": [], "text": "x", "extra": 1}, []],
)  # fmt: skip
def test_a_malformed_message_body_is_refused(body: Any):
    with pytest.raises(FormatError):
        read_message(body)


def test_an_empty_chain_starts_at_zero():
    assert next_place([]) == (0, ZERO32)


def test_a_new_report_key_counts_from_the_desk_and_leads_only():
    body = report_keys_body(identity("new report key").recipient)
    desk = world().desk_signing
    check_desk(Chain("desk").add(message_body("first"), desk).add(body, desk, "report-keys"))
    for roles, counts in ((("lead",), True), (("desk", "lead"), True), (("investigator",), False)):
        document = certificate(roles=roles)
        signed = Chain("desk").add(
            {**body, "certificate": document.to_json()}, signer("staff"), "report-keys", "staff"
        )
        if counts:
            check_desk(signed)
        else:
            with pytest.raises(BadSignature):
                check_desk(signed)
    with pytest.raises(BadSignature):
        check_desk(Chain("desk").add(body, signer("the server"), "report-keys"))
    with pytest.raises(Refused):
        check_desk(Chain("desk").add(body, world().desk_signing, "report-keys", rid=bytes(32)))
    with pytest.raises(Refused):
        check_desk(Chain("desk").add(body, world().desk_signing, "narrative"))
