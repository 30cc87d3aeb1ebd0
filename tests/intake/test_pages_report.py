"""Filing without script: what is stored is sealed, every mistake is named beside its input, nothing typed is lost."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from services.crypto.attachments import open_attachment
from services.crypto.canonical import unb64u
from services.crypto.manifests import Manifest
from services.crypto.packages import OpenedReport, open_identity, open_report
from services.crypto.receipts import format_receipt
from services.crypto.shares import combine, open_share
from services.intake.form import load_form
from tests.intake.builders import Json, Sql, World
from tests.intake.pages import REPORT, File, Page, Visitor

pytestmark = pytest.mark.anyio

NAMED_ANYWAY = (
    "You chose to report anonymously, but wrote something about yourself. Remove it, or choose otherwise."
)
NAMED = {"mode": "confidential", "name": "Айгерім Sample", "phone": "+7 700 000 00 00"}


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


async def parts(world: World, page: Page) -> tuple[Json, list[bytes]]:
    """The case of a report that was filed, and the files of its parts."""
    case = await world.case(await world.case_id(page.reference))
    files = []
    for line in case["parts"]:
        url = f"/api/intake/v1/staff/cases/{case['id']}/parts/{line['number']}"
        files.append((await world.http.get(url, headers=world.token("desk"))).content)
    return case, files


async def opened(world: World, page: Page) -> tuple[OpenedReport, list[bytes]]:
    """What the desk reads, and the true bytes of the attachments."""
    case, files = await parts(world, page)
    key = await world.report_key(case)
    report = open_report(Manifest.from_json(case["manifest"]), unb64u(case["signature"], 64), files, key)
    data = [open_attachment(file, e, key) for file, e in zip(files[2:], report.envelopes, strict=True)]
    return report, data


async def test_the_desk_reads_what_was_typed(world: World) -> None:
    page = await Visitor(world, "kk").file(
        where="  Кабинет 5 ", year="2026", amount="1 000 000", happened_on="2026-11-20", how_known="witness"
    )
    report, _ = await opened(world, page)
    assert report.answers == {
        "mode": "anonymous",
        "what": "Money was asked for\na place in the queue.",
        "where": "Кабинет 5",
        "amount": 1_000_000,
        "happened_on": "2026-11-20",
        "how_known": "witness",
    }
    assert report.fields == {
        **{
            name: REPORT[name]
            for name in ("category", "sector", "amount_band", "region", "urgency", "language")
        },
        "channel": "web-plain",
        "year": 2026,
    }
    assert not report.field_differences


async def test_every_answer_of_the_form_can_be_given(world: World) -> None:
    form = load_form()
    given = {
        q.code: form.lists[q.list].items[0].code if q.list else {"year": "2026", "amount": "5", "date": "2026-01-02"}
        .get(q.kind, f"words of {q.code}")
        for q in form.fields
        if q.code != "channel" and q.part != "identity"
    }  # fmt: skip
    page = await Visitor(world).file(**given)
    report, _ = await opened(world, page)
    assert set(report.answers) == set(form.of("answers")) | {"mode"}


async def test_a_name_is_sealed_to_the_custodians_and_not_to_the_desk(world: World, sql: Sql) -> None:
    page = await Visitor(world).file(**NAMED)
    case, files = await parts(world, page)
    report, _ = await opened(world, page)
    manifest = Manifest.from_json(case["manifest"])
    assert "Sample" not in str(report)
    sealed = sql("SELECT seat, sealed FROM intake.shares WHERE seat < 3 ORDER BY seat")
    key = combine({n: open_share(bytes(data), world.seat(n), n, manifest) for n, data in sealed}, manifest)
    found = open_identity(files[1], key, manifest, report.reporter_verify_key)
    assert found == {"name": NAMED["name"], "phone": NAMED["phone"]}


@pytest.mark.parametrize(
    "files",
    [
        [("a.txt", "text/plain", b"")],
        [("сурет.jpg", "image/jpeg", b"one"), ("сурет.jpg", "image/jpeg", b"two")],
        [("video.mp4", "video/mp4", bytes(range(256)) * 40_000)],
        [("edge.bin", "application/x-thing", b"e" * (8 << 20))],
    ],
)
async def test_files_come_back_byte_for_byte(world: World, files: list[File]) -> None:
    page = await Visitor(world).file(files)
    report, data = await opened(world, page)
    assert data == [content for _, _, content in files]
    assert [(e.name, e.type) for e in report.envelopes] == [(name, kind) for name, kind, _ in files]
    assert all(e.sha256 is None for e in report.envelopes)  # plain mode keeps no hash of what it saw


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\Users\\Aigerim\\proof.doc", "proof.doc"),
        ("/home/me/proof.doc", "proof.doc"),
        ("a\u202eb\u2066.txt", "ab.txt"),
        ("ж" * 300 + ".jpg", ("ж" * 300 + ".jpg")[-255:]),
        ("\u202e", "file"),
    ],
)
async def test_a_file_name_loses_folders_and_hidden_characters(world: World, given: str, kept: str) -> None:
    report, _ = await opened(world, await Visitor(world).file([(given, "no type", b"x")]))
    assert [(e.name, e.type) for e in report.envelopes] == [(kept, "application/octet-stream")]


async def test_nothing_of_a_report_lies_readable_in_the_store(world: World, sql: Sql) -> None:
    marks = ["MARKwords", "MARKname", "MARKfile", "MARKcontent"]
    page = await Visitor(world).file(
        [(f"{marks[2]}.txt", "text/plain", marks[3].encode() * 30_000)],
        **{**NAMED, "what": marks[0], "name": marks[1]},
    )
    blobs = [path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()]
    assert blobs
    written = b"".join(path.read_bytes() for path in blobs)
    tables = sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'")
    for (table,) in tables:
        written += str(sql(f"SELECT t::text FROM intake.{table} t")).encode()
    assert page.reference.encode() in written
    for mark in [*marks, page.code, format_receipt(page.code)]:
        assert mark.encode() not in written
        assert mark.encode().hex().encode() not in written


async def test_no_temporary_file_is_made(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    page = await Visitor(world).fill_report([("a.bin", "video/mp4", b"a" * 3_000_000)])
    assert page.status == 201


# --- the receipt


async def test_the_receipt_is_in_the_answer_and_nowhere_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    visitor = Visitor(world)
    page = await visitor.file()
    assert re.fullmatch(r"\d{24}", page.code)
    assert len(re.findall(r"<span>\d{4}</span>", page.html)) == 6
    assert page.code not in str(page.answer.headers)
    assert page.code not in "".join(capsys.readouterr())
    assert "no-store" in page.answer.headers["cache-control"]
    for _, values in page.parsed.forms:
        assert page.code not in str(values)
    later = [await visitor.load(path) for path in ("/report", "/report/sent", "/inbox")]
    for other in later:
        assert page.code not in other.html
        assert page.reference not in other.html


async def test_the_page_of_the_receipt_shows_what_proves_the_filing(world: World, sql: Sql) -> None:
    page = await Visitor(world).file()
    [(leaf,)] = sql("SELECT leaf FROM intake.reports")
    shown = re.search(r">([A-Za-z0-9_-]{43})</dd>", page.html)
    assert shown
    assert unb64u(shown[1]) == bytes(leaf)
    assert "48 hours" in page.words
    assert 'lang="ru"' not in page.html  # another language would lose the code


@pytest.mark.parametrize("shape", ["{}", " {} ", "{:-}", "{:wide}"])
async def test_the_code_typed_back_is_right_in_any_shape(world: World, shape: str) -> None:
    visitor = Visitor(world)
    page = await visitor.file()
    groups = format_receipt(page.code)
    typed = {
        "{}": page.code,
        " {} ": f"  {groups}\t",
        "{:-}": groups.replace(" ", "-"),
        "{:wide}": "".join(chr(ord(c) + 0xFEE0) for c in page.code),
    }[shape]
    kept = await visitor.send("/report/check", {**page.form("/report/check"), "typed": typed})
    assert kept.status == 200
    assert page.reference in kept.words
    assert page.code not in kept.html
    inbox = await visitor.send("/inbox", kept.form("/inbox"))
    assert inbox.reference == page.reference


async def test_a_slip_is_placed_and_the_code_is_shown_again(world: World) -> None:
    visitor = Visitor(world)
    page = await visitor.file()
    code = page.code
    wrong = code[:5] + str((int(code[5]) + 1) % 10) + code[6:20] + code[:4]
    groups = "2, 6" if code[:4] != code[20:] else "2"
    again = await visitor.send("/report/check", {**page.form("/report/check"), "typed": wrong})
    assert again.status == 422
    assert again.error_of("typed").endswith(f"counted from the left: {groups}.")
    assert again.code == code
    short = await visitor.send("/report/check", {**again.form("/report/check"), "typed": code[:-1]})
    assert short.error_of("typed") == "Error: The code has 24 digits, and you typed 23."
    right = await visitor.send("/report/check", {**short.form("/report/check"), "typed": code})
    assert right.status == 200


async def test_the_page_of_a_receipt_dies_after_half_an_hour(world: World) -> None:
    visitor = Visitor(world)
    page = await visitor.file()
    world.at(timedelta(minutes=31))
    gone = await visitor.send("/report/check", {**page.form("/report/check"), "typed": page.code})
    assert gone.status == 422
    assert "shown once" in gone.words


async def test_a_note_of_another_purpose_is_no_receipt(world: World) -> None:
    visitor = Visitor(world)
    visit = (await visitor.inbox((await visitor.file()).code)).form("/inbox")["visit"]
    gone = await visitor.send("/report/check", {"note": visit, "typed": "1"})
    assert gone.status == 422


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
    from dataclasses import replace

    state.context = replace(state.context, settings=changed)
    page = await Visitor(world).fill_report(files, what="my words")
    assert page.status == 422
    assert "too many or too large" in page.error_of("files")
    assert page.form("/report/sent")["what"] == "my words"


@pytest.mark.parametrize("setting", ["unfiled_bytes", "disk_floor_bytes"])
async def test_a_full_disk_refuses_files_and_takes_reports_without(world: World, setting: str) -> None:
    from dataclasses import replace

    state = world.app.state
    full = {"unfiled_bytes": 0, "disk_floor_bytes": 1 << 60}[setting]
    state.context = replace(state.context, settings=state.settings.model_copy(update={setting: full}))
    visitor = Visitor(world)
    page = await visitor.fill_report([("a.txt", "text/plain", b"one")])
    assert page.status == 422
    assert "no space" in page.error_of("files")
    blobs = len([path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()])
    assert (await visitor.send("/report/sent", {**page.form("/report/sent"), **REPORT}, [])).status == 201
    assert len([path for path in (world.folder.var / "blobs").rglob("*") if path.is_file()]) == blobs


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
