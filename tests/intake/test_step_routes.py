"""Steps of a case over HTTP: what moves, what is told, what is refused, and that nothing is half done."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64
from services.intake import steps
from services.kit.clock import day_of
from tests.intake.builders import (
    FIELDS,
    STAFF,
    Json,
    Sql,
    World,
    assign,
    filed,
    pointers,
    problem,
)
from tests.intake.stepping import CONVICTED, as_staff, at_desk, events, outcome_part, rewards_event

WRITTEN = ("states", "parts", "classifications", "log_records", "outbox", "deadlines")
CRIME, COMPLAINT = "bribe-taking", "service-complaint"


def counts(sql: Sql) -> dict[str, int]:
    return {table: sql(f"SELECT count(*) FROM intake.{table}")[0][0] for table in WRITTEN}


# --- moving


async def test_a_case_goes_through_its_steps_and_each_is_kept_and_logged(world: World, sql: Sql) -> None:
    case, person = await filed(world), str(uuid.uuid4())
    desk = at_desk(world, case, "lead", person)
    day = day_of(world.now()).isoformat()
    first = await desk.step("register", classification="criminal")
    assert first.json() == {"state": "registered", "day": day, "step": "register", "stored": None}
    await desk.goes("review")
    answer = await desk.step("close", outcome=await desk.outcome())
    assert answer.json()["stored"]["n"] == 0
    await desk.step("reopen", notice=await desk.notice())
    found = await world.case(case.id)
    assert [(line["state"], line["step"], line["outcome"]) for line in found["states"]] == [
        ("received", None, None), ("registered", "register", None), ("in_review", "review", None),
        ("closed", "close", "explained"), ("in_review", "reopen", None),
    ]  # fmt: skip
    assert {line["person"] for line in found["states"]} == {None, person}
    assert [line["role"] for line in found["parts"][2:]] == ["outcome", "message"]
    assert (found["state"], found["outcome"], found["classification"]) == ("in_review", None, "criminal")
    logged = sql(
        "SELECT r ->> 'state', r ->> 'step' FROM (SELECT convert_from(record, 'UTF8')::jsonb AS r "
        "FROM intake.log_records) AS all_records WHERE r ->> 'type' = 'state'"
    )
    assert sorted(logged) == sorted(
        [("registered", "register"), ("in_review", "review"), ("closed", "close"), ("in_review", "reopen")]
    )


async def test_the_reporter_sees_states_and_the_outcome_in_clear(world: World) -> None:
    case = await filed(world)
    desk, inbox = at_desk(world, case), await world.open_inbox(case.report.keys.lookup)
    assert (await world.inbox(inbox))["outcome"] is None
    await desk.goes("register", "review")
    await desk.step("close", outcome=await desk.outcome())
    view, day = await world.inbox(inbox), day_of(world.now()).isoformat()
    assert view["states"][-1] == {"state": "closed", "day": day}
    assert (view["outcome"]["kind"], view["outcome"]["day"]) == ("explained", day)
    assert view["outcome"]["labels"]["kk"] == "Түсіндірме берілді"


async def test_every_step_moves_the_law_s_clocks_in_the_same_transaction(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    begun = sql("SELECT kind, met_on FROM intake.deadlines WHERE report_id = %s", case.id)
    assert begun, "registration begins the clocks"
    await desk.step("close", outcome=await desk.outcome())
    assert sql("SELECT count(*) FROM intake.deadlines WHERE met_on IS NULL AND ended_on IS NULL") == [(0,)]


async def test_a_forwarded_case_names_the_body_and_tells_the_reporter(world: World) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    answer = await desk.step("forward", body="general-prosecutor", notice=await desk.notice("Forwarded."))
    assert (answer.status_code, answer.json()["state"]) == (201, "forwarded")
    found = await world.case(case.id)
    assert (found["states"][-1]["body"], found["parts"][-1]["role"]) == ("general-prosecutor", "message")
    view = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert "general-prosecutor" not in str(view), "which body it is stands in the sealed words"


async def test_an_investigator_takes_steps_of_an_own_case_in_an_own_name(world: World) -> None:
    case, member = await filed(world), world.member("investigator")
    mine = as_staff(world, case, member)
    assert problem(await mine.step("review")) == (404, "not-found")
    await assign(world, case, member)
    await at_desk(world, case).goes("register")
    await mine.goes("review")
    assert problem(await mine.step("review", classification="criminal")) == (409, "conflict")
    assert problem(await mine.step("investigate", classification="criminal")) == (403, "forbidden")
    assert problem(await mine.step("reopen", notice=await mine.notice())) == (403, "forbidden")
    answer = await mine.step("close", outcome=await mine.outcome())
    assert answer.status_code == 201
    assert (await world.case(case.id))["parts"][-1]["by"] == "staff"


async def test_an_investigation_begins_only_in_a_case_that_is_criminal(world: World) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    assert problem(await desk.step("investigate")) == (409, "conflict")
    await desk.classify("non_criminal")
    assert problem(await desk.step("investigate")) == (409, "conflict")
    answer = await desk.step("investigate", classification="criminal")
    assert answer.json()["state"] == "investigation"


# --- refused, and nothing half done


@pytest.mark.parametrize("step", sorted(set(steps.STEPS) - {"register"}))
async def test_a_step_that_the_table_does_not_have_is_a_conflict(world: World, sql: Sql, step: str) -> None:
    case = await filed(world)
    before, desk = counts(sql), at_desk(world, case, "lead")
    assert problem(await desk.step(step, notice=await desk.notice())) == (409, "conflict")
    assert (counts(sql), (await world.case(case.id))["state"]) == (before, "received")


@pytest.mark.parametrize(
    ("step", "body", "wrong"),
    [
        ("forward", {"body": "akimat"}, {"/notice"}),
        ("forward", {}, {"/body", "/notice"}),
        ("return", {"ground": "same_matter_ended"}, {"/notice"}),
        ("return", {}, {"/ground", "/notice"}),
        ("close", {}, {"/outcome"}),
        ("review", {"body": "akimat"}, {"/body"}),
        ("review", {"ground": "same_matter_ended"}, {"/ground"}),
        ("nothing", {}, {"/step"}),
        ("Review", {}, {"/step"}),
        ("review", {"classification": "grave"}, {"/classification"}),
        ("review", {"events": {"siem": ""}}, {"/events"}),
    ],
)
async def test_a_step_without_what_it_needs_or_with_more_is_refused(
    world: World, sql: Sql, step: str, body: Json, wrong: set[str]
) -> None:
    case = await filed(world, fields={**FIELDS, "category": COMPLAINT})
    desk = at_desk(world, case)
    await desk.goes("register")
    before = counts(sql)
    answer = await desk.step(step, **body)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), wrong)
    assert (counts(sql), (await world.case(case.id))["state"]) == (before, "registered")


@pytest.mark.parametrize("codes", [{"body": "lost"}, {"body": "akimat", "ground": "same_matter_ended"}])
async def test_codes_of_no_list_are_refused(world: World, codes: Json) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    answer = await desk.step("forward", **codes, notice=await desk.notice())
    assert problem(answer) == (422, "invalid")


async def test_a_notice_that_the_reporter_could_not_read_stops_the_step(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    good, before = await desk.notice(), counts(sql)
    one = seal(b"words", [case.to[0]])
    for bad in (
        {**good, "part": b64(one)},
        {**good, "part": b64(b"words")},
        {**good, "attachments": [b64(one)]},
    ):
        answer = await desk.step("forward", body="akimat", notice=bad)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/part"})
    for stale in ({**good, "n": 5}, {**good, "key": 7}):
        assert problem(await desk.step("forward", body="akimat", notice=stale)) == (409, "conflict")
    assert counts(sql) == before
    assert (await world.case(case.id))["state"] == "registered"


async def test_of_two_steps_at_once_one_is_a_conflict(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    answers = await asyncio.gather(*(desk.step("register") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    notice, outcome = await desk.notice(), await desk.outcome()
    raced = await asyncio.gather(
        desk.step("forward", body="akimat", notice=notice),
        desk.step("close", outcome=outcome),
        desk.step("return", ground="same_matter_ended", notice=notice),
    )
    assert sorted(answer.status_code for answer in raced) == [201, 409, 409]
    assert sql("SELECT count(*) FROM intake.states WHERE report_id = %s", case.id) == [(3,)]
    assert sql("SELECT count(*) FROM intake.parts WHERE chain = 'desk'") == [(1,)]


# --- a report of a crime is not returned


async def returned(desk: object, ground: str = "same_matter_ended") -> tuple[int, str]:
    answer = await desk.step("return", ground=ground, notice=await desk.notice())  # type: ignore[attr-defined]
    return (201, answer.json()["state"]) if answer.status_code == 201 else problem(answer)


async def test_a_report_is_returned_for_its_gaps_only_when_the_time_for_them_is_over(
    world: World, sql: Sql
) -> None:
    case = await filed(world, fields={**FIELDS, "category": COMPLAINT})
    desk = at_desk(world, case)
    await desk.goes("register")
    assert await returned(desk, steps.GAPS_RAN_OUT) == (409, "conflict"), "no time was set"
    until = day_of(world.now()) + timedelta(days=3)
    body = {"step": "gaps", "until": until.isoformat(), "notice": await desk.notice("Say when it was.")}
    answer = await world.http.post(f"{case.path}/limits", json=body, headers=desk.headers)
    assert answer.status_code == 201, answer.text
    assert await returned(desk, steps.GAPS_RAN_OUT) == (409, "conflict"), "it runs"
    sql("UPDATE intake.deadlines SET due = started - 1 WHERE kind = 'gaps'")
    assert await returned(desk, steps.GAPS_RAN_OUT) == (201, "returned")


async def test_a_report_of_a_crime_is_never_returned_on_one_word(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk, lead, other = at_desk(world, case), at_desk(world, case, "lead"), at_desk(world, case, "lead")
    await desk.goes("register")
    before = counts(sql)["parts"]
    assert await returned(desk) == (409, "conflict")
    await desk.classify("non_criminal")
    assert await returned(desk) == (409, "conflict"), "the desk's word is not a lead's"
    assert await returned(other) == (409, "conflict")
    await lead.classify("non_criminal")
    assert await returned(lead) == (409, "conflict"), "who found it does not return it"
    assert counts(sql)["parts"] == before
    assert await returned(other) == (201, "returned")


async def test_what_is_criminal_is_not_returned_whatever_it_was_called(world: World) -> None:
    case = await filed(world, fields={**FIELDS, "category": COMPLAINT})
    desk, lead = at_desk(world, case), at_desk(world, case, "lead")
    await desk.step("register", classification="criminal")
    assert await returned(lead) == (409, "conflict")
    await desk.classify("non_criminal")
    assert await returned(desk) == (409, "conflict"), (
        "it was found criminal once: now two must say that it is not"
    )
    await lead.classify("non_criminal")
    assert await returned(desk) == (201, "returned")


async def test_a_complaint_about_the_service_is_returned_on_a_ground_of_the_code(world: World) -> None:
    case = await filed(world, fields={**FIELDS, "category": COMPLAINT})
    desk = at_desk(world, case)
    await desk.goes("register")
    answer = await desk.step("return", ground="too_long", notice=await desk.notice())
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/ground"})
    assert await returned(desk, "obscene_or_insulting") == (201, "returned")
    assert (await world.case(case.id))["states"][-1]["ground"] == "obscene_or_insulting"


async def test_two_who_race_a_return_against_a_finding_never_return_a_crime(world: World, sql: Sql) -> None:
    case = await filed(world, fields={**FIELDS, "category": COMPLAINT})
    desk, lead = at_desk(world, case), at_desk(world, case, "lead")
    await desk.goes("register")
    found, sent = await asyncio.gather(lead.classify("criminal"), returned(desk))
    ended = await world.case(case.id)
    if ended["state"] == "returned":
        assert (problem(found), ended["classification"]) == ((409, "conflict"), None)
    else:
        assert (found.status_code, sent) == (200, (409, "conflict"))


# --- classification and body


async def test_who_classified_is_kept_and_logged(world: World, sql: Sql) -> None:
    case, person = await filed(world), str(uuid.uuid4())
    lead, day = at_desk(world, case, "lead", person), day_of(world.now()).isoformat()
    answer = await lead.classify("criminal")
    line = {"classification": "criminal", "person": person, "role": "lead", "day": day}
    assert (answer.status_code, answer.json()) == (200, line)
    await at_desk(world, case).classify("non_criminal")
    found = await world.case(case.id)
    assert (found["classifications"][0], found["classification"]) == (line, "non_criminal")
    assert [one["role"] for one in found["classifications"]] == ["lead", "desk"]
    assert sql(
        "SELECT count(*) FROM intake.log_records WHERE convert_from(record, 'UTF8')::jsonb ->> 'type' = "
        "'classification' AND convert_from(record, 'UTF8')::jsonb ->> 'person' = %s",
        person,
    ) == [(1,)]
    listed = (await world.http.get(f"{STAFF}/cases", headers=world.token("desk"))).json()["items"]
    assert [one["classification"] for one in listed] == ["non_criminal"]


async def test_a_case_that_has_ended_is_not_classified_anew(world: World) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    await desk.step("close", outcome=await desk.outcome())
    assert problem(await desk.classify("criminal")) == (409, "conflict")


@pytest.mark.parametrize(
    "body", [{}, {"classification": None}, {"classification": "x"}, {"classification": 1}]
)
async def test_a_classification_of_another_form_is_refused(world: World, body: Json) -> None:
    case = await filed(world)
    answer = await world.http.put(f"{case.path}/classification", json=body, headers=world.token("desk"))
    assert problem(answer) == (422, "invalid")


async def test_the_body_concerned_is_for_staff_only(world: World) -> None:
    case, headers = await filed(world), world.token("desk")
    answer = await world.http.put(f"{case.path}/body", json={"body": "akimat"}, headers=headers)
    assert (answer.status_code, (await world.case(case.id))["body"]) == (200, "akimat")
    assert "akimat" not in str(await world.inbox(await world.open_inbox(case.report.keys.lookup)))
    wrong = await world.http.put(f"{case.path}/body", json={"body": "lost"}, headers=headers)
    assert (problem(wrong), pointers(wrong)) == ((422, "invalid"), {"/body"})
    await world.http.put(f"{case.path}/body", json={"body": None}, headers=headers)
    assert (await world.case(case.id))["body"] is None


async def test_the_reference_says_what_every_step_needs_and_where_it_comes_from(world: World) -> None:
    found = (await world.http.get(f"{STAFF}/case-steps", headers=world.token("investigator"))).json()
    table = {rule["code"]: rule for rule in found["rules"]}
    assert set(table) == set(steps.STEPS) == {word["code"] for word in found["steps"]}
    assert (table["return"]["article"], table["return"]["status"]) == ("64(7), 64(7-2)", "confirmed")
    assert table["return"]["needs"] == ["ground", "notice"]
    assert {rule["source"] for rule in found["rules"]} - {None} <= set(found["sources"])


# --- outcomes and events


async def test_an_outcome_with_a_final_act_is_told_to_rewards_and_the_registry(
    world: World, sql: Sql
) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    one, two = rewards_event(), rewards_event()
    answer = await desk.step(
        "close", outcome=await desk.outcome(CONVICTED), events=events(rewards=one, registry=two)
    )
    assert answer.status_code == 201, answer.text
    kept = sql("SELECT consumer, kind, sealed FROM intake.outbox WHERE sealed IS NOT NULL ORDER BY consumer")
    assert [(c, k, bytes(s)) for c, k, s in kept] == [
        ("registry", "outcome", two),
        ("rewards", "outcome", one),
    ]


async def test_without_its_event_an_outcome_with_a_final_act_is_refused(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    before = counts(sql)
    for given in (None, {}, events(registry=rewards_event())):
        answer = await desk.step("close", outcome=await desk.outcome(CONVICTED), events=given)
        assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/events/rewards"})
    extra = await desk.step("close", outcome=await desk.outcome(), events=events(rewards=rewards_event()))
    assert (problem(extra), pointers(extra)) == ((422, "invalid"), {"/events"})
    assert counts(sql) == before


async def test_an_event_that_is_no_file_for_one_key_is_refused(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    before, key = counts(sql), HybridIdentity.generate().recipient
    for bad in (
        b"",
        b"convicted",
        seal(b"event", [key, HybridIdentity.generate().recipient]),
        encrypt(b"event", [X25519Identity.generate().recipient]),
        seal(bytes(65 << 10), [key]),
    ):
        for given in (events(rewards=bad), events(rewards=rewards_event(), registry=bad)):
            answer = await desk.step("close", outcome=await desk.outcome(CONVICTED), events=given)
            assert problem(answer) == (422, "invalid")
    assert counts(sql) == before


async def test_after_a_reopening_rewards_is_told_of_whatever_the_next_outcome_is(world: World) -> None:
    case = await filed(world)
    desk, lead = at_desk(world, case), at_desk(world, case, "lead")
    await desk.goes("register")
    await desk.step("close", outcome=await desk.outcome(CONVICTED), events=events(rewards=rewards_event()))
    await lead.step("reopen", notice=await lead.notice())
    answer = await desk.step("close", outcome=await desk.outcome())
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/events/rewards"})
    corrected = events(rewards=rewards_event(), registry=rewards_event())
    answer = await desk.step("close", outcome=await desk.outcome(), events=corrected)
    assert answer.status_code == 201, answer.text


async def test_an_outcome_that_is_no_part_for_two_is_refused(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    before = counts(sql)
    good = await desk.outcome()
    only_report = outcome_part(desk, CONVICTED, to=case.to[:1])
    for bad in ({**good, "part": b64(only_report)}, {**good, "part": b64(b"closed")}):
        assert problem(await desk.step("close", outcome=bad)) == (422, "invalid")
    unknown = await desk.step("close", outcome={**good, "kind": "vanished"})
    assert (problem(unknown), pointers(unknown)) == ((422, "invalid"), {"/outcome/kind"})
    assert problem(await desk.step("close", outcome={**good, "n": 3})) == (409, "conflict")
    assert counts(sql) == before


async def test_while_the_code_is_in_doubt_steps_go_on_and_nothing_is_sealed_to_it(
    world: World, sql: Sql
) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    sql("UPDATE intake.reports SET code_suspect = true, code_suspect_on = now()::date WHERE id = %s", case.id)
    notice = await desk.notice()
    answer = await desk.step("forward", body="akimat", notice=notice)
    assert (problem(answer), pointers(answer)) == ((422, "invalid"), {"/notice"})
    assert (await desk.step("forward", body="akimat")).status_code == 201
    both = await desk.outcome()
    assert problem(await desk.step("close", outcome=both)) == (422, "invalid")
    alone = {"kind": "convicted", "part": b64(outcome_part(desk, CONVICTED, to=case.to[:1]))}
    answer = await desk.step("close", outcome=alone, events=events(rewards=rewards_event()))
    assert answer.status_code == 201, answer.text


async def test_nothing_sealed_or_typed_is_in_the_clear_columns(world: World, sql: Sql) -> None:
    case = await filed(world)
    desk = at_desk(world, case)
    await desk.goes("register")
    await desk.step("close", outcome=await desk.outcome(CONVICTED), events=events(rewards=rewards_event()))
    for table in ("reports", "states", "classifications", "parts", "outbox", "log_records", "deadlines"):
        for (row,) in sql(f"SELECT t::text FROM intake.{table} AS t"):
            for mark in ("Astana", "1-23/2026", "cc-366-2", "5000000", "invented end"):
                assert mark not in row
                assert mark.encode().hex() not in row


async def test_a_year_without_a_calendar_stops_a_step_and_says_so(
    world: World, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await filed(world)
    desk, before = at_desk(world, case), counts(sql)
    context = world.app.state.context
    nothing_known = replace(context.calendar, years=frozenset())
    monkeypatch.setattr(world.app.state, "context", replace(context, calendar=nothing_known))
    answer = await desk.step("register")
    assert problem(answer) == (503, "unavailable")
    assert "calendar" in answer.json()["detail"]
    assert counts(sql) == before
