"""Calls to 1424: records without reports, figures, look-ups that show days only, notes that only the desk opens."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import httpx2
import pytest

from services.crypto.age import HybridIdentity, seal
from services.crypto.call_notes import CallNote, open_call_note, seal_call_note
from services.crypto.canonical import b64, b64u, unb64
from services.first_run import DESK
from services.intake import calls
from services.intake.calls import count, load_wrap_ups
from services.intake.clock_schemas import DeadlineLine
from services.intake.form import load_form
from services.kit.clock import day_of
from tests.intake.builders import (
    API,
    FIELDS,
    STAFF,
    Filed,
    Json,
    Member,
    Sql,
    World,
    desk_message,
    filed,
    new_keys_body,
    problem,
    quick_keys,
    reporter_file,
)

CALLS = f"{STAFF}/calls"
WORDS = "MARKER call me about the school"
NUMBER = "MARKER +7 700 000 00 00"
Headers = Mapping[str, str]


def a_call(**changes: object) -> Json:
    """A record of a call that is accepted."""
    call = {"id": str(uuid.uuid4()), "kind": "consultation", "language": "kk", "named": False}
    return {**call, "wrap_up": "consultation-given", "region": None, **changes}


def a_note(world: World, call: str, kind: str = "callback", operator: Member | None = None) -> Json:
    """A note of the call as an operator's client seals it."""
    today = day_of(world.now())
    number, wish = (NUMBER, "after six") if kind == "callback" else (None, None)
    note = CallNote(call, kind, today, DESK, WORDS, number, wish)
    signed = (operator.certificate, operator.signing) if operator else (None, None)
    file = seal_call_note(note, world.directory.desk(DESK, today).recipient, *signed)
    return {"kind": kind, "desk": DESK, "data": b64(file)}


async def register(world: World, headers: Headers | None = None, **changes: Any) -> httpx2.Response:
    return await world.http.post(CALLS, json=a_call(**changes), headers=headers or world.token("operator"))


async def with_note(
    world: World, kind: str = "callback", operator: Member | None = None, **changes: Any
) -> str:
    """The id of a call with a note."""
    call = str(uuid.uuid4())
    answer = await register(world, id=call, note=a_note(world, call, kind, operator), **changes)
    assert answer.status_code == 201, answer.text
    return call


async def listed(world: World, query: str = "", role: str = "desk") -> Json:
    answer = await world.http.get(f"{STAFF}/callbacks{query}", headers=world.token(role))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


# --- the record


async def test_a_call_is_recorded_with_codes_and_a_day(world: World, sql: Sql) -> None:
    operator = world.member("operator")
    answer = await register(world, world.of(operator), region=FIELDS["region"], named=True)
    assert answer.status_code == 201, answer.text
    today = day_of(world.now())
    assert answer.json() == {
        "id": answer.json()["id"], "day": today.isoformat(), "kind": "consultation", "note": None,
    }  # fmt: skip
    rows = sql("SELECT day, operator::text, kind, language, named, wrap_up, region FROM intake.calls")
    assert rows == [
        (today, operator.id, "consultation", "kk", True, "consultation-given", FIELDS["region"]),
    ]  # fmt: skip


async def test_a_record_of_a_call_has_no_hour_no_report_and_no_receipt(world: World, sql: Sql) -> None:
    columns = {
        (table, name): kind
        for table, name, kind in sql(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'intake' AND table_name IN ('calls', 'call_notes')"
        )
    }
    assert len(columns) > 10
    assert not [name for name, kind in columns.items() if "time" in kind]
    assert not [
        name for _, name in columns if "report" in name or "receipt" in name or "rid" in name.split("_")
    ]


