"""Notices to reporters: an address that intake cannot open, one event, one fixed text by a real mail server."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64, unb64u
from services.crypto.errors import CryptoError, WrongKey
from services.crypto.notices import SIZE, NoticeAddress, is_address, open_notice_address, seal_notice_address
from services.first_run import Folder
from services.intake import notice_routes
from services.intake.internal import create_internal_app
from services.kit.feed_reader import FeedUnreachable, Source
from services.kit.locks import take_lock
from services.kit.mail import Server
from services.kit.ports import free_port
from services.kit.settings import read_identity
from services.notifier.__main__ import run
from services.notifier.mail import AddressRefused, Mail, MailDown, notice
from services.notifier.rounds import Notifier
from services.notifier.settings import Settings
from services.notifier.state import State
from tests.intake.builders import INBOX, Filed, Sql, World, desk_message, filed, problem
from tests.sender.conftest import Mailbox, mail_server

ADDRESS = "marker.invented@example.kz"
NOTICE = f"{INBOX}/notice"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Mail]]:
    """A mail server on this machine."""
    with mail_server() as made:
        yield made, Mail(Server("127.0.0.1", made.port, "none"), "adal@example.kz")


@pytest.fixture
async def source(environment: dict[str, str], folder: Folder) -> AsyncIterator[Source]:
    """The feed of the notifier, in this process."""
    app = create_internal_app()
    async with app.router.lifespan_context(app):
        yield Source(
            "http://intake",
            folder.feed_token("notifier"),
            httpx2.ASGITransport(app=app, raise_app_exceptions=False),
        )


@pytest.fixture
def notifier(
    source: Source, folder: Folder, mailbox: tuple[Mailbox, Mail], tmp_path: Path
) -> tuple[Notifier, list[float]]:
    """A notifier that does not really wait, and how long it would have."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    identity = read_identity(folder.identity("notifier"), "notifier")
    return Notifier(source, identity, mailbox[1], tmp_path / "state.json", 3600, sleep), waited


def replaced(mail: Mail, **changes: Any) -> Mail:
    """The same in another way of reaching the server."""
    return replace(mail, server=replace(mail.server, **changes))


def sealed(world: World, address: str = ADDRESS, language: str = "kk") -> bytes:
    return seal_notice_address(NoticeAddress.new(address, language), world.directory.service("notifier"))


async def leave(world: World, case: Filed, file: bytes | None = None) -> httpx2.Response:
    headers = await world.open_inbox(case.report.keys.lookup)
    body = {"address": b64(file or sealed(world))}
    return await world.http.put(NOTICE, json=body, headers=headers)


async def answer(world: World, case: Filed) -> None:
    """One more message of the desk."""
    place = (await world.case(case.id))["next"]
    message = desk_message(
        case.report.manifest, case.to, world.desk()[1], n=place["n"], prev=unb64u(place["prev"])
    )
    assert (await world.answer(case.id, message)).status_code == 201


def waiting(sql: Sql) -> list[bytes]:
    return [bytes(file) for (file,) in sql("SELECT sealed FROM intake.outbox WHERE consumer = 'notifier'")]


# --- the address


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_only_the_notifier_opens_an_address(language: str) -> None:
    key = HybridIdentity.generate()
    address = NoticeAddress.new(ADDRESS, language)
    file = seal_notice_address(address, key.recipient)
    assert open_notice_address(file, key) == address
    assert ADDRESS not in repr(address)
    assert (
        len(file)
        == notice_routes.SIZE
        == len(seal_notice_address(replace(address, address="a@b"), key.recipient))
    )
    with pytest.raises(WrongKey):
        open_notice_address(file, HybridIdentity.generate())


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a@b\r\nBcc: c@d", "<a@b>", "a@b,c@d", "a@b;c", "x" * 250 + "@b.kz",
     "a@\u202eb", "a@b\x00", "\u049b@b.kz", "a@\u049b.kz", "a@b..kz", "a@b.", "=?utf-8?q?a=0ABcc:c?=@b"],
)  # fmt: skip
def test_what_is_no_address_is_neither_sealed_nor_opened(text: str) -> None:
    assert not is_address(text)
    key = HybridIdentity.generate()
    with pytest.raises(CryptoError):
        seal_notice_address(NoticeAddress.new(text, "kk"), key.recipient)
    for body in ({"address": text}, {}, {"v": 2}):
        raw = json.dumps(body).encode()
        file = seal((len(raw).to_bytes(4, "big") + raw).ljust(SIZE, b"\0"), [key.recipient])
        with pytest.raises(CryptoError):
            open_notice_address(file, key)


