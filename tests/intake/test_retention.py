"""Deleting a report: read, answered, at its end, by two people; what stays, and what the receipt is told."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest

from services.crypto.canonical import b64u
from services.crypto.receipts import derive, new_receipt
from services.intake import retention_jobs
from services.intake.models import metadata
from tests.intake.builders import (
    INBOX,
    LARGE,
    STAFF,
    Sql,
    World,
    assign,
    problem,
    reporter_file,
)
from tests.intake.pages import Visitor
from tests.intake.retaining import LATER, ended, keeper, lists
from tests.intake.stepping import CONVICTED, events, rewards_event

KEPT = {"tombstones", "doomed_blobs", "log_records"}


def of_report() -> list[tuple[str, str]]:
    """Every column of every table that points at a report."""
    return [
        (str(table), key.parent.name)
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.target_fullname == "intake.reports.id"
    ]


async def test_two_people_delete_a_report_and_only_a_tombstone_stays(world: World, sql: Sql) -> None:
    one = await ended(world)
    gone = await one.delete()
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]
    assert {(gone["proposed_by"], gone["approved_by"])} == {(one.lead, one.second)}
    assert date.fromisoformat(gone["complete_on"]) - date.fromisoformat(gone["day"]) == timedelta(days=35)
    [(ground, leaf)] = sql("SELECT ground, leaf FROM intake.tombstones")
    assert (ground, b64u(leaf)) == ("retention", gone["leaf"])
    assert (await one.send("GET", "")).status_code == 404


async def test_nothing_that_points_at_the_report_is_left(world: World, sql: Sql) -> None:
    other = await keeper(world)
    one = await ended(world, attachments=[("film.bin", bytes(LARGE))])
    person, day = uuid.UUID(one.lead), world.now().date()
    history: dict[str, dict[str, Any]] = {
        "case_notes": {"id": uuid.uuid4(), "author": person, "day": day, "sealed": b"n"},
        "case_labels": {"label": "flood", "person": person, "day": day},
        "case_links": {"other_id": other.case.id, "kind": "linked", "person": person, "day": day},
        "packages_made": {
            "id": uuid.uuid4(), "body": "b", "sha256": b"h", "size": 1, "person": person, "day": day,
        },
        "notice_addresses": {"sealed": b"a"},
        "classifications": {
            "id": uuid.uuid4(), "place": 0, "classification": "criminal", "person": person, "role": "lead", "day": day,
        },
        "protections": {"id": uuid.uuid4(), "started": day, "ends": day - timedelta(days=1), "status": "ended"},
        "holds": {
            "id": uuid.uuid4(), "placed_by": person, "placed_on": day, "released_by": person, "released_on": day,
        },
        "assignments": {
            "id": uuid.uuid4(), "person": person, "role": "lead", "assigned_by": person, "day": day, "ended": day,
        },
    }  # fmt: skip
    for table, values in history.items():
        row = {"report_id": one.case.id, **values}
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        sql(f"INSERT INTO intake.{table} ({names}) VALUES ({marks})", *row.values())
    request(sql, one.case.id, person, day, "opened")
    incident = uuid.uuid4()
    sql(
        "INSERT INTO intake.disclosures (id, report_id, day, article, status, recorded_by, sealed) "
        "VALUES (%s, %s, %s, 'cc-424', 'recorded', %s, 'x')", incident, one.case.id, day, person,
    )  # fmt: skip
    sql("INSERT INTO intake.disclosure_ends VALUES (%s, %s, %s, 'confirmed')", incident, day, person)
    empty = [
        f"{table}.{column}"
        for table, column in of_report()
        if not sql(f"SELECT 1 FROM {table} WHERE {column} = %s", one.case.id) and column != "other_id"
    ]
    assert empty in ([], ["intake.deletions.report_id"])
    await one.delete()
    for table, column in of_report():
        assert not sql(f"SELECT 1 FROM {table} WHERE {column} = %s", one.case.id), table
    assert sql("SELECT count(*) FROM intake.disclosure_ends") == [(0,)]
    assert sql("SELECT count(*) FROM intake.identity_reasons") == [(0,)]
    assert (await other.send("GET", "")).status_code == 200


def request(sql: Sql, case: str, person: uuid.UUID, day: date, state: str, days: int = -1) -> uuid.UUID:
    """An identity request with one row in each of its tables."""
    id_, leaf = uuid.uuid4(), uuid.uuid4().bytes
    sql(
        "INSERT INTO intake.identity_requests (id, report_id, digest, document, asker, ground, day, expires, k, n, state,"
        " leaf) VALUES (%s, %s, %s, '{}', %s, 'court', %s, %s, 2, 3, %s, %s)",
        id_, case, leaf, person, day, day + timedelta(days=days), state, leaf,
    )  # fmt: skip
    sql("INSERT INTO intake.identity_reasons VALUES (%s, %s, 0, 'x')", uuid.uuid4(), id_)
    sql(
        "INSERT INTO intake.identity_decisions VALUES (%s, %s, 1, %s, true, 'd', '{}', %s)",
        uuid.uuid4(), id_, person, day,
    )  # fmt: skip
    sql("INSERT INTO intake.identity_releases VALUES (%s, %s, 1, 's', 'h', %s)", uuid.uuid4(), id_, day)
    sql(
        "INSERT INTO intake.undertakings VALUES (%s, %s, %s, %s, 't', 'd', '{}', %s)",
        uuid.uuid4(), id_, case, person, day,
    )  # fmt: skip
    sql(
        "INSERT INTO intake.identity_openings VALUES (%s, %s, %s, 'court', %s, %s)",
        uuid.uuid4(), id_, case, day, day,
    )  # fmt: skip
    return id_


async def test_its_files_are_deleted_and_no_others(world: World, sql: Sql) -> None:
    other = await keeper(world, attachments=[("film.bin", bytes(LARGE))])
    one = await ended(world, attachments=[("film.bin", bytes(LARGE))])
    blobs, state = world.app.state.context.blobs, world.app.state
    mine = {
        name for (name,) in sql("SELECT blob FROM intake.parts WHERE report_id = %s", one.case.id) if name
    }
    assert mine
    await one.delete()
    await retention_jobs.erase(state, world.now())
    assert mine.isdisjoint(blobs.names())
    assert {name for (name,) in sql("SELECT blob FROM intake.parts") if name} <= set(blobs.names())
    assert sql("SELECT count(*) FROM intake.doomed_blobs") == [(0,)]
    assert (await other.send("GET", "/parts/2")).status_code == 200


async def test_the_log_keeps_its_leaves_and_loses_what_they_say(world: World, sql: Sql) -> None:
    other, one = await keeper(world), await ended(world)
    before: dict[bytes, bytes | None] = dict(sql("SELECT leaf, salt FROM intake.log_records"))
    await one.delete()
    after: dict[bytes, bytes | None] = dict(sql("SELECT leaf, salt FROM intake.log_records"))
    assert set(before) < set(after)
    rid = b64u(one.case.report.manifest.rid)
    records = [bytes(record).decode() for (record,) in sql("SELECT record FROM intake.log_records") if record]
    assert not [record for record in records if rid in record]
    assert b64u(other.case.report.manifest.rid) in "".join(records)
    [deletion] = [record for record in records if '"what":"report"' in record]
    assert one.lead in deletion
    assert one.second in deletion
    [(erased,)] = sql("SELECT records FROM intake.tombstones")
    assert erased == sum(salt is None for salt in after.values()) > 0


async def test_the_receipt_is_told_the_day_and_the_ground(world: World) -> None:
    one = await ended(world)
    gone = await one.delete("erasure_request")
    body = {"lookup": b64u(one.case.report.keys.lookup)}
    for language, word in (
        ("kk", "Хабарлаушы жоюды сұрады"),
        ("en", "The reporter asked for it"),
        ("ru", "попросил"),
    ):
        answer = await world.http.post(f"{INBOX}/sessions", json=body, headers={"Accept-Language": language})
        assert problem(answer) == (410, "report-deleted")
        assert word in answer.json()["detail"]
    assert answer.json()["deleted_on"] == gone["day"]
    assert answer.json()["complete_on"] == gone["complete_on"]
    unknown = await world.http.post(f"{INBOX}/sessions", json={"lookup": b64u(bytes(32))})
    assert problem(unknown) == (404, "no-such-receipt")


async def test_an_inbox_that_was_open_is_closed(world: World) -> None:
    one = await ended(world)
    open_now = await world.open_inbox(one.case.report.keys.lookup)
    await one.delete()
    assert problem(await world.http.get(INBOX, headers=open_now)) == (401, "unauthorised")


# --- four eyes


async def test_nobody_approves_what_they_proposed(world: World, sql: Sql) -> None:
    one = await ended(world)
    proposed = (await one.propose()).json()["id"]
    assert problem(await one.approve(proposed, person=one.lead)) == (409, "conflict")
    assert problem(await one.approve(proposed, role="desk")) == (403, "forbidden")
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_an_approval_names_the_proposal_that_was_seen(world: World) -> None:
    one = await ended(world)
    first = (await one.propose()).json()["id"]
    assert problem(await one.propose()) == (409, "conflict")
    refused = await one.send("POST", "/deletion/refuse", {"proposal": first}, person=one.second)
    assert refused.status_code == 200
    second = (await one.propose(ground="court_order")).json()["id"]
    assert problem(await one.approve(first)) == (404, "not-found")
    assert (await one.approve(second)).status_code == 200


async def test_a_proposal_is_taken_back_by_its_author_and_refused_by_a_lead_only(world: World) -> None:
    one = await ended(world)
    clerk, other = str(uuid.uuid4()), str(uuid.uuid4())
    proposed = (await one.propose(person=clerk, role="desk")).json()["id"]
    body = {"proposal": proposed}
    answer = await one.send("POST", "/deletion/refuse", body, person=other, role="desk")
    assert problem(answer) == (403, "forbidden")
    answer = await one.send("POST", "/deletion/refuse", body, person=clerk, role="desk")
    assert answer.status_code == 200
    assert (await one.state())["proposal"] is None


async def test_both_steps_ask_for_a_fresh_proof(world: World) -> None:
    one = await ended(world)
    for path, body in (("/deletion", {"ground": "retention"}), ("/deletion/approve", {"proposal": one.lead})):
        answer = await world.http.post(
            f"{one.case.path}{path}", json=body, headers=world.token("lead", stepped=0)
        )
        assert problem(answer) == (403, "step-up")


async def test_a_compromised_service_deletes_nothing_alone(world: World, sql: Sql) -> None:
    """The function asks for itself, whatever its caller says."""
    one = await ended(world)
    proposed = (await one.propose()).json()["id"]
    call = "SELECT intake.erase_report(%s, %s, current_date, gen_random_uuid(), 'x')"
    with pytest.raises(Exception, match="two people"):
        sql(call, proposed, one.lead)
    with pytest.raises(Exception, match="two people"):
        sql(call, uuid.uuid4(), one.second)
    sql("DELETE FROM intake.case_reads")
    with pytest.raises(Exception, match="unread"):
        sql(call, proposed, one.second)
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


# --- what forbids it


async def test_what_was_not_read_or_answered_stays(world: World) -> None:
    one = await keeper(world)
    found = await one.state()
    assert found["reasons"] == ["not_ended", "unread", "unanswered"]
    assert found["due"] is None
    await one.end()
    assert (await one.state())["reasons"] == []
    world.at(LATER)
    sent = await _writes(world, one.case)
    assert sent.status_code == 201
    for ground in ("retention", "erasure_request", "court_order"):
        assert problem(await one.propose(ground)) == (409, "conflict")
    assert (await one.state())["reasons"] == ["unread", "unanswered"]
    await one.read()
    assert (await one.state())["reasons"] == ["unanswered"]
    answered = await world.http.post(
        f"{one.case.path}/messages", json=await one.desk.notice("Thank you."), headers=one.headers()
    )
    assert answered.status_code == 201
    found = await one.state()
    assert found["reasons"] == []
    assert date.fromisoformat(found["due"]) > world.now().date(), "what was written began the time anew"
    assert problem(await one.propose()) == (409, "conflict")
    assert (await one.propose("erasure_request")).status_code == 201


async def _writes(world: World, case: Any, kind: str = "message") -> Any:
    """The reporter writes."""
    headers = await world.open_inbox(case.report.keys.lookup)
    place = (await world.inbox(headers))["next"]
    from services.crypto.canonical import b64
    from services.crypto.dialogue import message_body

    part = reporter_file(case.report.manifest, case.report.keys, kind, message_body("More.", [], None), place)
    path = "retaliation" if kind == "retaliation" else "messages"
    return await world.post(f"{INBOX}/{path}", {"part": b64(part), "attachments": []}, **headers)


async def test_words_after_the_proposal_stop_the_approval(world: World) -> None:
    one = await ended(world)
    proposed = (await one.propose("erasure_request")).json()["id"]
    assert (await _writes(world, one.case)).status_code == 201
    assert problem(await one.approve(proposed)) == (409, "conflict")
    await one.read()
    await world.http.post(f"{one.case.path}/messages", json=await one.desk.notice(), headers=one.headers())
    assert (await one.state())["reasons"] == []
    assert problem(await one.approve(proposed)) == (409, "conflict"), "it was about less"


async def test_before_its_time_a_case_is_deleted_on_another_ground_only(world: World) -> None:
    one = await keeper(world)
    await one.end()
    assert problem(await one.propose()) == (409, "conflict")
    found = await one.state()
    assert (found["period"]["months"], found["confirmed"]) == (12, False)
    world.at(date.fromisoformat(found["due"]) - world.now().date() - timedelta(days=1))
    assert problem(await one.propose()) == (409, "conflict")
    assert (await one.propose("court_order")).status_code == 201


@pytest.mark.parametrize(
    ("reason", "statement"),
    [
        ("clock_runs", ("INSERT INTO intake.deadlines (id, report_id, kind, started, due, source) "
                       "VALUES (gen_random_uuid(), %s, 'gaps', current_date, current_date, 'APPC')")),
        ("opening_hidden", ("INSERT INTO intake.identity_openings (id, request_id, report_id, ground, day, shown_from) "
                           "SELECT gen_random_uuid(), id, report_id, 'court', day, '2999-01-01' "
                           "FROM intake.identity_requests WHERE report_id = %s")),
        ("incident_open", ("INSERT INTO intake.disclosures (id, report_id, day, article, status, recorded_by, sealed) "
                          "VALUES (gen_random_uuid(), %s, current_date, 'cc-424', 'recorded', gen_random_uuid(), 'x')")),
        ("protected", ("INSERT INTO intake.protections (id, report_id, started, ends, status) "
                      "VALUES (gen_random_uuid(), %s, current_date, current_date, 'asked')")),
        ("protected", ("INSERT INTO intake.protections (id, report_id, started, ends, status) "
                      "VALUES (gen_random_uuid(), %s, current_date, '2999-01-01', 'ended')")),
        ("code_pending", "UPDATE intake.reports SET pending_lookup_mac = 'm' WHERE id = %s"),
        ("code_suspect", "UPDATE intake.reports SET code_suspect = true WHERE id = %s"),
    ],
)  # fmt: skip
async def test_nothing_is_deleted_while(world: World, sql: Sql, reason: str, statement: str) -> None:
    one = await ended(world)
    if reason == "opening_hidden":
        id_ = request(sql, one.case.id, uuid.uuid4(), world.now().date(), "opened")
        sql("DELETE FROM intake.identity_openings WHERE request_id = %s", id_)
    proposed = (await one.propose("court_order")).json()["id"]
    sql(statement, one.case.id)
    assert (await one.state())["reasons"] == [reason]
    assert problem(await one.approve(proposed)) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


@pytest.mark.parametrize(
    ("state", "days", "open_still"),
    [
        ("open", 1, True),
        ("approved", 1, True),
        ("open", -1, False),
        ("refused", 1, False),
        ("released", -1, True),
    ],
)
async def test_an_identity_request_that_may_go_on_keeps_the_case(
    world: World, sql: Sql, state: str, days: int, open_still: bool
) -> None:
    one = await ended(world)
    request(sql, one.case.id, uuid.uuid4(), world.now().date(), state, days)
    assert (await one.state())["reasons"] == (["identity_asked"] if open_still else [])


async def test_an_outcome_that_nobody_fetched_keeps_the_case(world: World, sql: Sql) -> None:
    one = await keeper(world)
    await one.desk.goes("register")
    outcome = await one.desk.outcome(CONVICTED)
    answer = await one.desk.step("close", outcome=outcome, events=events(rewards=rewards_event()))
    assert answer.status_code == 201, answer.text
    await one.read()
    world.at(LATER)
    assert (await one.state())["reasons"] == ["event_waits"]
    sql("DELETE FROM intake.outbox")
    assert (await one.state())["reasons"] == []


async def test_a_hold_keeps_a_case_until_a_lead_releases_it(world: World, sql: Sql) -> None:
    one = await ended(world)
    proposed = (await one.propose()).json()["id"]
    assert (await one.send("PUT", "/hold")).status_code == 201
    assert problem(await one.send("PUT", "/hold")) == (409, "conflict")
    assert (await one.state())["hold"]["by"] == one.lead
    assert problem(await one.approve(proposed)) == (409, "conflict")
    assert (await one.send("DELETE", "/hold")).status_code == 204
    assert problem(await one.send("DELETE", "/hold")) == (409, "conflict")
    assert sql(
        "SELECT count(*) FROM intake.log_records WHERE encode(record, 'escape') LIKE '%%\"hold\"%%'"
    ) == [(2,)]
    assert (await one.approve(proposed)).status_code == 200


async def test_reopening_stops_a_deletion(world: World) -> None:
    one = await keeper(world)
    await one.end()
    proposed = (await one.propose("court_order")).json()["id"]
    assert (await one.desk.step("reopen", notice=await one.desk.notice())).status_code == 201
    assert problem(await one.approve(proposed)) == (409, "conflict")
    assert {"not_ended", "clock_runs"} <= set((await one.state())["reasons"])


# --- reading


async def test_only_who_holds_the_keys_can_have_read_it(world: World, sql: Sql) -> None:
    one = await keeper(world)
    member = world.member("investigator")
    assert (await assign(world, one.case, member)).status_code == 201
    answer = await one.send("POST", "/read", {"up_to": 1})
    assert problem(answer) == (403, "forbidden"), "the desk's grant went with the assignment"
    answer = await world.http.post(f"{one.case.path}/read", json={"up_to": 1}, headers=world.of(member))
    assert answer.json()["up_to"] == 1
    stranger = await world.http.post(
        f"{one.case.path}/read", json={"up_to": 1}, headers=world.of(world.member("investigator"))
    )
    assert problem(stranger) == (404, "not-found")
    assert sql("SELECT count(*) FROM intake.case_reads") == [(1,)]


async def test_what_was_read_stays_read_and_no_part_is_read_before_it_is_there(world: World) -> None:
    one = await keeper(world)
    await one.read(1)
    await one.read(0)
    assert (await one.state())["read"]["up_to"] == 1
    answer = await one.send("POST", "/read", {"up_to": 2})
    assert problem(answer) == (422, "invalid")


# --- lists and the job


async def test_what_is_due_is_listed_and_nothing_is_deleted_by_itself(world: World, sql: Sql) -> None:
    await keeper(world)
    one = await ended(world)
    assert [line["case"] for line in await lists(world, "/due")] == [one.case.id]
    assert await retention_jobs.find_due(world.app.state, world.now()) == 1
    proposed = (await one.propose()).json()["id"]
    assert [line["id"] for line in await lists(world, "/waiting")] == [proposed]
    assert sql("SELECT count(*) FROM intake.reports") == [(2,)]
    assert (await one.approve(proposed)).status_code == 200
    assert await lists(world, "/waiting") == await lists(world, "/due") == []
    assert await retention_jobs.find_due(world.app.state, world.now()) == 0


async def test_an_auditor_sees_what_was_deleted_by_whom(world: World) -> None:
    gone = await (await ended(world)).delete()
    assert await lists(world, "", "auditor") == [gone]


async def test_pages_of_deletions_hold_each_once(world: World, sql: Sql) -> None:
    for number in range(5):
        sql(
            "INSERT INTO intake.tombstones VALUES (%s, 'm', current_date, 'retention', %s, %s, 'l', 1)",
            uuid.UUID(int=number), uuid.UUID(int=1), uuid.UUID(int=2),
        )  # fmt: skip
    seen, cursor = [], None
    while True:
        asked = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await world.http.get(f"{STAFF}/deletions", params=asked, headers=world.token("lead"))).json()
        seen += [line["id"] for line in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [str(uuid.UUID(int=number)) for number in reversed(range(5))]


async def test_the_reference_says_what_is_not_confirmed(world: World) -> None:
    answer = await world.http.get(f"{STAFF}/retention", headers=world.token("auditor"))
    found = answer.json()
    assert found["note"].startswith("NOT CONFIRMED")
    assert {period["status"] for period in found["periods"]} == {"ours"}
    assert found["backup_days"] == 35


# --- without script


@pytest.mark.parametrize(
    ("language", "word"), [("kk", "Сот шешімі"), ("ru", "Решение суда"), ("en", "Order of a court")]
)
async def test_plain_mode_and_pages_say_it_too(world: World, language: str, word: str) -> None:
    receipt = new_receipt()
    one = await keeper(world, receipt=receipt, keys=derive(receipt))
    await one.end()
    visitor = Visitor(world, language)
    inside = await visitor.inbox(receipt)
    await one.delete("court_order")
    answer = await world.http.post(
        f"{INBOX}/plain", json={"receipt": receipt}, headers={"Accept-Language": language}
    )
    assert problem(answer) == (410, "report-deleted")
    assert word in answer.json()["detail"]
    page = await visitor.enter(receipt)
    assert page.status == 410
    assert word in page.words
    form = inside.form("/inbox/message")
    again = await visitor.send("/inbox/message", {**form, "text": "Too late."})
    assert again.status == 401
