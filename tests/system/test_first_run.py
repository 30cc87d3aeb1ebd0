"""What the first run makes, and what later runs leave alone."""

from datetime import timedelta
from pathlib import Path

import pytest

from services import first_run
from services.crypto.directories import check_directory, parse_directory
from services.first_run import Folder


@pytest.fixture
def fresh(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "var")
    made.prepare()
    return made


def roots(folder: Folder) -> list[bytes]:
    return [key.verify_key for key in first_run.roots(folder)]


def test_the_directory_is_signed_for_development_and_kept(fresh: Folder) -> None:
    now = first_run.now()
    document = first_run.directory(fresh, now)
    found = check_directory(document, roots(fresh), now)
    assert found.environment == "development"
    assert (found.k, found.n, len(found.certifiers), len(found.payments)) == (2, 3, 2, 3)
    assert first_run.directory(fresh, now + timedelta(hours=1)) == document


def test_an_expired_directory_is_followed_by_the_next(fresh: Folder) -> None:
    now = first_run.now()
    old = parse_directory(first_run.directory(fresh, now))
    later = now + first_run.VALIDITY + timedelta(days=1)
    new = check_directory(first_run.directory(fresh, later), roots(fresh), later, last=old)
    assert new.sequence == 2
    assert new.previous == old.digest


def test_earlier_desk_keys_stay_known(fresh: Folder) -> None:
    """An answer of last month was signed with last month's key."""
    now = first_run.now().replace(day=1)
    old = parse_directory(first_run.directory(fresh, now))
    new = parse_directory(first_run.directory(fresh, now + timedelta(days=40)))
    assert {desk.verify_key for desk in old.desks} < {desk.verify_key for desk in new.desks}
    assert new.desk(first_run.DESK, (now + timedelta(days=40)).date()).month > old.desks[0].month


def test_secrets_are_made_once_and_for_the_owner_only(fresh: Folder) -> None:
    assert fresh.secret("one") == fresh.secret("one") != fresh.secret("two")
    assert {path.stat().st_mode & 0o777 for path in fresh.keys.iterdir()} == {0o600}
    assert fresh.keys.stat().st_mode & 0o777 == 0o700
    assert first_run.passwords(fresh) == first_run.passwords(fresh)
