"""Form tokens, the budget, and what happens above it: nobody is refused, nobody is counted by address."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake import rules
from services.intake.pages_door import Budget, FormTokens, PageDoor, StaleForm
from tests.intake.builders import Sql, World
from tests.intake.pages import REPORT, Visitor

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKENS = FormTokens(bytes(32), timedelta(seconds=3), timedelta(hours=6))


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in {"MIN_SECONDS": "0", "REPORTS_PER_HOUR": "2"}.items():
        monkeypatch.setenv(f"ADAL_INTAKE_PAGE_{name}", value)
    return environment


# --- tokens


def test_a_token_is_read_by_its_own_purpose_and_key_only() -> None:
    text = TOKENS.issue("report", NOW)
    assert TOKENS.read(text, "report", NOW).issued == NOW
    with pytest.raises(StaleForm):
        TOKENS.read(text, "inbox", NOW)
    with pytest.raises(StaleForm):
        replace(TOKENS, key=bytes([1]) * 32).read(text, "report", NOW)


@given(st.integers(0, 55), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_a_changed_token_is_refused(place: int, change: int) -> None:
    from services.crypto.canonical import b64u, unb64u

    raw = bytearray(unb64u(TOKENS.issue("report", NOW)))
    raw[place] ^= change
    with pytest.raises(StaleForm):
        TOKENS.read(b64u(bytes(raw)), "report", NOW)


@pytest.mark.parametrize("text", ["", "x", "A" * 75, "A" * 74, "ж" * 75, "A" * 10_000])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(StaleForm):
        TOKENS.read(text, "report", NOW)


def test_two_tokens_of_the_same_second_differ() -> None:
    assert TOKENS.issue("report", NOW) != TOKENS.issue("report", NOW)


@pytest.mark.parametrize(
    ("age", "good"),
    [(timedelta(), True), (timedelta(hours=6) - timedelta(seconds=1), True), (timedelta(hours=6), False),
     (timedelta(minutes=-1), True), (timedelta(minutes=-2), False)],
)  # fmt: skip
def test_a_token_lives_for_its_maximum_age(age: timedelta, good: bool) -> None:
    text = TOKENS.issue("report", NOW - age)
    if good:
        assert TOKENS.read(text, "report", NOW)
    else:
        with pytest.raises(StaleForm):
            TOKENS.read(text, "report", NOW)


@pytest.mark.parametrize(("age", "wait"), [(0, 3.0), (1, 2.0), (3, 0.0), (100, 0.0)])
def test_a_token_that_is_too_young_says_how_long(age: int, wait: float) -> None:
    token = TOKENS.read(TOKENS.issue("report", NOW - timedelta(seconds=age)), "report", NOW)
    assert TOKENS.too_young_for(token, NOW) == wait


# --- the budget


def test_reports_above_the_budget_go_to_quarantine_until_an_hour_has_passed() -> None:
    budget = Budget(reports_per_hour=2, openings_per_minute=60)
    assert [budget.lane(NOW) for _ in range(4)] == ["main", "main", "quarantine", "quarantine"]
    assert budget.lane(NOW + timedelta(minutes=59)) == "quarantine"
    assert budget.lane(NOW + timedelta(hours=1)) == "main"


def test_without_a_budget_every_report_goes_to_quarantine() -> None:
    assert Budget(0, 1).lane(NOW) == rules.QUARANTINE


def test_openings_wait_in_line_after_a_burst() -> None:
    budget = Budget(reports_per_hour=1, openings_per_minute=60)
    waits = [budget.opening(NOW) for _ in range(14)]
    assert waits[:11] == [0.0] * 11
    assert waits[11:] == [1.0, 2.0, 3.0]


def test_nobody_waits_longer_than_the_longest_wait() -> None:
    budget = Budget(reports_per_hour=1, openings_per_minute=1)
    waits = [budget.opening(NOW) for _ in range(100)]
    assert max(waits) == rules.LONGEST_WAIT.total_seconds()


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 600))
@settings(max_examples=100, deadline=None)
def test_waits_are_bounded_and_the_line_dissolves(gaps: list[float], pace: int) -> None:
    budget, now = Budget(1, pace), NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        assert 0 <= budget.opening(now) <= rules.LONGEST_WAIT.total_seconds()
    assert budget.opening(now + timedelta(minutes=1) + rules.LONGEST_WAIT) == 0


# --- through the pages


def sleeping(world: World) -> list[float]:
    """Write down how long the pages wait, and do not wait."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    state = world.app.state
    state.context = replace(state.context, pages=replace(state.context.pages, sleep=sleep))
    return slept


