"""Staff: who may do what, what each sees of a case, and pages that lose nothing."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from services.crypto import tokens
from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64, unb64
from services.crypto.grants import open_grant, seal_grant
from services.crypto.manifests import Manifest
from services.crypto.packages import SealedReport
from services.crypto.signatures import SigningKey
from services.intake import rules
from services.intake.models import reports
from services.kit.clock import day_of, utc_now
from services.kit.problems import install
from services.kit.staff import Staff
from tests.intake.builders import (
    FIELDS,
    LARGE,
    STAFF,
    DeskMessage,
    Json,
    Member,
    Sql,
    World,
    desk_message,
    pointers,
    problem,
)

ROLES = (
    *("operator", "desk", "lead", "investigator", "custodian", "rewards-officer", "commission", "registrar"),
    *("second-registrar", "auditor", "payments", "certifier", "administrator"),
)


class Filed:
    """A case and the reporter's side of it."""

    def __init__(self, report: SealedReport, case_id: str, reference: str) -> None:
        self.report, self.id, self.reference = report, case_id, reference
        self.path = f"{STAFF}/cases/{case_id}"
        self.to = [report.manifest.report_recipient, report.keys.identity.recipient]


async def filed(world: World, **changes: Any) -> Filed:
    report, answer = await world.file_sealed(**changes)
    return Filed(report, await world.case_id(answer["reference"]), answer["reference"])


def a_grant() -> bytes:
    """An age file of the right shape; intake cannot see what is in it."""
    return seal_grant(HybridIdentity.generate(), "investigator", HybridIdentity.generate().recipient)


async def assign(
    world: World, case: Filed, member: Member, grant: bytes | None = None, **changes: Any
) -> httpx2.Response:
    key = await world.report_key(await world.case(case.id))
    data = grant if grant is not None else seal_grant(key, "investigator", member.identity.recipient)
    return await world.http.put(
        f"{case.path}/assignees/{member.id}",
        json={"role": "investigator", "grant": b64(data), **changes},
        headers=world.token("desk"),
    )


Call = Callable[[World, Filed, dict[str, str]], Any]


def calls() -> dict[str, tuple[Call, int]]:
    """One good request for every staff route, and the status it has when it is allowed."""

    def get(path: str) -> Call:
        return lambda world, case, headers: world.http.get(case.path + path, headers=headers)

    def post(path: str, body: Json) -> Call:
        return lambda world, case, headers: world.http.post(case.path + path, json=body, headers=headers)

    async def answer(world: World, case: Filed, headers: dict[str, str]) -> Any:
        sent = desk_message(case.report.manifest, case.to, world.desk()[1])
        return await world.http.post(f"{case.path}/messages", json=sent.body(), headers=headers)

    async def put(world: World, case: Filed, headers: dict[str, str]) -> Any:
        body = {"role": "lead", "grant": b64(a_grant())}
        return await world.http.put(f"{case.path}/assignees/{uuid.uuid4()}", json=body, headers=headers)

    async def directory(world: World, _case: Filed, headers: dict[str, str]) -> Any:
        document = world.next_directory().to_json()
        return await world.http.post(f"{STAFF}/key-directory", json=document, headers=headers)

    return {
        "list_cases": (lambda world, _, headers: world.http.get(f"{STAFF}/cases", headers=headers), 200),
        "read_case": (get(""), 200),
        "read_case_part": (get("/parts/0"), 200),
        "change_state": (post("/states", {"to": "registered"}), 201),
        "assign_case": (put, 201),
        "answer_case": (answer, 201),
        "publish_directory": (directory, 201),
    }


CALLS = calls()


def test_every_rule_is_tried() -> None:
    assert set(CALLS) == set(rules.ACCESS)