# --- intake


async def test_an_address_is_kept_as_it_was_sealed_and_taken_back(world: World, sql: Sql) -> None:
    case, file = await filed(world), sealed(world)
    assert (await leave(world, case, file)).status_code == 204
    assert sql("SELECT sealed FROM intake.notice_addresses") == [(file,)]
    headers = await world.open_inbox(case.report.keys.lookup)
    assert (await world.inbox(headers))["notice"] is True
    await answer(world, case)
    assert waiting(sql) == [file]
    assert (await world.http.delete(NOTICE, headers=headers)).status_code == 204
    assert sql("SELECT count(*) FROM intake.notice_addresses") == [(0,)]
    assert waiting(sql) == [], "what waited is forgotten too"
    assert (await world.inbox(headers))["notice"] is False
    assert problem(await world.http.delete(NOTICE, headers=headers)) == (404, "not-found")


async def test_another_address_takes_the_place_of_the_first(world: World, sql: Sql) -> None:
    case, second = await filed(world), sealed(world, "other@example.kz")
    assert (await leave(world, case)).status_code == 204
    await answer(world, case)
    assert (await leave(world, case, second)).status_code == 204
    assert sql("SELECT sealed FROM intake.notice_addresses") == [(second,)]
    assert waiting(sql) == []


async def test_what_is_not_sealed_to_one_key_and_of_the_one_size_is_refused(world: World, sql: Sql) -> None:
    case, to = await filed(world), HybridIdentity.generate().recipient
    foreign = encrypt(bytes(SIZE), [X25519Identity.generate().recipient])
    for file in (ADDRESS.encode(), seal(bytes(2048), [to]), seal(bytes(SIZE), [to, to]), foreign):
        refused = await leave(world, case, file)
        assert problem(refused) == (422, "invalid")
        assert ADDRESS not in refused.text
    assert problem(await world.http.put(NOTICE, json={"address": b64(sealed(world))})) == (
        401,
        "unauthorised",
    )
    assert sql("SELECT count(*) FROM intake.notice_addresses") == [(0,)]


async def test_without_a_notifier_in_the_directory_nothing_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file = await filed(world), sealed(world)
    known = world.app.state.context.directories._known
    [found] = known[:1]
    without = replace(found, directory=replace(found.directory, services=()))
    monkeypatch.setattr(world.app.state.context.directories, "_known", [without])
    assert problem(await leave(world, case, file)) == (409, "conflict")


async def test_only_the_desk_s_words_tell_and_one_notice_waits_at_most(world: World, sql: Sql) -> None:
    case, other = await filed(world), await filed(world)
    assert (await leave(world, case)).status_code == 204
    assert waiting(sql) == []
    await answer(world, other)
    assert waiting(sql) == [], "nobody left an address there"
    await answer(world, case)
    await answer(world, case)
    assert len(waiting(sql)) == 1


