"""Page marks: what was encoded comes back, and anything else is refused as the caller's mistake."""

import base64
import json
import re
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.pages import decode_cursor, encode_cursor
from services.kit.problems import Invalid


@given(st.dates(), st.uuids())
def test_a_mark_comes_back_and_fits_in_a_url(day: date, row: UUID) -> None:
    mark = encode_cursor(day, row)
    assert decode_cursor(mark) == (day, row)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,200}", mark)


def mark_of(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


DAY, ROW = "2026-11-24", "6b0d4f0e-6b8e-4b57-9a3f-0d6a5c1b2e3f"


@pytest.mark.parametrize(
    "mark",
    [
        *("", "x", "====", "ж", "a" * 200, "W10", "e30", "bnVsbA"),
        *(mark_of(value) for value in (None, 5, [], [DAY], [DAY, ROW, 1], [ROW, DAY], [DAY, 5], [5, ROW])),
        *(
            mark_of(value)
            for value in ({"a": 1, "b": 2}, [DAY, "x"], ["2026-02-30", ROW], [None, None], "ab")
        ),
        encode_cursor(date(2026, 11, 24), UUID(ROW)) + "!",
    ],
)
def test_anything_else_is_the_callers_mistake(mark: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_cursor(mark)
    assert [error.pointer for error in caught.value.errors] == ["/cursor"]


@given(st.text(max_size=60))
def test_no_text_breaks_it(mark: str) -> None:
    try:
        day, row = decode_cursor(mark)
    except Invalid:
        return
    assert decode_cursor(encode_cursor(day, row)) == (day, row)
