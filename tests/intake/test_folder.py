"""The folder of a case: notes nobody else can read, labels, links without loops, what leaves the house."""

import asyncio
import itertools
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64, b64u, dumps, unb64, unb64u
from services.crypto.case_notes import CaseNote, open_case_note, seal_case_note
from services.crypto.promises import leaf_hash, report_record
from services.intake.folder import ACTIONS, load_labels, may_be_duplicate, unknown_labels
from services.kit.clock import day_of
from tests.intake.builders import STAFF, Filed, Json, Member, Sql, World, assign, filed, problem

WORDS = "MARKER the clerk is the cousin of the reporter"


def note_of(world: World, case: Filed, author: Member, **changes: Any) -> Json:
    """A note as a client sends it; `text`, `key` and `id` may be given."""
    id_ = changes.pop("id", None) or str(uuid.uuid4())
    note = CaseNote(id_, case.report.manifest.rid, day_of(world.now()), changes.pop("text", WORDS))
    sealed = seal_case_note(note, author.certificate, author.signing, case.report.manifest.report_recipient)
    return {"id": id_, "key": 0, "note": b64(sealed), **changes}


# --- notes


async def test_a_note_is_read_by_the_holders_of_the_key_and_by_nobody_else(world: World, sql: Sql) -> None:
    case, author = await filed(world), world.member("lead")
    sent = note_of(world, case, author)
    added = await world.http.post(f"{case.path}/notes", json=sent, headers=world.of(author))
    assert added.status_code == 201, added.text
    found = (await world.http.get(f"{case.path}/notes", headers=world.token("desk"))).json()["items"]
    day = day_of(world.now()).isoformat()
    assert found == [{"id": sent["id"], "author": author.id, "day": day, "note": sent["note"]}]
    key = await world.report_key(await world.case(case.id))
    opened = open_case_note(
        unb64(found[0]["note"]), [key], sent["id"], case.report.manifest.rid, [world.directory]
    )
    assert (opened.person, opened.note.text) == (author.id, WORDS)
    inbox = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert [part["role"] for part in inbox["parts"]] == ["narrative", "identity"], (
        "the reporter sees none of it"
    )
    assert "note" not in str(inbox)
    dump = sql("SELECT row_to_json(n)::text FROM intake.case_notes n")
    assert len(dump) == 1
    assert "MARKER" not in dump[0][0]


async def test_an_investigator_writes_notes_in_their_own_cases_only(world: World) -> None:
    mine, other, author = await filed(world), await filed(world), world.member("investigator")
    assert (await assign(world, mine, author)).status_code == 201
    headers = world.of(author)
    sent = note_of(world, mine, author)
    assert (await world.http.post(f"{mine.path}/notes", json=sent, headers=headers)).status_code == 201
    for method, body in (("GET", None), ("POST", note_of(world, other, author))):
        answer = await world.http.request(method, f"{other.path}/notes", json=body, headers=headers)
        assert problem(answer) == (404, "not-found")


async def test_a_repeated_note_is_stored_once_and_another_under_its_id_is_refused(
    world: World, sql: Sql
) -> None:
    case, author = await filed(world), world.member("desk")
    sent, headers = note_of(world, case, author), world.of(author)
    answers = await asyncio.gather(
        *(world.http.post(f"{case.path}/notes", json=sent, headers=headers) for _ in range(3))
    )
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.text for answer in answers}) == 1
    other = note_of(world, case, author, id=sent["id"], text="other words")
    assert problem(await world.http.post(f"{case.path}/notes", json=other, headers=headers)) == (
        409,
        "conflict",
    )
    stranger = world.token("desk")
    assert problem(await world.http.post(f"{case.path}/notes", json=sent, headers=stranger)) == (
        409,
        "conflict",
    )
    assert sql("SELECT count(*) FROM intake.case_notes") == [(1,)]


async def test_what_is_no_sealed_note_is_refused(world: World, sql: Sql) -> None:
    case, author = await filed(world), world.member("desk")
    one, two = HybridIdentity.generate().recipient, HybridIdentity.generate().recipient
    foreign = encrypt(bytes(4096), [X25519Identity.generate().recipient])
    for data in (WORDS.encode(), foreign, seal(bytes(4096), [one, two]), seal(bytes(140 << 10), [one])):
        sent = {"id": str(uuid.uuid4()), "key": 0, "note": b64(data)}
        answer = await world.http.post(f"{case.path}/notes", json=sent, headers=world.of(author))
        assert problem(answer) == (422, "invalid")
        assert "MARKER" not in answer.text
    late = note_of(world, case, author, key=1)
    answer = await world.http.post(f"{case.path}/notes", json=late, headers=world.of(author))
    assert problem(answer) == (409, "conflict"), "the case has no such key"
    assert sql("SELECT count(*) FROM intake.case_notes") == [(0,)]