async def test_an_event_names_no_report_and_nothing_is_readable(world: World, sql: Sql) -> None:
    case = await filed(world)
    await leave(world, case)
    await answer(world, case)
    [(row,)] = sql("SELECT row_to_json(o)::text FROM intake.outbox o WHERE consumer = 'notifier'")
    assert json.loads(row)["kind"] == "something-new"
    for name in (case.id, case.reference, ADDRESS):
        assert name not in row
    for (table,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'"):
        assert ADDRESS not in str(sql(f"SELECT row_to_json(t)::text FROM intake.{table} t"))


# --- the notifier


async def told(world: World, **how: str) -> Filed:
    """A case whose reporter has something new."""
    case = await filed(world)
    assert (await leave(world, case, sealed(world, **how))).status_code == 204
    await answer(world, case)
    return case


async def test_a_notice_arrives_and_says_nothing(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail], capfd: Any
) -> None:
    case = await told(world, language="ru")
    program, waited = notifier
    with capture_logs() as said:
        assert await program.round() == 1
    [message] = mailbox[0].got
    assert mailbox[0].to == [ADDRESS]
    assert message["From"] == "adal@example.kz"
    assert message["Subject"] == "Есть новое"
    assert mailbox[0].names == ["localhost"], "no name of this machine"
    text = str(message)
    for word in (case.reference, case.id, "1424", "http", "report", "сообщени"):
        assert word not in text.replace("Это сообщение", "")
    assert len(waited) == 1
    assert 0 <= waited[0] <= 3600
    assert await program.round() == 0, "told once"
    assert len(mailbox[0].got) == 1
    kept = program.state_file.read_text()
    assert ADDRESS not in kept + str(said) + "".join(capfd.readouterr())
    assert stat.S_IMODE(program.state_file.stat().st_mode) == 0o600


async def test_the_feed_forgets_what_was_sent_and_the_next_answer_tells_again(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail], sql: Sql
) -> None:
    case, program = await told(world), notifier[0]
    assert await program.round() == 1
    assert await program.round() == 0
    assert waiting(sql) == []
    await answer(world, case)
    assert await program.round() == 1
    assert len(mailbox[0].got) == 2


async def test_several_are_told_in_an_order_of_their_own_each_after_its_own_delay(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail]
) -> None:
    for i in range(5):
        await told(world, address=f"person{i}@example.kz")
    program, waited = notifier
    assert await program.round() == 5
    assert {str(message["To"]) for message in mailbox[0].got} == {f"person{i}@example.kz" for i in range(5)}
    assert all(seconds >= 0 for seconds in waited)
    assert sum(waited) <= 3600


async def test_what_cannot_be_opened_stops_nobody(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail]
) -> None:
    case = await filed(world)
    await leave(world, case, seal(bytes(SIZE), [HybridIdentity.generate().recipient]))
    await answer(world, case)
    await told(world)
    assert await notifier[0].round() == 1
    assert mailbox[0].to == [ADDRESS]


async def test_a_mail_server_that_is_away_loses_nothing(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail], sql: Sql
) -> None:
    await told(world)
    program, inbox = notifier[0], mailbox[0]
    away = replace(program, mail=replaced(program.mail, port=free_port()))
    with pytest.raises(MailDown) as failed:
        await away.round()
    assert ADDRESS not in repr(failed.value) + str(failed.value.__cause__)
    inbox.recipient = "451 later"
    with pytest.raises(MailDown):
        await program.round()
    assert len(waiting(sql)) == 1
    inbox.recipient = "250 OK"
    assert await program.round() == 1


@pytest.mark.parametrize("changes", [{"recipient": "550 no such user"}, {"refuse": ["550 no such user"]}])
async def test_an_address_that_is_refused_for_good_is_not_tried_again(
    world: World,
    notifier: tuple[Notifier, list[float]],
    mailbox: tuple[Mailbox, Mail],
    changes: dict[str, Any],
) -> None:
    await told(world)
    vars(mailbox[0]).update(changes)
    assert await notifier[0].round() == 0
    vars(mailbox[0]).update(recipient="250 OK", refuse=[])
    assert await notifier[0].round() == 0
    assert mailbox[0].to == []


async def test_a_crash_in_the_middle_of_a_page_repeats_nobody_who_was_told(
    world: World, notifier: tuple[Notifier, list[float]], mailbox: tuple[Mailbox, Mail]
) -> None:
    for i in range(4):
        await told(world, address=f"person{i}@example.kz")
    program, inbox = notifier[0], mailbox[0]

    async def stop_after_two(_seconds: float) -> None:
        if len(inbox.got) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await replace(program, sleep=stop_after_two).round()
    assert await program.round() == 2
    assert sorted(inbox.to) == [f"person{i}@example.kz" for i in range(4)]


