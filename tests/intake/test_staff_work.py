"""What staff do to a case: assignments with a grant, answers to the reporter."""

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
