"""A flood of 300 reports, put in order: each case by itself, nothing deleted, nothing answered."""

import asyncio
import uuid
from typing import Any

from services.intake.folder import ACTIONS, MOST_AT_ONCE
from tests.intake.builders import STAFF, Json, Sql, World, filed, problem

FLOOD = 300


async def flood(world: World, sql: Sql, count: int = FLOOD) -> list[str]:
    """As many reports in the quarantine lane: one is filed, the others are rows like it."""
    first = await filed(world)
    sql("UPDATE intake.reports SET lane = 'quarantine' WHERE id = %s", first.id)
    columns = [
        name
        for (name,) in sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'intake.reports'::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        )
    ]
    fresh = {
        "id": "gen_random_uuid()", "reference": "'T' || i", "rid": "sha256(('rid' || i)::bytea)",
        "lookup_mac": "sha256(('mac' || i)::bytea)", "leaf": "sha256(('leaf' || i)::bytea)",
    }  # fmt: skip
    values = ", ".join(fresh.get(name, f'r."{name}"') for name in columns)
    sql(
        f"INSERT INTO intake.reports SELECT {values} FROM intake.reports r, generate_series(2, {count}) i "
        f"WHERE r.id = '{first.id}'"
    )
    sql(
        "INSERT INTO intake.states (id, report_id, place, state, day) SELECT gen_random_uuid(), id, 0, state, filed_on "
        "FROM intake.reports WHERE id <> %s",
        first.id,
    )
    return [str(found) for (found,) in sql("SELECT id FROM intake.reports ORDER BY id")]


async def triage(world: World, action: str, cases: list[str], **more: Any) -> Json:
    body = {"action": action, "cases": cases, **more}
    answer = await world.http.post(f"{STAFF}/bulk", json=body, headers=world.token("desk"))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def lane(world: World, name: str) -> set[str]:
    """Every case of a lane, over all pages."""
    found: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        path = f"{STAFF}/cases?lane={name}&limit=100" + (f"&cursor={cursor}" if cursor else "")
        page = (await world.http.get(path, headers=world.token("desk"))).json()
        found |= {line["id"] for line in page["items"]}
        cursor = page["next"]
    return found


async def test_a_flood_is_put_in_order_and_nothing_of_it_is_lost(world: World, sql: Sql) -> None:
    cases = await flood(world, sql)
    assert await lane(world, "quarantine") == set(cases)
    real, rest = cases[0], cases[1:]
    for part in (rest[:MOST_AT_ONCE], rest[MOST_AT_ONCE:]):
        marked = await triage(world, "duplicate", part, of=real)
        labelled = await triage(world, "label", part, label="flood")
        assert all(line["done"] for line in (*marked["items"], *labelled["items"]))
    moved = await triage(world, "to-main", [real])
    assert moved == {"items": [{"case": real, "done": True, "reason": None}]}
    assert await lane(world, "main") == {real}
    assert await lane(world, "quarantine") == set(rest)
    folder = await world.http.get(f"{STAFF}/cases/{real}/folder", headers=world.token("desk"))
    kinds = [line["kind"] for line in folder.json()["links"]]
    assert kinds == ["has_duplicate"] * (FLOOD - 1)
    assert sql("SELECT count(*), count(DISTINCT label) FROM intake.case_labels") == [(FLOOD - 1, 1)]
    assert sql("SELECT count(*) FROM intake.reports WHERE state = 'received'") == [(FLOOD,)]
    assert sql("SELECT count(*) FROM intake.parts WHERE author <> 'reporter'") == [(0,)], (
        "nobody was answered"
    )


async def test_registering_many_takes_the_step_of_each(world: World, sql: Sql) -> None:
    cases = await flood(world, sql, 40)
    [done] = [await triage(world, "register", cases)]
    assert [line["done"] for line in done["items"]] == [True] * 40
    assert sql("SELECT DISTINCT state FROM intake.reports") == [("registered",)]
    assert sql("SELECT count(*) FROM intake.states WHERE step = 'register'") == [(40,)]
    assert sql("SELECT count(DISTINCT report_id) FROM intake.deadlines") == [(40,)], "the clocks run"
    [(logged,)] = sql(
        "SELECT count(*) FROM intake.log_records WHERE convert_from(record, 'UTF8')::jsonb ->> 'type' = 'state'"
    )
    assert logged == 40


