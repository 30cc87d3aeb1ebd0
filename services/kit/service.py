"""What the four services have in common: engine, problem documents, health, bounded JSON, job schedule."""

import gc
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pydantic_core
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import health, logs, problems
from services.kit.clock import utc_now
from services.kit.db import make_engine
from services.kit.jobs import Job, schedule
from services.kit.settings import ServiceSettings

MIGRATIONS = Path(__file__).parents[2] / "migrations"

Startup = Callable[[FastAPI], Awaitable[None]]


class BoundedRequest(Request):
    """A request whose body has a limit, and whose JSON is parsed by jiter: at most 200 levels, no NaN, no lone
    surrogates, no recursion."""

    async def body(self) -> bytes:
        """The whole body. Errors: HTTPException 413 as soon as it is known to be over the limit.

        FastAPI's own limit answers in plain text, where our callers read problem documents.
        """
        if not hasattr(self, "_body"):
            limit, size, chunks = self.app.state.max_body_size, 0, []
            declared = self.headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise HTTPException(413)
            async for chunk in self.stream():
                size += len(chunk)
                if size > limit:
                    raise HTTPException(413)
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_bounded_json"):
            try:
                self._bounded_json = pydantic_core.from_json(await self.body(), allow_inf_nan=False)
            except ValueError:
                raise json.JSONDecodeError("not JSON", "", 0) from None
        return self._bounded_json


class JsonRoute(APIRoute):
    """Routes of every service: bounded JSON in, operation id = function name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handler(BoundedRequest(request.scope, request.receive))

        return bounded


class Service(FastAPI):
    """An app whose API document also has what is true of every route, and the shape that every error refers to."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDocument"] = problems.ProblemDocument.model_json_schema()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                # A name with a slash or a line break leads to no route, and any body can be too large.
                codes = [404] * ("{" in path) + [413] * ("requestBody" in operation)
                common = {str(code): answer for code, answer in problems.responses(*codes).items()}
                operation["responses"] = common | operation["responses"]
        return document


class NeverStored:
    """What does not say how long it may be kept is kept nowhere: also routes to come, and answers of the framework."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and not any(
                name.lower() == b"cache-control" for name, _ in message["headers"]
            ):
                message = {**message, "headers": [*message["headers"], (b"cache-control", b"no-store")]}
            await send(message)

        await self.app(scope, receive, marked if scope["type"] == "http" else send)


def operation_id(route: APIRoute) -> str:
    return route.name


def head_of(service: str) -> str:
    """The migration revision this code was written for."""
    return (MIGRATIONS / service / ".head").read_text().strip()


def build_app(
    name: str,
    *,
    title: str,
    description: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    jobs: Sequence[Job] = (),
    startup: Startup | None = None,
    max_body_size: int = 1 << 20,
    documented: bool = True,
) -> FastAPI:
    """Wire one service. `app.state` gets `engine`, `settings`, `clock`, `schema`, `head`, and what `startup` adds.

    Jobs run in the process on their schedule; an advisory lock keeps two processes apart.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure()
        # A core dump would hold what a plain report said.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        async with AsyncExitStack() as stack:
            app.state.engine = make_engine(settings.database(), settings.pool_size)
            stack.push_async_callback(app.state.engine.dispose)
            if startup is not None:
                await startup(app)
            await stack.enter_async_context(schedule(app.state, jobs))
            # What was loaded stays: the collector need not look at it again with every few reports. And it looks less
            # often: a request makes thousands of objects, hardly any in cycles (3 % of the CPU of a sealed report).
            gc.freeze()
            gc.set_threshold(20_000, 20, 20)
            yield

    app = Service(
        title=title,
        description=description,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"/api/{name}/v1/openapi.json" if documented else None,
        generate_unique_id_function=operation_id,
        # Spans would carry paths and queries, its logs the texts of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        responses=problems.responses(422),
    )
    app.state.settings, app.state.clock = settings, utc_now
    app.state.schema, app.state.head = name, head_of(name)
    app.state.max_body_size = max_body_size
    app.state.step_up = frozenset()
    problems.install(app)
    app.add_middleware(NeverStored)
    app.include_router(health.router)
    for router in routers:
        app.include_router(router)
    return app
