"""The schema comes from the migrations alone, and the models say the same as the schema."""

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from services.first_run import SERVICES
from services.kit.service import MIGRATIONS, head_of
from tests.conftest import Database


def config(service: str) -> Config:
    return Config(str(MIGRATIONS / "alembic.ini"), ini_section=service)


@pytest.mark.parametrize("service", SERVICES)
def test_models_and_schema_agree(migrated: Database, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ADAL_{service.upper()}_OWNER_DATABASE_URL", migrated.url(service, owner=True))
    command.check(config(service))


@pytest.mark.parametrize("service", SERVICES)
def test_history_is_one_line_and_its_head_is_written_down(service: str) -> None:
    """Two branches with a migration each collide in git on `.head`, not in production."""
    script = ScriptDirectory.from_config(config(service))
    assert script.get_heads() == [head_of(service)]


@pytest.mark.parametrize("service", SERVICES)
def test_files_are_numbered_in_order(service: str) -> None:
    names = sorted(path.name for path in (MIGRATIONS / service / "versions").glob("*.py"))
    assert names
    assert [name[:4] for name in names] == [f"{i:04}" for i in range(1, len(names) + 1)]


def test_the_pages_of_sql_hold_no_password(repository: Path) -> None:
    for page in (repository / "deploy" / "postgres").glob("*.sql"):
        assert not re.search(r"PASSWORD\s+'", page.read_text(), re.IGNORECASE)
