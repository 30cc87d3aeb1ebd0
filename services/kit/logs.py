"""Allow-list logging: a line holds an event name and a few known keys; everything else is dropped, also by mistake.

Nothing of a request ever reaches a log: no path, query, header, body, address, and no text of an exception, since
database errors and validators repeat what they were given.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

#: What a line may hold. Values must be of the plain types below and short.
ALLOWED = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "service",
        "error",
        "sqlstate",
        "route",
        "job",
        "count",
        "seconds",
        "where",
        "port",
        "status",
    }
)
_LIMIT = 80


def allow_listed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Keep known keys with short plain values; drop the rest."""
    return {
        key: value[:_LIMIT] if isinstance(value, str) else value
        for key, value in event.items()
        if key in ALLOWED and isinstance(value, str | int | float)
    }


class _Foreign(logging.Handler):
    """Lines of libraries: only that something was said, by whom and how loudly. Their texts are not ours to trust."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        structlog.get_logger().warning("library-message", where=record.name, error=error)


def configure() -> None:
    """Send our lines to standard error as JSON, and reduce every library to `_Foreign`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%MZ", utc=True),
            allow_listed,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(level=logging.WARNING)]
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = name != "uvicorn.access"


def info(event: str, **values: str | float) -> None:
    """Write one line; `event` must be a fixed name."""
    structlog.get_logger().info(event, **values)


def error(event: str, **values: str | float) -> None:
    """Like `info`, for what somebody must look after."""
    structlog.get_logger().error(event, **values)


def failure(event: str, exc: BaseException, **values: str | float | None) -> None:
    """Write that something failed: the class of the error, its SQLSTATE, and where in our code, never its text."""
    original = getattr(exc, "orig", None) or exc
    structlog.get_logger().error(
        event,
        error=type(original).__name__,
        sqlstate=getattr(original, "sqlstate", None) or "",
        where=_where(exc),
        **{key: value for key, value in values.items() if value is not None},
    )


def _where(exc: BaseException) -> str:
    """Module and line of the innermost frame that is ours."""
    place, trace = "", exc.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("services."):
            place = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
