"""A receiver can check, with anybody's implementation of Standard Webhooks, that a webhook is ours; and learns little."""

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from services.kit.settings import SettingsError
from services.sender import webhooks
from services.sender.channels import DeliveryFailed, Gone
from services.sender.settings import Endpoint
from services.sender.webhooks import Webhook, make_client, read_webhook_secret, sign
from tests.sender.conftest import AIGERIM, Http, event

SECRET = bytes(range(32))
TEXT = "whsec_" + base64.b64encode(SECRET).decode()


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with make_client() as made:
        yield made


@pytest.fixture
def webhook(receiver: Http, client: httpx2.AsyncClient) -> Webhook:
    return Webhook("webhooks/one", f"{receiver.url}/hook", SECRET, client)


async def test_another_s_library_verifies_what_we_sent(webhook: Webhook, receiver: Http) -> None:
    await webhook.deliver(event(7), int(time.time()))
    (got,) = receiver.got
    assert got.line == "POST /hook HTTP/1.1"
    assert got.headers["webhook-id"] == str(event(7).id)
    assert Verifier(TEXT).verify(got.body, got.headers) == {
        "type": "step.registered",
        "timestamp": "2026-11-24T00:00:00+05:00",
        "data": {"day": "2026-11-24"},
    }


async def test_altered_or_old_or_foreign_webhooks_do_not_verify(webhook: Webhook, receiver: Http) -> None:
    await webhook.deliver(event(7), int(time.time()))
    await webhook.deliver(event(7), int(time.time()) - 600)
    fresh, old = receiver.got
    for body, headers, secret in (
        (fresh.body.replace(b"24", b"25"), fresh.headers, TEXT),
        (fresh.body, {**fresh.headers, "webhook-id": "other"}, TEXT),
        (old.body, old.headers, TEXT),
        (fresh.body, fresh.headers, "whsec_" + base64.b64encode(bytes(32)).decode()),
    ):
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body, headers)


def test_the_signature_is_that_of_the_specification_s_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert (
        sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


async def test_nobody_s_name_is_sent_even_if_it_were_there(webhook: Webhook, receiver: Http) -> None:
    await webhook.deliver(event(7, person=AIGERIM), 0)
    (got,) = receiver.got
    assert str(AIGERIM).encode() not in got.body
    assert set(json.loads(got.body)) == {"type", "timestamp", "data"}
    assert "python" in got.headers["user-agent"].lower()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_success_is_one(webhook: Webhook, receiver: Http, status: int) -> None:
    receiver.statuses = [status]
    await webhook.deliver(event(1), 0)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
async def test_anything_else_is_a_failure_and_no_redirect_is_followed(
    webhook: Webhook, receiver: Http, status: int
) -> None:
    receiver.statuses = [status]
    with pytest.raises(DeliveryFailed, match=str(status)):
        await webhook.deliver(event(1), 0)
    assert len(receiver.got) == 1


async def test_a_receiver_that_is_gone_says_so(webhook: Webhook, receiver: Http) -> None:
    receiver.statuses = [410]
    with pytest.raises(Gone):
        await webhook.deliver(event(1), 0)


async def test_a_receiver_that_does_not_answer_in_time_has_failed(
    webhook: Webhook, receiver: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "SECONDS", 0.2)
    receiver.wait = 0.5
    with pytest.raises(DeliveryFailed):
        await webhook.deliver(event(1), 0)


async def test_nobody_there_is_a_failure_that_tells_no_address(client: httpx2.AsyncClient) -> None:
    webhook = Webhook("webhooks/none", "http://127.0.0.1:9/secret-path", SECRET, client)
    with pytest.raises(DeliveryFailed) as raised:
        await webhook.deliver(event(1), 0)
    assert "secret-path" not in str(raised.value)
    assert "secret-path" not in repr(webhook)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/adal", "https://hooks.example:8443/a?b=c", "http://127.0.0.1:9/", "http://localhost/x",
        "http://[::1]:80/",
    ],
)  # fmt: skip
def test_https_or_this_machine(url: str) -> None:
    assert Endpoint(name="one", url=url, secret_file=Path("x")).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "https://", "https:///path", "hooks.example", "file:///etc/passwd",
        "https://user:word@hooks.example/", "http://127.0.0.1.hooks.example/", "https://hooks.example/#x", "",
    ],
)  # fmt: skip
def test_anything_else_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Endpoint(name="one", url=url, secret_file=Path("x"))
    assert "hooks.example" not in str(raised.value)


def test_a_secret_is_read_as_it_is_written_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(TEXT + "\n")
    assert read_webhook_secret(path, "one") == SECRET


@pytest.mark.parametrize(
    "text",
    ["", "changeme", TEXT[6:], "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 200, "whsec_ab cd", "whsec_é"],
)
def test_a_secret_of_another_form_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_webhook_secret(path, "one")
    assert "whsec_A" not in str(raised.value)
