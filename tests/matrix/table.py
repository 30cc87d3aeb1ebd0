"""`docs/access.md`: the rules of the matrix as a page for readers."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from services.first_run import SERVICES
from tests.matrix.routes import Operation, operations
from tests.matrix.rules import ANY, Rule, rule_of
from tests.matrix.world import ROLES

PATH = Path(__file__).parents[2] / "docs" / "access.md"

_HEAD = """# Who may call what

Made by `python -m tests.matrix` from `tests/matrix/rules.py`; the tests in `tests/matrix/` refuse a route that is not
here, and execute every cell: each operation with each role, with no token, wrong, expired and foreign tokens, with
tokens of systems, and with ids of one's own, of somebody else, and of nothing. A refused caller changes no row.

In the tables of staff: `yes` for every object that exists; a word for objects in that relation to the caller only;
empty for nobody. *own* is what is assigned to the caller, asked by the caller, or lies in the caller's account; *other*
is anybody's but the caller's; the rest are kinds of keys. Everything else is answered as if it did not exist (404), or
refused (403). *again* asks for a full proof of oneself in the last five minutes.

The wider matrix has short heads: """

_SHORT = {
    "operator": "op", "desk": "desk", "lead": "lead", "investigator": "inv", "custodian": "cust",
    "rewards-officer": "rew", "commission": "com", "registrar": "reg", "second-registrar": "reg2", "auditor": "aud",
    "payments": "pay", "certifier": "cert", "administrator": "adm",
}  # fmt: skip

_KINDS = {
    "public": "Asks nobody who they are. A proof that is needed (of work, a receipt, a password) is in the request",
    "page": "Pages without script, in three languages; a form that another site sends is refused",
    "inbox": "The token of an opened inbox, for that report only",
    "draft": "The secret of a draft, for its uploads only",
    "session": "The secret of a session of staff, for that person only",
}


def _cell(rule: Rule, role: str) -> str:
    relations = rule.who.get(role, ())
    return "yes" if relations == ANY else " ".join(relations)


def _unique(found: Iterable[Operation]) -> list[Operation]:
    """One line for the three languages of a page."""
    return list({(o.method, o.template): o for o in found}.values())


def _staff(service: str) -> Iterator[str]:
    found = [o for o in operations() if o.service == service and rule_of(o.id).kind == "staff"]
    if not found:
        return
    yield f"\n## Staff: {service}\n"
    yield "| operation | " + " | ".join(_SHORT[role] for role in ROLES) + " | again |"
    yield "|---" * (len(ROLES) + 2) + "|"
    for operation in found:
        rule = rule_of(operation.id)
        cells = " | ".join(_cell(rule, role) for role in ROLES)
        place = f"`{operation.method} {operation.path.removeprefix(f'/api/{service}/v1')}`"
        yield f"| {operation.name}<br>{place} | {cells} | {'yes' if rule.step_up else ''} |"


def _others(kind: str) -> Iterator[str]:
    yield f"\n## {kind.capitalize()}\n\n{_KINDS[kind]}.\n"
    yield "| service | operation | address |\n|---|---|---|"
    for o in _unique(o for o in operations() if rule_of(o.id).kind == kind):
        yield f"| {o.service} | {o.name} | `{o.method} {o.template}` |"


def page() -> str:
    """The whole page."""
    heads = ", ".join(f"{short} {role}" for role, short in _SHORT.items() if short != role)
    lines = [_HEAD + heads + "."]
    for service in SERVICES:
        lines += _staff(service)
    for kind in _KINDS:
        lines += _others(kind)
    return "\n".join(lines) + "\n"
