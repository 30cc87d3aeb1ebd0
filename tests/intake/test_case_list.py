"""The list of cases: filters, and pages that lose nothing and repeat nothing while new cases arrive."""

from typing import Any

import pytest

from services.intake.models import reports
from services.kit.clock import day_of
from tests.intake.builders import FIELDS, STAFF, Sql, World, assign, filed, problem


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
        "retaliation_on": None,
        "classification": None,
        "labels": [],
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
    await world.http.post(f"{other.path}/steps", json={"step": "register"}, headers=world.token("desk"))
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