def with_tokens(world: World, **changes: timedelta) -> None:
    context = world.app.state.context
    tokens = replace(context.pages.tokens, **changes)
    world.app.state.context = replace(context, pages=replace(context.pages, tokens=tokens))


async def test_whoever_sends_too_fast_waits_and_is_not_refused(world: World) -> None:
    slept = sleeping(world)
    with_tokens(world, min_age=timedelta(seconds=3))
    assert (await Visitor(world).fill_report()).status == 201
    assert 1.0 < max(slept) <= 3.0


async def test_a_form_that_was_open_too_long_comes_back_with_everything_typed(world: World) -> None:
    visitor = Visitor(world)
    form = (await visitor.load("/report")).form("/report/sent")
    world.at(timedelta(hours=7))
    page = await visitor.send("/report/sent", {**form, **REPORT, "what": "long story"}, [])
    assert page.status == 422
    assert "open for too long" in page.words
    again = page.form("/report/sent")
    assert again["what"] == "long story"
    assert again["token"] != form["token"]
    assert (await visitor.send("/report/sent", {**REPORT, **again, "category": "fraud"}, [])).status == 201


@pytest.mark.parametrize("token", ["", "forged", "A" * 75])
async def test_a_report_without_a_good_token_is_not_filed(world: World, sql: Sql, token: str) -> None:
    page = await Visitor(world).send(
        "/report/sent", {**REPORT, "token": token}, [("a.txt", "text/plain", b"a")]
    )
    assert page.status == 422
    assert sql("SELECT count(*) FROM intake.reports") == [(0,)]
    assert sql("SELECT count(*) FROM intake.drafts") == [(0,)]


async def test_the_same_form_sent_twice_is_one_report_with_one_receipt(world: World, sql: Sql) -> None:
    """A connection that broke after the commit must not cost the receipt."""
    visitor, file = Visitor(world), ("a.txt", "text/plain", b"a" * 100)
    form = {**(await visitor.load("/report")).form("/report/sent"), **REPORT}
    first = await visitor.send("/report/sent", form, [file])
    second = await visitor.send("/report/sent", form, [file])
    assert (first.status, second.status) == (201, 201)
    assert first.code == second.code
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]
    assert sql("SELECT count(*) FROM intake.drafts") == [(0,)]


async def test_the_same_form_sent_twice_at_once_is_one_report(world: World, sql: Sql) -> None:
    visitor = Visitor(world)
    form = {**(await visitor.load("/report")).form("/report/sent"), **REPORT}
    pages = await asyncio.gather(*(visitor.send("/report/sent", form, []) for _ in range(4)))
    assert {page.status for page in pages} == {201}
    assert len({page.code for page in pages}) == 1
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]


async def test_a_used_form_with_other_content_is_not_filed_silently(world: World, sql: Sql) -> None:
    visitor = Visitor(world)
    form = {**(await visitor.load("/report")).form("/report/sent"), **REPORT}
    assert (await visitor.send("/report/sent", form, [])).status == 201
    page = await visitor.send("/report/sent", {**form, "what": "something else"}, [])
    assert page.status == 422
    assert "sent before with other content" in page.words
    assert sql("SELECT count(*) FROM intake.reports") == [(1,)]
    assert page.form("/report/sent")["what"] == "something else"
    assert (
        await visitor.send("/report/sent", {**REPORT, **page.form("/report/sent"), **REPORT}, [])
    ).status == 201


