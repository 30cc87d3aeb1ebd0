"""The program as a whole: each event reaches each channel in order, through failures, kills and restarts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier

from services.kit.feed_reader import Source
from services.kit.mail import Server
from services.sender.mail import Mail
from services.sender.queues import PAUSES, Queues
from services.sender.sending import Feed, Sender
from services.sender.settings import Settings
from services.sender.webhooks import Webhook, make_client
from tests.sender.conftest import AIGERIM, DANIYAR, Http, Mailbox, Publisher, event
from tests.sender.test_webhooks import SECRET, TEXT

REPOSITORY = Path(__file__).parents[2]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000

    def __call__(self) -> int:
        return self.seconds


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with make_client() as made:
        yield made


def hook(receiver: Http, client: httpx2.AsyncClient, name: str = "a") -> Webhook:
    return Webhook(f"webhooks/{name}", f"{receiver.url}/{name}", SECRET, client)


def webhooks(publisher: Publisher, *channels: Webhook) -> Feed:
    return Feed("webhooks", Source(publisher.url, "token"), channels)


def ids(receiver: Http, name: str = "a") -> list[str]:
    return [got.headers["webhook-id"] for got in receiver.got if got.line.split()[1] == f"/{name}"]


def expected(*positions: int) -> list[str]:
    return [str(event(position).id) for position in positions]


async def test_events_arrive_in_order_and_are_acknowledged(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events = [event(i) for i in (1, 2, 3, 5)]
    sender = Sender(Queues(folder / "state"), [webhooks(publisher, hook(receiver, client))])
    assert await sender.once() == 4
    assert ids(receiver) == expected(1, 2, 3, 5)
    assert publisher.asked == [0, 2, 5]
    assert publisher.tokens == {"token"}
    assert await sender.once() == 0


async def test_events_are_in_the_file_before_the_feed_forgets_them(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events, receiver.statuses = [event(1), event(2)], [500]
    await Sender(Queues(folder / "state"), [webhooks(publisher, hook(receiver, client))]).once()
    publisher.events = []
    clock = Clock()
    clock.seconds = int(time.time()) + PAUSES[0] + 1
    again = Sender(Queues.load(folder / "state"), [webhooks(publisher, hook(receiver, client))], clock)
    assert await again.once() == 2
    assert ids(receiver) == expected(1, 1, 2)


async def test_a_failure_holds_back_what_follows_and_is_tried_again_with_the_same_id(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events, receiver.statuses, clock = [event(1), event(2)], [503, 503], Clock()
    sender = Sender(Queues(folder / "state"), [webhooks(publisher, hook(receiver, client))], clock)
    assert await sender.once() == 0
    assert await sender.once() == 0  # not before its time
    clock.seconds += PAUSES[0]
    assert await sender.once() == 0
    clock.seconds += PAUSES[1]
    assert await sender.once() == 2
    assert ids(receiver) == expected(1, 1, 1, 2)
    stamps = {got.headers["webhook-timestamp"] for got in receiver.got}
    assert len(stamps) == 3


async def test_an_event_that_never_arrives_is_given_up_and_the_next_one_goes(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events, clock = [event(1), event(2)], Clock()
    receiver.statuses = [500] * (len(PAUSES) + 1)
    sender = Sender(Queues(folder / "state"), [webhooks(publisher, hook(receiver, client))], clock)
    for pause in (0, *PAUSES):
        clock.seconds += pause
        await sender.once()
    assert ids(receiver) == expected(*[1] * (len(PAUSES) + 1), 2)
    assert not sender.queues.waiting["webhooks/a"]


async def test_an_endpoint_that_fails_does_not_hold_up_another(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events = [event(1), event(2), event(3)]
    broken = Webhook("webhooks/b", "http://127.0.0.1:9/", SECRET, client)
    sender = Sender(Queues(folder / "state"), [webhooks(publisher, broken, hook(receiver, client))])
    assert await sender.once() == 3
    assert ids(receiver) == expected(1, 2, 3)
    assert [one.attempts for one in sender.queues.waiting["webhooks/b"]] == [1, 0, 0]


async def test_an_endpoint_that_is_gone_is_not_asked_twice_about_an_event(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path
) -> None:
    publisher.events, receiver.statuses = [event(1), event(2)], [410]
    sender = Sender(Queues(folder / "state"), [webhooks(publisher, hook(receiver, client))])
    assert await sender.once() == 2
    assert ids(receiver) == expected(1, 2)


async def test_mail_tells_each_person_once_of_all_that_waits(
    publisher: Publisher, mailbox: Mailbox, book: Path, folder: Path
) -> None:
    stranger = event(99).id
    people = (AIGERIM, DANIYAR, AIGERIM, stranger, None, AIGERIM)
    publisher.events = [event(i, person=person) for i, person in enumerate(people, 1)]
    mail = Mail(Server("127.0.0.1", mailbox.port, "none"), "adal@adal.example", book)
    feed = Feed("mail", Source(publisher.url, "token"), [mail])
    assert await Sender(Queues(folder / "state"), [feed]).once() == 6
    assert [to for _, to in mailbox.envelopes] == [["aigerim@adal.example"], ["daniyar@adal.example"]]


async def test_a_publisher_that_is_away_stops_nothing_else(
    publisher: Publisher, receiver: Http, client: httpx2.AsyncClient, folder: Path, book: Path
) -> None:
    publisher.events = [event(1)]
    away = Feed(
        "mail", Source("http://127.0.0.1:9", "token"), [Mail(Server("127.0.0.1", 9, "none"), "a@b", book)]
    )
    sender = Sender(Queues(folder / "state"), [away, webhooks(publisher, hook(receiver, client))])
    assert await sender.once() == 1


# --- the program


def environment(publisher: Publisher, receiver: Http, folder: Path, **more: str) -> dict[str, str]:
    (folder / "token").write_text("the token\n")
    (folder / "secret").write_text(TEXT)
    endpoints = [{"name": "a", "url": f"{receiver.url}/a", "secret_file": str(folder / "secret")}]
    return {
        "ADAL_SENDER_FEED_URL": publisher.url,
        "ADAL_SENDER_STATE_FILE": str(folder / "state" / "queues.json"),
        "ADAL_SENDER_POLL_SECONDS": "0.1",
        "ADAL_SENDER_WEBHOOKS_TOKEN_FILE": str(folder / "token"),
        "ADAL_SENDER_ENDPOINTS": json.dumps(endpoints),
        **more,
    }


async def started(settings: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sender",
        env={**os.environ, **settings}, cwd=REPOSITORY, stderr=subprocess.PIPE,
    )  # fmt: skip


async def until(condition: Any, seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_the_program_sends_survives_a_kill_and_ends_on_a_signal(
    publisher: Publisher, receiver: Http, folder: Path
) -> None:
    settings = environment(publisher, receiver, folder)
    publisher.events, receiver.wait = [event(i) for i in range(1, 7)], 0.2
    process = await started(settings)
    await until(lambda: len(receiver.got) >= 3)
    process.kill()
    await process.communicate()
    publisher.events, receiver.wait = [event(7)], 0
    process = await started(settings)
    await until(lambda: str(event(7).id) in ids(receiver))
    second = await started(settings)
    _, words = await second.communicate()
    assert (second.returncode, b"runs on this file already" in words) == (1, True)
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert process.returncode == 0
    # At least once, in order: only the event that was under way may have come twice.
    got = ids(receiver)
    assert list(dict.fromkeys(got)) == expected(1, 2, 3, 4, 5, 6, 7)
    assert len(got) <= 8
    for one in receiver.got[-1:]:
        Verifier(TEXT).verify(one.body, one.headers)
    assert receiver.url.encode() not in log
    assert publisher.tokens == {"the token"}


# --- settings


def complete(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "feed_url": "http://127.0.0.1:1", "state_file": "/x", "webhooks_token_file": "/x",
        "endpoints": [{"name": "a", "url": "https://hooks.example", "secret_file": "/x"}],
        "mail_token_file": "/x", "address_book_file": "/x", "mail_from": "adal@adal.example",
        "smtp_host": "mail.example", **changes,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value != ""}


def test_complete_settings_are_accepted() -> None:
    assert Settings(**complete()).smtp_security == "starttls"
    assert Settings(**complete(smtp_host="localhost", smtp_security="none")).smtp_port == 587


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoints": []},
        {"webhooks_token_file": ""},
        {"endpoints": [{"name": "a", "url": "https://a.example", "secret_file": "/x"}] * 2},
        {"endpoints": [{"name": "A b", "url": "https://a.example", "secret_file": "/x"}]},
        {"mail_from": ""},
        {"mail_from": "Adal <adal@adal.example>"},
        {"smtp_host": ""},
        {"address_book_file": ""},
        {"smtp_security": "none"},
        {"smtp_login": "adal"},
        {"smtp_password_file": "/x"},
        {"poll_seconds": 0},
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**complete(**changes))


async def test_a_missing_secret_stops_the_start_with_the_name_of_the_setting(
    publisher: Publisher, receiver: Http, folder: Path
) -> None:
    settings = environment(publisher, receiver, folder)
    (folder / "token").write_text("changeme")
    process = await started(settings)
    _, words = await process.communicate()
    assert process.returncode == 1
    assert b"webhooks_token_file" in words
    assert b"Traceback" not in words
