"""A stolen database and disk show nothing that a person typed: every table and blob is searched for markers."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.crypto.receipts import derive
from tests.intake.builders import (
    INBOX,
    LARGE,
    STAFF,
    Json,
    Sql,
    World,
    attachment,
    desk_message,
    new_key,
    plain_body,
)

MARKER = "Zhasyryn9Belgi7"


def marked(place: str) -> str:
    return f"{MARKER}-{place} жасырын белгі"


def spellings(word: str) -> Iterator[bytes]:
    """How a word could stand in a file: plain, UTF-16, hexadecimal, base64 at each of its three offsets."""
    for raw in (word.encode(), word.lower().encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
        yield raw
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + raw)
            # The first and last characters depend on the neighbours.
            yield encoded[4 if offset else 0 : -4]
            yield base64.urlsafe_b64encode(b"\0" * offset + raw)[4 if offset else 0 : -4]


def dump(sql: Sql) -> dict[str, bytes]:
    """Every table as text, and every binary value as its bytes."""
    found = {}
    for (table,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'"):
        rows = sql(f"SELECT to_jsonb(t)::text FROM intake.{table} t")
        columns = [
            name
            for (name,) in sql(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = 'intake' AND table_name = %s AND data_type = 'bytea'",
                table,
            )
        ]
        values = [
            bytes(row[0] or b"") for name in columns for row in sql(f"SELECT {name} FROM intake.{table}")
        ]
        found[table] = "\n".join(row for (row,) in rows).encode() + b"\n".join(values)
    return found


def where_is(word: str, places: dict[str, bytes]) -> set[str]:
    return {name for name, data in places.items() for spelling in spellings(word) if spelling in data}


ANSWERS: Json = {
    "what": marked("what"),
    "where": marked("where"),
    "when": marked("when"),
    "accused": marked("accused"),
    "body_name": marked("body-name"),
    "evidence": marked("evidence"),
    "witnesses": marked("witnesses"),
    "reported_elsewhere": marked("elsewhere"),
    "danger": marked("danger"),
    "amount": 314159265,
}
IDENTITY: Json = {
    "name": marked("name"),
    "phone": marked("phone")[:50],
    "email": marked("email"),
    "postal_address": marked("address"),
    "contact": marked("contact"),
    "preferred_way": "other",
}


@pytest.mark.parametrize("word", [MARKER, "жасырын белгі", "12345678901234567890"])
def test_the_search_finds_every_spelling_of_a_word(word: str) -> None:
    """A search that finds nothing proves nothing unless it can find."""
    for data in (
        word.encode(),
        word.encode("utf-16-le"),
        word.encode().hex().encode(),
        *(base64.b64encode(b"x" * i + word.encode() + b"tail") for i in range(4)),
        *(base64.urlsafe_b64encode(b"xy" * i + word.encode()) for i in range(3)),
    ):
        assert where_is(word, {"here": b"before" + data + b"after"}) == {"here"}


async def file_everything(world: World) -> list[str]:
    """A report, messages, an identity, a new code and answers, all marked; the receipts that existed."""
    files = [
        attachment(marked("file").encode() * 3, marked("file-name")[:200]),
        attachment((marked("large") * 9000).encode()[: LARGE * 2], "large.txt"),
    ]
    body = plain_body(mode="confidential", answers=ANSWERS, identity=IDENTITY, attachments=files)
    filed = (await world.post("/api/intake/v1/reports", body, new_key())).json()
    receipt = filed["receipt"]
    words = {"receipt": receipt, "text": marked("text"), "attachments": files}
    for path, said in (("messages", words), ("identity", {"receipt": receipt, "identity": IDENTITY})):
        answer = await world.post(f"{INBOX}/plain/{path}", said)
        assert answer.status_code == 201, answer.text
    report, sealed = await world.file_sealed(
        answers=ANSWERS, identity=IDENTITY, attachments=[(marked("sealed-name"), marked("sealed").encode())]
    )
    to = [report.manifest.report_recipient, report.keys.identity.recipient]
    sent = desk_message(
        report.manifest, to, world.desk()[1], text=marked("reply"), files=[(marked("r"), MARKER.encode())]
    )
    assert (await world.answer(await world.case_id(sealed["reference"]), sent)).status_code == 201
    new = (await world.post(f"{INBOX}/plain/code", {"receipt": receipt})).json()["receipt"]
    await world.post(f"{INBOX}/plain/code/confirm", {"receipt": new})
    assert (await world.plain_inbox(new))["refused"] == 0
    return [receipt, new]


async def test_nothing_that_was_typed_is_in_the_database_or_the_blobs(
    world: World, sql: Sql, capfd: pytest.CaptureFixture[str]
) -> None:
    receipts = await file_everything(world)
    blobs: Path = world.folder.var / "blobs"
    stored = {str(path): path.read_bytes() for path in blobs.rglob("*") if path.is_file()}
    places = dump(sql) | stored | {"output": "".join(capfd.readouterr()).encode()}
    assert len(places["parts"]) > 50_000
    assert stored

    assert where_is(MARKER, places) == set()
    assert where_is("жасырын белгі", places) == set()
    assert where_is("314159265", places) == set()
    for receipt in receipts:
        keys = derive(receipt)
        for secret in (receipt, str(keys.identity)):
            assert where_is(secret, places) == set()
        for raw in (keys.lookup, keys.signing.seed, keys.signing.verify_key):
            assert {
                name for name, data in places.items() if raw in data or raw.hex().encode() in data
            } == set()


async def test_what_lies_in_clear_is_the_list_and_nothing_more(world: World, sql: Sql) -> None:
    """Codes, days, numbers and random ids: no free text column but these."""
    await file_everything(world)
    texts = sql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'intake' AND data_type = 'text' AND table_name IN "
        "('reports', 'parts', 'grants', 'shares', 'states', 'assignments')"
    )
    reviewed = {
        *(f"reports.{name}" for name in ("reference", "state", "lane", "desk", "mode", "category", "sector")),
        *(f"reports.{name}" for name in ("region", "amount_band", "channel", "language", "urgency")),
        *("parts.role", "parts.author", "parts.chain", "parts.blob"),
        *("grants.holder", "grants.role", "states.state", "assignments.role"),
        # codes that staff choose from lists when they move a case on
        *("reports.classification", "reports.body", "reports.outcome"),
        *("states.step", "states.ground", "states.body", "states.outcome"),
    }
    assert {name for (name,) in texts} <= reviewed
    hours = sql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'intake' AND data_type LIKE 'timestamp%' AND table_name IN "
        "('reports', 'parts', 'grants', 'shares', 'states', 'assignments', 'log_records', 'log_entries')"
    )
    assert hours == [], "what a reporter did is kept with the day only"


async def test_no_network_address_is_kept(world: World, sql: Sql) -> None:
    body, key = plain_body(), new_key()
    headers = {
        "Idempotency-Key": key,
        "X-Forwarded-For": "203.0.113.77",
        "User-Agent": f"Browser-{MARKER}",
        "Accept-Language": "kk",
    }
    assert (await world.http.post("/api/intake/v1/reports", json=body, headers=headers)).status_code == 201
    assert (await world.http.get(f"{STAFF}/cases", headers=world.token("desk"))).status_code == 200
    places = dump(sql)
    assert where_is("203.0.113.77", places) == where_is(MARKER, places) == where_is(key, places) == set()
