"""The form and its reference lists are whole, dated and sourced, in three languages."""

import json
from datetime import date
from itertools import pairwise

import pytest
from pydantic import ValidationError

from services.intake.dated import REFERENCE, Labels
from services.intake.form import (
    Form,
    Item,
    load_form,
)

CLEAR = {"amount_band", "category", "channel", "language", "region", "sector", "urgency", "year"}

# Two digits of the KATO code and the Kazakh name.
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
    assert set(form.of("fields")) == CLEAR
    assert {field.code for field in form.fields if field.clear} == CLEAR


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
