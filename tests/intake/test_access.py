"""Who can still read a case: the desk's grant goes with the assignment, and an access that ends brings a new key."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from services.crypto.age import HybridIdentity, HybridRecipient, seal
from services.crypto.canonical import b64, unb64, unb64u
from services.crypto.errors import WrongKey
from services.crypto.grants import open_grant, open_later_grant, seal_grant, seal_later_grant
from services.crypto.manifests import Manifest
from services.crypto.payloads import Header, open_payload, seal_payload
from services.crypto.receipts import derive
from services.crypto.reportkeys import report_keys_body
from tests.intake.builders import (
    INBOX,
    STAFF,
    Filed,
    Json,
    Member,
    Reporter,
    Sql,
    World,
    a_grant,
    assign,
    filed,
    pointers,
    problem,
)

NEW_KEY = HybridIdentity.generate()


async def seen(world: World, path: str, member: Member) -> Json:
    answer = await world.http.get(path, headers=world.of(member))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def ending(
    world: World, path: str, case: Json, leaving: Member, to: HybridRecipient, **changes: Any
) -> Json:
    """A good request that ends an access; `to` is the reporter's recipient."""
    rid, n = unb64u(case["rid"], 32), case["next"]["n"]
    header = Header("report-keys", "desk", rid, 1, n, unb64u(case["next"]["prev"], 32))
    part = seal_payload(header, report_keys_body(NEW_KEY.recipient), world.desk()[1], [NEW_KEY.recipient, to])
    grants = [
        {**line, "data": b64(seal_later_grant(NEW_KEY, rid, n + 1, line["role"], NEW_KEY.recipient))}
        for line in case["holders"]
        if line["holder"] != leaving.id
    ]
    mine = [part for part in case["parts"] if part["by"] == "reporter" and part["n"] is not None]
    return {"n": n, "reporter_n": len(mine), "part": b64(part), "grants": grants} | changes


async def end(world: World, case: Filed, leaving: Member, **changes: Any) -> Any:
    body = await ending(world, case.path, await world.case(case.id), leaving, case.to[1], **changes)
    return await world.http.post(
        f"{case.path}/assignees/{leaving.id}/end", json=body, headers=world.token("lead")
    )


async def handed_on(world: World) -> tuple[Filed, Member, Member]:
    """A case with its investigator and its lead."""
    case, member = await filed(world), world.member("investigator")
    assert (await assign(world, case, member)).status_code == 201
    assert case.lead is not None
    return case, member, case.lead


def records(sql: Sql, kind: str) -> list[Json]:
    rows = sql("SELECT convert_from(record, 'UTF8') FROM intake.log_records")
    return [record for (text,) in rows if (record := json.loads(text))["type"] == kind]


# --- several at once


async def test_several_leave_in_one_step_and_the_new_key_goes_to_those_who_stay(
    world: World, sql: Sql
) -> None:
    case, one, lead = await handed_on(world)
    two, three = world.member("investigator"), world.member("investigator")
    for member in (two, three):
        assert (await assign(world, case, member, lead=None)).status_code == 201
    found = await world.case(case.id)
    body = await ending(world, case.path, found, one, case.to[1], also=[two.id])
    path = f"{case.path}/assignees/{one.id}/end"
    too_many = await world.http.post(path, json=body, headers=world.token("lead"))
    assert problem(too_many) == (409, "conflict"), "a grant for somebody who leaves"
    body["grants"] = [line for line in body["grants"] if line["holder"] != two.id]
    for change, status in (({"also": [str(uuid.uuid4())]}, 409), ({"also": []}, 409), ({"also": ["x"]}, 422)):
        refused = await world.http.post(path, json={**body, **change}, headers=world.token("lead"))
        assert refused.status_code == status, change
    everybody = {**body, "also": [two.id, lead.id]}
    assert (await world.http.post(path, json=everybody, headers=world.token("lead"))).status_code == 409
    oneself = await world.http.post(path, json=body, headers=world.of(two))
    assert oneself.status_code in {403, 409}
    as_lead = world.token("lead", person=two.id)
    assert problem(await world.http.post(path, json=body, headers=as_lead)) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.assignments WHERE ended IS NOT NULL") == [(0,)]

    assert (await world.http.post(path, json=body, headers=world.token("lead"))).status_code == 201
    after = await world.case(case.id)
    assert {line["holder"] for line in after["holders"]} == {three.id, lead.id}
    assert {line["person"] for line in after["assignments"] if line["ended"]} == {one.id, two.id}
    gone = {one["holder"] for one in records(sql, "deletion")}
    assert gone == {"central", one.id, two.id}


