"""The only place that reads the wall clock. Rules take `now` as an argument; the edge takes it from here."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

Clock = Callable[[], datetime]

#: Kazakhstan has had one time zone, UTC+5 without daylight saving, since 1 March 2024.
KAZAKHSTAN = timezone(timedelta(hours=5), "Asia/Almaty")


def utc_now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def day_of(now: datetime) -> date:
    """The calendar day in Kazakhstan on which `now` falls. Stored dates are days, so that times betray nobody."""
    return now.astimezone(KAZAKHSTAN).date()
