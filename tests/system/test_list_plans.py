"""The case list among 20,000 cases: pages come out of an index, and none is missing or doubled."""

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from bench import plans
from bench.list_page import Filters, combinations, named, wanted
from bench.rows import Codes, Loaded, load
from services.intake import store
from services.intake.store import CaseFilter

TODAY = date(2026, 11, 25)
COUNT, OWN = 20_000, 200
CODES = Codes.of_form()
#: Filters that one index holds; the others look into tables of their own. `bench.list_page` times them all.
HELD = {"state", "category", "region", "sector", "mode", "lane"}


@pytest.fixture(scope="module")
def conn(migrated: Any) -> Iterator[psycopg.Connection]:
    migrated.empty()
    with migrated.superuser() as made:
        yield made
    migrated.empty()


@pytest.fixture(scope="module")
def loaded(conn: psycopg.Connection) -> Loaded:
    found = load(conn, COUNT, TODAY, OWN)
    conn.execute("VACUUM ANALYZE intake.reports")
    return found


def _below_limit(node: dict[str, Any]) -> dict[str, Any]:
    """The step that the page is taken from."""
    if node["Node Type"] == "Limit":
        found: dict[str, Any] = node["Plans"][0]
        return found
    return next(iter(found for below in node.get("Plans", []) if (found := _below_limit(below))), {})


@pytest.mark.parametrize("deep", [False, True], ids=["first", "deep"])
@pytest.mark.parametrize("own", [False, True], ids=["desk", "investigator"])
def test_no_page_reads_all_reports(conn: psycopg.Connection, loaded: Loaded, own: bool, deep: bool) -> None:
    person, after = loaded.person if own else None, loaded.middle if deep else None
    # Labels, and limits that are only near, lie in other tables; of so few reports the planner may then read all
    # (`bench.list_page` times them among a million).
    tried = [
        filters
        for filters in [*named(CODES), *combinations(CODES, 2)]
        if "label" not in filters and filters.get("due", "overdue") == "overdue"
    ]
    assert {"due": "overdue"} in tried
    assert len(tried) > 50
    whole = [
        f for f in tried if plans.read_whole(conn, store.cases_query(wanted(f, person, TODAY), after, 51))
    ]
    assert whole == []


@pytest.mark.parametrize("deep", [False, True], ids=["first", "deep"])
def test_a_page_by_codes_comes_out_of_an_index_in_its_order(
    conn: psycopg.Connection, loaded: Loaded, deep: bool
) -> None:
    after = loaded.middle if deep else None
    tried: list[Filters] = [f for f in combinations(CODES, 2) if set(f) <= HELD]
    assert len(tried) > 50
    for filters in tried:
        nodes = plans.nodes(conn, store.cases_query(wanted(filters, None, TODAY), after, 51))
        under = _below_limit(nodes[0])
        assert under["Node Type"] in {"Index Only Scan", "Index Scan"}, (filters, under["Node Type"])
        assert under["Scan Direction"] == "Backward", filters


async def _all_pages(url: str, narrowed: CaseFilter) -> list[uuid.UUID]:
    engine, after, found = create_async_engine(url), None, list[uuid.UUID]()
    async with engine.begin() as conn:
        while rows := await store.list_cases(conn, narrowed, after, 50):
            found += [row.id for row in rows]
            after = rows[-1].filed_on, rows[-1].id
    await engine.dispose()
    return found


async def test_pages_one_after_another_have_every_case_once(migrated: Any, loaded: Loaded) -> None:
    url = migrated.url("intake")
    received = await _all_pages(url, CaseFilter(state="received"))
    wanted_ids = {line.id: line.day for line in loaded.lines if line.state == "received"}
    assert len(received) == len(set(received)) > 10
    assert set(received) == set(wanted_ids)
    days = [wanted_ids[one] for one in received]
    assert days == sorted(days, reverse=True)
    own = await _all_pages(url, CaseFilter(person=loaded.person))
    assert len(own) == len(set(own)) == OWN


async def test_filters_together_find_what_both_find(migrated: Any, loaded: Loaded) -> None:
    url = migrated.url("intake")
    state = set(await _all_pages(url, CaseFilter(state="in_review")))
    plain = set(await _all_pages(url, CaseFilter(mode="plain")))
    overdue = set(await _all_pages(url, wanted({"due": "overdue"}, None, TODAY)))
    assert set(await _all_pages(url, CaseFilter(state="in_review", mode="plain"))) == state & plain != set()
    both = await _all_pages(url, wanted({"due": "overdue", "state": "in_review"}, None, TODAY))
    assert set(both) == state & overdue != set()
    old = {line.id for line in loaded.lines if line.day < TODAY - timedelta(84)}
    assert state & old <= overdue
