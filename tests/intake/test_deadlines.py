"""Time limits through HTTP: decided at filing, started by steps, shown to both sides, extended once, found in lists."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx2
import pytest

from services.client.deadlines import Deadline
from services.crypto.payloads import open_payload
from services.intake.calendar import add_months
from tests.intake.builders import (
    INBOX,
    STAFF,
    DeskMessage,
    Filed,
    Json,
    Member,
    Sql,
    World,
    assign,
    desk_message,
    filed,
    pointers,
    problem,
)
from tests.intake.pages import Visitor
from tests.intake.test_calendar import ALMATY, counted, rests

ONE = timedelta(days=1)


def at(world: World, day: date, hour: int = 10, minute: int = 0) -> None:
    """Set the clock of the service to an hour of Almaty."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ALMATY).astimezone(UTC)
    world.app.state.clock = lambda: moment


@pytest.fixture
def today(world: World) -> date:
    """A working day, at ten in the morning. Keys and directory of the tests are valid from now on, so it lies ahead."""
    day = counted(world.now().astimezone(ALMATY).date(), 1)
    at(world, day)
    return day


@pytest.fixture
async def case(world: World, today: date) -> Filed:
    return await filed(world)


@pytest.fixture
def no_calendar(world: World) -> Iterator[None]:
    """A service to which nobody has told the working days of any year."""
    context = world.app.state.context
    world.app.state.context = replace(context, calendar=replace(context.calendar, years=frozenset()))
    yield
    world.app.state.context = context


async def step(world: World, case: Filed, code: str) -> None:
    answer = await world.http.post(f"{case.path}/steps", json={"step": code}, headers=world.token("lead"))
    assert answer.status_code == 201, answer.text


async def deadlines(world: World, case: Filed) -> dict[str, Json]:
    """Kind -> the newest limit of a case, as the desk sees it."""
    return {line["kind"]: line for line in (await world.case(case.id))["deadlines"]}


def notice(case: Filed, world: World, n: int = 0) -> DeskMessage:
    words = "MARKER because experts are asked"
    return desk_message(case.report.manifest, case.to, world.desk()[1], text=words, n=n)


async def extend(
    world: World, case: Filed, until: date, words: DeskMessage | None, role: str = "lead"
) -> httpx2.Response:
    body = {"until": until.isoformat(), **({"notice": words.body()} if words else {})}
    return await world.http.post(f"{case.path}/extensions", json=body, headers=world.token(role))


# --- filing


@pytest.mark.parametrize(("hour", "minute", "later"), [(0, 5, 0), (16, 59, 0), (17, 0, 1), (23, 59, 1)])
async def test_the_receipt_says_by_when_the_report_is_registered(
    world: World, sql: Sql, today: date, hour: int, minute: int, later: int
) -> None:
    at(world, today, hour, minute)
    plain = await world.file_plain()
    _, sealed = await world.file_sealed()
    by = counted(today, later)
    assert {plain["register_by"], sealed["register_by"]} == {by.isoformat()}
    assert sql("SELECT DISTINCT register_by, filed_on FROM intake.reports") == [(by, today)]


async def test_a_report_of_a_day_off_is_registered_on_the_next_working_day(world: World, today: date) -> None:
    while not rests(today):
        today += ONE
    at(world, today)
    assert (await world.file_plain())["register_by"] == counted(today, 1).isoformat()


async def test_no_hour_is_stored_anywhere(sql: Sql, case: Filed) -> None:
    types = sql(
        "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'intake' "
        "AND table_name IN ('reports', 'deadlines', 'calendars') AND data_type LIKE 'time%%'"
    )
    assert types == []


async def test_a_report_is_taken_in_a_year_without_calendar_and_no_day_is_guessed(
    world: World, sql: Sql, no_calendar: None
) -> None:
    answer = await world.file_plain()
    assert answer["register_by"] is None
    assert (await world.plain_inbox(answer["receipt"]))["deadlines"] == []
    case_id = await world.case_id(answer["reference"])
    assert (await world.case(case_id))["deadlines"] == []
    refused = await world.http.post(
        f"{STAFF}/cases/{case_id}/steps", json={"step": "register"}, headers=world.token("desk")
    )
    assert problem(refused) == (503, "unavailable")
    assert sql("SELECT state FROM intake.reports") == [("received",)]