# --- assignment


async def test_an_investigator_is_not_assigned_without_a_lead(world: World, sql: Sql) -> None:
    case, member = await filed(world), world.member("investigator")
    refused = await assign(world, case, member, lead=None)
    assert problem(refused) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.assignments") == [(0,)]
    assert (await world.case(case.id))["grant_holder"] == "central", "the desk keeps its grant"


async def test_a_lead_alone_leaves_the_desk_its_grant(world: World) -> None:
    case, lead = await filed(world), world.member("lead")
    assert (await assign(world, case, lead, role="lead")).status_code == 201
    assert [one["holder"] for one in (await world.case(case.id))["holders"]] == sorted(["central", lead.id])


async def test_with_an_investigator_the_desk_loses_its_grant_and_the_lead_keeps_one(
    world: World, sql: Sql
) -> None:
    case, member, lead = await handed_on(world)
    found = await world.case(case.id)
    assert (found["grant"], found["grants"]) == (None, [])
    assert {line["holder"] for line in found["holders"]} == {member.id, lead.id}
    assert sql("SELECT count(*) FROM intake.grants WHERE role = 'desk'") == [(0,)]
    grant = (await seen(world, case.path, lead))["grant"]
    manifest = Manifest.from_json(found["manifest"])
    assert open_grant(unb64(grant), lead.identity, manifest).recipient == manifest.report_recipient
    assert [one["holder"] for one in records(sql, "deletion")] == ["central"]


@pytest.mark.parametrize(
    "lead",
    [
        {"person": "x", "grant": ""},
        {"person": str(uuid.uuid4())},
        {"person": str(uuid.uuid4()), "grant": "AA=="},
        {},
    ],
)
async def test_a_lead_of_another_shape_is_refused(world: World, sql: Sql, lead: Json) -> None:
    case, member = await filed(world), world.member("investigator")
    assert (await assign(world, case, member, lead=lead)).status_code == 422
    assert sql("SELECT count(*) FROM intake.assignments") == [(0,)]


async def test_nobody_is_their_own_lead(world: World) -> None:
    case, member = await filed(world), world.member("investigator")
    lead = {"person": member.id, "grant": b64(a_grant())}
    assert problem(await assign(world, case, member, lead=lead)) == (409, "conflict")


# --- the end of an access


async def test_an_ended_access_leaves_no_grant_and_every_other_holder_a_new_one(
    world: World, sql: Sql
) -> None:
    case, member, lead = await handed_on(world)
    answer = await end(world, case, member)
    assert (answer.status_code, answer.json()["n"]) == (201, 0)
    assert problem(await world.http.get(case.path, headers=world.of(member))) == (404, "not-found")
    assert sql("SELECT count(*) FROM intake.grants WHERE holder = %s", member.id) == [(0,)]
    found = await seen(world, case.path, lead)
    assert [line["key"] for line in found["grants"]] == [0, 1]
    part = await world.http.get(f"{case.path}/parts/{answer.json()['number']}", headers=world.of(lead))
    key, opened = open_later_grant(
        unb64(found["grants"][1]["data"]), part.content, NEW_KEY, unb64u(found["rid"], 32), 1
    )
    assert (key, opened.header.by) == (NEW_KEY, "desk")
    history = {line["person"]: line["ended"] for line in found["assignments"]}
    assert history[member.id] is not None
    assert history[lead.id] is None
    assert {"holder": member.id, "what": "grant"}.items() <= records(sql, "deletion")[-1].items()
    assert [(one["holder"], one["key"]) for one in records(sql, "grant") if "key" in one] == [(lead.id, 1)]


