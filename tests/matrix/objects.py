"""What an address names, in each relation to the caller, and the bodies that bring a request as far as that question.

A relation is a word: `own`, `other`, `oneself`, `left` (somebody who went for good), `erased` (an id that nothing has),
or a kind of key. An address that names nothing has the relation `-`.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from services.crypto.age import HybridIdentity
from services.crypto.certificates import Certificate, make_certificate
from services.crypto.custody import IdentityRequest, make_request
from services.crypto.signatures import SigningKey
from tests.matrix.routes import Operation
from tests.matrix.world import ERASED, HALF, ROLES, SPLIT, World

NOTHING = "-"
#: (world, name of the caller) -> value.
Value = Callable[[World, str], Any]


def _thing(kind: str, key: str) -> Value:
    return lambda world, _who: world.things[kind][key]


def _mine(kind: str, otherwise: str = "other") -> Value:
    """The caller's own, or where a role has none the one of `otherwise`: such a caller is refused before."""
    return lambda world, who: world.things[kind].get(who, world.things[kind][otherwise])


def _erased(_world: World, _who: str) -> Any:
    return ERASED


def _said(text: str) -> Value:
    return lambda _world, _who: text


def _person(name: str) -> Value:
    return lambda world, _who: world.people[name]


def _tile(world: World, _who: str) -> Any:
    """The widest tile of the lowest level."""
    [(width,)] = world.rows("SELECT max(width) FROM intake.log_tiles WHERE level = 0 AND number = 0")
    return f"0/000.p/{width}"


def _oneself(world: World, who: str) -> Any:
    return world.people.get(who, world.people["other"])


_ABOUT = {"own": _thing("case", "own"), "other": _thing("case", "other"), "erased": _erased}
_REQUEST = {"own": _mine("request"), "other": _thing("request", "other"), "erased": _erased}

#: Parameter -> relation -> value. The first of these that an address has is what the rule is about.
FOCUS: Mapping[str, Mapping[str, Value]] = {
    "case_id": _ABOUT,
    "request_id": _REQUEST,
    "passkey": {"own": _mine("passkey"), "other": _thing("passkey", "other"), "erased": _erased},
    "client": {"other": _thing("client", "other"), "erased": _erased},
    "note_id": {"other": _thing("note", "other"), "erased": _erased},
    "upload_id": {"own": _thing("upload", "own"), "other": _thing("upload", "other"), "erased": _erased},
    "person": {
        "oneself": _oneself,
        "other": _person("other"),
        "left": _person("left"),
        "erased": _erased,
    },
}
#: Parameters that no rule depends on, where the operation says nothing else.
FIXED: Mapping[str, Value] = {
    "number": _said("0"),
    "person": _person("other"),
    "seat": _said("1"),
    "sequence": _said("1"),
    "day": _said("2026-01-15"),
    "path": _tile,
    "leaf": _thing("leaf", "own"),
    "name": _said("adal.css"),
    "step": _said("message"),
    "key_id": _said("central/2026-11"),
}


def _key(kind: str) -> Value:
    names = {"desk": "central/2026-11", "seat": f"seat-1/{HALF}", "payments": f"payments-1/{HALF}"}
    return _said(names[kind])


def _own_key(name: str = "") -> Value:
    return lambda world, who: f"staff/{_person(name)(world, who) if name else _oneself(world, who)}/{SPLIT}"


def _wrapped(relation: str, key: Value, person: str = "other") -> dict[str, dict[str, Value]]:
    return {relation: {"key_id": key, "person": _erased if person == "erased" else _person(person)}}


_LINK: Mapping[str, Mapping[str, Value]] = {
    "own": {"case_id": _thing("case", "own"), "other": _thing("case", "own")},
    "other": {"case_id": _thing("case", "other"), "other": _thing("case", "own")},
    "erased": {"case_id": _thing("case", "own"), "other": _erased},
}

#: Operations whose rule is about something else than `FOCUS` says: relation -> parameter -> value.
SPECIAL: Mapping[str, Mapping[str, Mapping[str, Value]]] = {
    "intake.read_inbox_part": {
        "own": {"number": _thing("part", "own")},
        "other": {"number": _thing("part", "other")},
        "erased": {"number": _said("99")},
    },
    "intake.ask_identity": {"own": {}, "other": {}, "erased": {}},
    "intake.read_identity_share": {
        "own": {"request_id": _thing("request", "lead"), "seat": _said("1")},
        "other": {"request_id": _thing("request", "lead"), "seat": _said("2")},
        "erased": {"request_id": _erased, "seat": _said("1")},
    },
    "intake.release_identity_share": {
        "own": {"request_id": _thing("request", "lead")},
        "other": {"request_id": _thing("request", "lead")},
        "erased": {"request_id": _erased},
    },
    "intake.end_disclosure": {
        "own": {"case_id": _thing("case", "own"), "incident": _thing("incident", "own")},
        "other": {"case_id": _thing("case", "other"), "incident": _thing("incident", "other")},
        "erased": {"case_id": _thing("case", "own"), "incident": _erased},
    },
    "intake.link_cases": _LINK,
    "intake.unlink_cases": _LINK,
    "accounts.end_session": {
        "own": {"name": _thing("session", "auditor")},
        "other": {"name": _thing("session", "other")},
        "erased": {"name": _erased},
    },
    "accounts.store_group_key": {
        **_wrapped("desk", _key("desk")),
        **_wrapped("seat", _key("seat")),
        **_wrapped("payments", _key("payments")),
        **_wrapped("personal", _own_key("other")),
        **_wrapped("left", _key("desk"), "left"),
        **_wrapped("erased", _key("desk"), "erased"),
    },
    "accounts.keep_my_group_key": {NOTHING: {"key_id": _key("desk")}},
    "accounts.drop_my_group_key": {
        "own": {"key_id": _key("desk")},
        "other": {"key_id": _said("central/2026-10")},
        "erased": {"key_id": _said("central/2019-01")},
    },
    "accounts.destroy_group_key": {
        "other": {"key_id": _said("central/2020-01")},
        "erased": {"key_id": _said("central/2019-01")},
    },
    "accounts.store_split": {
        "own": {"key_id": _own_key()},
        "other": {"key_id": _own_key("other")},
        "seat": {"key_id": _key("seat")},
        "payments": {"key_id": _key("payments")},
    },
    "accounts.release_share": {"own": {"key_id": _key("seat")}, "other": {"key_id": _key("seat")}},
}