async def test_a_repeat_of_a_record_adds_nothing(world: World, sql: Sql) -> None:
    operator, call = world.of(world.member("operator")), str(uuid.uuid4())
    body = a_call(id=call, note=a_note(world, call))
    answers = [await world.http.post(CALLS, json=body, headers=operator) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert sql("SELECT count(*) FROM intake.calls") == sql("SELECT count(*) FROM intake.call_notes") == [(1,)]


async def test_an_id_is_not_taken_over_by_another_call_or_operator(world: World, sql: Sql) -> None:
    operator, call = world.of(world.member("operator")), str(uuid.uuid4())
    body = a_call(id=call, note=a_note(world, call))
    assert (await world.http.post(CALLS, json=body, headers=operator)).status_code == 201
    for other, who in (
        ({**body, "kind": "feedback"}, operator),
        ({**body, "note": a_note(world, call)}, operator),
        ({**body, "note": None}, operator),
        (body, world.token("operator")),
    ):
        assert problem(await world.http.post(CALLS, json=other, headers=who)) == (409, "conflict")
    assert sql("SELECT kind FROM intake.calls") == [("consultation",)]


async def test_the_same_record_sent_twice_at_once_is_one(world: World, sql: Sql) -> None:
    operator, call = world.of(world.member("operator")), str(uuid.uuid4())
    body = a_call(id=call, note=a_note(world, call))
    answers = await asyncio.gather(*(world.http.post(CALLS, json=body, headers=operator) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert sql("SELECT count(*) FROM intake.call_notes") == [(1,)]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "chat"}, {"language": "de"}, {"named": "yes?"}, {"wrap_up": "other"}, {"wrap_up": None},
        {"region": "000000000"}, {"id": str(uuid.UUID(int=1))}, {"id": "x"}, {"report": str(uuid.uuid4())},
        {"note": {"kind": "callback", "desk": DESK, "data": "MARKER"}},
        {"note": {"kind": "callback", "desk": DESK, "data": b64(b"MARKER in clear")}},
        {"note": {"kind": "voice", "desk": DESK, "data": ""}},
    ],
)  # fmt: skip
async def test_what_is_no_record_of_a_call_is_refused_and_not_repeated(
    world: World, changes: Json, sql: Sql
) -> None:
    answer = await register(world, **changes)
    assert problem(answer) == (422, "invalid")
    assert "MARKER" not in answer.text
    assert sql("SELECT count(*) FROM intake.calls") == [(0,)]


async def test_a_note_for_no_desk_or_of_no_size_is_refused(world: World, sql: Sql) -> None:
    call, to = str(uuid.uuid4()), HybridIdentity.generate().recipient
    for note in (
        {**a_note(world, call), "desk": "elsewhere"},
        {**a_note(world, call), "data": b64(seal(bytes(200 << 10), [to]))},
    ):
        assert problem(await register(world, id=call, note=note)) == (422, "invalid")
    assert sql("SELECT count(*) FROM intake.calls") == [(0,)]


@pytest.mark.parametrize(
    ("method", "path", "roles"),
    [
        ("GET", "/calls/reference", {"operator", "desk", "lead"}),
        ("POST", "/calls", {"operator"}),
        ("GET", "/calls/figures", {"operator", "lead"}),
        ("POST", "/calls/status", {"operator", "desk", "lead"}),
        ("POST", "/calls/code-used", {"operator", "desk", "lead"}),
        ("GET", "/callbacks", {"desk", "lead"}),
        ("POST", f"/callbacks/{uuid.UUID(int=0)}/done", {"desk", "lead"}),
    ],
)
async def test_only_these_roles_come_in(world: World, method: str, path: str, roles: set[str]) -> None:
    body: dict[str, Any] | None = {} if method == "POST" else None
    for role in (
        "operator",
        "desk",
        "lead",
        "investigator",
        "custodian",
        "auditor",
        "administrator",
        "client:calls",
    ):
        answer = await world.http.request(method, f"{STAFF}{path}", json=body, headers=world.token(role))
        assert (answer.status_code == 403) == (role not in roles), role


# --- lists


