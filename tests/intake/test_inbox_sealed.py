"""The inbox of a reporter whose own client holds the keys: tokens, places in the chain, what may be fetched."""

import asyncio
import json
import uuid
from datetime import timedelta
from hashlib import sha256

import pytest

from services.crypto import secretbox
from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.attachments import envelopes, open_attachment
from services.crypto.canonical import b64, b64u, unb64u
from services.crypto.manifests import Manifest
from services.crypto.packages import SealedReport, open_identity
from services.crypto.payloads import Header, open_payload, seal_payload
from services.crypto.shares import combine, open_share
from services.intake.inbox import _token_key
from tests.intake.builders import (
    INBOX,
    LARGE,
    STAFF,
    Json,
    Sql,
    World,
    desk_message,
    pointers,
    problem,
    quick_keys,
    reporter_file,
)

WORDS: Json = {"text": "It happened again.", "attachments": []}


def message(report: SealedReport, place: Json, body: Json = WORDS) -> bytes:
    return reporter_file(report.manifest, report.keys, "message", body, place)


async def opened(world: World) -> tuple[SealedReport, dict[str, str]]:
    """A filed report and the header of its open inbox."""
    report, _ = await world.file_sealed()
    return report, await world.open_inbox(report.keys.lookup)


async def test_the_inbox_shows_the_report_and_where_the_next_part_goes(world: World) -> None:
    report, filed = await world.file_sealed()
    view = await world.inbox(await world.open_inbox(report.keys.lookup))
    assert view["reference"] == filed["reference"]
    assert view["rid"] == b64u(report.rid)
    assert Manifest.from_json(view["manifest"]) == report.manifest
    assert view["signature"] == b64u(report.signature)
    assert (view["state"], view["states"]) == ("received", [{"state": "received", "day": filed["day"]}])
    assert (view["mode"], view["filed_on"], view["published"]) == ("sealed", filed["day"], False)
    assert (view["code_pending"], view["code_replaced_on"]) == (False, None)
    assert view["leaf"] == filed["promise"]["body"]["leaf"]
    assert [(p["number"], p["role"], p["by"], p["n"]) for p in view["parts"]] == [
        (0, "narrative", "reporter", 0),
        (1, "identity", "reporter", 1),
    ]
    identity_hash = sha256(report.parts[1].data).digest()
    assert view["next"] == {"n": 2, "prev": b64u(identity_hash)}


async def test_an_unknown_code_is_a_404_and_leaves_no_trace_but_the_time(world: World, sql: Sql) -> None:
    answer = await world.http.post(f"{INBOX}/sessions", json={"lookup": b64u(bytes(32))})
    assert problem(answer) == (404, "no-such-receipt")
    assert len(world.app.state.context.door.pressure.unknown) == 1
    assert sql("SELECT count(*) FROM intake.idempotency_keys") == [(0,)]


