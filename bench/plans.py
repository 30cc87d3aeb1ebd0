"""How PostgreSQL means to answer a query of ours: EXPLAIN, read as data."""

from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql


def written_out(query: Select[Any]) -> str:
    """The statement with its values in it."""
    return str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[no-untyped-call]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


def nodes(conn: psycopg.Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """All steps of the plan, as EXPLAIN (FORMAT JSON) describes them."""
    row = conn.execute(f"EXPLAIN (FORMAT JSON) {written_out(query)}".replace("%", "%%").encode()).fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def read_whole(conn: psycopg.Connection, query: Select[Any], table: str = "reports") -> bool:
    """Whether the plan reads `table` from end to end without an index."""
    return any(n["Node Type"] == "Seq Scan" and n["Relation Name"] == table for n in nodes(conn, query))