async def test_the_reference_names_kinds_and_ends_in_three_languages(world: World) -> None:
    found = (await world.http.get(f"{CALLS}/reference", headers=world.token("operator"))).json()
    assert {line["code"] for line in found["kinds"]} == {
        "report", "business-pressure", "consultation", "complaint", "feedback",
    }  # fmt: skip
    assert {line["code"] for line in found["wrap_ups"]} >= {
        "report-filed",
        "code-not-repeated",
        "call-back-asked",
    }
    for line in (*found["kinds"], *found["wrap_ups"]):
        assert len(set(line["labels"].values())) == 3


def test_ends_of_calls_are_dated_data_and_no_list_of_the_public_form() -> None:
    found = load_wrap_ups()
    assert len({item.code for item in found.items}) == len(found.items)
    assert "wrap_up_codes" not in load_form().lists


# --- figures


class Line:
    def __init__(self, kind: str, language: str, wrap_up: str, named: bool, number: int) -> None:
        self.operator: object = uuid.uuid4()
        self.kind, self.language, self.wrap_up = kind, language, wrap_up
        self.named, self.calls = named, number


def test_counts_add_up_by_every_code() -> None:
    found = count(
        [
            Line("report", "kk", "a", True, 2),
            Line("report", "ru", "b", False, 3),
            Line("feedback", "kk", "b", False, 1),
        ]
    )
    assert (found.calls, found.named) == (6, 2)
    assert found.kinds == {"feedback": 1, "report": 5}
    assert found.languages == {"kk": 3, "ru": 3}
    assert found.wrap_ups == {"a": 2, "b": 4}
    assert count([]) == calls.Counts(0, 0, {}, {}, {})


async def test_an_operator_sees_their_own_figures_and_those_of_all(world: World) -> None:
    first, second = world.member("operator"), world.member("operator")
    for who, kind in ((first, "report"), (first, "feedback"), (second, "report")):
        assert (await register(world, world.of(who), kind=kind, wrap_up="report-filed")).status_code == 201
    await world.http.post(
        f"{API}/packages",
        json=world.seal(fields={**FIELDS, "channel": "phone-1424"}).to_json(),
        headers={**world.of(first), "Idempotency-Key": uuid.uuid4().hex},
    )
    await filed(world)
    found = (await world.http.get(f"{CALLS}/figures", headers=world.of(first))).json()
    assert found["day"] == day_of(world.now()).isoformat()
    assert found["everybody"]["kinds"] == {"feedback": 1, "report": 2}
    assert (found["own"]["calls"], found["own"]["kinds"]) == (2, {"feedback": 1, "report": 1})
    assert (found["reports"], found["notes_open"], found["operators"]) == (1, 0, None)
    assert second.id not in str(found)


async def test_a_lead_sees_each_operator(world: World) -> None:
    operator = world.member("operator")
    await register(world, world.of(operator))
    found = (await world.http.get(f"{CALLS}/figures", headers=world.token("lead"))).json()
    assert [(line["operator"], line["counts"]["calls"]) for line in found["operators"]] == [(operator.id, 1)]
    assert found["own"]["calls"] == 0


async def test_figures_are_of_one_day(world: World) -> None:
    await register(world)
    today = day_of(world.now())
    for day, number in ((today, 1), (today - timedelta(days=1), 0), (today + timedelta(days=1), 0)):
        answer = await world.http.get(f"{CALLS}/figures?day={day}", headers=world.token("lead"))
        assert (answer.json()["day"], answer.json()["everybody"]["calls"]) == (day.isoformat(), number)
    wrong = await world.http.get(f"{CALLS}/figures?day=yesterday", headers=world.token("lead"))
    assert problem(wrong) == (422, "invalid")


# --- notes


