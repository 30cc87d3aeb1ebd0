"""Every operation with every caller and every relation to what it names: each cell of the matrix is a request."""

import pytest

from tests.matrix.cells import call, cells
from tests.matrix.objects import NOTHING, objects
from tests.matrix.routes import Operation, operations
from tests.matrix.rules import ANY, rule_of
from tests.matrix.world import World

pytestmark = pytest.mark.anyio

#: Kinds of things whose ids lists show.
LISTED = {"case", "request", "passkey", "session"}


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_every_cell(world: World, operation: Operation):
    found = list(cells(world, operation))
    refused, allowed = ([c for c in found if (c.status is None) is may] for may in (False, True))
    faults = []
    for cell in refused:
        answer = await call(world, operation, cell.relation, cell.caller, cell.headers)
        faults.append(cell.fault(answer))
    assert not refused or world.changed() == [], "refused callers changed these"
    for cell in allowed:
        answer = await call(world, operation, cell.relation, cell.caller, cell.headers)
        faults.append(cell.fault(answer))
        if operation.changes and answer.status_code < 400:
            world.restore()
    wrong = [fault for fault in faults if fault]
    assert not wrong, "\n".join([str(operation), *wrong])


def lists() -> list[Operation]:
    return [
        o for o in operations()
        if o.method == "GET" and rule_of(o.id).kind in {"staff", "session"} and set(objects(o)) == {NOTHING}
    ]  # fmt: skip


@pytest.mark.parametrize("operation", lists(), ids=str)
async def test_lists_show_no_more_than_the_rule(world: World, operation: Operation):
    rule = rule_of(operation.id)
    foreign = {str(things["other"]) for kind, things in world.things.items() if kind in LISTED}
    callers = world.staff() if rule.kind == "staff" else {"session": world.secrets["session"]}
    seen = {}
    for caller in rule.who:
        answer = await call(world, operation, NOTHING, caller, callers[caller])
        assert answer.status_code == 200, caller
        seen[caller] = {thing for thing in foreign if thing in answer.text}
    assert {caller for caller in seen if seen[caller] and rule.who[caller] == ("own",)} == set()
    if operation.id in {"intake.list_cases", "intake.list_identity_requests"}:
        assert {caller for caller in seen if seen[caller]} == {c for c, r in rule.who.items() if r == ANY}