async def test_a_visit_leaves_no_trace(world: World, sql: Sql) -> None:
    report, _ = await world.file_sealed()
    tables = [name for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'intake'")]

    def dump() -> list[object]:
        return [sql(f"SELECT to_jsonb(t) FROM intake.{table} t ORDER BY 1") for table in sorted(tables)]

    before = dump()
    await world.inbox(await world.open_inbox(report.keys.lookup))
    assert dump() == before


async def test_answers_of_the_inbox_are_never_cached(world: World) -> None:
    report, headers = await opened(world)
    session = await world.http.post(f"{INBOX}/sessions", json={"lookup": b64u(report.keys.lookup)})
    view = await world.http.get(INBOX, headers=headers)
    refusal = await world.http.get(INBOX)
    assert {answer.headers["Cache-Control"] for answer in (session, view, refusal)} == {"no-store"}


# --- tokens


async def test_a_token_dies_after_half_an_hour(world: World) -> None:
    _, headers = await opened(world)
    world.at(timedelta(minutes=29))
    assert (await world.http.get(INBOX, headers=headers)).status_code == 200
    world.at(timedelta(minutes=30, seconds=1))
    assert problem(await world.http.get(INBOX, headers=headers)) == (401, "unauthorised")


async def test_no_token_a_wrong_one_or_one_of_staff_opens_nothing(world: World) -> None:
    _, headers = await opened(world)
    token = headers["Authorization"].removeprefix("Bearer ")
    flipped = b64u(unb64u(token)[:-1] + bytes([unb64u(token)[-1] ^ 1]))
    wrong = [
        {},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {flipped}"},
        {"Authorization": f"Bearer {token[:-4]}"},
        {"Authorization": "Bearer жетон".encode()},
        world.token("desk", "lead"),
    ]
    for sent in wrong:
        answer = await world.http.get(INBOX, headers=sent)  # type: ignore[arg-type]
        assert problem(answer) == (401, "unauthorised"), sent


async def test_a_token_is_good_for_one_report_only(world: World) -> None:
    first, headers = await opened(world)
    await opened(world)
    assert (await world.inbox(headers))["rid"] == b64u(first.rid)


async def test_a_token_for_another_code_of_the_same_report_is_refused(world: World, sql: Sql) -> None:
    """Even the service's own key makes none for a code that is not in force."""
    await opened(world)
    ((report_id,),) = sql("SELECT id FROM intake.reports")
    later = int(world.now().timestamp()) + 600
    key = _token_key(world.app.state.context)
    for claims in ([str(report_id), b64u(bytes(32)), later], [str(uuid.uuid4()), b64u(bytes(32)), later]):
        token = b64u(secretbox.seal(key, json.dumps(claims).encode()))
        answer = await world.http.get(INBOX, headers={"Authorization": f"Bearer {token}"})
        assert problem(answer) == (401, "unauthorised")


# --- writing


async def test_a_message_is_stored_at_its_place_and_the_desk_opens_it(world: World) -> None:
    report, headers = await opened(world)
    view = await world.inbox(headers)
    part = message(report, view["next"])
    answer = await world.post(f"{INBOX}/messages", {"n": 2, "part": b64(part)}, **headers)
    assert answer.status_code == 201
    assert answer.json() == {"number": 2, "n": 2, "sha256": b64u(sha256(part).digest())}

    after = await world.inbox(headers)
    assert after["next"] == {"n": 3, "prev": b64u(sha256(part).digest())}
    case = await world.case(await world.case_id(view["reference"]))
    path = f"{STAFF}/cases/{case['id']}/parts/2"
    stored = (await world.http.get(path, headers=world.token("desk"))).content
    found = open_payload(stored, await world.report_key(case))
    found.check(
        rid=report.rid,
        type="message",
        by="reporter",
        n=2,
        prev=unb64u(view["next"]["prev"]),
        verify_key=report.keys.signing.verify_key,
    )
    assert found.body["text"] == "It happened again."


async def test_a_message_with_large_attachments_is_stored_whole(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    recipient = report.manifest.report_recipient
    files = [seal(bytes(LARGE), [recipient]), seal(bytes(100), [recipient])]
    place = (await world.inbox(headers))["next"]
    body = {"part": b64(message(report, place)), "attachments": [b64(file) for file in files]}
    answer = await world.post(f"{INBOX}/messages", body, **headers)
    assert answer.status_code == 201
    rows = sql(
        "SELECT number, role, n, chain, sealed, blob FROM intake.parts WHERE number >= 2 ORDER BY number"
    )
    blobs = world.app.state.context.blobs
    assert [row[:4] for row in rows] == [
        (2, "message", 2, "reporter"),
        (3, "attachment", None, "reporter"),
        (4, "attachment", None, "reporter"),
    ]
    assert [row[4] or blobs.read(row[5]) for row in rows[1:]] == files


async def test_a_message_for_a_place_that_is_taken_is_a_conflict(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    place = (await world.inbox(headers))["next"]
    body = {"n": place["n"], "part": b64(message(report, place))}
    assert (await world.post(f"{INBOX}/messages", body, **headers)).status_code == 201
    for n in (place["n"], place["n"] + 5, 0):
        late = await world.post(f"{INBOX}/messages", {**body, "n": n}, **headers)
        assert problem(late) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.parts WHERE role = 'message'") == [(1,)]


async def test_two_messages_at_once_never_take_the_same_place(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    place = (await world.inbox(headers))["next"]
    body = {"part": b64(message(report, place))}
    answers = await asyncio.gather(*(world.post(f"{INBOX}/messages", body, **headers) for _ in range(6)))
    assert sorted(answer.json()["n"] for answer in answers) == [2, 3, 4, 5, 6, 7]
    assert sql("SELECT array_agg(number ORDER BY number) FROM intake.parts") == [([0, 1, 2, 3, 4, 5, 6, 7],)]


async def test_of_two_at_once_sealed_for_one_place_exactly_one_is_stored(world: World) -> None:
    report, headers = await opened(world)
    place = (await world.inbox(headers))["next"]
    body = {"n": place["n"], "part": b64(message(report, place))}
    answers = await asyncio.gather(*(world.post(f"{INBOX}/messages", body, **headers) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_what_is_not_sealed_for_exactly_the_desk_is_refused(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    recipient = report.manifest.report_recipient
    good = message(report, (await world.inbox(headers))["next"])
    other = HybridIdentity.generate().recipient
    wrong: list[Json] = [
        {"part": b64(b"plain words")},
        {"part": b64(b"")},
        {"part": b64(encrypt(bytes(4096), [X25519Identity.generate().recipient]))},
        {"part": b64(seal(bytes(4096), [recipient, other]))},
        {"part": b64(good), "attachments": [b64(b"plain file")]},
        {"part": b64(good), "attachments": [b64(seal(b"", [recipient, other]))]},
        {"part": "!"},
        {"part": b64(good), "n": -1},
        {"part": b64(good), "n": "2x"},
        {},
    ]
    for path in ("messages", "identity"):
        for body in wrong:
            if path == "identity" and "attachments" in body:
                continue
            answer = await world.post(f"{INBOX}/{path}", body, **headers)
            assert problem(answer) == (422, "invalid"), body
    assert sql("SELECT count(*) FROM intake.parts") == [(2,)]


async def test_a_part_over_the_limit_is_a_413(world: World) -> None:
    report, headers = await opened(world)
    huge = seal(bytes(300 << 10), [report.manifest.report_recipient])
    answer = await world.post(f"{INBOX}/messages", {"part": b64(huge)}, **headers)
    assert problem(answer) == (413, "too-large")


# --- identity later


async def test_an_identity_added_later_opens_with_two_seats_only(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    place = (await world.inbox(headers))["next"]
    name = {"name": "Invented Person"}
    part = reporter_file(report.manifest, report.keys, "identity", {"identity": name}, place)
    answer = await world.post(f"{INBOX}/identity", {"n": 2, "part": b64(part)}, **headers)
    assert answer.status_code == 201
    ((stored, author),) = sql("SELECT sealed, author FROM intake.parts WHERE number = 2")
    sealed: dict[int, bytes] = dict(sql("SELECT seat, sealed FROM intake.shares"))
    shares = {s: open_share(sealed[s], world.seat(s), s, report.manifest) for s in (2, 3)}
    key = combine(shares, report.manifest)
    found = open_identity(
        stored, key, report.manifest, report.keys.signing.verify_key, n=2, prev=unb64u(place["prev"])
    )
    assert (found, author) == (name, "reporter")


async def test_an_identity_of_a_telling_size_is_refused(world: World, sql: Sql) -> None:
    report, headers = await opened(world)
    for size in (100, 4095, 8192):
        part = seal(bytes(size), [report.manifest.identity_recipient])
        answer = await world.post(f"{INBOX}/identity", {"part": b64(part)}, **headers)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/part"})
    assert sql("SELECT count(*) FROM intake.parts") == [(2,)]


# --- reading


async def test_the_reporter_fetches_the_desks_parts_and_opens_them(world: World) -> None:
    report, headers = await opened(world)
    view = await world.inbox(headers)
    to = [report.manifest.report_recipient, report.keys.identity.recipient]
    sent = desk_message(report.manifest, to, world.desk()[1], files=[("form.txt", b"fill this in" * 9000)])
    case_id = await world.case_id(view["reference"])
    assert (await world.answer(case_id, sent)).status_code == 201

    parts = (await world.inbox(headers))["parts"]
    assert [(p["number"], p["role"], p["by"], p["n"]) for p in parts[2:]] == [
        (2, "message", "desk", 0),
        (3, "attachment", "desk", None),
    ]
    part, file = [(await world.http.get(f"{INBOX}/parts/{n}", headers=headers)).content for n in (2, 3)]
    found = open_payload(part, report.keys.identity)
    found.check(
        rid=report.rid, type="message", by="desk", n=0, prev=bytes(32), verify_key=world.desk()[1].verify_key
    )
    (envelope,) = envelopes(found.body["attachments"])
    assert open_attachment(file, envelope, report.keys.identity) == b"fill this in" * 9000
    assert (await world.inbox(headers))["next"] == view["next"], "the desk's chain is another one"


@pytest.mark.parametrize("number", ["0", "1", "2", "99", "-1", str(1 << 31), str(1 << 70)])
async def test_the_reporters_own_parts_and_unknown_ones_are_not_given_out(world: World, number: str) -> None:
    report, headers = await opened(world)
    place = (await world.inbox(headers))["next"]
    await world.post(f"{INBOX}/messages", {"part": b64(message(report, place))}, **headers)
    answer = await world.http.get(f"{INBOX}/parts/{number}", headers=headers)
    assert problem(answer) == (404, "not-found")


async def test_parts_of_another_report_are_not_given_out(world: World) -> None:
    answered, _ = await opened(world)
    other, headers = await opened(world)
    to = [answered.manifest.report_recipient, answered.keys.identity.recipient]
    view = await world.inbox(await world.open_inbox(answered.keys.lookup))
    await world.answer(
        await world.case_id(view["reference"]), desk_message(answered.manifest, to, world.desk()[1])
    )
    answer = await world.http.get(f"{INBOX}/parts/2", headers=headers)
    assert problem(answer) == (404, "not-found")
    assert other.rid != answered.rid


async def test_a_part_moved_from_another_report_is_stored_but_names_its_own(world: World) -> None:
    """Intake cannot read parts; whoever opens one is told where it belongs."""
    first, headers = await opened(world)
    second = world.seal(keys=quick_keys())
    header = Header("message", "reporter", second.rid, 1, 2, bytes(32))
    part = seal_payload(header, WORDS, second.keys.signing, [first.manifest.report_recipient])
    assert (await world.post(f"{INBOX}/messages", {"part": b64(part)}, **headers)).status_code == 201
    case = await world.case(await world.case_id((await world.inbox(headers))["reference"]))
    found = open_payload(part, await world.report_key(case))
    with pytest.raises(ValueError, match="another report"):
        found.check(
            rid=first.rid,
            type="message",
            by="reporter",
            n=2,
            prev=bytes(32),
            verify_key=first.keys.signing.verify_key,
        )
