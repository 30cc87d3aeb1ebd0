"""What staff do to a case: steps of its state, assignments with a grant, answers to the reporter."""

import asyncio
import uuid
from hashlib import sha256

import pytest

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64
from services.kit.clock import day_of
from tests.intake.builders import (
    DeskMessage,
    Json,
    Sql,
    World,
    a_grant,
    assign,
    desk_message,
    filed,
    pointers,
    problem,
)

# --- states


async def test_a_case_goes_through_its_states_and_each_step_is_kept_and_logged(
    world: World, sql: Sql
) -> None:
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


@pytest.mark.parametrize(
    "body", [{"to": "received"}, {"to": "lost"}, {"to": None}, {}, {"to": "closed", "x": 1}]
)
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
    assert case.lead is not None
    assert set(found["assignees"]) == {member.id, case.lead.id}
    (line,) = (line for line in found["assignments"] if line["role"] == "investigator")
    assert (line["person"], line["role"], line["day"], line["ended"]) == (
        member.id,
        "investigator",
        day,
        None,
    )
    records = sql(
        "SELECT convert_from(record, 'UTF8')::jsonb ->> 'type', convert_from(record, 'UTF8')::jsonb ->> 'holder' "
        "FROM intake.log_records WHERE convert_from(record, 'UTF8')::jsonb ->> 'type' IN ('grant', 'deletion')"
    )
    assert set(records) == {("grant", member.id), ("grant", case.lead.id), ("deletion", "central")}


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