# --- shown to both sides


async def test_before_registration_both_sides_see_what_runs(world: World, case: Filed, today: date) -> None:
    seen = await deadlines(world, case)
    assert {kind: (line["due"], line["state"]) for kind, line in seen.items()} == {
        "register": (today.isoformat(), "running"),
        "eu_ack": ((today + 7 * ONE).isoformat(), "running"),
        "eu_feedback": (add_months(today, 3).isoformat(), "running"),
    }
    inbox = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert {line["kind"] for line in inbox["deadlines"]} == set(seen)


async def test_registration_starts_the_clocks_of_the_law(world: World, case: Filed, today: date) -> None:
    await step(world, case, "register")
    seen = await deadlines(world, case)
    assert seen["register"]["state"] == seen["eu_ack"]["state"] == "met"
    assert seen["decide"] == {
        "kind": "decide",
        "labels": {
            "kk": "Өтінішті қарау",
            "ru": "Рассмотрение обращения",
            "en": "Consideration of the report",
        },
        "article": "76(1)",
        "source": "APPC",
        "source_labels": seen["decide"]["source_labels"],
        "confirmed": seen["decide"]["confirmed"],
        "benchmark": False,
        "started": today.isoformat(),
        "due": counted(today, 15).isoformat(),
        "state": "running",
        "met_on": None,
        "ended_on": None,
        "reason": None,
        "extension": False,
        "escalated_on": None,
    }
    assert seen["eu_feedback"]["benchmark"] is True


async def test_the_reporter_sees_the_same_days_and_nothing_that_only_staff_know(
    world: World, case: Filed
) -> None:
    found = {"classification": "criminal"}
    await world.http.put(f"{case.path}/classification", json=found, headers=world.token("desk"))
    await step(world, case, "register")
    await step(world, case, "review")
    staff = await deadlines(world, case)
    assert (staff["erdr"]["confirmed"], staff["erdr"]["state"]) == (False, "running")
    assert (staff["forward"]["state"], staff["forward"]["reason"]) == ("ended", "in_hand")
    inbox = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    shown = {line["kind"]: line for line in inbox["deadlines"]}
    assert set(shown) == {"register", "eu_ack", "eu_feedback", "decide"}
    for kind, line in shown.items():
        assert {**line, "escalated_on": None} == staff[kind]


async def test_a_case_found_criminal_later_has_a_day_for_the_register(world: World, case: Filed) -> None:
    await step(world, case, "register")
    for found in ("criminal", "criminal", "non_criminal"):
        answer = await world.http.put(
            f"{case.path}/classification", json={"classification": found}, headers=world.token("desk")
        )
        assert answer.status_code == 200, answer.text
    (erdr,) = (line for line in (await world.case(case.id))["deadlines"] if line["kind"] == "erdr")
    assert erdr["reason"] == "not_criminal"


async def test_the_plain_inbox_and_the_pages_show_them_too(world: World, today: date) -> None:
    answer = await world.file_plain()
    inbox = await world.plain_inbox(answer["receipt"])
    assert {line["kind"] for line in inbox["deadlines"]} == {"register", "eu_ack", "eu_feedback"}
    visitor = Visitor(world)
    page = await visitor.inbox(answer["receipt"])
    assert "Registration: by" in page.words
    assert "Acknowledgement of receipt (EU benchmark): by" in page.words


async def test_a_limit_that_passed_is_shown_as_such(world: World, case: Filed, today: date) -> None:
    await step(world, case, "register")
    at(world, counted(today, 15))
    assert (await deadlines(world, case))["decide"]["state"] == "running"
    at(world, counted(today, 15) + ONE)
    assert (await deadlines(world, case))["decide"]["state"] == "overdue"