# --- labels


def test_labels_are_codes_in_three_languages() -> None:
    items = load_labels().items
    assert len({item.code for item in items}) == len(items) >= 10
    for item in items:
        assert len({item.labels.kk, item.labels.ru, item.labels.en}) == 3
        assert item.status == "ours", "none of them was found in a law"
    assert unknown_labels(["urgent", "Urgent", "mine"]) == {"Urgent", "mine"}


async def test_labels_are_put_on_taken_off_and_filtered_by(world: World) -> None:
    one, two, headers = await filed(world), await filed(world), world.token("desk")
    put = await world.http.put(f"{one.path}/labels", json={"labels": ["urgent", "media"]}, headers=headers)
    assert (put.status_code, put.json()) == (200, {"labels": ["media", "urgent"]})
    await world.http.put(f"{two.path}/labels", json={"labels": ["urgent"]}, headers=headers)
    for label, cases in (("urgent", {one.id, two.id}), ("media", {one.id}), ("repeated", set())):
        listed = await world.http.get(f"{STAFF}/cases?label={label}", headers=headers)
        assert {line["id"] for line in listed.json()["items"]} == cases
    put = await world.http.put(f"{one.path}/labels", json={"labels": ["repeated", "media"]}, headers=headers)
    assert put.json() == {"labels": ["media", "repeated"]}
    assert (await world.case(one.id))["labels"] == ["media", "repeated"]
    listed = (await world.http.get(f"{STAFF}/cases", headers=headers)).json()["items"]
    assert {line["id"]: line["labels"] for line in listed} == {
        one.id: ["media", "repeated"],
        two.id: ["urgent"],
    }
    assert (await world.http.put(f"{one.path}/labels", json={"labels": []}, headers=headers)).json() == {
        "labels": []
    }


async def test_only_labels_of_the_list(world: World) -> None:
    case, headers = await filed(world), world.token("desk")
    answer = await world.http.put(
        f"{case.path}/labels", json={"labels": ["urgent", "guilty"]}, headers=headers
    )
    assert problem(answer) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/labels/1"]
    assert (await world.case(case.id))["labels"] == []
    reference = await world.http.get(f"{STAFF}/case-labels", headers=headers)
    assert [item["code"] for item in reference.json()["items"]] == [item.code for item in load_labels().items]


# --- links


async def put_link(world: World, one: Filed, other: Filed, kind: str = "linked", **headers: str) -> Any:
    sent = headers or world.token("desk")
    return await world.http.put(f"{one.path}/links/{other.id}", json={"kind": kind}, headers=sent)


async def links(world: World, case: Filed) -> dict[str, str]:
    """Id of the other case -> kind, as seen from this one."""
    found = await world.http.get(f"{case.path}/folder", headers=world.token("desk"))
    return {line["case"]: line["kind"] for line in found.json()["links"]}


async def test_both_sides_show_a_link(world: World) -> None:
    one, two, three = [await filed(world) for _ in range(3)]
    assert (await put_link(world, one, two)).status_code == 201
    assert (await put_link(world, three, one, "duplicate_of")).status_code == 201
    assert await links(world, one) == {two.id: "linked", three.id: "has_duplicate"}
    assert await links(world, two) == {one.id: "linked"}
    assert await links(world, three) == {one.id: "duplicate_of"}
    listed = await world.http.get(f"{STAFF}/cases", headers=world.token("desk"))
    assert len(listed.json()["items"]) == 3, "a duplicate is not hidden"
    assert (await world.case(three.id))["state"] == "received", "and it goes on as a case of its own"


async def test_a_link_is_made_once_and_taken_away_from_either_side(world: World) -> None:
    one, two, headers = await filed(world), await filed(world), world.token("desk")
    assert (await put_link(world, one, two)).status_code == 201
    for first, second, kind in ((one, two, "duplicate_of"), (two, one, "linked")):
        assert problem(await put_link(world, first, second, kind)) == (409, "conflict")
    assert problem(await put_link(world, one, one)) == (422, "invalid")
    path = f"{two.path}/links/{one.id}"
    assert (await world.http.delete(path, headers=headers)).status_code == 204
    assert problem(await world.http.delete(path, headers=headers)) == (404, "not-found")
    assert await links(world, one) == {}


async def test_duplicates_make_neither_chains_nor_loops(world: World) -> None:
    a, b, c, d = [await filed(world) for _ in range(4)]
    assert (await put_link(world, b, a, "duplicate_of")).status_code == 201
    assert (await put_link(world, c, a, "duplicate_of")).status_code == 201
    for one, other in ((a, b), (a, d), (d, b), (b, d), (b, c)):
        assert problem(await put_link(world, one, other, "duplicate_of")) == (409, "conflict")
    assert (await put_link(world, a, d)).status_code == 201, "a plain link is no chain"


