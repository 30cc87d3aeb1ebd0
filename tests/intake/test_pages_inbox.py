"""The inbox without script: what a visit shows, does, and leaves behind (nothing)."""

import re
from datetime import timedelta

import pytest

from services.crypto.attachments import open_attachment
from services.crypto.canonical import unb64u
from services.crypto.manifests import Manifest
from services.crypto.payloads import open_payload
from services.crypto.receipts import derive, format_receipt, new_receipt
from services.crypto.signatures import SigningKey
from tests.intake.builders import STAFF, Json, Sql, World, desk_message
from tests.intake.pages import Page, Visitor, reply

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


async def filed(world: World, language: str = "en", **changes: str) -> tuple[Visitor, Page]:
    visitor = Visitor(world, language)
    return visitor, await visitor.file(**changes)


async def case_of(world: World, page: Page) -> Json:
    return await world.case(await world.case_id(page.reference))


async def sealed_part(world: World, case: Json, line: Json) -> bytes:
    url = f"{STAFF}/cases/{case['id']}/parts/{line['number']}"
    return (await world.http.get(url, headers=world.token("desk"))).content


async def last_part(world: World, page: Page, role: str) -> tuple[Json, bytes]:
    case = await case_of(world, page)
    line = [line for line in case["parts"] if line["role"] == role and line["by"] == "reporter"][-1]
    return case, await sealed_part(world, case, line)


# --- opening


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_the_inbox_opens_with_the_receipt_and_shows_the_state(world: World, language: str) -> None:
    visitor, page = await filed(world, language)
    case_id = await world.case_id(page.reference)
    for step in ("register", "review"):
        answer = await world.http.post(
            f"{STAFF}/cases/{case_id}/steps", json={"step": step}, headers=world.token("desk")
        )
        assert answer.status_code == 201
    inbox = await visitor.inbox(format_receipt(page.code))
    words = {"kk": ("Қабылданды", "Тіркелді", "Қаралуда"), "ru": ("Принято", "Зарегистрировано", "На рассмотрении"),
             "en": ("Received", "Registered", "In review")}[language]  # fmt: skip
    history = inbox.html[inbox.html.index("<ol>") :]
    assert [history.index(word) for word in words] == sorted(history.index(word) for word in words)
    assert inbox.reference == page.reference
    assert page.code not in inbox.html
    assert "no-store" in inbox.answer.headers["cache-control"]


@pytest.mark.parametrize("receipt", ["", "12", "1" * 23, "1" * 25, "word"])
async def test_a_code_of_another_length_is_explained_and_kept(world: World, receipt: str) -> None:
    page = await Visitor(world).enter(receipt)
    assert page.status == 422
    assert page.error_of("receipt") == "Error: A receipt code has 24 digits. Look at it again."
    assert page.form("/inbox")["receipt"] == receipt


async def test_a_slip_is_explained_without_a_look_into_the_store(world: World) -> None:
    code = new_receipt()
    page = await Visitor(world).enter(code[:-1] + str((int(code[-1]) + 1) % 10))
    assert page.status == 422
    assert "A digit of the receipt code is wrong" in page.error_of("receipt")


async def test_an_unknown_code_is_explained(world: World) -> None:
    page = await Visitor(world).enter(new_receipt())
    assert page.status == 404
    assert "No report belongs to this receipt code" in page.error_of("receipt")


async def test_an_inbox_of_a_sealed_report_opens_too(world: World) -> None:
    code = new_receipt()
    report, _ = await world.file_sealed(receipt=code)
    inbox = await Visitor(world).inbox(code)
    assert "on your own device" in inbox.words
    assert report.receipt not in inbox.html


async def test_news_are_loaded_within_a_visit(world: World) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    assert "No reply yet." in inbox.words
    await reply(world, page.reference, derive(page.code).identity.recipient, "Here we are")
    again = await visitor.send("/inbox", {"visit": inbox.form("/inbox")["visit"]})
    assert "Here we are" in again.words


@pytest.mark.parametrize("step", ["", "/message", "/identity", "/file", "/code"])
async def test_a_visit_is_over_after_half_an_hour(world: World, step: str) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    visit = inbox.form("/inbox")["visit"]
    world.at(timedelta(minutes=31))
    late = await visitor.send(f"/inbox{step}", {"visit": visit})
    assert late.status == 401
    assert "Open the inbox again" in late.words
    assert late.form("/inbox")["receipt"] == ""


@pytest.mark.parametrize("visit", ["", "forged", "A" * 200, "ж"])
async def test_a_forged_visit_opens_nothing(world: World, visit: str) -> None:
    assert (await Visitor(world).send("/inbox", {"visit": visit})).status == 401


