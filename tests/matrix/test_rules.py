"""The table is complete, agrees with what the services say of themselves, and is the one that people read."""

import pytest

from services.contracts.accounts import Role, Scope
from services.first_run import SERVICES
from services.openapi import unconnected
from tests.matrix.objects import BODIES, NOTHING, SPECIAL, objects
from tests.matrix.routes import operations
from tests.matrix.rules import ANY, RULES, rule_of
from tests.matrix.table import PATH, page

KINDS = {"public", "page", "inbox", "draft", "session", "staff"}


def test_every_operation_has_a_rule_and_every_rule_an_operation():
    for operation in operations():
        rule_of(operation.id)
    assert set(RULES) == {operation.id for operation in operations()}
    assert set(SPECIAL) | set(BODIES) <= set(RULES)


def test_a_name_means_one_operation():
    """Rules are looked up by name, so two routes with one name would share a rule by accident."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for operation in operations():
        seen.setdefault(operation.id, set()).add((operation.method, operation.template))
    twice = {name for name, found in seen.items() if len(found) > 1}
    assert {name.partition(".")[2] for name in twice} <= {"openapi", "pages.show_no_receipt"}


def test_kind_is_what_the_route_asks_for():
    for operation in operations():
        rule = rule_of(operation.id)
        assert rule.kind in KINDS
        assert (rule.kind == "staff") == operation.asks_for_staff, operation
        assert (rule.kind == "page") == operation.page, operation
        assert operation.asks_for_staff <= operation.published, f"{operation} is not in the API document"


@pytest.mark.parametrize("service", SERVICES)
def test_roles_and_step_up_are_those_of_the_service(service: str):
    """Two statements of one thing, written apart: a slip in either shows here."""
    state = unconnected(service).state
    staff = {o.name: rule_of(o.id) for o in operations() if o.service == service and o.asks_for_staff}
    assert {name: rule.roles for name, rule in staff.items()} == {
        name: frozenset(map(str, roles)) for name, roles in state.access.items()
    }
    assert {name for name, rule in staff.items() if rule.step_up} == state.step_up


def test_roles_exist_and_relations_are_tried():
    known = {str(each) for each in (*Role, *Scope)}
    for operation in operations():
        rule = rule_of(operation.id)
        tried = set(objects(operation))
        if rule.kind == "staff":
            assert rule.roles <= known, operation
        for relations in rule.who.values():
            assert relations == ANY or set(relations) <= tried or tried == {NOTHING}, operation
        assert set(rule.refusals) <= tried, operation


def test_the_page_for_readers_is_up_to_date():
    assert PATH.read_text() == page(), (
        "docs/access.md is not up to date: run `python -m tests.matrix` and read the diff"
    )
