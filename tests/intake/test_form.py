"""The reference data is whole, dated and sourced; the checks refuse wrong input and never repeat it."""

import json
import string
from dataclasses import asdict
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.intake.form import (
    REFERENCE,
    Form,
    Item,
    Labels,
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

# Section 6.1 of the domain research: two digits of the KATO code and the Kazakh name.
REGIONS = {
    "10": "Абай облысы",
    "11": "Ақмола облысы",
    "15": "Ақтөбе облысы",
    "19": "Алматы облысы",
    "23": "Атырау облысы",
    "27": "Батыс Қазақстан облысы",
    "31": "Жамбыл облысы",
    "33": "Жетісу облысы",
    "35": "Қарағанды облысы",
    "39": "Қостанай облысы",
    "43": "Қызылорда облысы",
    "47": "Маңғыстау облысы",
    "55": "Павлодар облысы",
    "59": "Солтүстік Қазақстан облысы",
    "61": "Түркістан облысы",
    "62": "Ұлытау облысы",
    "63": "Шығыс Қазақстан облысы",
    "71": "Астана қаласы",
    "75": "Алматы қаласы",
    "79": "Шымкент қаласы",
}


def all_items() -> list[tuple[str, Item]]:
    return [(name, item) for name, listed in load_form().lists.items() for item in listed.items]


def all_labels() -> list[Labels]:
    form = load_form()
    found = [heading.labels for heading in form.steps]
    for field in form.fields:
        found += [text for text in (field.labels, field.help) if text]
    for listed in form.lists.values():
        found += [group.labels for group in listed.groups]
    for _, item in all_items():
        found += [text for text in (item.labels, item.help, item.centre and item.centre.labels) if text]
    return found


def pointers(findings: list[Any]) -> list[str]:
    return [finding.pointer for finding in findings]


# --- the data


def test_every_text_is_there_in_three_languages_without_stray_space() -> None:
    for labels in all_labels():
        for text in (labels.kk, labels.ru, labels.en):
            assert text == text.strip()
            assert text


def test_kazakh_and_russian_texts_hold_cyrillic_letters() -> None:
    for labels in all_labels():
        assert any("\u0400" <= char <= "\u04ff" for char in labels.kk), labels.en
        assert any("\u0400" <= char <= "\u04ff" for char in labels.ru), labels.en


def test_russian_and_english_texts_hold_no_kazakh_or_cyrillic_letters_by_mistake() -> None:
    for labels in all_labels():
        # Three official Russian names keep the Kazakh spelling.
        if not any(name in labels.ru for name in ("Жетісу", "Ұлытау", "Қазына")):
            assert not set(labels.ru.lower()) & set("әғқңөұүһі"), labels.ru
        assert not any("\u0400" <= char <= "\u04ff" for char in labels.en), labels.en


def test_codes_are_unique_in_their_list() -> None:
    for listed in load_form().lists.values():
        codes = [item.code for item in listed.items]
        assert len(codes) == len(set(codes)), listed.code


def test_a_list_is_named_like_its_file() -> None:
    for name, listed in load_form().lists.items():
        assert listed.code == name
        assert (REFERENCE / f"{name}.json").is_file()


def test_every_reference_file_is_used_by_the_form() -> None:
    files = {path.stem for path in REFERENCE.glob("*.json")}
    assert files == set(load_form().lists) | {"form", "sources"}


def test_what_is_confirmed_has_a_source_and_every_source_is_described() -> None:
    form = load_form()
    for name, item in all_items():
        assert item.status != "confirmed" or item.source, (name, item.code)
        assert item.source is None or item.source in form.sources, (name, item.code)
    assert {item.source for _, item in all_items() if item.source} == set(form.sources)


def test_our_own_items_claim_no_source_except_a_ground_for_the_question() -> None:
    for name, item in all_items():
        assert item.status != "ours" or item.source is None, (name, item.code)


def test_dates_are_in_order_and_lists_are_not_older_than_their_items() -> None:
    form = load_form()
    for name, item in all_items():
        if item.valid_from and item.valid_to:
            assert item.valid_from <= item.valid_to, (name, item.code)
        assert item.valid_from is None or item.valid_from <= form.lists[name].as_of
    assert all(form.valid_from >= listed.as_of for listed in form.lists.values())


def test_groups_are_declared_and_none_is_empty() -> None:
    for listed in load_form().lists.values():
        declared = [group.code for group in listed.groups]
        used = {item.group for item in listed.items if item.group}
        assert set(declared) == used, listed.code
        assert len(declared) == len(set(declared))
        assert not declared or all(item.group for item in listed.items), listed.code


def test_the_twenty_regions_have_their_kato_codes_and_names() -> None:
    regions = [item for item in load_form().lists["regions"].items if item.code.isdigit()]
    assert {item.code: item.labels.kk for item in regions} == {
        f"{two}0000000": name for two, name in REGIONS.items()
    }
    assert all(item.status == "confirmed" and item.source == "KATO" for item in regions)


def test_seventeen_regions_have_a_recalled_centre_and_the_three_cities_none() -> None:
    regions = [item for item in load_form().lists["regions"].items if item.code.isdigit()]
    centres = [item.centre for item in regions if item.centre]
    assert len(centres) == 17
    assert all(centre.status == "recalled" for centre in centres)
    assert [item.code[:2] for item in regions if item.centre is None] == ["71", "75", "79"]


def test_public_bodies_are_all_marked_as_recalled() -> None:
    bodies = load_form().lists["bodies"]
    assert {item.status for item in bodies.items} == {"recalled"}
    assert bodies.note.startswith("NOT CONFIRMED")


def test_the_agency_ends_where_the_service_of_the_committee_begins() -> None:
    bodies = load_form().lists["bodies"]
    agency, service = bodies.find("agency-anti-corruption"), bodies.find("anti-corruption-service")
    assert agency is not None
    assert service is not None
    assert [agency.in_use(date(2025, 6, 29)), agency.in_use(date(2025, 6, 30))] == [True, False]
    assert [service.in_use(date(2025, 6, 29)), service.in_use(date(2025, 6, 30))] == [False, True]


def test_categories_cover_the_offences_of_the_law() -> None:
    named = " ".join(article for item in load_form().lists["categories"].items for article in item.articles)
    numbers = {word for word in named.split() if word.isdigit()}
    crimes = {189, 190, 218, 234, 249, 361, 362, *range(364, 371), 450, 451, 452}
    assert numbers == {str(number) for number in crimes | set(range(676, 682))}


def test_a_category_with_an_article_has_a_source_and_its_official_name() -> None:
    for item in load_form().lists["categories"].items:
        if item.articles:
            assert item.status == "confirmed"
            assert item.help
            assert all(article.split()[0] in ("CC", "KoAP") for article in item.articles)


def test_amount_bands_follow_one_another_without_gap() -> None:
    bands = [item for item in load_form().lists["amount_bands"].items if item.from_tenge is not None]
    assert bands[0].from_tenge == 0
    assert bands[-1].to_tenge is None
    for lower, upper in pairwise(bands):
        assert lower.to_tenge is not None
        assert upper.from_tenge == lower.to_tenge + 1


# --- the form


def test_exactly_the_eight_coded_fields_are_clear() -> None:
    form = load_form()
    assert set(form.of("fields")) == set(FIELDS)
    assert {field.code for field in form.fields if field.clear} == set(FIELDS)


def test_no_clear_field_takes_text() -> None:
    assert {field.kind for field in load_form().of("fields").values()} == {"choice", "year"}


@pytest.mark.parametrize(
    "code", ["what", "where", "when", "accused", "body", "how_known", "evidence", "witnesses"]
)
def test_what_a_person_tells_is_sealed(code: str) -> None:
    assert load_form().of("answers")[code].clear is False


def test_the_mode_is_sealed_and_belongs_to_no_clear_part() -> None:
    form = load_form()
    assert form.of("mode")["mode"].clear is False
    assert {item.code for item in form.lists["modes"].items} == {"anonymous", "confidential", "open"}


def test_codes_of_fields_are_unique_and_steps_are_known() -> None:
    form = load_form()
    codes = [field.code for field in form.fields]
    assert len(codes) == len(set(codes))
    assert {field.step for field in form.fields} == {step.code for step in form.steps}


def test_choices_name_a_list_and_texts_a_limit() -> None:
    for field in load_form().fields:
        assert (field.kind == "choice") == (field.list is not None)
        assert (field.kind in ("text", "longtext")) == (field.max_length is not None)


def test_the_public_form_is_plain_json_and_reads_back_to_the_same_form() -> None:
    form = load_form()
    text = json.dumps(form.public(), ensure_ascii=False)
    again = json.loads(text)
    assert again["version"] == "2026-11"
    assert again["fields"][0]["labels"].keys() == {"kk", "ru", "en"}
    assert len(text.encode()) < 200_000


def test_changing_the_public_form_does_not_change_the_form() -> None:
    load_form().public()["fields"].clear()
    assert load_form().public()["fields"]


def test_the_form_is_read_once_and_cannot_be_changed() -> None:
    assert load_form() is load_form()
    with pytest.raises(ValidationError):
        load_form().version = "x"  # type: ignore[misc]


def test_a_form_with_an_unknown_key_or_a_missing_label_is_refused() -> None:
    raw = {**load_form().model_dump(), "surprise": 1}
    with pytest.raises(ValidationError):
        Form.model_validate(raw)
    with pytest.raises(ValidationError):
        Labels.model_validate({"kk": "Иә", "ru": "Да", "en": ""})


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