async def test_a_feed_that_refuses_is_no_page(notifier: tuple[Notifier, list[float]]) -> None:
    program = notifier[0]
    with pytest.raises(FeedUnreachable):
        await replace(program, source=replace(program.source, token="another")).round()
    assert not program.state_file.exists()


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, state = tmp_path / "state.json", State(7).after(uuid4()).after(uuid4())
    state.write(path)
    assert State.read(path) == state
    assert State.read(tmp_path / "none") == State()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_text_is_fixed_and_in_the_language_asked_for(language: str) -> None:
    made = [notice(NoticeAddress.new(f"{name}@example.kz", language), "adal@example.kz") for name in "ab"]
    assert made[0].get_content() == made[1].get_content()
    assert made[0]["Auto-Submitted"] == "auto-generated"
    others = [notice(NoticeAddress.new("a@b", one), "x@y").get_content() for one in ("kk", "ru", "en")]
    assert len(set(others)) == 3


def test_a_mail_server_that_speaks_no_tls_is_not_trusted_with_an_address(
    mailbox: tuple[Mailbox, Mail],
) -> None:
    with pytest.raises(MailDown):
        replaced(mailbox[1], security="starttls").send(NoticeAddress.new(ADDRESS, "kk"))
    assert mailbox[0].got == []
    mailbox[0].recipient = "550 no"
    with pytest.raises(AddressRefused):
        mailbox[1].send(NoticeAddress.new(ADDRESS, "kk"))


@pytest.mark.parametrize(
    "changes",
    [
        {"SMTP_HOST": "mail.example", "SMTP_SECURITY": "none"}, {"SMTP_LOGIN": "adal"}, {"MAIL_FROM": ""},
        {"LONGEST_DELAY_MINUTES": "-1"}, {"SMTP_SECURITY": "ssl3"},
    ],
)  # fmt: skip
def test_settings_that_would_send_in_clear_are_refused(
    changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {
        "FEED_URL": "http://127.0.0.1:1", "FEED_TOKEN_FILE": "t", "IDENTITY_FILE": "i", "STATE_FILE": "s",
        "MAIL_FROM": "adal@example.kz", "SMTP_HOST": "mail.example",
    }  # fmt: skip
    for name, value in good.items():
        monkeypatch.setenv(f"ADAL_NOTIFIER_{name}", value)
    assert Settings().smtp_security == "starttls"
    for name, value in changes.items():
        monkeypatch.setenv(f"ADAL_NOTIFIER_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def program_settings(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of its settings, with a feed on which nobody listens."""
    token = tmp_path / "token"
    token.write_text("t")
    values = {
        "FEED_URL": f"http://127.0.0.1:{free_port()}", "FEED_TOKEN_FILE": str(token),
        "IDENTITY_FILE": str(folder.identity("notifier")), "STATE_FILE": str(tmp_path / "state.json"),
        "MAIL_FROM": "adal@example.kz", "SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none",
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(f"ADAL_NOTIFIER_{name}", value)


async def test_the_program_makes_a_round_with_its_settings_and_ends_on_a_signal(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a port on which nobody listens: it says so and keeps nothing."""
    program_settings(folder, tmp_path, monkeypatch)
    with pytest.raises(FeedUnreachable):
        await run(Settings(), once=True)
    assert not (tmp_path / "state.json").exists()
    with capture_logs() as said:
        work = asyncio.ensure_future(run(Settings()))
        async with asyncio.timeout(30):
            while not said:
                await asyncio.sleep(0.01)
        assert not work.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(work, 30)
    assert said == [{"event": "notices-wait", "error": "FeedUnreachable", "log_level": "error"}]


async def test_the_program_does_not_hide_that_it_cannot_go_on(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program_settings(folder, tmp_path, monkeypatch)
    (tmp_path / "state.json").write_text('{"position": "many", "done": []}')
    with pytest.raises(CryptoError):
        await asyncio.wait_for(run(Settings()), 30)


def test_a_second_program_on_the_same_file_is_refused_with_a_sentence(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program_settings(folder, tmp_path, monkeypatch)
    lock = take_lock(tmp_path / "state.json.lock")
    assert lock is not None
    command = [sys.executable, "-m", "services.notifier", "--once"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    lock.release()
    assert (done.returncode, done.stderr) == (1, "A notifier runs on this file already.\n")
