"""A form from a file is checked before it is sealed, since nobody can check it afterwards."""

import io
import sys
from typing import Any

import pytest

from services.cli.failures import Wrong
from services.cli.form import Form, fill, from_json
from services.cli.language import set_language
from services.intake.form import load_form

FORM = Form(load_form().public())
GOOD: dict[str, Any] = {
    "mode": "confidential",
    "fields": {
        "category": "bribe-taking", "sector": "health", "amount_band": "unknown", "region": "750000000",
        "urgency": "normal", "year": 2026,
    },
    "answers": {"what": "They asked for money."},
    "identity": {"name": "Invented Person"},
}  # fmt: skip


def changed(**parts: Any) -> dict[str, Any]:
    merged = dict(GOOD)
    for name, value in parts.items():
        merged[name] = {**GOOD[name], **value} if isinstance(value, dict) else value
    return merged


def test_a_good_file_is_completed_with_channel_and_language():
    set_language("kk")
    filled = from_json(FORM, GOOD)
    assert filled.fields["channel"] == "api"
    assert filled.fields["language"] == "kk"
    assert filled.answers == GOOD["answers"]
    assert filled.identity == GOOD["identity"]
    assert "money" not in repr(filled)


def test_an_anonymous_report_needs_and_takes_no_identity():
    filled = from_json(FORM, changed(mode="anonymous", identity=None))
    assert filled.identity is None
    with pytest.raises(Wrong):
        from_json(FORM, changed(mode="anonymous"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"fields": {"region": "atlantis"}}, "/fields/region"),
        ({"fields": {"region": None}}, "/fields/region"),
        ({"fields": {"year": 1066}}, "/fields/year"),
        ({"fields": {"year": "2026"}}, "/fields/year"),
        ({"fields": {"year": True}}, "/fields/year"),
        ({"answers": {"what": ""}}, "/answers/what"),
        ({"answers": {"what": 7}}, "/answers/what"),
        ({"answers": {"what": "x" * 20_001}}, "/answers/what"),
        ({"answers": {"MARKER": "x"}}, "/answers/?"),
        ({"identity": {"name": None}}, "/identity/name"),
        ({"mode": "loud"}, "/mode/"),
    ],
)
def test_what_is_missing_unknown_or_not_usable_is_named(change: dict[str, Any], place: str):
    with pytest.raises(Wrong) as caught:
        from_json(FORM, changed(**change))
    assert place in str(caught.value)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [None, [], 7, {"fields": 7}, {"answers": []}, {"colour": {}}, {"identity": "me"}]
)
def test_what_is_no_filled_form_is_refused(value: Any):
    with pytest.raises(Wrong):
        from_json(FORM, value)


def number_of(field: str, code: str) -> str:
    found = next(one for one in FORM.raw["fields"] if one["code"] == field)
    return str([item["code"] for item in FORM.items(found)].index(code) + 1)


def typed_answers() -> list[str]:
    """What somebody types at the whole form, some of it wrong at first."""
    by_code = {
        "category": [number_of("category", "bribe-taking")],
        "sector": ["999", "x", "", number_of("sector", "health")],
        "what": ["", "They asked", "for money", ""],
        "amount_band": [number_of("amount_band", "unknown")],
        "amount": ["a lot", "17300000"],
        "region": [number_of("region", "750000000")],
        "year": ["1066", "2026"],
        "urgency": [number_of("urgency", "normal")],
        "mode": [number_of("mode", "anonymous")],
    }
    longtext = {field["code"] for field in FORM.raw["fields"] if field["kind"] == "longtext"}
    lines: list[str] = []
    for field in FORM.raw["fields"]:
        if field["code"] == "channel" or field["part"] == "identity":
            continue
        lines += by_code.get(field["code"], [""])
        assert field["code"] not in longtext or lines[-1] == ""
    return lines


def test_the_form_is_asked_question_by_question(monkeypatch: pytest.MonkeyPatch):
    lines = typed_answers()
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))
    filled = fill(FORM)
    assert sys.stdin.read() == ""
    assert filled.mode == "anonymous"
    assert filled.answers == {"what": "They asked\nfor money", "amount": 17300000}
    assert filled.fields == {**GOOD["fields"], "channel": "api", "language": "en"}
    assert filled.identity is None


def test_codes_are_shown_as_people_read_them():
    set_language("ru")
    assert FORM.text_of("fields", "sector", "health")[1] == "Здравоохранение"
    assert FORM.text_of("fields", "sector", "unheard-of")[1] == "unheard-of"
    assert FORM.text_of("answers", "unheard-of", "x") == ("unheard-of", "x")