async def test_the_new_key_goes_to_exactly_those_who_stay(world: World, sql: Sql) -> None:
    case, member, lead = await handed_on(world)
    good = {"holder": lead.id, "role": "lead", "data": b64(a_grant())}
    smuggled = {"holder": member.id, "role": "investigator", "data": b64(a_grant())}
    wrong = (
        [good, smuggled],
        [smuggled],
        [{**good, "role": "investigator"}],
        [good, good],
        [{**good, "holder": str(uuid.uuid4())}],
        [good, {**good, "holder": "central", "role": "desk"}],
    )
    for grants in wrong:
        assert problem(await end(world, case, member, grants=grants)) == (409, "conflict")
    assert (await end(world, case, member, grants=[])).status_code == 422
    bad = await end(world, case, member, grants=[{**good, "data": b64(b"AGE-SECRET-KEY-PQ-1")}])
    assert (problem(bad), pointers(bad)) == ((422, "invalid"), {"/grants/0/data"})
    assert sql("SELECT count(*) FROM intake.parts WHERE role = 'report-keys'") == [(0,)]
    assert sql("SELECT count(*) FROM intake.grants WHERE holder = %s", member.id) == [(1,)]


async def test_the_part_goes_to_two_readers_and_to_the_place_it_was_made_for(world: World) -> None:
    case, member, _ = await handed_on(world)
    for to in ([NEW_KEY.recipient], [*case.to, NEW_KEY.recipient]):
        assert problem(await end(world, case, member, part=b64(seal(bytes(4096), to)))) == (422, "invalid")
    assert problem(await end(world, case, member, n=1)) == (409, "conflict")
    assert problem(await end(world, case, member, reporter_n=3)) == (409, "conflict")
    answers = await asyncio.gather(*(end(world, case, member) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 404, 404]


async def test_the_last_lead_stays_while_somebody_investigates_and_nobody_ends_their_own_access(
    world: World,
) -> None:
    case, member, lead = await handed_on(world)
    assert problem(await end(world, case, lead)) == (409, "conflict")
    body = await ending(world, case.path, await world.case(case.id), lead, case.to[1])
    second = world.member("lead")
    assert (await assign(world, case, second, role="lead")).status_code == 201
    mine = await world.http.post(f"{case.path}/assignees/{lead.id}/end", json=body, headers=world.of(lead))
    assert problem(mine) == (409, "conflict")
    assert problem(await end(world, case, world.member("investigator"))) == (404, "not-found")
    assert (await end(world, case, lead)).status_code == 201
    assert (await end(world, case, member)).status_code == 201


async def test_whoever_is_assigned_later_gets_every_key(world: World) -> None:
    case, member, _ = await handed_on(world)
    await end(world, case, member)
    late = world.member("investigator")
    assert problem(await assign(world, case, late)) == (409, "conflict"), "one key is not all"
    rid = case.report.rid
    assert case.key is not None
    all_keys = [
        {"key": 0, "data": b64(seal_grant(case.key, "investigator", late.identity.recipient))},
        {"key": 1, "data": b64(seal_later_grant(NEW_KEY, rid, 1, "investigator", late.identity.recipient))},
    ]
    for wrong in (
        all_keys[1:],
        all_keys[:1],
        [*all_keys, {**all_keys[1], "key": 2}],
        [*all_keys, all_keys[1]],
    ):
        assert problem(await put(world, case, late, wrong)) == (409, "conflict")
    assert (await put(world, case, late, all_keys)).status_code == 201
    assert [line["key"] for line in (await seen(world, case.path, late))["grants"]] == [0, 1]
    assert (await put(world, case, member, all_keys)).status_code == 201, "an ended access may be given again"
    assert (await put(world, case, member, all_keys)).status_code == 409


async def put(world: World, case: Filed, member: Member, grants: list[Json]) -> Any:
    body = {"role": "investigator", "grants": grants}
    return await world.http.put(f"{case.path}/assignees/{member.id}", json=body, headers=world.token("desk"))


async def test_cases_of_a_person_are_listed_for_desk_and_lead_only(world: World) -> None:
    case, member, lead = await handed_on(world)
    await filed(world)

    async def listed(person: str, headers: dict[str, str]) -> list[str]:
        answer = await world.http.get(f"{STAFF}/cases?assigned={person}", headers=headers)
        return [line["id"] for line in answer.json()["items"]]

    assert await listed(member.id, world.of(lead)) == [case.id]
    assert await listed(str(uuid.uuid4()), world.token("desk")) == []
    stranger = world.member("investigator")
    assert await listed(member.id, world.of(stranger)) == [], (
        "an investigator sees their own, whatever is asked"
    )


# --- the reporter


async def test_a_sealed_message_for_an_older_key_is_a_conflict(world: World) -> None:
    case, member, _ = await handed_on(world)
    headers = await world.open_inbox(case.report.keys.lookup)
    await end(world, case, member)
    body = {"part": b64(seal(bytes(4096), [NEW_KEY.recipient])), "attachments": []}
    for key, status in ((0, 409), (2, 409), (1, 201)):
        keyed = headers | {"Idempotency-Key": uuid.uuid4().hex}
        sent = await world.http.post(f"{INBOX}/messages", json={**body, "key": key}, headers=keyed)
        assert sent.status_code == status


async def plain_end(world: World, reporter: Reporter, by: Any = None) -> Any:
    """Hand a plain report on and end the access again; the answer of the server."""
    path = f"{STAFF}/cases/{reporter.case_id}"
    lead, member = world.member("lead"), world.member("investigator")
    body = {
        "role": "investigator",
        "grant": b64(a_grant()),
        "lead": {"person": lead.id, "grant": b64(a_grant())},
    }
    await world.http.put(f"{path}/assignees/{member.id}", json=body, headers=world.token("desk"))
    case = await world.case(reporter.case_id)
    sent = await ending(world, path, case, member, reporter.to[1], **(by or {}))
    return await world.http.post(f"{path}/assignees/{member.id}/end", json=sent, headers=world.token("lead"))


async def last_part(world: World, reporter: Reporter) -> bytes:
    case = await world.case(reporter.case_id)
    number = case["parts"][-1]["number"]
    path = f"{STAFF}/cases/{reporter.case_id}/parts/{number}"
    return (await world.http.get(path, headers=world.token("desk"))).content


async def write(world: World, receipt: str, text: str) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    sent = await world.http.post(
        f"{INBOX}/plain/messages", json={"receipt": receipt, "text": text}, headers=headers
    )
    assert sent.status_code == 201, sent.text


async def test_in_plain_mode_later_words_are_sealed_to_the_new_key(world: World, reporter: Reporter) -> None:
    assert (await plain_end(world, reporter)).status_code == 201
    view = await world.plain_inbox(reporter.receipt)
    assert (view["messages"], view["refused"]) == ([], 0)
    await write(world, reporter.receipt, "for the new key")
    assert open_payload(await last_part(world, reporter), NEW_KEY).body["text"] == "for the new key"


async def test_in_plain_mode_a_key_that_the_desk_did_not_sign_is_not_used(
    world: World, reporter: Reporter
) -> None:
    rid, to = reporter.manifest.rid, [NEW_KEY.recipient, reporter.to[1]]
    header = Header("report-keys", "desk", rid, 1, 0, bytes(32))
    stranger = derive(reporter.receipt).signing
    forged = seal_payload(header, report_keys_body(NEW_KEY.recipient), stranger, to)
    assert (await plain_end(world, reporter, {"part": b64(forged)})).status_code == 201
    assert (await world.plain_inbox(reporter.receipt))["refused"] == 1
    await write(world, reporter.receipt, "for the first key")
    with pytest.raises(WrongKey):
        open_payload(await last_part(world, reporter), NEW_KEY)


async def test_in_plain_mode_a_new_code_still_knows_the_new_key(world: World, reporter: Reporter) -> None:
    await plain_end(world, reporter)
    answer = await world.http.post(f"{INBOX}/plain/code", json={"receipt": reporter.receipt})
    new = answer.json()["receipt"]
    confirmed = await world.http.post(f"{INBOX}/plain/code/confirm", json={"receipt": new})
    assert confirmed.status_code == 204
    await write(world, new, "after the new code")
    assert open_payload(await last_part(world, reporter), NEW_KEY).body["text"] == "after the new code"


async def test_a_code_that_waits_to_be_typed_back_dies_with_the_old_key(
    world: World, reporter: Reporter
) -> None:
    answer = await world.http.post(f"{INBOX}/plain/code", json={"receipt": reporter.receipt})
    await plain_end(world, reporter)
    confirmed = await world.http.post(
        f"{INBOX}/plain/code/confirm", json={"receipt": answer.json()["receipt"]}
    )
    assert problem(confirmed) == (404, "no-such-receipt")
    assert (await world.plain_inbox(reporter.receipt))["code_pending"] is False