@pytest.mark.parametrize("operation", CALLS)
async def test_a_route_serves_the_roles_of_its_rule_and_nobody_else(
    world: World, sql: Sql, operation: str
) -> None:
    call, good = CALLS[operation]
    case = await filed(world)
    person = str(uuid.uuid4())
    # Assigned, so that an investigator's answer depends on the role alone.
    sql(
        "INSERT INTO intake.assignments (id, report_id, person, role, assigned_by, day) "
        "VALUES (gen_random_uuid(), %s, %s, 'investigator', gen_random_uuid(), now()::date)",
        case.id,
        person,
    )
    before = sql("SELECT count(*) FROM intake.log_records")
    for role in ROLES:
        if role not in rules.ACCESS[operation]:
            assert problem(await call(world, case, world.token(role, person=person))) == (403, "forbidden"), role
    for headers in ({}, world.token(person=person), world.token("root", "*", person=person)):
        refusal = problem(await call(world, case, headers))
        assert refusal in {(401, "unauthorised"), (403, "forbidden")}
    assert sql("SELECT count(*) FROM intake.log_records") == before, "a refused call did something"
    for role in sorted(rules.ACCESS[operation]):
        sql("UPDATE intake.reports SET state = 'received'")
        answer = await call(world, case, world.token(role, person=person))
        assert answer.status_code == good, (role, answer.text)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_route_without_a_rule_is_refused_to_everybody(world: World) -> None:
    async def forgotten(who: Staff) -> str:
        return str(who.person)

    app = FastAPI()
    app.state.settings, app.state.clock, app.state.access = (
        world.app.state.settings,
        utc_now,
        world.app.state.access,
    )
    install(app)
    app.add_api_route("/forgotten", forgotten)
    app.add_api_route("/known", forgotten, name="list_cases")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as http:
        for roles in [(role,) for role in ROLES] + [ROLES]:
            answer = await http.get("/forgotten", headers=world.token(*roles))
            assert problem(answer) == (403, "forbidden")
        assert (await http.get("/known", headers=world.token("desk"))).status_code == 200


async def test_tokens_that_are_old_forged_or_foreign_are_refused(world: World) -> None:
    now = int(world.now().timestamp())
    claims = {"sub": str(uuid.uuid4()), "roles": ["desk"], "iat": now, "exp": now + 300}
    stranger = tokens.issue(claims, SigningKey.generate())
    good = world.token("desk")["Authorization"]
    wrong = [
        world.token("desk", iat=now - 400, exp=now - 100),
        world.token("desk", iat=now + 60, exp=now + 120),
        world.token("desk", sub="nobody"),
        world.token("desk", sub=5),
        world.token("desk", roles=5),
        {"Authorization": f"Bearer {stranger}"},
        {"Authorization": good + "x"},
        {"Authorization": good.replace("Bearer", "Session")},
        {"Authorization": "Bearer"},
        {},
    ]
    for headers in wrong:
        assert problem(await world.http.get(f"{STAFF}/cases", headers=headers)) == (401, "unauthorised")
    world.at(timedelta(minutes=5, seconds=1))
    answer = await world.http.get(f"{STAFF}/cases", headers={"Authorization": good})
    assert problem(answer) == (401, "unauthorised"), "five minutes are over"


# --- one case


async def test_an_investigator_sees_assigned_cases_only(world: World) -> None:
    mine, other = await filed(world), await filed(world)
    member = world.member("investigator")
    assert (await assign(world, mine, member)).status_code == 201
    headers = world.of(member)
    listed = (await world.http.get(f"{STAFF}/cases", headers=headers)).json()["items"]
    assert [case["reference"] for case in listed] == [mine.reference]
    sent = desk_message(other.report.manifest, other.to, world.desk()[1]).body()
    for answer in (
        await world.http.get(other.path, headers=headers),
        await world.http.get(f"{other.path}/parts/0", headers=headers),
        await world.http.post(f"{other.path}/states", json={"to": "registered"}, headers=headers),
        await world.http.post(f"{other.path}/messages", json=sent, headers=headers),
        await world.http.get(f"{STAFF}/cases/{uuid.uuid4()}", headers=headers),
    ):
        assert problem(answer) == (404, "not-found"), "not told apart from a case that does not exist"


