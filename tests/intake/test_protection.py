"""Retaliation flags the case and starts a clock once; rights are told with their sources; incidents stay sealed."""

import asyncio
import hashlib
import json
import uuid
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.crypto.age import HybridIdentity, X25519Identity, encrypt, seal
from services.crypto.canonical import b64, b64u, unb64
from services.crypto.payloads import open_payload
from services.crypto.receipts import format_receipt
from services.intake import protection
from services.intake.form import load_form
from services.intake.protection import (
    ASKED,
    ENDED,
    IN_HAND,
    STEPS,
    add_months,
    article_codes,
    last_day,
    load_articles,
    load_rights,
    may_step,
)
from services.kit.clock import day_of
from tests.intake.builders import (
    API,
    INBOX,
    STAFF,
    Filed,
    Json,
    Reporter,
    Sql,
    World,
    filed,
    new_key,
    problem,
    reporter_file,
)
from tests.intake.pages import Visitor

WORDS = "MARKER they moved me to another town"


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ADAL_INTAKE_PAGE_MIN_SECONDS", "0")
    return environment


async def strike_back(world: World, case: Filed, key: str | None = None, **changes: object) -> Json:
    """The reporter reports retaliation with a client of their own."""
    headers = await world.open_inbox(case.report.keys.lookup)
    place = (await world.inbox(headers))["next"]
    body = {"text": WORDS, "attachments": []}
    part = reporter_file(case.report.manifest, case.report.keys, "retaliation", body, place)
    sent = {"n": place["n"], "part": b64(part), **changes}
    answer = await world.http.post(
        f"{INBOX}/retaliation", json=sent, headers={**headers, "Idempotency-Key": key or new_key()}
    )
    assert answer.status_code == 201, answer.text
    return await world.inbox(headers)


