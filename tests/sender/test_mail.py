"""Mail to staff arrives at a real mail server and says nothing but that there is something new."""

import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from services.crypto.errors import CryptoError
from services.kit.i18n import LANGUAGES
from services.kit.mail import Server
from services.sender.channels import DeliveryFailed, Gone
from services.sender.mail import Addressee, Mail, message, read_address_book
from tests.sender.conftest import AIGERIM, DANIYAR, Mailbox, event, mail_server
from tests.system.gateway import certificate

FROM = "adal@adal.example"


def mail(mailbox: Mailbox, book: Path, **changes: Any) -> Mail:
    server = Server(**{"host": "127.0.0.1", "port": mailbox.port, "security": "none", **changes})
    return Mail(server, FROM, book)


async def test_the_person_gets_a_message_in_their_language(mailbox: Mailbox, book: Path) -> None:
    await mail(mailbox, book).deliver(event(1, person=AIGERIM), 0)
    await mail(mailbox, book).deliver(event(2, person=DANIYAR), 0)
    assert mailbox.envelopes == [(FROM, ["aigerim@adal.example"]), (FROM, ["daniyar@adal.example"])]
    kk, ru = (made.get_content() for made in mailbox.got)
    assert re.search("[әіңғүұқөһ]", kk)
    assert "войдите" in ru
    assert kk != ru


async def test_no_two_messages_differ_in_more_than_their_address(mailbox: Mailbox, book: Path) -> None:
    for position, kind in ((1, "assigned"), (2, "overdue"), (3, "identity-asked")):
        await mail(mailbox, book).deliver(event(position, kind, AIGERIM), 0)
    texts = {
        str([(name, value) for name, value in made.items() if name != "Message-ID"]) + made.get_content()
        for made in mailbox.got
    }
    assert len(mailbox.got) == 3
    assert len(texts) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_has_no_link_no_number_and_no_content(language: str) -> None:
    made = message(Addressee("a@adal.example", language), FROM, 0)
    text = made.get_content()
    assert len(text) > 100
    assert not re.search(r"https?:|www|\d", text + str(made["Subject"]))
    assert made["Auto-Submitted"] == "auto-generated"
    assert set(made.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }


async def test_this_machine_s_name_goes_nowhere(mailbox: Mailbox, book: Path) -> None:
    await mail(mailbox, book).deliver(event(1, person=AIGERIM), 0)
    assert mailbox.names == ["localhost"]
    (made,) = mailbox.got
    assert made["Message-ID"].rstrip(">").endswith("@adal.example")
    assert socket.gethostname() not in made.as_string().replace("localhost", "")


async def test_whoever_is_not_in_the_book_gets_nothing(mailbox: Mailbox, book: Path) -> None:
    for stranger in (None, event(1).id):
        with pytest.raises(Gone):
            await mail(mailbox, book).deliver(event(1, person=stranger), 0)
    assert mailbox.got == []


async def test_who_joins_gets_mail_without_a_restart(mailbox: Mailbox, book: Path) -> None:
    channel, person = mail(mailbox, book), event(9).id
    with pytest.raises(Gone):
        await channel.deliver(event(1, person=person), 0)
    known = json.loads(book.read_text())
    book.write_text(json.dumps({**known, str(person): {"address": "new@adal.example", "language": "en"}}))
    await channel.deliver(event(2, person=person), 0)
    assert mailbox.envelopes == [(FROM, ["new@adal.example"])]


@pytest.mark.parametrize("answer", ["451 later", "550 no", "552 full"])
async def test_a_server_that_refuses_is_a_failure_without_its_words(
    mailbox: Mailbox, book: Path, answer: str
) -> None:
    mailbox.refuse = [answer]
    with pytest.raises(DeliveryFailed) as raised:
        await mail(mailbox, book).deliver(event(1, person=AIGERIM), 0)
    assert str(raised.value) == "SMTPDataError"
    await mail(mailbox, book).deliver(event(1, person=AIGERIM), 0)
    assert len(mailbox.got) == 1


async def test_no_server_and_a_spoilt_book_are_failures(mailbox: Mailbox, book: Path) -> None:
    with pytest.raises(DeliveryFailed):
        await mail(mailbox, book, port=9).deliver(event(1, person=AIGERIM), 0)
    book.write_text("{")
    with pytest.raises(DeliveryFailed):
        await mail(mailbox, book).deliver(event(1, person=AIGERIM), 0)


