"""Bytes in JSON have one spelling each, and models take nothing that they do not know."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.kit.wire import B64u, Base64, Model


class Sample(Model):
    file: Base64 = b""
    key: B64u = b""


@given(st.binary(max_size=200))
def test_bytes_come_back_from_json(data: bytes) -> None:
    sample = Sample(file=data, key=data)
    assert Sample.model_validate_json(sample.model_dump_json()) == sample
    assert sample.model_dump(mode="json") == {
        "file": base64.b64encode(data).decode(),
        "key": base64.urlsafe_b64encode(data).decode().rstrip("="),
    }


@pytest.mark.parametrize(
    "text", ["YQ", "YQ=", "YQ===", "YR==", "Y Q==", "YQ==\n", "_-8=", "жа==", "Y", "=", "YQ==YQ=="]
)
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"file": text})


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "Y Q", "YQ\n", "+/8", "жа"])
def test_b64u_is_strict(text: str) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"key": text})


@pytest.mark.parametrize("value", [None, 5, True, [], {}, 1.5])
@pytest.mark.parametrize("name", ["file", "key"])
def test_only_text_stands_for_bytes(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({name: value})


@given(st.text(max_size=30))
def test_one_value_has_one_spelling(text: str) -> None:
    try:
        sample = Sample.model_validate({"file": text})
    except ValidationError:
        return
    assert sample.model_dump(mode="json")["file"] == text


def test_unknown_members_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"files": ""})
    sample = Sample()
    with pytest.raises(ValidationError):
        sample.file = b"x"  # type: ignore[misc]


def test_errors_do_not_repeat_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"file": "secret words!", "secret": "words"})
    assert "words" not in str(caught.value)


def test_the_schema_says_how_bytes_are_written() -> None:
    properties = Sample.model_json_schema()["properties"]
    assert properties["file"]["contentEncoding"] == "base64"
    assert properties["key"]["pattern"] == "^[A-Za-z0-9_-]*$"