# --- the clock


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [
        (date(2026, 11, 25), 36, date(2029, 11, 25)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
        (date(2026, 10, 31), 1, date(2026, 11, 30)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_are_counted_across_years_and_short_months(day: date, months: int, end: date) -> None:
    assert add_months(day, months) == end


def test_a_longer_term_never_ends_earlier_and_a_later_start_never_earlier() -> None:
    days = [date(2027, 12, 25) + timedelta(days=i) for i in range(500)]
    for months in (1, 2, 12, 36):
        ends = [last_day(day, months) for day in days]
        assert ends == sorted(ends)
        assert all(last_day(day, months + 1) > end for day, end in zip(days, ends, strict=True))


def test_a_term_beyond_the_calendar_is_an_error() -> None:
    with pytest.raises(OverflowError):
        add_months(date(9999, 12, 1), 1)


def test_steps_of_a_protection() -> None:
    assert {(a, b) for a in STEPS for b in STEPS if may_step(a, b)} == {
        (ASKED, IN_HAND), (ASKED, ENDED), (IN_HAND, ENDED), (ENDED, IN_HAND),
    }  # fmt: skip
    assert not may_step("lost", ENDED)


# --- reported


async def test_a_report_of_retaliation_flags_the_case_and_starts_the_clock(world: World, sql: Sql) -> None:
    case = await filed(world)
    assert (await world.case(case.id))["protection"] is None
    view, today = await strike_back(world, case), day_of(world.now())
    shown = {
        "since": today.isoformat(), "until": last_day(today, 36).isoformat(), "until_confirmed": False,
        "status": "asked",
    }  # fmt: skip
    assert view["protection"] == shown
    found = await world.case(case.id)
    assert (found["protection"], found["retaliation_on"]) == (shown, today.isoformat())
    line = found["parts"][-1]
    assert (line["role"], line["by"], line["n"]) == ("retaliation", "reporter", 2)
    part = await world.http.get(f"{case.path}/parts/{line['number']}", headers=world.token("desk"))
    opened = open_payload(part.content, await world.report_key(found))
    assert (opened.header.type, opened.body["text"]) == ("retaliation", WORDS)
    dump = sql("SELECT row_to_json(p)::text FROM intake.parts p") + sql(
        "SELECT row_to_json(p)::text FROM intake.protections p"
    )
    assert all("MARKER" not in text for (text,) in dump)


async def test_a_second_report_asks_again_and_keeps_the_clock(world: World) -> None:
    case = await filed(world)
    first = (await strike_back(world, case))["protection"]
    path, headers = f"{case.path}/protection", world.token("desk")
    for status in (IN_HAND, ENDED):
        assert (await world.http.put(path, json={"status": status}, headers=headers)).status_code == 200
    world.at(timedelta(days=40))
    again = (await strike_back(world, case))["protection"]
    assert again == first, "asked for once more, from the first day on"
    assert (await world.case(case.id))["retaliation_on"] == first["since"]


async def test_a_repeated_request_adds_one_part(world: World) -> None:
    case, key = await filed(world), new_key()
    headers = await world.open_inbox(case.report.keys.lookup)
    place = (await world.inbox(headers))["next"]
    part = reporter_file(
        case.report.manifest, case.report.keys, "retaliation", {"text": "x", "attachments": []}, place
    )
    sent, with_key = {"part": b64(part)}, {**headers, "Idempotency-Key": key}
    answers = [await world.http.post(f"{INBOX}/retaliation", json=sent, headers=with_key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert len((await world.case(case.id))["parts"]) == 3


async def test_what_cannot_be_stored_flags_nothing(world: World) -> None:
    case = await filed(world)
    headers = {**await world.open_inbox(case.report.keys.lookup), "Idempotency-Key": new_key()}
    part = reporter_file(
        case.report.manifest, case.report.keys, "retaliation", {"text": "x", "attachments": []},
        (await world.inbox(headers))["next"],
    )  # fmt: skip
    foreign = encrypt(bytes(4096), [X25519Identity.generate().recipient])
    for sent, status in (({"n": 7, "part": b64(part)}, 409), ({"part": b64(foreign)}, 422), ({}, 422)):
        answer = await world.http.post(f"{INBOX}/retaliation", json=sent, headers=headers)
        assert answer.status_code == status
    assert (await world.http.post(f"{INBOX}/retaliation", json={"part": b64(part)})).status_code in (400, 401)
    assert (await world.case(case.id))["protection"] is None


async def test_two_reports_at_once_make_one_protection(world: World, sql: Sql, reporter: Reporter) -> None:
    async def tell() -> int:
        body = {"receipt": reporter.receipt, "text": WORDS}
        return (await world.post(f"{INBOX}/plain/retaliation", body)).status_code

    assert await asyncio.gather(*(tell() for _ in range(3))) == [201] * 3
    assert sql("SELECT count(*) FROM intake.protections") == [(1,)]


async def test_plain_mode_seals_it_for_the_desk(world: World, reporter: Reporter) -> None:
    body = {"receipt": reporter.receipt, "text": WORDS}
    assert (await world.post(f"{INBOX}/plain/retaliation", body)).status_code == 201
    case = await world.case(reporter.case_id)
    line = case["parts"][-1]
    assert line["role"] == "retaliation"
    part = await world.http.get(
        f"{STAFF}/cases/{reporter.case_id}/parts/{line['number']}", headers=world.token("desk")
    )
    assert open_payload(part.content, await world.report_key(case)).body["text"] == WORDS
    assert (await world.plain_inbox(reporter.receipt))["protection"]["status"] == "asked"


async def test_the_term_is_a_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    context = world.app.state.context
    settings = context.settings.model_copy(update={"labour_protection_months": 1})
    monkeypatch.setattr(world.app.state, "context", replace(context, settings=settings))
    view = await strike_back(world, await filed(world))
    assert view["protection"]["until"] == last_day(day_of(world.now()), 1).isoformat()


# --- the desk


async def test_the_desk_finds_flagged_cases(world: World) -> None:
    quiet, loud = await filed(world), await filed(world)
    await strike_back(world, loud)
    for asked, ids in (("true", {loud.id}), ("false", {quiet.id})):
        answer = await world.http.get(f"{STAFF}/cases?retaliation={asked}", headers=world.token("desk"))
        assert {line["id"] for line in answer.json()["items"]} == ids
    both = await world.http.get(f"{STAFF}/cases", headers=world.token("desk"))
    assert {bool(line["retaliation_on"]) for line in both.json()["items"]} == {True, False}


async def test_what_the_desk_makes_of_it_is_shown_to_the_reporter(world: World) -> None:
    case = await filed(world)
    path, headers = f"{case.path}/protection", world.token("desk")
    assert problem(await world.http.put(path, json={"status": IN_HAND}, headers=headers)) == (
        404,
        "not-found",
    )
    await strike_back(world, case)
    answer = await world.http.put(path, json={"status": IN_HAND}, headers=headers)
    assert answer.json()["status"] == IN_HAND
    view = await world.inbox(await world.open_inbox(case.report.keys.lookup))
    assert view["protection"] == answer.json()
    assert problem(await world.http.put(path, json={"status": IN_HAND}, headers=headers)) == (409, "conflict")
    assert problem(await world.http.put(path, json={"status": ASKED}, headers=headers)) == (422, "invalid")


# --- rights


@pytest.mark.parametrize("load", [load_rights, load_articles])
def test_every_statement_is_in_three_languages_and_names_its_source(load: object) -> None:
    found = load()  # type: ignore[operator]
    lines = getattr(found, "statements", None) or found.articles
    assert len({line.code for line in lines}) == len(lines)
    for line in lines:
        texts = (line.labels.kk, line.labels.ru, line.labels.en)
        assert len(set(texts)) == 3
        assert line.source is None or line.source in found.sources
        assert line.source is not None or line.status == "not-confirmed", "nothing is confirmed by nothing"
    assert {line.source for line in lines if line.source} == set(found.sources)


async def test_rights_are_public_cached_and_mark_what_is_not_confirmed(world: World) -> None:
    answer = await world.http.get(f"{API}/rights")
    status = {line["code"]: line["status"] for line in answer.json()["statements"]}
    assert status["term"] == status["no-dismissal"] == "not-confirmed"
    assert status["confidential"] == "confirmed"
    again = await world.http.get(f"{API}/rights", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    articles = (await world.http.get(f"{API}/disclosure-articles")).json()
    assert {line["code"] for line in articles["articles"]} == article_codes() == {"cc-423", "cc-424"}


# --- pages


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_a_page_without_script_takes_it_and_tells_the_rights(world: World, language: str) -> None:
    visitor = Visitor(world, language)
    page = await visitor.file()
    inbox = await visitor.inbox(format_receipt(page.code))
    for statement in load_rights().statements:
        words = " ".join(getattr(statement.labels, language).split())
        assert words in inbox.words
    empty = await visitor.send("/inbox/retaliation", inbox.form("/inbox/retaliation"))
    assert empty.status == 422
    assert empty.error_of("retaliation")
    form = {**empty.form("/inbox/retaliation"), "retaliation": WORDS}
    told = await visitor.send("/inbox/retaliation", form)
    assert told.status == 200, told.words
    case = await world.case(await world.case_id(page.reference))
    assert case["parts"][-1]["role"] == "retaliation"
    assert case["protection"]["status"] == "asked"
    again = await visitor.send("/inbox/retaliation", form)
    assert again.status == 200
    assert len((await world.case(case["id"]))["parts"]) == len(case["parts"]), "one form, one part"
    assert WORDS not in again.html


# --- incidents


def facts(*identities: HybridIdentity) -> str:
    readers = identities or (HybridIdentity.generate(),)
    return b64(seal(bytes(4096), [one.recipient for one in readers]))


async def record(world: World, case: Filed, **changes: object) -> object:
    body = {"article": "cc-424", "facts": facts(), **changes}
    return await world.http.post(f"{case.path}/disclosures", json=body, headers=world.token("lead"))


async def test_a_lead_records_an_incident_and_an_auditor_sees_that_there_is_one(world: World) -> None:
    case, lead, sealed = await filed(world), str(uuid.uuid4()), facts()
    headers = world.token("lead", person=lead)
    answer = await world.http.post(
        f"{case.path}/disclosures", json={"article": "cc-423", "facts": sealed}, headers=headers
    )
    assert answer.status_code == 201, answer.text
    day = day_of(world.now()).isoformat()
    clear = {"id": answer.json()["id"], "day": day, "article": "cc-423", "status": "recorded", "by": lead,
             "end": None}  # fmt: skip
    for role, shown in (("lead", sealed), ("auditor", None)):
        found = await world.http.get(f"{case.path}/disclosures", headers=world.token(role))
        assert found.json() == {"items": [{**clear, "facts": shown}]}
    other = await filed(world)
    found = await world.http.get(f"{other.path}/disclosures", headers=world.token("lead"))
    assert found.json() == {"items": []}


async def test_incidents_of_no_case_are_not_found(world: World) -> None:
    path = f"{STAFF}/cases/{uuid.uuid4()}/disclosures"
    for role in ("lead", "auditor"):
        assert problem(await world.http.get(path, headers=world.token(role))) == (404, "not-found")


async def test_facts_in_any_other_form_are_refused(world: World, sql: Sql) -> None:
    case = await filed(world)
    foreign = b64(encrypt(bytes(4096), [X25519Identity.generate().recipient]))
    large = b64(seal(bytes(130 << 10), [HybridIdentity.generate().recipient]))
    for change in (
        {"article": "cc-1"}, {"article": "CC 424"}, {"facts": b64(b"clear words")}, {"facts": foreign},
        {"facts": large}, {"facts": None}, {"who": "a name"},
    ):  # fmt: skip
        answer = await record(world, case, **change)
        assert problem(answer) == (422, "invalid"), change  # type: ignore[arg-type]
    assert sql("SELECT count(*) FROM intake.disclosures") == [(0,)]


async def test_one_to_eight_readers(world: World) -> None:
    case, readers = await filed(world), [HybridIdentity.generate() for _ in range(8)]
    answer = await record(world, case, facts=facts(*readers))
    assert answer.status_code == 201  # type: ignore[attr-defined]


# --- their end


async def ended(
    world: World, case: Filed, incident: str, by: str | None = None, result: str = "confirmed"
) -> Any:
    headers = world.token("lead", person=by or str(uuid.uuid4()))
    path = f"{case.path}/disclosures/{incident}/end"
    return await world.http.post(path, json={"result": result}, headers=headers)


async def recorded(world: World, case: Filed, by: str) -> str:
    headers = world.token("lead", person=by)
    body = {"article": "cc-424", "facts": facts()}
    answer = await world.http.post(f"{case.path}/disclosures", json=body, headers=headers)
    return str(answer.json()["id"])


@pytest.mark.parametrize("result", ["confirmed", "not_confirmed", "passed_to_prosecutor"])
async def test_another_lead_ends_an_incident_and_says_how(world: World, result: str) -> None:
    case, one, other = await filed(world), str(uuid.uuid4()), str(uuid.uuid4())
    incident = await recorded(world, case, one)
    world.at(timedelta(days=3))
    answer = await ended(world, case, incident, other, result)
    assert answer.status_code == 201, answer.text
    end = {"day": day_of(world.now()).isoformat(), "by": other, "result": result}
    assert (answer.json()["status"], answer.json()["by"], answer.json()["end"]) == ("ended", one, end)
    for role in ("lead", "auditor"):
        found = await world.http.get(f"{case.path}/disclosures", headers=world.token(role))
        assert [(line["status"], line["end"]) for line in found.json()["items"]] == [("ended", end)]


async def test_who_recorded_an_incident_does_not_end_it(world: World, sql: Sql) -> None:
    case, one = await filed(world), str(uuid.uuid4())
    incident = await recorded(world, case, one)
    assert problem(await ended(world, case, incident, one)) == (409, "conflict")
    assert sql("SELECT count(*) FROM intake.disclosure_ends") == [(0,)]


def test_nobody_holds_both_sides_of_an_incident() -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    assert (protection.may_end_incident(one, other), protection.may_end_incident(one, one)) == (True, False)


async def test_an_incident_ends_once_however_many_say_so_at_once(world: World, sql: Sql) -> None:
    case = await filed(world)
    incident = await recorded(world, case, str(uuid.uuid4()))
    answers = await asyncio.gather(*(ended(world, case, incident) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert sql("SELECT count(*) FROM intake.disclosure_ends") == [(1,)]
    records = [json.loads(bytes(line)) for (line,) in sql("SELECT record FROM intake.log_records")]
    assert [line["type"] for line in records].count("disclosure-end") == 1


async def test_an_incident_ends_at_its_own_case_with_a_known_result(world: World) -> None:
    case, other = await filed(world), await filed(world)
    incident = await recorded(world, case, str(uuid.uuid4()))
    assert problem(await ended(world, other, incident)) == (404, "not-found")
    assert problem(await ended(world, case, str(uuid.uuid4()))) == (404, "not-found")
    for result in ("ended", "Confirmed", ""):
        assert problem(await ended(world, case, incident, result=result)) == (422, "invalid")
    for role in ("desk", "auditor", "investigator", "administrator"):
        path = f"{case.path}/disclosures/{incident}/end"
        answer = await world.http.post(path, json={"result": "confirmed"}, headers=world.token(role))
        assert problem(answer) == (403, "forbidden")


async def test_an_incident_and_its_end_are_in_the_log_by_hash(world: World, sql: Sql) -> None:
    case = await filed(world)
    incident = await recorded(world, case, str(uuid.uuid4()))
    await ended(world, case, incident, result="not_confirmed")
    [(sealed,)] = sql("SELECT sealed FROM intake.disclosures")
    [(rid,)] = sql("SELECT rid FROM intake.reports")
    records = [json.loads(bytes(line)) for (line,) in sql("SELECT record FROM intake.log_records")]
    common = {
        "v": 1, "day": day_of(world.now()).isoformat(), "rid": b64u(bytes(rid)),
        "disclosure": b64u(hashlib.sha256(bytes(sealed)).digest()),
    }  # fmt: skip
    found = [line for line in records if line["type"].startswith("disclosure")]
    assert sorted(found, key=lambda line: str(line["type"])) == [
        {**common, "type": "disclosure", "article": "cc-424"},
        {**common, "type": "disclosure-end", "result": "not_confirmed"},
    ]


def test_every_result_has_a_name_in_three_languages() -> None:
    found = load_articles().results
    assert {one.code for one in found} == {"confirmed", "not_confirmed", "passed_to_prosecutor"}
    assert all(len({one.labels.kk, one.labels.ru, one.labels.en}) == 3 for one in found)


def test_the_reference_data_is_read_once_and_apart_from_the_form() -> None:
    assert protection.load_rights() is protection.load_rights()
    assert "rights" not in load_form().lists
    assert unb64(facts())
