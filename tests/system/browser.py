"""A headless Chromium from the system's packages, installed where it is missing, and axe-core from npm."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
AXE = "axe-core@4.14.1"

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


def chromium() -> Path:
    """The browser's program. Errors: RuntimeError when it is missing and cannot be installed here."""
    if CHROMIUM.exists():
        return CHROMIUM
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(
            f"{CHROMIUM} is missing: install the package chromium (as root: apt-get install chromium)"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(["apt-get", "-qq", *command], env=quiet, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"apt-get {command[0]} failed; install the package chromium by hand")
    return CHROMIUM


def axe_source(folder: Path) -> str:
    """The text of axe-core, fetched with npm into a folder. Errors: RuntimeError."""
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--ignore-scripts",
            "--loglevel=error",
            AXE,
        ]
        done = subprocess.run([*npm, "--prefix", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm cannot install {AXE}")
    return script.read_text(encoding="utf-8")


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium()), args=FLAGS)
        try:
            yield started
        finally:
            started.close()