@pytest.mark.parametrize("kind", ["callback", "note"])
async def test_the_desk_opens_a_note_and_sees_who_wrote_it(world: World, kind: str, sql: Sql) -> None:
    operator = world.member("operator")
    call = await with_note(world, kind, operator, language="ru", region=FIELDS["region"])
    [line] = (await listed(world, f"?kind={kind}"))["items"]
    assert (line["call"], line["call_kind"], line["language"]) == (call, "consultation", "ru")
    found = open_call_note(unb64(line["data"]), world.desk()[0], call, kind, [world.directory])
    assert (found.note.text, found.person) == (WORDS, operator.id)
    assert (await listed(world, "?kind=" + ("note" if kind == "callback" else "callback")))["items"] == []
    rows = sql("SELECT row_to_json(n)::text FROM intake.call_notes n")
    assert "MARKER" not in str(rows)


async def test_the_operator_who_left_a_note_cannot_read_it_back(world: World) -> None:
    operator = world.member("operator")
    call = await with_note(world, "callback", operator)
    assert problem(await world.http.get(f"{STAFF}/callbacks", headers=world.of(operator))) == (
        403,
        "forbidden",
    )
    [line] = (await listed(world))["items"]
    for path in (f"/calls/{call}", f"/callbacks/{line['id']}", f"/callbacks/{call}"):
        answer = await world.http.get(f"{STAFF}{path}", headers=world.of(operator))
        assert answer.status_code in (404, 405), path


async def test_a_note_is_dealt_with_once(world: World) -> None:
    await with_note(world)
    [line] = (await listed(world))["items"]
    desk = world.member("desk")
    path = f"{STAFF}/callbacks/{line['id']}/done"
    first = await world.http.post(path, headers=world.of(desk))
    assert (first.status_code, first.json()["done_on"]) == (201, day_of(world.now()).isoformat())
    assert problem(await world.http.post(path, headers=world.token("lead"))) == (409, "conflict")
    assert (await listed(world))["items"] == []
    [done] = (await listed(world, "?state=done"))["items"]
    assert (done["id"], done["done_by"]) == (line["id"], desk.id)
    missing = await world.http.post(f"{STAFF}/callbacks/{uuid.uuid4()}/done", headers=world.of(desk))
    assert problem(missing) == (404, "not-found")


