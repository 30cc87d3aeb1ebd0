"""Engines, sessions and naming: one login per service, one transaction per request, commit before the reply."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.kit.problems import Problem

#: PostgreSQL names constraints by itself, and differently from Alembic; fixed names keep migrations stable.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def metadata(schema: str) -> MetaData:
    """The metadata of one service: its own schema, fixed constraint names."""
    return MetaData(schema=schema, naming_convention=NAMING)


def make_engine(url: str, pool_size: int = 10) -> AsyncEngine:
    """An engine that shows no bound values in errors and waits for a free connection instead of refusing.

    Instants come back in UTC whatever the server's own time zone is.
    """
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=False,
        connect_args={"application_name": "adal", "prepare_threshold": 3, "options": "-c timezone=UTC"},
    )


async def connection(request: Request) -> AsyncIterator[AsyncConnection]:
    """One transaction around a request; a refusal undoes it unless its kind says otherwise."""
    engine: AsyncEngine = request.app.state.engine
    refusal: Problem | None = None
    async with engine.begin() as conn:
        try:
            yield conn
        except Problem as problem:
            if not problem.commits:
                raise
            refusal = problem
    if refusal is not None:
        raise refusal


#: The same for a route that begins it itself: after the body was read, and ended before the answer leaves.
transaction = asynccontextmanager(connection)


@asynccontextmanager
async def statements(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection on which every statement is a transaction of its own: for work that is one statement."""
    async with request.app.state.engine.connect() as conn:
        yield await conn.execution_options(isolation_level="AUTOCOMMIT")


#: `scope="function"` commits before the reply leaves: a 201 whose commit failed would be a lost report.
Connection = Annotated[AsyncConnection, Depends(connection, scope="function")]
