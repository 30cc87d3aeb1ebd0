"""The world of the matrix, made once for each module: all four services on real PostgreSQL at one instant."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2
import pytest

from services import dev, first_run
from services.first_run import Folder
from tests.conftest import Database
from tests.intake.builders import World as Intake
from tests.matrix.world import World, fill


@pytest.fixture(scope="module")
async def world(migrated: Database, folder: Folder) -> AsyncIterator[World]:
    now = first_run.now()
    first_run.directory(folder, now)
    settings = first_run.environment(folder, migrated.urls) | {"ADAL_INTAKE_CHALLENGE_COST": "0"}
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in os.environ if name.startswith("ADAL_")]:
            patch.delenv(name)
        for name, value in settings.items():
            patch.setenv(name, value)
        stack.callback(migrated.empty)
        apps, clients = dev.make_apps(), {}
        for service, app in apps.items():
            app.state.clock = lambda: now
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx2.AsyncClient(transport=transport, base_url="http://localhost")
            clients[service] = await stack.enter_async_context(client)
        await dev.publish_directory(apps["intake"], folder)
        rows = stack.enter_context(migrated.superuser())
        made = World(apps, clients, rows, Intake(apps["intake"], clients["intake"], folder), now)
        await fill(made)
        stack.callback(made.rows, "DROP SCHEMA matrix CASCADE")
        yield made
