"""The inner half of `run.sh`, in namespaces of its own: images, stack, ceremony, journey, checks, down."""

# ruff: noqa: T201
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from deploy.verify import ceremony, checks, stack

T = TypeVar("T")


def main(home: Path, base: Path, group: str) -> None:
    stack.own_network(home)
    with stack.docker_daemon(home, group), stack.outside(home):
        made = stack.Stack(home)
        made.copied()
        step("settings and secrets", lambda: ceremony.settings(made))
        step("images", lambda: made.images(base))
        print(made.versions(), flush=True)
        with made.running():
            step("containers are confined", lambda: checks.confined(made))
            step("networks", lambda: checks.networks(made))
            step("consumers ask", lambda: checks.told(made))
            with ceremony.opened(made) as office:
                words = step("journey through the gateway", lambda: checks.journey(made, office))
                step("second start on the same data", lambda: checks.second_start(made, office, words))
                step("origins", checks.origins)
            step("nothing readable, no address", lambda: checks.nothing_left(made, words))


def step(what: str, work: Callable[[], T]) -> T:
    begun = time.monotonic()
    found = work()
    print(f"{what}: ok, {time.monotonic() - begun:.0f} s", flush=True)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