async def test_limits_that_count_days_not_confirmed_are_marked(
    world: World, case: Filed, today: date
) -> None:
    context = world.app.state.context
    years = frozenset({today.year, today.year + 1})
    world.app.state.context = replace(context, calendar=replace(context.calendar, unconfirmed=years))
    await step(world, case, "register")
    seen = await deadlines(world, case)
    assert seen["decide"]["confirmed"] is False
    assert seen["eu_feedback"]["confirmed"] is True  # it counts no working days
    world.app.state.context = replace(context, calendar=replace(context.calendar, unconfirmed=frozenset()))
    assert (await deadlines(world, case))["decide"]["confirmed"] is True
    world.app.state.context = context


async def test_clients_understand_every_line(world: World, case: Filed) -> None:
    await step(world, case, "register")
    lines = (await world.case(case.id))["deadlines"]
    read = [Deadline.from_json(line) for line in lines]
    assert [one.kind for one in read] == [line["kind"] for line in lines]
    assert read[0].due.isoformat() == lines[0]["due"]


# --- extension


async def test_a_lead_extends_once_and_the_reporter_is_told_in_the_same_step(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    await step(world, case, "register")
    until = counted(today, 30)
    answer = await extend(world, case, until, notice(case, world))
    assert answer.status_code == 201, answer.text
    first, second = (line for line in answer.json()["deadlines"] if line["kind"] == "decide")
    assert (first["state"], first["reason"], first["due"]) == (
        "extended", "extended", counted(today, 15).isoformat(),
    )  # fmt: skip
    assert (second["state"], second["due"], second["extension"]) == ("running", until.isoformat(), True)
    (told,) = (line for line in answer.json()["deadlines"] if line["kind"] == "extension_notice")
    assert (told["due"], told["met_on"]) == (counted(today, 3).isoformat(), today.isoformat())

    headers = await world.open_inbox(case.report.keys.lookup)
    inbox = await world.inbox(headers)
    part = next(line for line in inbox["parts"] if line["by"] == "desk")
    file = (await world.http.get(f"{INBOX}/parts/{part['number']}", headers=headers)).content
    assert open_payload(file, case.report.keys.identity).body["text"].startswith("MARKER")

    again = await extend(world, case, until + ONE, notice(case, world, 1))
    assert problem(again) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.parts WHERE author = 'desk'") == [(1,)]
    logged = sql(
        "SELECT r ->> 'until' FROM (SELECT convert_from(record, 'UTF8')::jsonb AS r FROM intake.log_records) AS t "
        "WHERE r ->> 'type' = 'extension'"
    )
    assert logged == [(until.isoformat(),)]


async def test_an_extension_ends_two_months_after_the_decision_at_the_latest(
    world: World, case: Filed, today: date
) -> None:
    await step(world, case, "register")
    for until in (add_months(today, 2) + ONE, today + timedelta(days=300), counted(today, 15), today):
        refused = await extend(world, case, until, notice(case, world))
        assert (problem(refused), pointers(refused)) == ((422, "invalid"), {"/until"})
    assert (await deadlines(world, case))["decide"]["state"] == "running"
    answer = await extend(world, case, add_months(today, 2), notice(case, world))
    assert answer.status_code == 201, answer.text


async def test_nothing_is_extended_that_does_not_run_or_has_passed(
    world: World, case: Filed, today: date
) -> None:
    until = counted(today, 25)
    assert problem(await extend(world, case, until, notice(case, world))) == (409, "conflict")
    await step(world, case, "register")
    at(world, counted(today, 15) + ONE)
    assert problem(await extend(world, case, until, notice(case, world))) == (409, "conflict")


async def test_an_extension_without_a_word_to_the_reporter_is_refused(
    world: World, case: Filed, today: date
) -> None:
    await step(world, case, "register")
    refused = await extend(world, case, counted(today, 30), None)
    assert (problem(refused), pointers(refused)) == ((422, "invalid"), {"/notice"})


async def test_while_the_code_is_in_doubt_the_time_for_the_notice_runs_until_the_desk_writes(
    world: World, case: Filed, today: date, sql: Sql
) -> None:
    await step(world, case, "register")
    sql("UPDATE intake.reports SET code_suspect = true, code_suspect_on = filed_on")
    answer = await extend(world, case, counted(today, 30), None)
    assert answer.status_code == 201, answer.text
    assert (await deadlines(world, case))["extension_notice"]["state"] == "running"
    sql("UPDATE intake.reports SET code_suspect = false")
    assert (await world.answer(case.id, notice(case, world))).status_code == 201
    assert (await deadlines(world, case))["extension_notice"]["state"] == "met"


async def test_a_notice_for_another_place_changes_nothing(world: World, case: Filed, today: date) -> None:
    await step(world, case, "register")
    body = {"until": counted(today, 30).isoformat(), "notice": notice(case, world, 3).body(3)}
    refused = await world.http.post(f"{case.path}/extensions", json=body, headers=world.token("lead"))
    assert problem(refused) == (409, "conflict")
    seen = await deadlines(world, case)
    assert seen["decide"]["state"] == "running"
    assert "extension_notice" not in seen


async def test_a_notice_that_is_not_sealed_changes_nothing(world: World, case: Filed, today: date) -> None:
    await step(world, case, "register")
    refused = await extend(world, case, counted(today, 30), DeskMessage(b"words in clear"))
    assert problem(refused) == (422, "invalid")
    assert (await deadlines(world, case))["decide"]["extension"] is False


@pytest.mark.parametrize("role", ["desk", "investigator", "auditor", "operator", "custodian"])
async def test_only_a_lead_extends(world: World, case: Filed, today: date, role: str) -> None:
    await step(world, case, "register")
    refused = await extend(world, case, counted(today, 30), notice(case, world), role)
    assert refused.status_code == 403


# --- limits that belong to no step


async def mark(world: World, case: Filed, code: str, role: str = "desk", **more: object) -> httpx2.Response:
    body = {"step": code, **more}
    return await world.http.post(f"{case.path}/limits", json=body, headers=world.token(role))


async def test_gaps_are_named_to_the_reporter_with_a_last_day(world: World, case: Filed, today: date) -> None:
    await step(world, case, "register")
    until = counted(today, 5)
    answer = await mark(world, case, "gaps", until=until.isoformat(), notice=notice(case, world).body())
    assert answer.status_code == 201, answer.text
    inbox = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert {line["kind"]: line["due"] for line in inbox["deadlines"]}["gaps"] == until.isoformat()
    assert any(line["role"] == "message" and line["by"] == "desk" for line in inbox["parts"])
    assert problem(await mark(world, case, "gaps", until=until.isoformat(), notice=notice(case, world, 1).body())) == (
        409, "conflict",
    )  # fmt: skip
    assert (await mark(world, case, "gaps_filled")).status_code == 201
    assert (await deadlines(world, case))["gaps"]["state"] == "met"


async def test_gaps_without_a_day_or_without_words_are_refused(
    world: World, case: Filed, today: date
) -> None:
    await step(world, case, "register")
    words = notice(case, world).body()
    for body, pointer in (
        ({"notice": words}, "/until"),
        ({"notice": words, "until": today.isoformat()}, "/until"),
        ({"until": counted(today, 3).isoformat()}, "/notice"),
    ):
        refused = await mark(world, case, "gaps", **body)
        assert (problem(refused), pointers(refused)) == ((422, "invalid"), {pointer})
    assert "gaps" not in await deadlines(world, case)


async def test_a_recusal_is_decided_and_told_in_time(world: World, case: Filed, today: date) -> None:
    assert problem(await mark(world, case, "recusal")) == (409, "conflict")
    await step(world, case, "register")
    for code in ("recusal", "recusal_decided", "recusal_told"):
        assert (await mark(world, case, code)).status_code == 201
    seen = await deadlines(world, case)
    assert (seen["recusal"]["state"], seen["recusal_notice"]["state"]) == ("met", "met")
    assert seen["recusal_notice"]["due"] == counted(today, 2).isoformat()
    inbox = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert not {"recusal", "recusal_notice"} & {line["kind"] for line in inbox["deadlines"]}


async def test_an_end_without_decision_must_be_told_and_a_message_tells_it(world: World, case: Filed) -> None:
    assert (await mark(world, case, "end_without_decision")).status_code == 201
    assert (await deadlines(world, case))["end_notice"]["state"] == "running"
    await world.answer(case.id, notice(case, world))
    assert (await deadlines(world, case))["end_notice"]["state"] == "met"


@pytest.mark.parametrize("role", ["investigator", "auditor", "operator"])
async def test_only_the_desk_marks_limits(world: World, case: Filed, role: str) -> None:
    assert (await mark(world, case, "recusal", role)).status_code == 403


# --- lists and figures


async def listed(world: World, due: str, role: str = "desk", person: str | None = None) -> set[str]:
    answer = await world.http.get(f"{STAFF}/cases?due={due}", headers=world.token(role, person=person))
    assert answer.status_code == 200, answer.text
    return {line["reference"] for line in answer.json()["items"]}


async def test_lists_find_what_is_due_soon_and_what_has_passed(
    world: World, case: Filed, today: date
) -> None:
    second = counted(today, 1)
    at(world, second)
    other = await filed(world)
    assert (await listed(world, "soon"), await listed(world, "overdue")) == (
        {other.reference},
        {case.reference},
    )
    await step(world, other, "register")  # the time for forwarding it ends three working days later
    assert await listed(world, "soon") == set()
    at(world, counted(second, 1))
    assert await listed(world, "soon") == {other.reference}
    await step(world, other, "review")
    assert await listed(world, "soon") == set()
    at(world, counted(second, 12))
    assert await listed(world, "soon") == set()
    at(world, counted(second, 13))
    assert await listed(world, "soon") == {other.reference}
    at(world, counted(second, 16))
    assert await listed(world, "overdue") == {case.reference, other.reference}


async def test_an_investigator_finds_only_their_own(world: World, case: Filed, today: date) -> None:
    member: Member = world.member("investigator")
    await filed(world)
    await assign(world, case, member)
    at(world, counted(today, 1))
    assert await listed(world, "overdue", "investigator", member.id) == {case.reference}
    assert await listed(world, "overdue", "investigator") == set()


async def test_other_words_for_due_are_refused(world: World) -> None:
    answer = await world.http.get(f"{STAFF}/cases?due=yesterday", headers=world.token("desk"))
    assert problem(answer) == (422, "invalid")


async def figures(world: World, year: int) -> dict[str, dict[str, int]]:
    """Kind -> numbers of a year, all months together."""
    path = f"{STAFF}/figures/deadlines?year={year}"
    answer = await world.http.get(path, headers=world.token("auditor"))
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, int]] = {}
    for line in answer.json()["lines"]:
        assert line["month"].startswith(f"{year}-")
        sums = found.setdefault(line["kind"], {})
        for name in ("met", "late", "running", "overdue", "extended", "ended"):
            if line[name]:
                sums[name] = sums.get(name, 0) + line[name]
    return found