async def test_three_at_once_that_would_make_a_ring_do_not(world: World, sql: Sql) -> None:
    ring = [await filed(world) for _ in range(3)]
    pairs = [(ring[i], ring[(i + 1) % 3]) for i in range(3)]
    answers = await asyncio.gather(*(put_link(world, one, other, "duplicate_of") for one, other in pairs))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert sql("SELECT count(*) FROM intake.case_links") == [(1,)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_the_rule_keeps_duplicates_one_step_deep(tries: list[tuple[int, int]]) -> None:
    of: dict[int, int] = {}
    for one, other in tries:
        duplicates = sum(target == one for target in of.values()) + (one in of)
        if one != other and may_be_duplicate(duplicates, other in of):
            of[one] = other
    assert not set(of) & set(of.values())


async def test_an_investigator_links_cases_of_their_own_only(world: World) -> None:
    mine, too, foreign = [await filed(world) for _ in range(3)]
    member = world.member("investigator")
    for case in (mine, too):
        assert (await assign(world, case, member)).status_code == 201
    headers = world.of(member)
    assert (await put_link(world, mine, too, **headers)).status_code == 201
    for one, other in itertools.permutations((mine, foreign)):
        assert problem(await put_link(world, one, other, **headers)) == (404, "not-found")
    erased = await world.http.put(
        f"{mine.path}/links/{uuid.uuid4()}", json={"kind": "linked"}, headers=headers
    )
    assert problem(erased) == (404, "not-found")


# --- what leaves the house


async def test_a_package_that_was_made_is_recorded_and_logged(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("lead")
    [(body,)] = [(code,) for code in _bodies()[:1]]
    made = {"body": body, "sha256": b64u(bytes(range(32))), "size": 4711}
    answer = await world.http.post(f"{case.path}/packages-made", json=made, headers=world.of(member))
    line = {**made, "by": member.id, "day": day_of(world.now()).isoformat()}
    assert (answer.status_code, answer.json()) == (201, line)
    folder = (await world.http.get(f"{case.path}/folder", headers=world.token("desk"))).json()
    assert folder["packages"] == [line]
    [(record,)] = sql(
        "SELECT convert_from(record, 'UTF8')::jsonb FROM intake.log_records "
        "WHERE convert_from(record, 'UTF8')::jsonb ->> 'type' = 'forwarding'"
    )
    assert record == {
        "v": 1, "type": "forwarding", "day": line["day"], "rid": b64u(case.report.manifest.rid),
        "sha256": made["sha256"],
    }  # fmt: skip


async def test_a_package_for_no_body_or_without_a_whole_hash_is_not_recorded(world: World, sql: Sql) -> None:
    case, good = await filed(world), {"body": _bodies()[0], "sha256": b64u(bytes(32)), "size": 1}
    for change in ({"body": "nobody"}, {"sha256": b64u(bytes(31))}, {"size": 0}, {"name": "x"}):
        answer = await world.http.post(
            f"{case.path}/packages-made", json={**good, **change}, headers=world.token("desk")
        )
        assert problem(answer) == (422, "invalid"), change
    assert sql("SELECT count(*) FROM intake.packages_made") == [(0,)]


def _bodies() -> list[str]:
    from services.intake.form import load_form

    return [item.code for item in load_form().lists["bodies"].items]


async def test_the_record_of_a_filing_leads_to_the_leaf_of_the_promise(world: World) -> None:
    case = await filed(world)
    found = (await world.http.get(f"{case.path}/log-record", headers=world.token("desk"))).json()
    assert found["record"] == report_record(case.report.manifest, day_of(world.now()))
    assert leaf_hash(unb64u(found["salt"]), dumps(found["record"])) == unb64u(found["leaf"])


async def test_an_erased_record_is_not_found(world: World, sql: Sql) -> None:
    case = await filed(world)
    sql("DELETE FROM intake.log_records")
    answer = await world.http.get(f"{case.path}/log-record", headers=world.token("desk"))
    assert problem(answer) == (404, "not-found")


# --- who may


@pytest.mark.parametrize("role", ["operator", "auditor", "administrator", "custodian"])
async def test_others_have_no_business_with_a_folder(world: World, role: str) -> None:
    case = await filed(world)
    for path in ("notes", "folder", "log-record"):
        answer = await world.http.get(f"{case.path}/{path}", headers=world.token(role))
        assert answer.status_code == 403
    assert len(ACTIONS) == 5
