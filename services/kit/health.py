"""Liveness and readiness, outside the published schema."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request, response: Response) -> dict[str, str]:
    """The database answers, and its schema is at the revision this code was written for."""
    state = request.app.state
    try:
        async with state.engine.connect() as conn:
            found = await conn.scalar(text(f"SELECT version_num FROM {state.schema}.alembic_version"))  # noqa: S608
    except (SQLAlchemyError, OSError):
        response.status_code = 503
        return {"status": "database unreachable"}
    if found != state.head:
        response.status_code = 503
        return {"status": "schema is not at the expected revision"}
    return {"status": "ready"}
