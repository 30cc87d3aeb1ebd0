"""Writing operations under faults: what each leaves in the database, and what its repetition may be answered with.

The promise under test: an operation that was acknowledged is whole; one that was not is whole or absent, and goes through
when it is repeated. Nothing is ever half there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.faults.sending import TIMEOUT, Lost, request

#: Makes the headers of a request anew, since tokens run out and die with their code. Error: Lost.
Headers = Callable[[int], Mapping[str, str]]


@dataclass(frozen=True)
class Trace:
    """One thing that an operation leaves: a query that counts it. 1 when it is there, 0 when it is not."""

    sql: str
    values: tuple[Any, ...]

    def count(self, conn: psycopg.Connection) -> int:
        row = conn.execute(self.sql.encode(), self.values).fetchone()
        return int(row[0]) if row else 0


@dataclass
class Operation:
    """One request and what became of it. `done`: its status of success; `again`: further statuses of a repetition."""

    name: str
    method: str
    path: str
    body: bytes = field(repr=False)
    traces: tuple[Trace, ...] = field(repr=False)
    headers: Headers = field(repr=False)
    done: int = 201
    again: frozenset[int] = frozenset()
    acknowledged: bool = False

    def send(self, port: int) -> int | None:
        """Send once; the status, or None when the connection broke."""
        try:
            answer = request(port, self.method, self.path, self.body, self.headers(port), TIMEOUT)
        except Lost:
            return None
        self.acknowledged = self.acknowledged or answer.status == self.done
        return answer.status

    def there(self, conn: psycopg.Connection) -> bool | None:
        """Whether it is whole (True) or absent (False); None when it is half there or twice."""
        counts = {trace.count(conn) for trace in self.traces}
        return {frozenset({1}): True, frozenset({0}): False}.get(frozenset(counts))


@dataclass
class Tally:
    """Over all rounds, of one kind of operation: acknowledged; found stored, or absent, when nothing was heard."""

    acknowledged: int = 0
    repeated: int = 0
    absent: int = 0


def judge(
    operations: Iterable[Operation], port: int, conn: psycopg.Connection, tallies: dict[str, Tally]
) -> list[str]:
    """Look at every operation after a fault and repeat those that nothing was heard of; what is broken, in words."""
    broken = []
    for operation in operations:
        tally = tallies.setdefault(operation.name, Tally())
        before = operation.there(conn)
        if before is None:
            broken.append(f"{operation.name} is half there")
        elif operation.acknowledged:
            tally.acknowledged += 1
            if not before:
                broken.append(f"{operation.name} was acknowledged and is lost")
        else:
            tally.repeated += before
            tally.absent += not before
            broken += _repeated(operation, port, conn, before)
    return broken


def _repeated(operation: Operation, port: int, conn: psycopg.Connection, before: bool) -> list[str]:
    status = operation.send(port)
    fine = status == operation.done or (before and status in operation.again)
    if not fine:
        return [f"{operation.name} is not repeatable: {status}"]
    return [] if operation.there(conn) else [f"{operation.name} is not whole after its repetition"]
