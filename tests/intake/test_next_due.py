"""The first running limit of a case stands with the case, whoever changes the limits and however."""

import random
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.intake.builders import Sql, World, filed

DAY = date(2026, 11, 25)
STATES = [(None, None, None), (DAY, None, None), (None, DAY, "in_hand")]


def next_due(sql: Sql, case: str) -> Any:
    ((found,),) = sql("SELECT next_due FROM intake.reports WHERE id = %s", case)
    return found


def add(sql: Sql, case: str, kind: str, due: date) -> UUID:
    id_ = uuid4()
    sql(
        "INSERT INTO intake.deadlines (id, report_id, kind, started, due, source) VALUES (%s, %s, %s, %s, %s, 'APPC')",
        id_, case, kind, DAY, due,
    )  # fmt: skip
    return id_


@pytest.mark.parametrize("seed", range(6))
async def test_it_is_the_least_of_those_that_run_after_any_change(world: World, sql: Sql, seed: int) -> None:
    draw, case, other = random.Random(seed), await filed(world), await filed(world)
    add(sql, other.id, "decide", DAY - timedelta(days=900))
    rows: dict[UUID, tuple[date, bool]] = {}
    for number in range(40):
        due = DAY + timedelta(days=draw.randint(-200, 200))
        one = draw.choice(list(rows)) if rows else None
        if one is None or draw.random() < 0.4:
            rows[add(sql, case.id, f"kind-{number}", due)] = (due, True)
        elif draw.random() < 0.3:
            sql("UPDATE intake.deadlines SET due = %s WHERE id = %s", due, one)
            rows[one] = (due, rows[one][1])
        elif draw.random() < 0.7:
            met, ended, reason = draw.choice(STATES)
            sql(
                "UPDATE intake.deadlines SET met_on = %s, ended_on = %s, reason = %s WHERE id = %s",
                met,
                ended,
                reason,
                one,
            )
            rows[one] = (rows[one][0], met is None and ended is None)
        else:
            sql("DELETE FROM intake.deadlines WHERE id = %s", one)
            del rows[one]
        running = [due for due, runs in rows.values() if runs]
        assert next_due(sql, case.id) == min(running, default=None)
    assert next_due(sql, other.id) == DAY - timedelta(days=900), "another case is left alone"


async def test_a_report_that_only_waits_has_none(world: World, sql: Sql) -> None:
    assert next_due(sql, (await filed(world)).id) is None
