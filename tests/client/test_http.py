"""Repeating is safe or does not happen; answers are bounded; failures say nothing about what was sent."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.client import http as module
from services.client.errors import BadAddress, BadAnswer, Problem, Unreachable
from services.client.http import ATTEMPTS, Call, Http, checked_address, idempotency_key, part_of_path
from tests.client.local import Asked, Local, Reply, as_json, in_turn, problem, serving

SECRET = "MARKER-receipt-and-password"


@contextmanager
def client(local: Local) -> Iterator[tuple[Http, list[float]]]:
    waits: list[float] = []
    http = Http(local.url, "kk", sleep=waits.append)
    try:
        yield http, waits
    finally:
        http.close()


def test_a_broken_connection_is_repeated_with_the_same_key_and_the_same_bytes():
    key = {"Idempotency-Key": idempotency_key()}
    broken = Reply(break_off=True)
    with serving(in_turn(broken, broken, as_json({"done": 1}, 201))) as local, client(local) as (http, waits):
        assert http.post("/things", {"a": [1, 2, 3]}, key).json() == {"done": 1}
    assert len(local.asked) == 3
    assert {one.headers["idempotency-key"] for one in local.asked} == set(key.values())
    assert {one.body for one in local.asked} == {b'{"a": [1, 2, 3]}'}
    assert len(waits) == 2
    assert waits[0] < waits[1] * 4


def test_a_write_without_a_key_is_never_sent_twice():
    with (
        serving(in_turn(Reply(break_off=True))) as local,
        client(local) as (http, waits),
        pytest.raises(Unreachable),
    ):
        http.post("/things", {})
    assert len(local.asked) == 1
    assert waits == []


def test_attempts_are_bounded():
    with (
        serving(in_turn(Reply(break_off=True))) as local,
        client(local) as (http, waits),
        pytest.raises(Unreachable),
    ):
        http.get("/things")
    assert len(local.asked) == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1
    assert sum(waits) < 10


def test_a_connection_that_was_never_made_is_tried_again_even_without_a_key():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    waits: list[float] = []
    http = Http(f"http://127.0.0.1:{port}", sleep=waits.append)
    with pytest.raises(Unreachable):
        http.post("/things", {})
    http.close()
    assert len(waits) == ATTEMPTS - 1


def test_an_answer_cut_short_counts_as_a_broken_connection():
    cut = Reply(200, b'{"half":', lie_about_length=100)
    with serving(in_turn(cut, as_json({"whole": True}))) as local, client(local) as (http, _waits):
        assert http.get("/things").json() == {"whole": True}
    assert len(local.asked) == 2


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_busy_server_is_asked_again_only_where_that_is_safe(status: int):
    busy = problem("unavailable", status)
    with serving(in_turn(busy, as_json({}))) as local, client(local) as (http, _waits):
        assert http.get("/things").status == 200
    assert len(local.asked) == 2
    with (
        serving(in_turn(busy, as_json({}))) as local,
        client(local) as (http, _waits),
        pytest.raises(Problem),
    ):
        http.post("/things", {})
    assert len(local.asked) == 1


def test_a_refusal_is_not_repeated_and_keeps_what_the_server_said():
    errors = [{"pointer": "/fields/year", "detail": "no"}, "not an object"]
    answer = problem("invalid", 422, errors=errors)
    answer.headers["Retry-After"] = "17"
    with serving(in_turn(answer)) as local, client(local) as (http, _waits), pytest.raises(Problem) as caught:
        http.post("/things", {"secret": SECRET}, {"Idempotency-Key": idempotency_key()})
    found = caught.value
    assert (found.status, found.slug, found.detail, found.retry_after) == (422, "invalid", "D", 17)
    assert found.errors == (("/fields/year", "no"),)
    assert len(local.asked) == 1
    assert SECRET not in repr(found) + str(found)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff", b"[" * 100_000, b""])
def test_a_proxy_that_answers_in_place_of_the_service_is_a_problem_too(body: bytes):
    with (
        serving(in_turn(Reply(400, body))) as local,
        client(local) as (http, _waits),
        pytest.raises(Problem) as caught,
    ):
        http.get("/things")
    assert caught.value.type == "about:blank"
    assert caught.value.errors == ()


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_a_bad_answer(body: bytes):
    with (
        serving(in_turn(Reply(200, body))) as local,
        client(local) as (http, _waits),
        pytest.raises(BadAnswer),
    ):
        http.get("/things").json()


def test_redirects_are_not_followed():
    away = Reply(307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    with serving(in_turn(away)) as local, client(local) as (http, _waits), pytest.raises(BadAnswer):
        http.post("/inbox/sessions", {"lookup": SECRET})
    assert local.paths == ["/inbox/sessions"]


def test_a_flood_of_bytes_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_ANSWER", 1000)
    with serving(in_turn(Reply(200, bytes(1001)))) as local, client(local) as (http, _waits):
        with pytest.raises(BadAnswer):
            http.get("/things")
        with pytest.raises(BadAnswer), http.stream("/things") as chunks:
            list(chunks)


def test_a_stream_gives_the_bytes_and_reports_refusals():
    def answer(asked: Asked) -> Reply:
        return Reply(200, bytes(200_000)) if asked.path == "/there" else problem("not-found", 404)

    with serving(answer) as local, client(local) as (http, _waits):
        with http.stream("/there") as chunks:
            assert sum(map(len, chunks)) == 200_000
        with pytest.raises(Problem) as caught, http.stream("/not"):
            pass
    assert caught.value.slug == "not-found"


def test_progress_ends_at_the_size_and_the_server_gets_every_byte():
    seen: list[tuple[int, int]] = []
    with serving(in_turn(as_json({}))) as local, client(local) as (http, _waits):
        http.post("/things", {"data": "x" * 300_000}, progress=lambda *pair: seen.append(pair))
    size = len(local.asked[0].body)
    assert seen[-1] == (size, size)
    assert [done for done, _all in seen] == sorted({done for done, _all in seen})
    assert local.asked[0].headers["content-length"] == str(size)


def test_requests_carry_the_language_and_nothing_that_tells_programs_apart():
    with serving(in_turn(as_json({}))) as local, client(local) as (http, _waits):
        http.get("/things")
    headers = local.asked[0].headers
    assert headers["accept-language"] == "kk"
    assert headers["user-agent"] == "adal"
    assert "cookie" not in headers


def test_secrets_do_not_show_in_a_representation():
    call = Call("POST", "/things", {"password": SECRET}, {"Authorization": SECRET})
    assert SECRET not in repr(call)


def test_a_path_segment_cannot_leave_its_place():
    assert part_of_path("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"


@pytest.mark.parametrize(
    "address",
    ["https://adal.example", "https://adal.example/base/", "http://localhost:8424", "http://127.0.0.1:1",
     "http://abcdefghijklmnop.onion"],
)  # fmt: skip
def test_usable_addresses(address: str):
    assert checked_address(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    ["", "adal.example", "http://adal.example", "ftp://adal.example", "https://", "https://a:b@adal.example",
     "https://adal.example/?q=1", "https://adal.example/#x", "file:///etc/passwd", "http://localhost.example",
     "https://[", "http://notonion"],
)  # fmt: skip
def test_addresses_that_would_send_a_receipt_in_clear_or_nowhere_are_refused(address: str):
    with pytest.raises(BadAddress):
        checked_address(address)


def test_idempotency_keys_are_long_and_new():
    keys = {idempotency_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(22 <= len(key) <= 64 and key.replace("-", "a").replace("_", "a").isalnum() for key in keys)
