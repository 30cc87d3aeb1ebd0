"""The log against the database: erased salts are counted and explained, everything else is found."""

import pytest

from services.cli.local import _log_finding
from services.intake import log_check
from services.intake.jobs import publish_log
from services.intake.log_check import Compared
from tests.intake.builders import Sql, World
from tests.intake.retaining import ended, keeper


async def compared(world: World) -> Compared:
    async with world.app.state.engine.begin() as conn:
        return await log_check.compare(conn)


async def test_erased_records_are_counted_and_the_log_holds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_check, "BATCH", 2)
    await keeper(world)
    one = await ended(world)
    before = await compared(world)
    assert (before.erased, before.good) == (0, True)
    assert before.waiting == before.records
    await publish_log(world.app.state, world.now())
    await one.delete()
    after = await compared(world)
    assert after.good
    assert after.erased > 0
    assert (after.records, after.waiting) == (before.records + 1, 1)
    found = await _log_finding(world.app.state)
    assert found.good
    assert str(after.erased) in found.text


@pytest.mark.parametrize(
    ("statement", "wrong", "unexplained"),
    [
        (("UPDATE intake.log_records SET salt = decode(repeat('00', 32), 'hex') WHERE salt IS NOT NULL AND id = "
          "(SELECT id FROM intake.log_records WHERE salt IS NOT NULL ORDER BY id LIMIT 1)"), 1, 0),
        ("UPDATE intake.log_records SET salt = NULL, record = NULL WHERE encode(record, 'escape') LIKE '%\"manifest\"%'",
         0, 1),
        ("DELETE FROM intake.log_records WHERE encode(record, 'escape') LIKE '%\"what\":\"report\"%'", 0, 1),
    ],
    ids=["a salt was changed", "a record was erased without a deletion", "the record of a deletion is gone"],
)  # fmt: skip
async def test_what_does_not_hold_is_found(
    world: World, sql: Sql, statement: str, wrong: int, unexplained: int
) -> None:
    await keeper(world)
    await (await ended(world)).delete()
    sql(statement)
    found = await compared(world)
    assert (found.wrong, found.unexplained, found.good) == (wrong, unexplained, False)
    assert not (await _log_finding(world.app.state)).good