def test_one_message_covers_all_that_waits_for_a_person(mailbox: Mailbox, book: Path) -> None:
    channel = mail(mailbox, book)
    assert channel.covers(event(1, person=AIGERIM), event(2, "overdue", AIGERIM))
    assert not channel.covers(event(1, person=AIGERIM), event(2, person=DANIYAR))


# --- encryption and login


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context, folder / "tls.crt"


async def test_a_server_elsewhere_gets_mail_under_tls_only(
    tls: tuple[ssl.SSLContext, Path], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls
    with mail_server(tls_context=context, require_starttls=True) as mailbox:
        plain, encrypted = (
            mail(mailbox, book, host="localhost", security=security) for security in ("none", "starttls")
        )
        with pytest.raises(DeliveryFailed):
            await plain.deliver(event(1, person=AIGERIM), 0)
        with pytest.raises(DeliveryFailed, match="SSLCertVerificationError"):
            await encrypted.deliver(event(1, person=AIGERIM), 0)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await encrypted.deliver(event(1, person=AIGERIM), 0)
        assert len(mailbox.got) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_a_server_without_tls_is_not_trusted_with_a_password(book: Path) -> None:
    with mail_server(login=True) as mailbox:
        channel = mail(mailbox, book, security="starttls", login="adal", password="right")
        with pytest.raises(DeliveryFailed):
            await channel.deliver(event(1, person=AIGERIM), 0)
        assert mailbox.logins == []


async def test_plain_mail_never_leaves_this_machine(book: Path) -> None:
    channel = Mail(Server("mail.example", 25, "none"), FROM, book)
    with pytest.raises(DeliveryFailed, match="OSError"):
        await channel.deliver(event(1, person=AIGERIM), 0)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_a_login_is_given_and_a_wrong_one_is_a_failure(book: Path) -> None:
    with mail_server(login=True) as mailbox:
        await mail(mailbox, book, login="adal", password="right").deliver(event(1, person=AIGERIM), 0)
        with pytest.raises(DeliveryFailed, match="SMTP"):
            await mail(mailbox, book, login="adal", password="wrong").deliver(event(1, person=AIGERIM), 0)
        assert set(mailbox.logins) == {(b"adal", b"right"), (b"adal", b"wrong")}
        assert len(mailbox.got) == 1


def test_nothing_secret_shows_when_it_is_printed(book: Path) -> None:
    shown = repr(Server("h", 25, "none", "adal", "right")) + repr(read_address_book(book))
    assert "right" not in shown
    assert "aigerim@" not in shown


# --- the address book


def test_the_book_is_read(book: Path) -> None:
    assert read_address_book(book)[AIGERIM] == Addressee("aigerim@adal.example", "kk")


@pytest.mark.parametrize(
    "line",
    [
        {"address": "a@b\nBcc: c@d", "language": "kk"},
        {"address": "Name <a@b>", "language": "kk"},
        {"address": "a@b, c@d", "language": "kk"},
        {"address": "no-at", "language": "kk"},
        {"address": "қазақ@adal.example", "language": "kk"},
        {"address": "a@b", "language": "de"},
        {"address": "a@b"},
        {"address": None, "language": "kk"},
        [],
    ],
)
def test_a_line_that_could_become_something_else_is_refused(book: Path, line: Any) -> None:
    book.write_text(json.dumps({str(AIGERIM): line}))
    with pytest.raises(CryptoError) as raised:
        read_address_book(book)
    assert "Bcc" not in str(raised.value)


def test_a_book_of_another_shape_is_refused(book: Path) -> None:
    for text in ("[]", '{"aigerim": {}}', "{", "null"):
        book.write_text(text)
        with pytest.raises(ValueError):
            read_address_book(book)


def test_the_server_of_these_tests_is_a_real_one(mailbox: Mailbox) -> None:
    assert isinstance(mailbox, Mailbox)
    with socket.create_connection(("127.0.0.1", mailbox.port), timeout=5) as connection:
        assert connection.recv(3) == b"220"
    assert Controller.__module__.startswith("aiosmtpd")