async def test_of_two_who_deal_with_it_at_once_one_is_told(world: World) -> None:
    await with_note(world)
    [line] = (await listed(world))["items"]
    path = f"{STAFF}/callbacks/{line['id']}/done"
    answers = await asyncio.gather(*(world.http.post(path, headers=world.token("desk")) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_notes_come_in_pages_oldest_first(world: World) -> None:
    made = set()
    for distance in (0, 1, 1, 2):
        world.at(timedelta(days=distance))
        made.add(await with_note(world))
    seen: list[Json] = []
    page = await listed(world, "?limit=3")
    seen += page["items"]
    page = await listed(world, f"?limit=3&cursor={page['next']}")
    seen += page["items"]
    assert page["next"] is None
    assert {line["call"] for line in seen} == made
    assert [line["day"] for line in seen] == sorted(line["day"] for line in seen)


async def test_a_month_with_a_note_that_waits_is_still_needed(world: World) -> None:
    def grants(found: httpx2.Response) -> int:
        return sum(line["grants"] for line in found.json()["items"])

    async def months() -> int:
        return grants(await world.http.get(f"{STAFF}/desk-months", headers=world.token("lead")))

    assert await months() == 0
    await with_note(world)
    assert await months() >= 1
    [line] = (await listed(world))["items"]
    await world.http.post(f"{STAFF}/callbacks/{line['id']}/done", headers=world.token("desk"))
    assert await months() == 0


# --- look-ups


async def look_up(world: World, reference: str, role: str = "operator") -> httpx2.Response:
    return await world.http.post(f"{CALLS}/status", json={"reference": reference}, headers=world.token(role))


async def test_a_state_is_looked_up_by_reference_however_it_is_read_out(world: World) -> None:
    case = await filed(world)
    today = day_of(world.now()).isoformat()
    for spoken in (
        case.reference,
        case.reference.lower(),
        case.reference.replace("-", " "),
        f" {case.reference} ",
    ):
        answer = await look_up(world, spoken)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["reference"], found["state"], found["since"], found["filed_on"]) == (
            case.reference, "received", today, today,
        )  # fmt: skip
    for unknown in ("AAAA-AAAA-AA", "x", "7" * 64, case.id):
        assert problem(await look_up(world, unknown)) == (404, "no-such-reference")


async def test_a_look_up_shows_a_state_and_days_and_nothing_else(world: World) -> None:
    case = await filed(world, fields={**FIELDS, "category": "smuggling"})
    found = (await look_up(world, case.reference)).json()
    assert set(found) == {
        "reference", "state", "since", "filed_on", "register_by", "deadlines", "code_replaced_on", "code_suspect_on",
    }  # fmt: skip
    assert "register" in {line["kind"] for line in found["deadlines"]}, "it runs before anybody registers"
    for line in found["deadlines"]:
        assert set(line) == set(DeadlineLine.model_fields), "as the reporter sees it, and nothing of staff"
        date.fromisoformat(line["due"])
    assert "smuggling" not in str(found)
    assert case.id not in str(found)


# --- codes that somebody else used


async def flag(world: World, reference: str) -> httpx2.Response:
    headers = world.token("operator")
    return await world.http.post(f"{CALLS}/code-used", json={"reference": reference}, headers=headers)


async def reply(world: World, case: Filed, n: int = 0, prev: bytes = bytes(32)) -> httpx2.Response:
    message = desk_message(case.report.manifest, case.to, world.desk()[1], n=n, prev=prev)
    return await world.answer(case.id, message)


async def test_a_code_that_somebody_used_gets_no_more_words_until_it_is_replaced(world: World) -> None:
    case = await filed(world)
    today = day_of(world.now()).isoformat()
    answer = await flag(world, case.reference)
    assert (answer.status_code, answer.json()) == (201, {"code_suspect_on": today})
    found = await world.case(case.id)
    assert (found["code_suspect_on"], found["code_suspect"]) == (today, True)
    assert problem(await reply(world, case)) == (409, "code-suspect")

    headers = await world.open_inbox(case.report.keys.lookup)
    view = await world.inbox(headers)
    assert (view["code_suspect_on"], view["code_suspect"], len(view["parts"])) == (today, True, 2)
    new = quick_keys()
    part = reporter_file(
        case.report.manifest, case.report.keys, "reporter-keys", new_keys_body(new), view["next"]
    )
    offered = await world.http.post(
        f"{API}/inbox/code", json={"part": b64(part), "lookup": b64u(new.lookup)}, headers=headers
    )
    assert offered.status_code == 202, offered.text
    assert problem(await reply(world, case)) == (409, "code-suspect"), "only offered yet"
    confirmed = await world.http.post(f"{API}/inbox/code/confirm", headers=await world.open_inbox(new.lookup))
    assert confirmed.status_code == 204

    assert (await reply(world, case)).status_code == 201
    view = await world.inbox(await world.open_inbox(new.lookup))
    assert (view["code_suspect_on"], view["code_suspect"]) == (today, False), "the day stays to be seen"


async def test_the_reporter_may_still_write_while_the_code_is_in_doubt(world: World) -> None:
    filed_plain = await world.file_plain()
    assert (await flag(world, filed_plain["reference"])).status_code == 201
    body = {"receipt": filed_plain["receipt"], "text": "It was not me yesterday."}
    assert (await world.post(f"{API}/inbox/plain/messages", body)).status_code == 201


async def test_a_flag_is_for_one_report_and_may_be_repeated(world: World) -> None:
    one, other = await filed(world), await filed(world)
    first = await flag(world, one.reference)
    world.at(timedelta(days=1))
    again = await flag(world, one.reference)
    assert again.json()["code_suspect_on"] > first.json()["code_suspect_on"]
    assert (await reply(world, other)).status_code == 201
    assert problem(await flag(world, "AAAA-AAAA-AA")) == (404, "no-such-reference")
