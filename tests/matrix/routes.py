"""Every operation of every service, as the applications themselves serve them: nothing can be left out by forgetting."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from services.first_run import SERVICES
from services.intake.pages_shell import PageRoute
from services.kit import staff
from services.kit.i18n import LANGUAGES
from services.openapi import unconnected

_LANGUAGE = re.compile(rf"/({'|'.join(LANGUAGES)})(?=/|$)")


@dataclass(frozen=True, order=True)
class Operation:
    """One method at one address. `id` is the name of its line in `tests.matrix.rules`."""

    service: str
    path: str
    method: str
    name: str
    page: bool = False
    takes_body: bool = False
    asks_for_staff: bool = False
    published: bool = False

    @property
    def id(self) -> str:
        return f"{self.service}.{'pages.' if self.page else ''}{self.name}"

    @property
    def template(self) -> str:
        """The address, the same for all languages."""
        return _LANGUAGE.sub("/{language}", self.path) if self.page else self.path

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{(\w+)(?::\w+)?\}", self.path))

    @property
    def changes(self) -> bool:
        """Whether the method may change anything (RFC 9110, 9.2.1)."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}

    def address(self, values: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], self.path)

    def __str__(self) -> str:
        return f"{self.id} ({self.method} {self.path})"


def _dependencies(route: APIRoute) -> Iterator[Any]:
    pending = [route.dependant]
    while pending:
        dependant = pending.pop()
        yield dependant.call
        pending += dependant.dependencies


def _of(service: str, app: FastAPI) -> Iterator[Operation]:
    for found in iter_route_contexts(app.routes):
        route = found.original_route
        methods, path = found.methods, found.path
        assert methods, f"{path} of {service} takes any method: a mount or a websocket has no rule here"
        assert path is not None
        api = route if isinstance(route, APIRoute) else None
        for method in sorted(methods):
            yield Operation(
                service,
                path,
                method,
                str(found.name),
                isinstance(route, PageRoute),
                api is not None and api.body_field is not None,
                api is not None and staff.caller in set(_dependencies(api)),
                bool(api and api.include_in_schema),
            )


@functools.cache
def operations() -> tuple[Operation, ...]:
    """All of them, in a fixed order."""
    return tuple(sorted(found for service in SERVICES for found in _of(service, unconnected(service))))