async def test_a_note_of_another_page_is_no_visit(world: World) -> None:
    visitor, page = await filed(world)
    note = page.form("/report/check")["note"]
    assert (await visitor.send("/inbox", {"visit": note})).status == 401


async def test_a_visit_leaves_no_trace(world: World, sql: Sql) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    tables = [t for (t,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'")]
    before = {table: sql(f"SELECT t::text FROM intake.{table} t ORDER BY 1") for table in tables}
    await visitor.send("/inbox", {"visit": inbox.form("/inbox")["visit"]})
    assert {table: sql(f"SELECT t::text FROM intake.{table} t ORDER BY 1") for table in tables} == before


# --- replies


async def test_replies_are_shown_as_text_with_their_files(world: World) -> None:
    visitor, page = await filed(world)
    recipient = derive(page.code).identity.recipient
    await reply(
        world,
        page.reference,
        recipient,
        "First <b>bold</b>\nline",
        ("ответ 1.txt", b"one"),
        ("b.bin", b"\0" * 9),
    )
    await reply(world, page.reference, recipient, "Second")
    inbox = await visitor.inbox(page.code)
    assert "First &lt;b&gt;bold&lt;/b&gt;\nline" in inbox.html
    assert inbox.html.index("First") < inbox.html.index("Second")
    forms = [values for action, values in inbox.parsed.forms if action.endswith("/inbox/file")]
    answers = [await visitor.post("/inbox/file", values) for values in forms]
    assert [answer.content for answer in answers] == [b"one", b"\0" * 9]
    for answer, name in zip(answers, ("%D0%BE%D1%82%D0%B2%D0%B5%D1%82%201.txt", "b.bin"), strict=True):
        assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in answer.headers["cache-control"]


async def test_a_reply_by_nobody_of_the_desk_is_counted_and_not_shown(world: World) -> None:
    visitor, page = await filed(world)
    case = await case_of(world, page)
    manifest = Manifest.from_json(case["manifest"])
    to = [manifest.report_recipient, derive(page.code).identity.recipient]
    forged = desk_message(manifest, to, SigningKey.generate(), text="Come to the station alone")
    assert (await world.answer(case["id"], forged)).status_code == 201
    inbox = await visitor.inbox(page.code)
    assert "Come to the station" not in inbox.words
    assert "Number: 1." in inbox.words


@pytest.mark.parametrize("number", ["0", "1", "2", "99", "-1", "x", "", "１", "9" * 30])
async def test_only_files_of_replies_are_given_out(world: World, number: str) -> None:
    visitor = Visitor(world)
    page = await visitor.file([("own.txt", "text/plain", b"own")])
    visit = (await visitor.inbox(page.code)).form("/inbox")["visit"]
    answer = Page(await visitor.post("/inbox/file", {"visit": visit, "number": number}))
    assert answer.status == 404


async def test_files_of_another_report_are_out_of_reach(world: World) -> None:
    visitor, page = await filed(world)
    _, other = await filed(world)
    await reply(world, other.reference, derive(other.code).identity.recipient, "For other", ("x.txt", b"x"))
    visit = (await visitor.inbox(page.code)).form("/inbox")["visit"]
    for number in range(5):
        answer = await visitor.post("/inbox/file", {"visit": visit, "number": str(number)})
        assert answer.status_code == 404


# --- writing


async def test_the_desk_reads_a_message_and_its_files(world: World) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    files = [("a.txt", "text/plain", b"one"), ("b.bin", "x/y", b"b" * 100_000)]
    sent = await visitor.send("/inbox/message", {**inbox.form("/message"), "text": "More\r\nwords"}, files)
    assert sent.status == 200
    assert "Your message was sent." in sent.words
    assert "You wrote a message" in sent.words
    assert sent.form("/message")["text"] == ""
    case, part = await last_part(world, page, "message")
    opened = open_payload(part, await world.report_key(case))
    assert opened.body["text"] == "More\nwords"
    assert [line["name"] for line in opened.body["attachments"]] == ["a.txt", "b.bin"]
    from services.crypto.attachments import envelopes

    lines = [line for line in case["parts"] if line["role"] == "attachment"]
    data = [await sealed_part(world, case, line) for line in lines]
    key = await world.report_key(case)
    found = [
        open_attachment(file, e, key)
        for file, e in zip(data, envelopes(opened.body["attachments"]), strict=True)
    ]
    assert found == [b"one", b"b" * 100_000]


async def test_the_same_message_sent_twice_is_stored_once(world: World) -> None:
    visitor, page = await filed(world)
    form = {**(await visitor.inbox(page.code)).form("/message"), "text": "Once"}
    for _ in range(2):
        assert "Your message was sent." in (await visitor.send("/inbox/message", form, [])).words
    case = await case_of(world, page)
    assert [line["role"] for line in case["parts"]].count("message") == 1


async def test_one_form_sends_one_message(world: World) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/message")
    await visitor.send("/inbox/message", {**form, "text": "One"}, [])
    second = await visitor.send("/inbox/message", {**form, "text": "Two"}, [])
    assert second.status == 422
    assert "sent before with other content" in second.words
    assert second.form("/message")["text"] == "Two"
    third = await visitor.send("/inbox/message", second.form("/message"), [])
    assert "Your message was sent." in third.words


@pytest.mark.parametrize(("text", "message"), [("", "Write something first."), (" \r\n", "Write something first."),
                                               ("x" * 20_001, "This text is too long.")])  # fmt: skip
async def test_a_message_that_cannot_be_sent_is_explained(world: World, text: str, message: str) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/message")
    answer = await visitor.send("/inbox/message", {**form, "text": text}, [("a.txt", "text/plain", b"1")])
    assert answer.status == 422
    assert answer.error_of("text") == f"Error: {message}"
    assert "Choose your files again" in answer.words


async def test_files_of_a_message_that_are_too_large_are_told_and_the_text_kept(world: World) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/message")
    large = ("large.bin", "x/y", b"l" * ((16 << 20) + 1))
    answer = await visitor.send("/inbox/message", {**form, "text": "My words"}, [large])
    assert answer.status == 422
    assert "too many or too large" in answer.error_of("files")
    assert answer.form("/message")["text"] == "My words"


async def test_a_message_written_too_long_is_kept_through_the_entry(world: World) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/message")
    world.at(timedelta(minutes=31))
    entry = await visitor.send("/inbox/message", {**form, "text": "A long story"}, [])
    assert entry.status == 401
    assert entry.form("/inbox")["text"] == "A long story"
    inbox = await visitor.send("/inbox", {**entry.form("/inbox"), "receipt": page.code})
    assert inbox.form("/message")["text"] == "A long story"
    sent = await visitor.send("/inbox/message", inbox.form("/message"), [])
    assert "Your message was sent." in sent.words


async def test_an_identity_told_later_is_sealed_to_the_custodians(world: World) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/identity")
    told = await visitor.send("/inbox/identity", {**form, "name": "Айгерім Sample", "phone": "1"})
    assert "sealed and sent" in told.words
    assert "You told who you are" in told.words
    assert "Sample" not in told.html
    case, part = await last_part(world, page, "identity")
    assert len(part) == 5755
    from services.crypto.errors import WrongKey

    with pytest.raises(WrongKey):
        open_payload(part, await world.report_key(case))


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({}, "name", "This field is required."),
        ({"name": "x" * 201}, "name", "This text is too long."),
        ({"name": "A", "preferred_way": "phone"}, "preferred_way",
         "Give the contact that you prefer, or choose another way."),
    ],
)  # fmt: skip
async def test_a_mistake_in_an_identity_is_explained(
    world: World, changes: dict[str, str], name: str, message: str
) -> None:
    visitor, page = await filed(world)
    form = (await visitor.inbox(page.code)).form("/identity")
    answer = await visitor.send("/inbox/identity", {**form, **changes, "email": "kept@example.org"})
    assert answer.status == 422
    assert answer.error_of(name) == f"Error: {message}"
    assert answer.form("/identity")["email"] == "kept@example.org"
    assert "<details open>" in answer.html


# --- nothing of it elsewhere


async def test_nothing_of_a_visit_is_in_an_address_a_header_or_a_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    visitor, page = await filed(world)
    inbox = await visitor.inbox(page.code)
    sent = await visitor.send(
        "/inbox/message", {**inbox.form("/message"), "text": "MARKtext"}, [("MARKfile", "x/y", b"MARKdata")]
    )
    wrong = await visitor.enter("MARKcode")
    said = "".join(capsys.readouterr())
    for mark in ("MARK", page.code, format_receipt(page.code), inbox.form("/inbox")["visit"]):
        assert mark not in said
    for answer in (inbox, sent, wrong):
        assert not re.search(r'(?:href|action)="[^"]*\?(?!v=)', answer.html)
        assert page.code not in str(answer.answer.headers)
    assert unb64u(inbox.form("/inbox")["visit"])
