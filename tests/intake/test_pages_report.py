"""Filing without script: what is stored is sealed, every mistake is named beside its input, nothing typed is lost."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from services.crypto.canonical import unb64u
from services.crypto.manifests import Manifest
from services.crypto.packages import open_identity
from services.crypto.receipts import format_receipt
from services.crypto.shares import combine, open_share
from services.intake.form import load_form
from tests.intake.builders import Sql, World
from tests.intake.pages import REPORT, File, Visitor, opened, parts

pytestmark = pytest.mark.anyio

NAMED = {"mode": "confidential", "name": "Айгерім Sample", "phone": "+7 700 000 00 00"}


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


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
