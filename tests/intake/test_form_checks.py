"""The checks of the form refuse wrong input, name the place, and never repeat what was sent."""

import json
import string
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crypto.age import HybridIdentity
from services.crypto.payloads import Header, open_payload, seal_payload
from services.crypto.signatures import SigningKey
from services.intake.form import (
    check_answers,
    check_fields,
    check_identity,
    load_form,
)
from services.kit.catalogues import extract

DAY = date(2026, 11, 24)

FIELDS = {
    "amount_band": "to-100k",
    "category": "bribe-taking",
    "channel": "web",
    "language": "kk",
    "region": "710000000",
    "sector": "health",
    "urgency": "normal",
    "year": 2026,
}


def pointers(findings: list[Any]) -> list[str]:
    return [finding.pointer for finding in findings]


# --- check_fields


def test_right_fields_pass() -> None:
    assert check_fields(FIELDS, DAY) == []
    assert check_fields({**FIELDS, "year": None}, DAY) == []


@pytest.mark.parametrize("code", sorted(set(FIELDS) - {"year"}))
def test_every_coded_field_but_the_year_is_required(code: str) -> None:
    without = {key: value for key, value in FIELDS.items() if key != code}
    assert pointers(check_fields(without, DAY)) == [f"/{code}"]
    assert pointers(check_fields({**FIELDS, code: None}, DAY)) == [f"/{code}"]


@pytest.mark.parametrize("wrong", ["", "no-such-code", "KK", "kk ", 1, True, ["kk"], {"kk": 1}])
def test_unknown_codes_are_refused_whatever_their_type(wrong: object) -> None:
    findings = check_fields({**FIELDS, "language": wrong}, DAY)
    assert pointers(findings) == ["/language"]
    assert findings[0].message == "This code is not in the list."


@pytest.mark.parametrize("year", [1991, 2000, 2026, 2027])
def test_years_up_to_the_next_one_pass(year: int) -> None:
    assert check_fields({**FIELDS, "year": year}, DAY) == []


@pytest.mark.parametrize("year", [1990, 2028, 0, -1, 10**30, "2026", 2026.0, True, []])
def test_other_years_are_refused(year: object) -> None:
    assert pointers(check_fields({**FIELDS, "year": year}, DAY)) == ["/year"]


def test_a_code_outside_its_dates_is_refused() -> None:
    ulytau = {**FIELDS, "region": "620000000", "year": 2022}
    assert check_fields(ulytau, date(2022, 6, 8)) == []
    findings = check_fields(ulytau, date(2022, 6, 7))
    assert pointers(findings) == ["/region"]
    assert "no longer, or not yet" in findings[0].message


def test_answers_do_not_belong_among_the_clear_fields() -> None:
    assert pointers(check_fields({**FIELDS, "accused": "somebody"}, DAY)) == [""]
    assert pointers(check_fields({**FIELDS, "mode": "open"}, DAY)) == [""]


def test_all_findings_are_named_at_once() -> None:
    assert pointers(check_fields({}, DAY)) == [
        f"/{code}" for code in load_form().of("fields") if code != "year"
    ]


# --- check_answers


def test_one_sentence_is_enough() -> None:
    assert check_answers({"what": "Something happened."}) == []


def test_full_answers_pass() -> None:
    answers = {
        "what": "Line one.\nLine two.\tEnd.",
        "where": "Room 5",
        "when": "in spring",
        "happened_on": "2026-03-01",
        "accused": "the head of the office",
        "body": "akimat",
        "body_name": "Land office",
        "amount": 50_000,
        "how_known": "witness",
        "evidence": "a recording",
        "witnesses": "two",
        "reported_elsewhere": "no",
        "danger": "no",
    }
    assert set(answers) == set(load_form().of("answers"))
    assert check_answers(answers) == []


@pytest.mark.parametrize("answers", [{}, {"what": None}, {"what": ""}, {"what": " \n "}])
def test_the_story_is_required(answers: dict[str, object]) -> None:
    findings = check_answers(answers)
    assert pointers(findings) == ["/what"]
    assert findings[0].message == "This field is required."


def test_empty_answers_to_other_questions_pass() -> None:
    assert check_answers({"what": "x", "where": "", "accused": "", "amount": None, "body": None}) == []


@pytest.mark.parametrize("code", [c for c, f in load_form().of("answers").items() if f.max_length])
def test_a_text_may_be_as_long_as_its_limit_and_not_longer(code: str) -> None:
    limit = load_form().of("answers")[code].max_length or 0
    assert check_answers({"what": "x", code: "ә" * limit}) == []
    findings = check_answers({"what": "x", code: "ә" * (limit + 1)})
    assert pointers(findings) == [f"/{code}"]


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        ("what", 5, "This must be text."),
        ("what", ["x"], "This must be text."),
        ("what", "a\x00b", "This text has characters that cannot be stored."),
        ("what", "a\ud800b", "This text has characters that cannot be stored."),
        ("where", "a\nb", "Write this on one line."),
        ("body", "nowhere", "This code is not in the list."),
        ("amount", -1, "This number is out of range."),
        ("amount", 10**15 + 1, "This number is out of range."),
        ("amount", "100", "This must be a whole number."),
        ("amount", 1.5, "This must be a whole number."),
        ("amount", True, "This must be a whole number."),
        ("happened_on", "2026-02-30", "This must be a day in the form YYYY-MM-DD."),
        ("happened_on", "20260301", "This must be a day in the form YYYY-MM-DD."),
        ("happened_on", "2026-W10-1", "This must be a day in the form YYYY-MM-DD."),
        ("happened_on", "٢٠٢٦-٠٣-٠١", "This must be a day in the form YYYY-MM-DD."),
        ("happened_on", "1990-12-31", "This must be a day in the form YYYY-MM-DD."),
        ("happened_on", 20260301, "This must be a day in the form YYYY-MM-DD."),
    ],
)
def test_each_kind_refuses_what_it_is_not(code: str, value: object, message: str) -> None:
    findings = check_answers({"what": "x", code: value})
    assert [(finding.pointer, finding.message) for finding in findings] == [(f"/{code}", message)]