async def test_an_assignment_that_ended_shows_nothing_any_more(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("investigator")
    await assign(world, case, member)
    sql("UPDATE intake.assignments SET ended = now()::date")
    headers = world.of(member)
    assert (await world.http.get(f"{STAFF}/cases", headers=headers)).json()["items"] == []
    assert problem(await world.http.get(case.path, headers=headers)) == (404, "not-found")
    assert (await world.case(case.id))["assignees"] == []


async def test_a_case_shows_everything_that_is_not_sealed(world: World) -> None:
    case = await filed(world, attachments=[("a", b"b")])
    found = await world.case(case.id)
    assert (found["id"], found["reference"], found["state"]) == (case.id, case.reference, "received")
    assert found["fields"] == FIELDS
    assert Manifest.from_json(found["manifest"]) == case.report.manifest
    assert [part["role"] for part in found["parts"]] == ["narrative", "identity", "attachment"]
    assert found["next"] == {"n": 0, "prev": "A" * 43}
    assert found["directory"] == world.signed_directory.to_json()
    assert found["assignments"] == []


async def test_each_gets_their_own_grant_and_never_that_of_another(world: World) -> None:
    case = await filed(world)
    first, second = world.member("investigator"), world.member("investigator")
    for member in (first, second):
        assert (await assign(world, case, member)).status_code == 201
    manifest = case.report.manifest
    seen = {}
    for member in (first, second):
        found = (await world.http.get(case.path, headers=world.of(member))).json()
        assert found["grant_holder"] == member.id
        assert open_grant(unb64(found["grant"]), member.identity, manifest).recipient == manifest.report_recipient
        seen[member.id] = found["grant"]
    assert len(set(seen.values())) == 2
    for headers in (world.token("desk"), world.token("lead")):
        found = (await world.http.get(case.path, headers=headers)).json()
        assert (found["grant_holder"], found["grant"]) == ("central", b64(case.report.grants[0].data))
    everything = (await world.http.get(case.path, headers=world.of(first))).text
    assert seen[second.id] not in everything
    assert b64(case.report.grants[0].data) not in everything


async def test_a_lead_with_a_grant_of_their_own_gets_that_one(world: World) -> None:
    case, lead = await filed(world), world.member("lead")
    assert (await assign(world, case, lead, role="lead")).status_code == 201
    assert (await world.http.get(case.path, headers=world.of(lead))).json()["grant_holder"] == lead.id


async def test_large_parts_are_read_from_the_blob_store(world: World) -> None:
    case = await filed(world, attachments=[("big", bytes(LARGE))])
    answer = await world.http.get(f"{case.path}/parts/2", headers=world.token("desk"))
    assert answer.content == case.report.parts[2].data
    assert (answer.headers["content-type"], answer.headers["Cache-Control"]) == (
        "application/octet-stream",
        "no-store",
    )


@pytest.mark.parametrize("number", ["-1", "3", str(1 << 31), str(1 << 70)])
async def test_a_part_that_is_not_there_is_a_404(world: World, number: str) -> None:
    case = await filed(world)
    answer = await world.http.get(f"{case.path}/parts/{number}", headers=world.token("desk"))
    assert problem(answer) == (404, "not-found")


# --- states


async def test_a_case_goes_through_its_states_and_each_step_is_kept_and_logged(world: World, sql: Sql) -> None:
    case, person = await filed(world), str(uuid.uuid4())
    headers, day = world.token("desk", person=person), day_of(world.now())
    for to in ("registered", "in_review", "closed", "in_review"):
        answer = await world.http.post(f"{case.path}/states", json={"to": to}, headers=headers)
        assert (answer.status_code, answer.json()) == (201, {"state": to, "day": day.isoformat()})
    found = await world.case(case.id)
    assert found["state"] == "in_review"
    assert [line["state"] for line in found["states"]] == [
        "received",
        "registered",
        "in_review",
        "closed",
        "in_review",
    ]
    assert [str(who) for (who,) in sql("SELECT person FROM intake.states WHERE place > 0")] == [person] * 4
    view = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert view["states"] == found["states"]
    logged = "SELECT count(*) FROM intake.log_records WHERE convert_from(record, 'UTF8') LIKE '%\"state\"%'"
    assert sql(logged) == [(4,)]


@pytest.mark.parametrize("to", ["in_review", "closed"])
async def test_a_step_that_the_table_does_not_have_is_a_conflict(world: World, to: str) -> None:
    case = await filed(world)
    answer = await world.http.post(f"{case.path}/states", json={"to": to}, headers=world.token("desk"))
    assert problem(answer) == (409, "conflict")
    assert (await world.case(case.id))["state"] == "received"


async def test_of_two_same_steps_at_once_one_is_a_conflict(world: World) -> None:
    case = await filed(world)
    answers = await asyncio.gather(
        *(
            world.http.post(f"{case.path}/states", json={"to": "registered"}, headers=world.token("desk"))
            for _ in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize("body", [{"to": "received"}, {"to": "lost"}, {"to": None}, {}, {"to": "closed", "x": 1}])
async def test_an_unknown_state_is_refused(world: World, body: Json) -> None:
    case = await filed(world)
    answer = await world.http.post(f"{case.path}/states", json=body, headers=world.token("desk"))
    assert problem(answer) == (422, "invalid")


# --- assignment


async def test_an_assignment_is_kept_logged_and_shown(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("investigator")
    answer = await assign(world, case, member)
    day = day_of(world.now()).isoformat()
    assert (answer.status_code, answer.json()) == (201, {"person": member.id, "day": day})
    found = await world.case(case.id)
    assert found["assignees"] == [member.id]
    (line,) = found["assignments"]
    assert (line["person"], line["role"], line["day"], line["ended"]) == (member.id, "investigator", day, None)
    ((record,),) = sql(
        "SELECT convert_from(record, 'UTF8') FROM intake.log_records "
        "WHERE convert_from(record, 'UTF8')::jsonb ->> 'type' = 'grant'"
    )
    assert member.id in record


async def test_a_person_is_assigned_once(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("investigator")
    answers = await asyncio.gather(*(assign(world, case, member, a_grant()) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert problem(await assign(world, case, member)) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.grants WHERE holder = %s", member.id) == [(1,)]


async def test_a_grant_that_is_no_single_hybrid_file_is_refused(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("investigator")
    one, two = HybridIdentity.generate().recipient, HybridIdentity.generate().recipient
    for grant in (
        b"",
        b"AGE-SECRET-KEY-PQ-1",
        seal(b"key", [one, two]),
        encrypt(b"key", [X25519Identity.generate().recipient]),
        seal(bytes(9000), [one]),
    ):
        answer = await assign(world, case, member, grant)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/grant"})
    assert sql("SELECT count(*) FROM intake.assignments") == [(0,)]


@pytest.mark.parametrize("changes", [{"role": "desk"}, {"role": "administrator"}, {"grant": "?"}, {"x": 1}])
async def test_an_assignment_of_another_shape_is_refused(world: World, changes: Json) -> None:
    case = await filed(world)
    answer = await world.http.put(
        f"{case.path}/assignees/{uuid.uuid4()}",
        json={"role": "investigator", "grant": b64(a_grant()), **changes},
        headers=world.token("desk"),
    )
    assert problem(answer) == (422, "invalid")


async def test_who_is_assigned_must_have_an_id(world: World) -> None:
    case = await filed(world)
    body = {"role": "lead", "grant": b64(a_grant())}
    answer = await world.http.put(f"{case.path}/assignees/somebody", json=body, headers=world.token("desk"))
    assert problem(answer) == (422, "invalid")


# --- answers


async def test_an_answer_goes_to_the_desk_chain_and_names_its_kind_of_author(world: World) -> None:
    case, member = await filed(world), world.member("investigator")
    await assign(world, case, member)
    first = desk_message(case.report.manifest, case.to, world.desk()[1], files=[("f", b"data")])
    assert (await world.answer(case.id, first)).json() == {
        "number": 2,
        "n": 0,
        "sha256": (await world.case(case.id))["next"]["prev"],
    }
    second = desk_message(
        case.report.manifest,
        case.to,
        member.signing,
        by="staff",
        n=1,
        prev=sha256(first.part).digest(),
        certificate=member.certificate,
    )
    assert (await world.answer(case.id, second, **world.of(member))).json()["n"] == 1
    parts = (await world.case(case.id))["parts"][2:]
    assert [(p["role"], p["by"], p["n"]) for p in parts] == [
        ("message", "desk", 0),
        ("attachment", "desk", None),
        ("message", "staff", 1),
    ]


async def test_two_answers_for_one_place_cannot_both_be_stored(world: World) -> None:
    case = await filed(world)
    sent = desk_message(case.report.manifest, case.to, world.desk()[1])
    answers = await asyncio.gather(
        *(
            world.http.post(f"{case.path}/messages", json=sent.body(n=0), headers=world.token("desk"))
            for _ in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_an_answer_that_not_both_sides_can_read_is_refused(world: World, sql: Sql) -> None:
    case = await filed(world)
    signing = world.desk()[1]
    for to in (case.to[:1], case.to[1:], [*case.to, HybridIdentity.generate().recipient]):
        answer = await world.answer(case.id, desk_message(case.report.manifest, to, signing))
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/part"})
    one_sided_file = DeskMessage(
        desk_message(case.report.manifest, case.to, signing).part, (seal(b"", case.to[:1]),)
    )
    assert problem(await world.answer(case.id, one_sided_file)) == (422, "invalid")
    assert problem(await world.answer(case.id, DeskMessage(b"plain words"))) == (422, "invalid")
    assert sql("SELECT count(*) FROM intake.parts") == [(2,)]


# --- lists


async def test_lists_show_the_clear_fields_and_the_number_of_parts(world: World) -> None:
    case = await filed(world, attachments=[("a", b"b")])
    (line,) = (await world.http.get(f"{STAFF}/cases", headers=world.token("desk"))).json()["items"]
    assert line == {
        "id": case.id,
        "reference": case.reference,
        "state": "received",
        "filed_on": day_of(world.now()).isoformat(),
        "mode": "sealed",
        "desk": "central",
        "fields": FIELDS,
        "assignees": [],
        "parts": 3,
    } | {key: value for key, value in line.items() if key == "lane"}


async def test_filters_narrow_the_list(world: World) -> None:
    await world.file_sealed()
    plain = await world.file_plain(fields={**FIELDS, "sector": "customs"})
    other = await filed(world, fields={**FIELDS, "category": "abuse-of-power", "region": "750000000"})
    member = world.member("lead")
    await assign(world, other, member)
    await world.http.post(f"{other.path}/states", json={"to": "registered"}, headers=world.token("desk"))
    wanted = {
        "sector=customs": {plain["reference"]},
        "mode=plain": {plain["reference"]},
        "category=abuse-of-power": {other.reference},
        "region=750000000": {other.reference},
        "state=registered": {other.reference},
        "assigned=me": {other.reference},
        "state=registered&mode=plain": set(),
        "category=no-such": set(),
    }
    for query, references in wanted.items():
        answer = await world.http.get(f"{STAFF}/cases?{query}", headers=world.of(member))
        assert {case["reference"] for case in answer.json()["items"]} == references, query
    everything = await world.http.get(f"{STAFF}/cases", headers=world.of(member))
    assert len(everything.json()["items"]) == 3


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "assigned=you",
        "state=%00",
        "category=" + "x" * 65,
        "region=%27%20OR%201%3D1",
        "cursor=x",
        "cursor=e30",
        "cursor=WyJhIiwiYiJd",
        "cursor=" + "x" * 201,
        "cursor=%D0%B6",
    ],
)
async def test_a_query_of_another_shape_is_refused(world: World, query: str) -> None:
    answer = await world.http.get(f"{STAFF}/cases?{query}", headers=world.token("desk"))
    assert problem(answer) == (422, "invalid")


async def pages(world: World, limit: int) -> Any:
    """Page after page, as a client walks them."""
    cursor = ""
    while True:
        path = f"{STAFF}/cases?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = (await world.http.get(path, headers=world.token("desk"))).json()
        yield page["items"]
        if not page["next"]:
            return
        cursor = page["next"]


async def test_pages_are_complete_and_without_repeats_while_new_cases_arrive(world: World, sql: Sql) -> None:
    await world.file_sealed()
    copies(sql, 119)
    before = {reference for (reference,) in sql("SELECT reference FROM intake.reports")}
    assert len(before) == 120
    seen: list[str] = []
    days: list[str] = []
    async for items in pages(world, 25):
        assert 1 <= len(items) <= 25
        seen += [case["reference"] for case in items]
        days += [case["filed_on"] for case in items]
        copies(sql, 2)
    assert len(seen) == len(set(seen)), "a case was shown twice"
    assert before <= set(seen), "a case was skipped"
    assert days == sorted(days, reverse=True)
    assert len(set(days)) == 4


def copies(sql: Sql, count: int) -> None:
    """More cases like the newest one, of four days."""
    fresh = "sha256(gen_random_uuid()::text::bytea)"
    made = {
        "id": "gen_random_uuid()",
        "reference": "gen_random_uuid()::text",
        "rid": fresh,
        "lookup_mac": fresh,
        "leaf": fresh,
        "filed_on": "filed_on - n % 4",
    }
    names = [column.name for column in reports.c]
    values = ", ".join(made.get(name, name) for name in names)
    sql(
        f"INSERT INTO intake.reports ({', '.join(names)}) SELECT {values} FROM "
        f"(SELECT * FROM intake.reports ORDER BY filed_on DESC LIMIT 1) r, generate_series(1, {count}) n"
    )