def objects(operation: Operation) -> Mapping[str, Mapping[str, Value]]:
    """The relations in which this operation can be called, and what its address then says."""
    if operation.id in SPECIAL:
        return SPECIAL[operation.id]
    focus = next((name for name in FOCUS if name in operation.parameters), None)
    return {relation: {focus: value} for relation, value in FOCUS[focus].items()} if focus else {NOTHING: {}}


def address(operation: Operation, relation: str, world: World, who: str) -> str:
    """The address of an operation for a caller."""
    values = {}
    for name in operation.parameters:
        value = objects(operation)[relation].get(name) or FIXED.get(name)
        assert value, f"{operation}: say in tests/matrix/objects.py what {{{name}}} stands for"
        values[name] = str(value(world, who))
    return operation.address(values)


# --- bodies


def _certificate(world: World, name: str, key: SigningKey) -> Certificate:
    today = world.now.date()
    return Certificate(
        person=str(world.people[name]),
        roles=(name,) if name != "other" else ("desk",),
        recipient=HybridIdentity.generate().recipient,
        verify_key=key.verify_key,
        valid_from=today - timedelta(days=1),
        valid_until=today + timedelta(days=30),
    )


def _request(world: World, who: str, relation: str) -> Any:
    """A request that is right but for its reason, for the report in that relation."""
    key = SigningKey.generate()
    certifiers = [world.intake.folder.signing(f"certifier-{i}") for i in (1, 2)]
    rid = bytes(32)
    if relation != "erased":
        [(rid,)] = world.rows("SELECT rid FROM intake.reports WHERE id = %s", world.things["case"][relation])
    request = IdentityRequest(
        id=str(uuid.uuid4()),
        rid=bytes(rid),
        ground="court",
        reason=(bytes(32),),
        asker=make_certificate(_certificate(world, who, key), certifiers),
        deferral=None,
        expires=world.now.replace(microsecond=0) + timedelta(days=7),
        dir_seq=world.intake.directory.sequence,
    )
    return {"request": make_request(request, key).to_json(), "reasons": [""]}


def _vouched(signatures: int) -> Callable[[World, str, str], Any]:
    def make(world: World, who: str, relation: str) -> Any:
        certifiers = [world.intake.folder.signing(f"certifier-{i}") for i in (1, 2)]
        name = who if relation == "oneself" else "other"
        document = make_certificate(_certificate(world, name, SigningKey.generate()), certifiers).to_json()
        return document | {"signatures": document["signatures"][:signatures]}

    return make


#: Operations where the relation is looked at after the form of the body, with a body of the right form.
BODIES: Mapping[str, Callable[[World, str, str], Any]] = {
    "intake.ask_identity": lambda w, who, r: _request(w, who if who in ROLES else "lead", r),
    "intake.decide_identity_request": lambda *_: {"decision": {}},
    "intake.release_identity_share": lambda _w, _who, r: {"seat": 2 if r == "other" else 1, "release": ""},
    "intake.sign_undertaking": lambda *_: {"undertaking": {}},
    "intake.end_disclosure": lambda *_: {"result": "confirmed"},
    "accounts.propose_certificate": lambda w, who, r: _vouched(1)(w, who if who in ROLES else "lead", r),
    "accounts.complete_certificate": lambda w, who, r: _vouched(2)(w, who if who in ROLES else "lead", r),
    "accounts.store_group_key": lambda *_: {"data": ""},
    "accounts.store_split": lambda *_: {"document": {}, "shares": [{"holder": "a", "data": ""}] * 2},
    "accounts.release_share": lambda w, who, r: {
        "holder": _own_key("" if r == "own" else "other")(w, who),
        "to": str(w.people["other"]),
        "data": "",
    },
    "accounts.step_up": lambda *_: {"totp": 5},
    "accounts.set_client_active": lambda *_: {"active": True},
}


def body(operation: Operation, relation: str, world: World, who: str) -> Any:
    """A JSON body that changes as little as possible: mostly an empty object, which a caller who may is told of."""
    made = BODIES.get(operation.id)
    return made(world, who, relation) if made else {}
