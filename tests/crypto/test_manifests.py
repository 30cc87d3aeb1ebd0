"""The manifest says in clear what it must and has no room for anything else."""

from dataclasses import replace
from typing import Any

import pytest

from services.crypto import canonical
from services.crypto.errors import FormatError
from services.crypto.manifests import MAX_PARTS, Manifest, check_fields
from tests.crypto.builders import ANSWERS, FIELDS, NAMED, sealed


def test_it_survives_json():
    manifest = sealed().manifest
    again = Manifest.from_json(manifest.to_json())
    assert again == manifest
    assert again.digest == manifest.digest


def test_its_digest_covers_every_member():
    manifest = sealed().manifest
    changed = [
        replace(manifest, dir_seq=2), replace(manifest, form="x"), replace(manifest, mode="plain"),
        replace(manifest, parts=manifest.parts[:2]), replace(manifest, shares=manifest.shares[:2]),
        replace(manifest, fields={**manifest.fields, "year": None}), replace(manifest, k=3),
    ]  # fmt: skip
    assert len({manifest.digest, *(other.digest for other in changed)}) == len(changed) + 1


def test_nothing_of_the_report_stands_in_it():
    text = canonical.dumps(sealed().manifest.to_json()).decode()
    for word in (*ANSWERS.values(), *NAMED.values()):
        assert str(word) not in text or isinstance(word, int)


def test_it_does_not_print_its_fields():
    assert FIELDS["category"] not in repr(sealed().manifest)


@pytest.mark.parametrize("name", sorted(sealed().manifest.to_json()))
def test_every_member_is_needed(name: str):
    value = sealed().manifest.to_json()
    del value[name]
    with pytest.raises(FormatError):
        Manifest.from_json(value)


@pytest.mark.parametrize("name", sorted(sealed().manifest.to_json()))
@pytest.mark.parametrize("wrong", [None, [], {}, "", "?", 1.5, -1, True])
def test_a_member_of_another_kind_is_refused(name: str, wrong: Any):
    with pytest.raises(FormatError):
        Manifest.from_json({**sealed().manifest.to_json(), name: wrong})


def test_a_hundred_attachments_are_the_limit():
    value = sealed().manifest.to_json()
    lines = value["parts"]
    assert len(Manifest.from_json({**value, "parts": lines[:2] + [lines[2]] * 100}).parts) == MAX_PARTS
    with pytest.raises(FormatError):
        Manifest.from_json({**value, "parts": lines[:2] + [lines[2]] * 101})


def test_fields_may_be_null_but_not_absent_or_spoken():
    assert check_fields(dict.fromkeys(FIELDS)) == dict.fromkeys(FIELDS)
    for wrong in (
        {**FIELDS, "region": "a b"},
        {**FIELDS, "region": 75},
        {**FIELDS, "year": "2026"},
        {**FIELDS, "x": "y"},
    ):
        with pytest.raises(FormatError):
            check_fields(wrong)
