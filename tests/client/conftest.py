"""Every connection of a test ends with it; a real server, started apart, for what only a real one shows."""

from collections.abc import Iterator

import pytest

from tests.client.local import close_all
from tests.client.people import Team
from tests.system.conftest import Server


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("client"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def team(installation: Server) -> Team:
    """The staff of the installation."""
    return Team(installation)