async def both(world: World, today: date) -> dict[str, dict[str, int]]:
    """The figures of the years in which limits of today end."""
    first, second = await figures(world, today.year), await figures(world, today.year + 1)
    kinds = first.keys() | second.keys()
    states = ("met", "late", "running", "overdue", "extended", "ended")
    return {
        kind: {
            state: total
            for state in states
            if (total := first.get(kind, {}).get(state, 0) + second.get(kind, {}).get(state, 0))
        }
        for kind in kinds
    }


async def test_figures_count_what_was_met_in_time_and_what_was_not(
    world: World, case: Filed, today: date
) -> None:
    late = await filed(world)
    await step(world, case, "register")
    await step(world, case, "review")
    at(world, today + ONE)
    await step(world, late, "register")
    found = await both(world, today)
    assert found["register"] == {"met": 1, "late": 1}
    assert found["forward"] == {"ended": 1, "running": 1}
    assert found["decide"] == {"running": 2}
    at(world, counted(today, 16))
    assert (await both(world, today))["decide"] == {"overdue": 2}
    assert await figures(world, 2025) == {}


@pytest.mark.parametrize("role", ["desk", "investigator", "operator", "administrator"])
async def test_figures_are_for_leads_and_auditors(world: World, role: str) -> None:
    answer = await world.http.get(f"{STAFF}/figures/deadlines", headers=world.token(role))
    assert answer.status_code == 403
