"""Mistakes in a form: each is named beside its input, and nothing that was typed or sent has to be sent again."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.intake.builders import Sql, World
from tests.intake.pages import REPORT, File, Visitor, opened
from tests.intake.tus import open_draft

pytestmark = pytest.mark.anyio

NAMED_ANYWAY = (
    "You chose to report anonymously, but wrote something about yourself. Remove it, or choose otherwise."
)
NAMED = {"mode": "confidential", "name": "Айгерім Sample", "phone": "+7 700 000 00 00"}


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


# --- mistakes


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"category": ""}, "category", "This field is required."),
        ({"category": "no-such-code"}, "category", "This code is not in the list."),
        ({"region": ""}, "region", "This field is required."),
        ({"urgency": ""}, "urgency", "This field is required."),
        ({"what": " \r\n"}, "what", "This field is required."),
        ({"what": "x" * 20_001}, "what", "This text is too long."),
        ({"what": "a\x00b"}, "what", "This text has characters that cannot be stored."),
        ({"where": "two\r\nlines"}, "where", "Write this on one line."),
        ({"year": "1800"}, "year", "This number is out of range."),
        ({"year": "last"}, "year", "This must be a whole number."),
        ({"year": "２０２６"}, "year", "This must be a whole number."),
        ({"amount": "-5"}, "amount", "This must be a whole number."),
        ({"amount": "9" * 18}, "amount", "This number is out of range."),
        ({"happened_on": "20.11.2026"}, "happened_on", "This must be a day in the form YYYY-MM-DD."),
        ({"body": "none-such"}, "body", "This code is not in the list."),
        ({"mode": ""}, "mode", "Choose one of these."),
        ({"mode": "secretly"}, "mode", "Choose one of these."),
        ({"mode": "open"}, "name", "Write your name, or choose to report anonymously."),
        ({"mode": "confidential", "phone": "1"}, "name", "Write your name, or choose to report anonymously."),
        ({"name": "Somebody"}, "mode", NAMED_ANYWAY),
        ({"email": "a@b"}, "mode", NAMED_ANYWAY),
        ({**NAMED, "preferred_way": "email"}, "preferred_way",
         "Give the contact that you prefer, or choose another way."),
        ({**NAMED, "name": "x" * 201}, "name", "This text is too long."),
    ],
)  # fmt: skip
async def test_a_mistake_is_named_beside_its_input_and_in_the_summary(
    world: World, sql: Sql, changes: dict[str, str], name: str, message: str
) -> None:
    page = await Visitor(world).fill_report(**changes)
    assert page.status == 422
    assert page.error_of(name) == f"Error: {message}"
    assert page.title.startswith("Error:")
    assert f'<a href="#{name}">' in page.html
    assert name in page.parsed.ids
    assert re.search(rf'aria-describedby="[^"]*{name}-error', page.html)
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]


@pytest.mark.parametrize("language", ["kk", "ru"])
async def test_mistakes_are_told_in_the_language_of_the_page(world: World, language: str) -> None:
    page = await Visitor(world, language).fill_report(what="", year="1", mode="open")
    assert page.status == 422
    for name in ("what", "year", "name"):
        assert re.search(r"[а-я]", page.error_of(name))
        assert not re.search(r"[a-z]{4}", page.error_of(name))


async def test_all_mistakes_are_told_at_once_in_the_order_of_the_page(world: World) -> None:
    page = await Visitor(world).fill_report(urgency="", what="", year="1", mode="open")
    summary = page.html[page.html.index('role="alert"') : page.html.index('id="plain"')]
    assert re.findall(r'href="#(\w+)"', summary) == ["what", "year", "urgency", "name"]


async def test_what_was_typed_comes_back_escaped_and_only_there(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    nasty = '"><script>alert(1)</script>{{ 7*7 }}&amp;\r\nsecond line'
    typed = {
        "what": nasty,
        "where": "'x' onfocus=\"y\"",
        "year": "1",
        "region": "750000000",
        "urgency": "ongoing",
    }
    page = await Visitor(world).fill_report(**typed)
    assert page.status == 422
    assert "<script" not in page.html
    form = page.form("/report/sent")
    assert form["what"] == nasty.replace("\r\n", "\n")
    assert form["where"] == typed["where"]
    assert form["urgency"] == "ongoing"
    assert '<option value="750000000" selected>' in page.html
    assert "alert(1)" not in "".join(capsys.readouterr())
    assert "alert(1)" not in (await Visitor(world).load("/report")).html


# --- files and mistakes


async def test_files_of_a_form_with_a_mistake_need_not_be_sent_again(world: World, sql: Sql) -> None:
    visitor = Visitor(world)
    page = await visitor.fill_report(
        [("first.txt", "text/plain", b"one"), ("no.txt", "text/plain", b"no")], what=""
    )
    assert page.status == 422
    keep = [name for name in page.parsed.ids if name.startswith("keep-")]
    assert len(keep) == 2
    assert "first.txt (3 bytes)" in page.words
    form = {**page.form("/report/sent"), **REPORT}
    del form[keep[1]]  # unticked
    filed = await visitor.send("/report/sent", form, [("second.txt", "text/plain", b"two")])
    assert filed.status == 201, filed.words
    report, data = await opened(world, filed)
    assert [(e.name, content) for e, content in zip(report.envelopes, data, strict=True)] == [
        ("first.txt", b"one"),
        ("second.txt", b"two"),
    ]
    assert sql("SELECT count(*) FROM intake.drafts") == [(0,)]
    blobs = {path.name for path in (world.folder.var / "blobs").rglob("*") if path.is_file()}
    assert {name for (name,) in sql("SELECT blob FROM intake.parts WHERE blob IS NOT NULL")} <= blobs


async def test_files_that_were_kept_belong_to_their_draft(world: World, sql: Sql) -> None:
    """Neither the names nor the ids are worth anything without the secret of the draft."""
    visitor = Visitor(world)
    first = await visitor.fill_report([("a.txt", "text/plain", b"one")], what="")
    second = await visitor.fill_report([("b.txt", "text/plain", b"two")], what="")
    stolen = {**second.form("/report/sent"), "kept": first.form("/report/sent")["kept"], **REPORT}
    stolen |= {name: "1" for name in first.parsed.ids if name.startswith("keep-")}
    page = await visitor.send("/report/sent", stolen, [])
    assert page.status == 422
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]


async def test_a_draft_that_has_expired_is_told_and_the_text_kept(world: World) -> None:
    visitor = Visitor(world)
    page = await visitor.fill_report([("a.txt", "text/plain", b"one")], what="")
    form = page.form("/report/sent")
    world.at(timedelta(hours=26))
    late = await visitor.send("/report/sent", {**form, **REPORT, "what": "still here"}, [])
    assert late.status in (410, 422)
    assert late.form("/report/sent")["what"] == "still here"


@pytest.mark.parametrize(
    ("setting", "value", "files"),
    [
        ("UPLOAD_BYTES", "1000", [("a", "x/y", b"a" * 1001)]),
        ("DRAFT_BYTES", "1500", [("a", "x/y", b"a" * 1000), ("b", "x/y", b"b" * 600)]),
        ("UPLOADS_PER_DRAFT", "2", [(str(i), "x/y", b"a") for i in range(3)]),
    ],
)
async def test_too_much_is_told_beside_the_files_and_the_rest_is_kept(
    world: World, setting: str, value: str, files: list[File]
) -> None:
    state = world.app.state
    changed = state.settings.model_copy(update={setting.lower(): int(value)})
    state.context = replace(state.context, settings=changed)
    page = await Visitor(world).fill_report(files, what="my words")
    assert page.status == 422
    assert "too many or too large" in page.error_of("files")
    assert page.form("/report/sent")["what"] == "my words"


@pytest.mark.parametrize("setting", ["unfiled_bytes", "page_unfiled_bytes", "disk_floor_bytes"])
async def test_a_full_disk_refuses_files_and_takes_reports_without(world: World, setting: str) -> None:
    state = world.app.state
    full = {"unfiled_bytes": 0, "page_unfiled_bytes": 0, "disk_floor_bytes": 1 << 60}[setting]
    state.context = replace(state.context, settings=state.settings.model_copy(update={setting: full}))
    visitor = Visitor(world)
    page = await visitor.fill_report([("a.txt", "text/plain", b"one")])
    assert page.status == 422
    assert "no space" in page.error_of("files")
    blobs = len([path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()])
    assert (await visitor.send("/report/sent", {**page.form("/report/sent"), **REPORT}, [])).status == 201
    assert len([path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()]) == blobs


async def test_a_flood_of_forms_fills_the_space_of_pages_and_no_other(world: World, sql: Sql) -> None:
    state = world.app.state
    changed = state.settings.model_copy(update={"page_unfiled_bytes": 70_000})
    state.context = replace(state.context, settings=changed)
    mistake = {**REPORT, "category": ""}  # so that the files stay in a draft
    refused = []
    for _ in range(3):
        visitor = Visitor(world)
        form = (await visitor.load("/report")).form("/report/sent")
        page = await visitor.send(
            "/report/sent", {**form, **mistake}, [("a.bin", "video/mp4", b"x" * 30_000)]
        )
        refused.append("no space" in page.error_of("files"))
    assert refused == [False, False, True]
    ((stored,),) = sql("SELECT sum(stored) FROM intake.uploads")
    assert 60_000 < stored <= 70_000
    paid = await open_draft(world)  # who solved a challenge still has room
    await paid.whole(b"y" * 200_000)


async def test_a_draft_of_a_page_ends_with_its_form(world: World, sql: Sql) -> None:
    visitor = Visitor(world)
    form = (await visitor.load("/report")).form("/report/sent")
    await visitor.send("/report/sent", {**form, **REPORT, "category": ""}, [("a.bin", "video/mp4", b"x")])
    ((expires,),) = sql("SELECT expires FROM intake.drafts")
    hours = world.app.state.settings.page_max_hours
    assert timedelta(hours=hours) <= expires - world.now() <= timedelta(hours=hours + 1)


async def test_without_a_directory_in_force_nothing_is_taken_and_nothing_lost(world: World) -> None:
    world.at(timedelta(days=400))
    page = await Visitor(world).fill_report(what="my words")
    assert page.status == 503
    assert page.form("/report/sent")["what"] == "my words"


async def test_a_form_that_breaks_off_leaves_no_file(world: World, sql: Sql) -> None:
    token = (await Visitor(world).load("/report")).form("/report/sent")["token"]
    before = {path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()}
    body = (
        f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + "x" * 100_000
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Sec-Fetch-Site": "same-origin"}
    answer = await world.http.post("/en/report/sent", content=body.encode(), headers=headers)
    assert answer.status_code == 400
    assert {path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()} == before
    assert sql("SELECT count(*) FROM intake.drafts") == [(0,)]
