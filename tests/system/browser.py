"""A headless Chromium from the system's packages, installed where it is missing, and axe-core from `web/client`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "web" / "client" / "node_modules" / "axe-core" / "axe.min.js"

#: Nothing is loaded or reported in the background, and no sandbox, which root cannot have.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

_VIOLATIONS = """
axe.run(document, {resultTypes: ['violations']}).then(
    found => found.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))]))
"""


def chromium() -> Path:
    """The browser's program. Errors: RuntimeError when it is missing and cannot be installed here."""
    if CHROMIUM.exists():
        return CHROMIUM
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(
            f"{CHROMIUM} is missing: install the package chromium, for example apt-get install chromium"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["update"],
        ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        done = subprocess.run(["apt-get", "-qq", *command], env=quiet, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"apt-get {command[0]} failed; install the package chromium by hand")
    return CHROMIUM


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium()), args=FLAGS)
        try:
            yield started
        finally:
            started.close()


def violations(page: Page) -> list[Any]:
    """What axe finds on a page: [rule, [elements]]; and "too wide" when it has to be moved sideways to be read.

    Script is off on the page itself, so its present state is laid out once more, with script, under the same address.
    """
    browser, size, state = page.context.browser, page.viewport_size, page.content()
    assert browser
    assert size
    context = browser.new_context(viewport=size)
    try:
        twin = context.new_page()
        twin.route(page.url, lambda route: route.fulfill(body=state, content_type="text/html; charset=utf-8"))
        twin.goto(page.url)
        twin.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[Any] = twin.evaluate(_VIOLATIONS)
        if twin.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("too wide")
        return found
    finally:
        context.close()
