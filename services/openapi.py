"""Writes the OpenAPI document of every service, or checks that the committed ones are still true.

python -m services.openapi docs/openapi            write
python -m services.openapi --check docs/openapi    exit 1 when a document would change
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.first_run import SERVICES

#: A document does not depend on the settings; these only let the app be built. Nothing connects.
_NOWHERE = {"database_url": "postgresql+psycopg://nobody@localhost/none"}
_FILES: dict[str, dict[str, Any]] = {
    "intake": {
        "roots": (),
        "pepper_file": "none",
        "service_key_file": "none",
        "log_key_file": "none",
        "blobs_folder": "none",
    },
    "accounts": {"token_key_file": "none", "service_key_file": "none"},
}


def unconnected(service: str) -> FastAPI:
    """The app of a service to look at; it can serve nothing."""
    settings = importlib.import_module(f"services.{service}.settings").Settings
    app: FastAPI = importlib.import_module(f"services.{service}.app").create_app(
        settings(**_NOWHERE, **_FILES.get(service, {}))
    )
    return app


def document(service: str) -> str:
    """The OpenAPI document of a service as stable text."""
    return json.dumps(unconnected(service).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.openapi")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for service in SERVICES:
        path, text = arguments.folder / f"{service}.json", document(service)
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(service)
    if stale:
        sys.exit(
            f"docs/openapi is not up to date for {', '.join(stale)}: run `make openapi-write` and read the diff"
        )


if __name__ == "__main__":
    main()
