"""A line of the log holds a name and a few known values; whatever else is said, by us or by a library, is dropped."""

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit import logs

SECRET = "words-of-a-reporter"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What was written since, line by line; each is one JSON object."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    logs.configure()
    return lambda: [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_has_its_event_its_values_and_the_minute(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.info("job-done", job="sample.a", count=3, seconds=0.5)
    (line,) = lines()
    stamp = line.pop("timestamp")
    assert line == {"event": "job-done", "level": "info", "job": "sample.a", "count": 3, "seconds": 0.5}
    assert len(stamp) == len("2026-11-24T12:00Z"), "no seconds: they would tell who did it"


def test_unknown_keys_and_odd_values_are_dropped(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger().info(
        "sample",
        path=SECRET,
        body=SECRET,
        address="203.0.113.7",
        route=[SECRET],
        job={"a": SECRET},
        where=None,
    )
    (line,) = lines()
    assert set(line) == {"event", "level", "timestamp"}


def test_long_values_are_cut(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.info("sample", job="x" * 500)
    assert len(lines()[0]["job"]) == 80


def test_a_failure_shows_class_and_place_and_never_the_text(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    class Database(Exception):
        sqlstate = "23505"

    class Wrapped(Exception):
        orig = Database(SECRET)

    for error in (ValueError(SECRET), Wrapped(SECRET)):
        logs.failure("request-failed", error, route="file", job=None)
    first, second = lines()
    assert (first["error"], first["sqlstate"], first["route"]) == ("ValueError", "", "file")
    assert (second["error"], second["sqlstate"]) == ("Database", "23505")
    assert "job" not in first
    assert SECRET not in json.dumps([first, second])


def test_the_place_is_the_innermost_line_of_ours(lines: Callable[[], list[dict[str, Any]]]) -> None:
    from services.kit.pages import decode_cursor
    from services.kit.problems import Invalid

    try:
        decode_cursor(SECRET)
    except Invalid as exc:
        logs.failure("sample", exc)
    assert lines()[0]["where"].startswith("services.kit.pages:")


def test_libraries_may_say_that_something_happened_and_no_more(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    logger = logging.getLogger("some.library")
    logger.info("an info about %s", SECRET)
    logger.warning("about %s", SECRET, extra={"body": SECRET})
    logger.error("failed with %s", SECRET, exc_info=KeyError(SECRET))
    first, second = lines()
    assert (first["event"], first["where"], first["error"]) == ("library-message", "some.library", "")
    assert second["error"] == "KeyError"
    assert SECRET not in json.dumps([first, second])


def test_access_lines_of_the_server_are_off(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("uvicorn.access").warning("203.0.113.7 GET /%s", SECRET)
    assert lines() == []
    logging.getLogger("uvicorn.error").error("failed at %s", SECRET)
    assert [line["where"] for line in lines()] == ["uvicorn.error"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(sorted(logs.ALLOWED)),
        st.none()
        | st.integers()
        | st.text(max_size=200)
        | st.lists(st.text(max_size=5))
        | st.binary(max_size=5),
        max_size=8,
    )
)
def test_only_what_is_allowed_passes(event: dict[str, Any]) -> None:
    kept = logs.allow_listed(None, "info", dict(event))
    assert kept.keys() <= logs.ALLOWED
    assert all(isinstance(value, str | int | float) for value in kept.values())
    assert all(len(value) <= 80 for value in kept.values() if isinstance(value, str))