async def test_a_mistake_does_not_spend_the_token(world: World) -> None:
    visitor = Visitor(world)
    page = await visitor.fill_report(what="")
    form = page.form("/report/sent")
    assert page.status == 422
    assert (await visitor.send("/report/sent", {**form, **REPORT}, [])).status == 201


async def test_a_token_opens_one_inbox_only_also_when_the_code_was_wrong(world: World) -> None:
    visitor = Visitor(world)
    form = (await visitor.load("/inbox")).form("/inbox")
    wrong = await visitor.send("/inbox", {**form, "receipt": "0" * 24})
    again = await visitor.send("/inbox", {**form, "receipt": "0" * 24})
    assert (wrong.status, again.status) == (404, 422)
    assert again.form("/inbox")["token"] != form["token"]


async def test_a_code_that_cannot_be_one_does_not_spend_the_token(world: World) -> None:
    visitor = Visitor(world)
    form = (await visitor.load("/inbox")).form("/inbox")
    for _ in range(2):
        page = await visitor.send("/inbox", {**form, "receipt": "123"})
        assert (page.status, page.error_of("receipt")) == (
            422, "Error: A receipt code has 24 digits. Look at it again.",
        )  # fmt: skip


async def test_a_token_of_the_report_form_opens_no_inbox(world: World) -> None:
    visitor = Visitor(world)
    token = (await visitor.load("/report")).form("/report/sent")["token"]
    page = await visitor.send("/inbox", {"token": token, "receipt": "0" * 24})
    assert page.status == 422


async def test_reports_above_the_budget_are_taken_into_the_quarantine_lane(world: World, sql: Sql) -> None:
    visitor = Visitor(world)
    pages = [await visitor.file() for _ in range(4)]
    lanes: dict[str, str] = dict(sql("SELECT reference, lane FROM intake.reports"))
    assert [lanes[page.reference] for page in pages] == ["main", "main", "quarantine", "quarantine"]
    assert len({page.words.replace(page.reference, "").replace(page.code, "")[:60] for page in pages}) == 1
    assert (await visitor.inbox(pages[3].code)).reference == pages[3].reference


async def test_staff_see_the_lane_and_can_narrow_by_it(world: World) -> None:
    visitor = Visitor(world)
    pages = [await visitor.file() for _ in range(3)]
    answer = await world.http.get("/api/intake/v1/staff/cases?lane=quarantine", headers=world.token("desk"))
    assert [(case["reference"], case["lane"]) for case in answer.json()["items"]] == [
        (pages[2].reference, "quarantine")
    ]


async def test_reports_of_the_api_do_not_go_to_quarantine(world: World, sql: Sql) -> None:
    for _ in range(3):
        await world.file_plain()
    assert sql("SELECT DISTINCT lane FROM intake.reports") == [("main",)]


async def test_openings_above_the_budget_wait_and_are_let_in(world: World) -> None:
    visitor = Visitor(world)
    code = (await visitor.file()).code
    slept, door = sleeping(world), world.app.state.context.pages
    assert isinstance(door, PageDoor)
    door.budget.openings_per_minute = 1
    door.budget.next_opening = world.now() + timedelta(seconds=9)
    assert (await visitor.enter(code)).status == 200
    assert 7 < max(slept) <= 9


async def test_a_waiting_opening_holds_no_connection_of_the_database(world: World) -> None:
    """Otherwise a flood at the inbox would keep reports out."""
    visitor = Visitor(world)
    code = (await visitor.file()).code
    release = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds:
            await release.wait()

    state = world.app.state
    state.context = replace(state.context, pages=replace(state.context.pages, sleep=sleep))
    state.context.pages.budget.next_opening = world.now() + timedelta(seconds=15)
    size = state.settings.pool_size
    waiting = [asyncio.ensure_future(visitor.enter(code)) for _ in range(size + 2)]
    await asyncio.sleep(0.3)
    assert (await asyncio.wait_for(visitor.fill_report(), 10)).status == 201
    release.set()
    assert {page.status for page in await asyncio.gather(*waiting)} == {200}
