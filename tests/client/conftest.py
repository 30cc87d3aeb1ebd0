"""Every connection of a test ends with it."""

from collections.abc import Iterator

import pytest

from tests.client.local import close_all


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()
