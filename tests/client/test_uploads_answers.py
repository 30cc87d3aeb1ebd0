"""What the upload client does at each answer that a server may give, shown on a small server that says anything."""

import io
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from services.client.errors import BadAnswer, Problem, Unreachable
from services.client.filing import FileAttachment
from services.client.http import Http
from services.client.uploads import LEAST_PIECE, PATIENCE, PIECE, Draft, Patience, upload_plain
from services.crypto.canonical import b64u
from services.crypto.errors import Refused
from tests.client.local import Asked, Local, Reply, as_json, http_to, problem, serving

UPLOAD = str(UUID(int=7))
PATH = f"/api/intake/v1/uploads/{UPLOAD}"
SECRET, RID = b64u(b"s" * 32), b64u(b"r" * 32)
DATA = bytes(range(256)) * ((PIECE + PIECE // 2) // 256)


class Store:
    """A draft with one upload; `trouble` holds what is answered to the next PATCH requests instead (None: nothing
    unusual), `counted` says how much of such a PATCH the server keeps all the same."""

    def __init__(self, *trouble: Reply | None, counted: int = 0) -> None:
        self.trouble, self.counted = list(trouble), counted
        self.received = b""

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.endswith("/challenge"):
            return Reply(204)
        if asked.path.endswith("/drafts"):
            return as_json({"draft": SECRET, "rid": RID}, 201)
        assert asked.headers["authorization"] == f"Bearer {SECRET}"
        assert asked.headers["tus-resumable"] == "1.0.0"
        return {"POST": self.created, "PATCH": self.patched, "HEAD": self.stand, "DELETE": self.deleted}[
            asked.method
        ](asked)

    def created(self, _asked: Asked) -> Reply:
        return Reply(201, headers={"Location": f"https://elsewhere.example{PATH}"})

    def patched(self, asked: Asked) -> Reply:
        assert asked.path == PATH
        assert asked.headers["content-type"] == "application/offset+octet-stream"
        assert asked.headers["upload-checksum"] == f"sha256 {b64encode(sha256(asked.body).digest()).decode()}"
        if self.trouble and (reply := self.trouble.pop(0)):
            self.received += asked.body[: self.counted]
            return reply
        if int(asked.headers["upload-offset"]) != len(self.received):
            return problem("offset", 409)
        self.received += asked.body
        return self.stand(asked, 204)

    def stand(self, _asked: Asked, status: int = 200) -> Reply:
        return Reply(status, headers={"Upload-Offset": str(len(self.received))})

    def deleted(self, _asked: Asked) -> Reply:
        return Reply(204)


def methods(local: Local) -> list[str]:
    return [one.method for one in local.asked if one.path.startswith("/api/intake/v1/uploads")]


def attached(data: bytes = DATA) -> list[FileAttachment]:
    return [FileAttachment(io.BytesIO(data), "a.bin", "application/octet-stream")]


def upload(url: str, data: bytes = DATA, progress: Any = None) -> list[dict[str, str]]:
    with Draft(http_to(url), "plain") as draft:
        return upload_plain(draft, attached(data), progress)


def sizes(local: Local) -> list[int]:
    return [len(one.body) for one in local.asked if one.method == "PATCH"]


def test_a_file_goes_in_pieces_and_never_to_another_host():
    store = Store()
    with serving(store) as local:
        assert upload(local.url) == [{"name": "a.bin", "type": "application/octet-stream", "upload": UPLOAD}]
    assert store.received == DATA
    assert methods(local) == ["POST", "PATCH", "PATCH"]
    assert sizes(local) == [PIECE, len(DATA) - PIECE]
    created = next(one for one in local.asked if one.path == "/api/intake/v1/uploads")
    assert created.headers["upload-length"] == str(len(DATA))
    assert "upload-metadata" not in created.headers


@pytest.mark.parametrize("status", [408, 409, 423, 429, 460, 500, 502, 503, 504])
def test_after_what_passes_it_asks_where_the_upload_stands_and_goes_on(status: int):
    store = Store(problem("x", status), counted=1000)
    with serving(store) as local:
        upload(local.url)
    assert store.received == DATA
    assert methods(local)[:4] == ["POST", "PATCH", "HEAD", "PATCH"]
    assert next(one for one in local.asked[::-1] if one.method == "PATCH").headers["upload-offset"] != "0"
    assert "DELETE" not in methods(local)


def test_a_connection_that_breaks_gets_smaller_pieces_and_then_larger_ones_again():
    broken = Reply(break_off=True)
    store = Store(broken, broken, broken)
    with serving(store) as local:
        upload(local.url)
    assert store.received == DATA
    assert sizes(local)[:6] == [PIECE, PIECE // 2, PIECE // 4, PIECE // 8, PIECE // 4, PIECE // 2]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 415, 507])
def test_what_does_not_pass_ends_it_at_once_and_deletes_what_was_sent(status: int):
    store = Store(None, problem("x", status))
    with serving(store) as local, pytest.raises(Problem) as caught:
        upload(local.url)
    assert caught.value.status == status
    assert methods(local) == ["POST", "PATCH", "PATCH", "DELETE"]
    assert local.paths[-1] == PATH


def test_a_server_that_stays_in_trouble_is_given_up_after_a_bounded_number_of_attempts():
    store = Store(*[problem("x", 503)] * (PATIENCE + 10))
    with serving(store) as local, pytest.raises(Problem) as caught:
        upload(local.url)
    assert caught.value.status == 503
    assert methods(local).count("PATCH") == PATIENCE + 1
    assert methods(local)[-1] == "DELETE"
    assert min(sizes(local)) == LEAST_PIECE


def test_patience_begins_anew_with_every_gain():
    store = Store(*[Reply(break_off=True)] * (PATIENCE + 10), counted=1)
    with serving(store) as local:
        upload(local.url)
    assert store.received == DATA
    assert methods(local).count("PATCH") > PATIENCE + 10


def test_an_upload_still_locked_by_our_own_connection_is_deleted_a_moment_later():
    left = [problem("locked", 423), problem("locked", 423)]
    store = Store(problem("gone", 410))
    store.deleted = lambda _asked: left.pop() if left else Reply(204)  # type: ignore[method-assign]
    with serving(store) as local, pytest.raises(Problem) as caught:
        upload(local.url)
    assert caught.value.status == 410
    assert methods(local)[-3:] == ["DELETE"] * 3


def test_an_error_inside_a_draft_deletes_finished_uploads_too_and_success_none():
    store = Store()
    with serving(store) as local:
        with Draft(http_to(local.url), "sealed") as draft:
            draft.create(5)
        assert "DELETE" not in methods(local)
        with pytest.raises(ZeroDivisionError), Draft(http_to(local.url), "sealed") as draft:  # noqa: PT012
            draft.send(draft.create(5), io.BytesIO(b"12345"), 5)
            raise ZeroDivisionError
        assert methods(local)[-1] == "DELETE"


def test_a_server_that_is_gone_when_it_should_delete_hides_no_error():
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        with serving(Store()) as local:
            draft = Draft(http_to(local.url), "sealed")
            draft.create(5)
        with draft:
            raise ZeroDivisionError


@pytest.mark.parametrize(
    "reply",
    [
        Reply(204),
        Reply(204, headers={"Upload-Offset": "-1"}),
        Reply(204, headers={"Upload-Offset": "many"}),
        Reply(204, headers={"Upload-Offset": str(len(DATA) + 1)}),
    ],
)
def test_an_offset_that_cannot_be_is_a_bad_answer(reply: Reply):
    with serving(Store(reply)) as local, pytest.raises(BadAnswer):
        upload(local.url)
    assert methods(local)[-1] == "DELETE"


@pytest.mark.parametrize(
    "location", [{}, {"Location": "/api/intake/v1/uploads/../reports"}, {"Location": "x"}]
)
def test_an_address_that_is_none_is_a_bad_answer(location: dict[str, str]):
    store = Store()
    store.created = lambda _asked: Reply(201, headers=location)  # type: ignore[method-assign]
    with serving(store) as local, pytest.raises(BadAnswer):
        upload(local.url)


def test_a_piece_of_which_nothing_counts_is_no_endless_loop():
    store = Store(*[Reply(204, headers={"Upload-Offset": "0"})] * (PATIENCE + 10))
    with serving(store) as local, pytest.raises(Unreachable):
        upload(local.url)
    assert sizes(local) == [PIECE] * (PATIENCE + 1)


def test_a_stream_that_got_longer_is_refused():
    source = io.BytesIO(DATA)

    def grow(done: int, total: int) -> None:
        if done == total:
            source.seek(total)
            source.write(b"more")

    with (
        serving(Store()) as local,
        pytest.raises(Refused),
        Draft(http_to(local.url), "plain") as draft,
    ):
        upload_plain(draft, [FileAttachment(source, "a", "text/plain")], grow)
    assert methods(local)[-1] == "DELETE"


def test_a_draft_shows_nothing_of_its_secret():
    with serving(Store()) as local:
        assert SECRET not in repr(Draft(http_to(local.url), "plain"))


def waits(act: Callable[[Patience], None], passing: frozenset[int] = frozenset({429})) -> list[float]:
    found: list[float] = []
    http = Http("http://127.0.0.1:1", sleep=found.append)
    try:
        act(Patience(http, passing))
    finally:
        http.close()
    return found


def test_waits_grow_to_a_bound_and_differ():
    def act(patience: Patience) -> None:
        for _ in range(PATIENCE):
            patience.wait(Unreachable())
        with pytest.raises(Unreachable):
            patience.wait(Unreachable())

    found = waits(act)
    assert len(found) == PATIENCE
    assert max(found[:2]) < min(found[6:])
    assert max(found) <= 6
    assert len(set(found[10:])) > 10


def test_the_server_may_ask_for_a_longer_wait_but_not_for_ever():
    def act(patience: Patience) -> None:
        patience.wait(Problem("x", "x", 429, "", retry_after=20))
        patience.wait(Problem("x", "x", 429, "", retry_after=10**9))

    assert waits(act) == [20, 60]