async def test_what_fails_for_one_does_not_stop_the_others(world: World, sql: Sql) -> None:
    one, two = await filed(world), await filed(world)
    await triage(world, "register", [one.id])
    unknown = str(uuid.uuid4())
    body = {"action": "register", "cases": [one.id, unknown, two.id]}
    answer = await world.http.post(
        f"{STAFF}/bulk", json=body, headers={**world.token("desk"), "Accept-Language": "ru"}
    )
    found = {line["case"]: line for line in answer.json()["items"]}
    assert (found[two.id]["done"], found[two.id]["reason"]) == (True, None)
    for failed in (one.id, unknown):
        assert not found[failed]["done"]
        assert any("а" <= char <= "я" for char in found[failed]["reason"].lower()), "in the reader's language"
    assert sql("SELECT count(*) FROM intake.states WHERE step = 'register'") == [(2,)]


async def test_a_duplicate_of_itself_or_of_a_duplicate_is_told_and_not_done(world: World) -> None:
    a, b, c = [await filed(world) for _ in range(3)]
    first = await triage(world, "duplicate", [a.id, b.id], of=a.id)
    assert {line["case"]: line["done"] for line in first["items"]} == {a.id: False, b.id: True}
    second = await triage(world, "duplicate", [c.id], of=b.id)
    assert not second["items"][0]["done"]
    lost = await triage(world, "duplicate", [c.id], of=str(uuid.uuid4()))
    assert not lost["items"][0]["done"]


async def test_two_triages_of_the_same_cases_end_both(world: World, sql: Sql) -> None:
    cases = await flood(world, sql, 20)
    found = await asyncio.gather(
        triage(world, "duplicate", cases[1:], of=cases[0]),
        triage(world, "duplicate", cases[:0:-1], of=cases[0]),
        triage(world, "to-main", cases),
        triage(world, "register", cases[::-1]),
    )
    done = [sum(line["done"] for line in one["items"]) for one in found]
    assert done[0] + done[1] == 19
    assert done[2:] == [20, 20]


async def test_bodies_that_do_not_fit_together_are_refused(world: World) -> None:
    case, headers = await filed(world), world.token("desk")
    for body in (
        {"action": "label", "cases": [case.id]}, {"action": "label", "cases": [case.id], "label": "guilty"},
        {"action": "duplicate", "cases": [case.id]}, {"action": "to-main", "cases": [case.id], "label": "urgent"},
        {"action": "register", "cases": [case.id], "of": case.id}, {"action": "delete", "cases": [case.id]},
        {"action": "to-main", "cases": []},
        {"action": "to-main", "cases": [str(uuid.uuid4()) for _ in range(MOST_AT_ONCE + 1)]},
    ):  # fmt: skip
        answer = await world.http.post(f"{STAFF}/bulk", json=body, headers=headers)
        assert problem(answer) == (422, "invalid"), body
    assert not {"close", "return", "answer", "delete"} & set(ACTIONS)


async def test_only_the_desk_triages(world: World) -> None:
    case = await filed(world)
    for role in ("investigator", "auditor", "operator", "administrator"):
        answer = await world.http.post(
            f"{STAFF}/bulk", json={"action": "to-main", "cases": [case.id]}, headers=world.token(role)
        )
        assert answer.status_code == 403


async def test_both_lanes_and_back(world: World) -> None:
    case = await filed(world)
    for action, name in (("to-quarantine", "quarantine"), ("to-main", "main")):
        assert (await triage(world, action, [case.id, case.id]))["items"] == [
            {"case": case.id, "done": True, "reason": None}
        ]
        assert await lane(world, name) == {case.id}
