"""Staff: who may do what, what each sees of a case."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from services.crypto import tokens
from services.crypto.age import seal
from services.crypto.canonical import b64, unb64
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest
from services.crypto.signatures import SigningKey
from services.intake import (
    access_store,
    call_routes,
    folder_routes,
    protection_store,
    retention_routes,
    rules,
    triage_routes,
)
from services.kit.clock import day_of, utc_now
from services.kit.problems import install
from services.kit.staff import Staff
from tests.intake.builders import (
    FIELDS,
    LARGE,
    STAFF,
    Filed,
    Json,
    Sql,
    World,
    a_grant,
    assign,
    desk_message,
    filed,
    problem,
)
from tests.intake.custodians import OPERATIONS

ROLES = (
    *("operator", "desk", "lead", "investigator", "custodian", "rewards-officer", "commission", "registrar"),
    *("second-registrar", "auditor", "payments", "certifier", "administrator"),
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

    async def end(world: World, case: Filed, headers: dict[str, str]) -> Any:
        leaving, staying = uuid.uuid4(), uuid.uuid4()
        day, report = day_of(world.now()), uuid.UUID(case.id)
        async with world.app.state.engine.begin() as conn:
            for one in (leaving, staying):
                await access_store.assign(conn, report, one, "lead", one, day)
                grant = access_store.NewGrant(str(one), "lead", 0, a_grant())
                await access_store.add_grants(conn, report, day, [grant])
        found = await world.case(case.id)
        grants = [
            {**line, "data": b64(a_grant())} for line in found["holders"] if line["holder"] != str(leaving)
        ]
        part = b64(seal(bytes(4096), case.to))
        body = {"n": found["next"]["n"], "reporter_n": 2, "part": part, "grants": grants}
        return await world.http.post(f"{case.path}/assignees/{leaving}/end", json=body, headers=headers)

    async def protection(world: World, case: Filed, headers: dict[str, str]) -> Any:
        async with world.app.state.engine.begin() as conn:
            day = day_of(world.now())
            await protection_store.start(conn, uuid.UUID(case.id), day, day)
        body = {"status": "in_hand"}
        return await world.http.put(f"{case.path}/protection", json=body, headers=headers)

    async def directory(world: World, _case: Filed, headers: dict[str, str]) -> Any:
        document = world.next_directory().to_json()
        return await world.http.post(f"{STAFF}/key-directory", json=document, headers=headers)

    return {
        "list_cases": (lambda world, _, headers: world.http.get(f"{STAFF}/cases", headers=headers), 200),
        "read_case": (get(""), 200),
        "read_case_part": (get("/parts/0"), 200),
        "read_step_reference": (
            lambda world, _, headers: world.http.get(f"{STAFF}/case-steps", headers=headers),
            200,
        ),
        "take_step": (post("/steps", {"step": "review"}), 201),
        "classify_case": (
            lambda world, case, headers: world.http.put(
                f"{case.path}/classification", json={"classification": "criminal"}, headers=headers
            ),
            200,
        ),
        "record_body": (
            lambda world, case, headers: world.http.put(
                f"{case.path}/body", json={"body": "akimat"}, headers=headers
            ),
            200,
        ),
        "assign_case": (put, 201),
        "end_access": (end, 201),
        "answer_case": (answer, 201),
        "publish_directory": (directory, 201),
        "change_protection": (protection, 200),
        "add_disclosure": (post("/disclosures", {"article": "cc-424", "facts": b64(a_grant())}), 201),
        "list_disclosures": (get("/disclosures"), 200),
    }


CALLS = calls()


def test_every_rule_is_tried() -> None:
    of_keys = {"log_certificate", "list_desk_months"}  # tests/intake/test_staff_keys.py
    of_limits = {"extend_case", "mark_limit", "read_deadline_figures"}  # tests/intake/test_deadlines.py
    # Tried with every role, and with cases that are not the caller's, in tests/matrix.
    of_matrix = {
        route.name
        for module in (call_routes, folder_routes, retention_routes, triage_routes)
        for route in module.router.routes
    } | {"end_disclosure"}
    elsewhere = set(OPERATIONS) | of_keys | of_limits | of_matrix  # tests/intake/test_custody.py
    assert set(CALLS) | elsewhere == set(rules.ACCESS)


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
            assert problem(await call(world, case, world.token(role, person=person))) == (403, "forbidden"), (
                role
            )
    for headers in ({}, world.token(person=person), world.token("root", "*", person=person)):
        refusal = problem(await call(world, case, headers))
        assert refusal in {(401, "unauthorised"), (403, "forbidden")}
    assert sql("SELECT count(*) FROM intake.log_records") == before, "a refused call did something"
    for role in sorted(rules.ACCESS[operation]):
        sql("UPDATE intake.reports SET state = 'registered'")
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
    app.state.step_up = frozenset()
    install(app)
    app.add_api_route("/forgotten", forgotten)
    app.add_api_route("/known", forgotten, name="list_cases")
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as http:
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
        world.token("desk", iss="another"),
        world.token("desk", stepped="now"),
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
        await world.http.post(f"{other.path}/steps", json={"step": "register"}, headers=headers),
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
        assert (
            open_grant(unb64(found["grant"]), member.identity, manifest).recipient
            == manifest.report_recipient
        )
        seen[member.id] = found["grant"]
    assert len(set(seen.values())) == 2
    for headers in (world.token("desk"), world.token("lead")):
        found = (await world.http.get(case.path, headers=headers)).json()
        assert (found["grant_holder"], found["grant"], found["grants"]) == (None, None, [])
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