def test_a_body_that_no_longer_exists_may_be_named() -> None:
    assert check_answers({"what": "x", "body": "agency-anti-corruption"}) == []


def test_unknown_questions_are_refused_once_and_not_repeated() -> None:
    findings = check_answers({"what": "x", "secret-name-1": "y", "secret-name-2": "z"})
    assert pointers(findings) == [""]
    assert "secret" not in str(findings)


# --- check_identity


def test_a_name_is_enough() -> None:
    assert check_identity({"name": "Invented Person"}) == []


def test_full_contact_details_pass() -> None:
    identity = {
        "name": "Invented Person",
        "phone": "+7 700 000 00 00",
        "email": "invented@example.org",
        "postal_address": "Invented street 1",
        "contact": "through a friend",
        "preferred_way": "phone",
    }
    assert set(identity) == set(load_form().of("identity"))
    assert check_identity(identity) == []


@pytest.mark.parametrize("identity", [{}, {"name": ""}, {"name": "  "}, {"phone": "1"}])
def test_an_identity_without_a_name_is_refused(identity: dict[str, object]) -> None:
    assert "/name" in pointers(check_identity(identity))


@pytest.mark.parametrize(
    ("way", "code"),
    [("phone", "phone"), ("email", "email"), ("post", "postal_address"), ("other", "contact")],
)
def test_the_preferred_way_needs_its_contact(way: str, code: str) -> None:
    assert pointers(check_identity({"name": "x", "preferred_way": way})) == ["/preferred_way"]
    assert pointers(check_identity({"name": "x", "preferred_way": way, code: " "})) == ["/preferred_way"]
    assert check_identity({"name": "x", "preferred_way": way, code: "y"}) == []


def test_the_inbox_needs_no_contact() -> None:
    assert check_identity({"name": "x", "preferred_way": "inbox"}) == []


def test_contact_details_must_fit_the_fixed_size_together() -> None:
    limits = {
        code: field.max_length for code, field in load_form().of("identity").items() if field.max_length
    }
    full = {code: "ә" * limit for code, limit in limits.items()}
    assert check_identity(full) == []
    heavy = {code: "\U0001f600" * limit for code, limit in limits.items()}
    findings = check_identity(heavy)
    assert pointers(findings) == [""]
    assert "too long" in findings[0].message


def test_the_largest_contact_details_fit_the_sealed_identity_part() -> None:
    texts = load_form().of("identity").items()
    identity: dict[str, object] = {
        code: "ә" * (field.max_length or 0) for code, field in texts if field.max_length
    }
    wide = 0  # each wide letter instead of a two-byte one adds two bytes
    while check_identity({**identity, "contact": "\U0001f600" * (wide + 1) + "ә" * (399 - wide)}) == []:
        wide += 1
    largest = {**identity, "contact": "\U0001f600" * wide + "ә" * (400 - wide)}
    size = len(json.dumps(largest, ensure_ascii=False).encode())
    assert load_form().identity_max_bytes - 2 < size <= load_form().identity_max_bytes
    header = Header(type="identity", by="reporter", rid=bytes(32), dir_seq=10**9, n=10**6, prev=bytes(32))
    to = HybridIdentity.generate()
    sealed = seal_payload(header, {"identity": largest}, SigningKey.generate(), [to.recipient])
    assert open_payload(sealed, to).body == {"identity": largest}


# --- what holds for every check

SENTENCES = {message.id for message in extract()}
POINTERS = {"", *(f"/{field.code}" for field in load_form().fields)}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(sorted(field.code for field in load_form().fields)) | st.text(
    alphabet=string.ascii_lowercase, max_size=8
)


@given(st.dictionaries(keys, json_values, max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_json_gives_a_bounded_list_of_known_sentences(values: dict[str, Any]) -> None:
    for findings in (check_fields(values, DAY), check_answers(values), check_identity(values)):
        assert len(findings) <= 20
        for finding in findings:
            assert finding.pointer in POINTERS
            assert finding.message in SENTENCES


def test_a_finding_never_holds_the_value() -> None:
    marker = "ZXQ-marker"
    wrong: dict[str, object] = {field.code: {marker: marker} for field in load_form().fields}
    wrong[marker] = marker
    for findings in (check_fields(wrong, DAY), check_answers(wrong), check_identity(wrong)):
        assert findings
        assert marker not in json.dumps([asdict(finding) for finding in findings])
