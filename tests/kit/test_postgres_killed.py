"""Clusters whose server, owner or first start was killed, and what else may stand in the way of a start."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from services.kit import postgres_processes
from services.kit.ports import is_free
from services.kit.postgres import Cluster, ClusterError, RunningCluster, ensure_cluster
from services.kit.postgres_programs import MYSELF, choose_user
from tests.kit.clusters import HOLD, holder, linux, pid_of, run, servers, start, until, value


def test_a_server_killed_while_we_live_can_be_started_again(stopped: Path) -> None:
    dead = ensure_cluster(stopped)
    with psycopg.connect(dead.superuser_conninfo()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(pid_of(dead), signal.SIGKILL)
    until(lambda: not dead.alive)
    with ensure_cluster(stopped, timeout=60) as again:
        assert again.owned
        assert value(again, "SELECT n FROM kept") == 42
        dead.stop()  # must not take the living one down, nor let go of its lock
        assert value(again, "SELECT n FROM kept") == 42
        assert not ensure_cluster(stopped, timeout=30).owned


def test_every_process_killed_at_once_recovers(stopped: Path) -> None:
    with ensure_cluster(stopped, durable=True) as cluster:
        with psycopg.connect(cluster.superuser_conninfo()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        for pid in servers(stopped) or {pid_of(cluster)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with ensure_cluster(stopped, durable=True) as again:
        assert value(again, "SELECT count(*) FROM kept") == 1000


@linux
def test_a_killed_parent_takes_the_server_with_it(stopped: Path) -> None:
    with holder(stopped) as parent:
        assert servers(stopped)
        parent.kill()
        until(lambda: not servers(stopped))
    with ensure_cluster(stopped, durable=False) as again:
        assert again.owned


@linux
def test_the_server_has_a_session_of_its_own(running: RunningCluster) -> None:
    assert os.getsid(pid_of(running)) == pid_of(running)


@linux
def test_no_core_file_is_written(running: RunningCluster) -> None:
    limits = Path(f"/proc/{running.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


def test_a_second_process_uses_the_running_server_and_does_not_stop_it(running: RunningCluster) -> None:
    result = run(
        """
        with ensure_cluster(folder) as cluster:
            print(cluster.owned, cluster.port, cluster.alive)
        """,
        running.folder,
    )
    assert result.stdout == f"False {running.port} True\n", result.stderr
    assert running.alive


def test_two_first_starts_at_once_make_one_cluster(tmp_path: Path) -> None:
    script = """
    cluster = ensure_cluster(folder, durable=False)
    print(cluster.superuser_conninfo(), flush=True)
    sys.stdin.readline()
    """
    with start(script, tmp_path / "c") as one, start(script, tmp_path / "c") as two:
        assert one.stdout is not None
        assert two.stdout is not None
        said = {one.stdout.readline(), two.stdout.readline()}
    assert len(said) == 1
    assert "password" in said.pop()


def test_waiting_for_a_holder_whose_server_does_not_answer_ends(stopped: Path) -> None:
    script = """
    import fcntl
    lock = (folder / "runner.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    signal.pause()
    """
    with start(script, stopped) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ClusterError):
            ensure_cluster(stopped, timeout=0.5)


@linux
def test_an_initdb_left_running_is_stopped(tmp_path: Path) -> None:
    with start(HOLD, tmp_path / "c") as first:
        until(lambda: servers(tmp_path / "c"))
        os.kill(first.pid, signal.SIGSTOP)
        for pid in servers(tmp_path / "c"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        postgres_processes.stop_leftovers(Cluster(tmp_path / "c").data)
        assert not servers(tmp_path / "c")


@linux
@pytest.mark.parametrize("chief", ["living", "killed"])
def test_what_an_earlier_owner_left_running_is_stopped(stopped: Path, chief: str) -> None:
    data = Cluster(stopped).data
    with holder(stopped) as parent:
        os.kill(parent.pid, signal.SIGSTOP)  # an owner that lives, but no longer cares
        found = servers(stopped)
        orphan = int((data / "postmaster.pid").read_text().split("\n")[0])
        assert orphan in found
        if chief == "killed":
            for pid in found - {orphan}:  # children too busy to notice
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            os.kill(orphan, signal.SIGKILL)
        postgres_processes.stop_leftovers(data)
        assert not servers(stopped)
        assert not (data / "postmaster.pid").exists()


@pytest.mark.parametrize("owner", ["ourselves", "the database user"])
def test_a_stale_pid_file_naming_another_process_does_not_block(stopped: Path, owner: str) -> None:
    user = choose_user(None) if owner == "the database user" else MYSELF
    sleeper = subprocess.Popen(["sleep", "60"], user=user.uid if user.is_other else None)
    try:
        ensure_cluster(stopped, durable=False).stop()  # as root: hands the copied files over
        path = Cluster(stopped).data / "postmaster.pid"
        path.write_text(f"{sleeper.pid}\n{Cluster(stopped).data}\n1\n1\n\n127.0.0.1\n1 1\nready\n")
        os.chown(path, *owner_of(path.parent))
        with ensure_cluster(stopped, durable=False, timeout=60) as cluster:
            assert cluster.alive
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def owner_of(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_uid, state.st_gid


def test_a_pid_file_cut_short_does_not_block(stopped: Path) -> None:
    (Cluster(stopped).data / "postmaster.pid").write_bytes(b"")
    with ensure_cluster(stopped, durable=False, timeout=60) as cluster:
        assert cluster.alive


@linux
def test_a_process_counts_as_server_only_by_program_and_folder(
    running: RunningCluster, tmp_path: Path
) -> None:
    data = Cluster(running.folder).data
    found = postgres_processes.servers_on(data)
    assert running.pid in found
    assert os.getpid() not in found
    with subprocess.Popen(["sleep", "60"], cwd=data) as visitor:  # the right folder, the wrong program
        assert visitor.pid not in postgres_processes.servers_on(data)
        visitor.kill()
    assert not postgres_processes.servers_on(tmp_path)  # the right program, the wrong folder
    assert not postgres_processes.servers_on(tmp_path / "absent")


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="needs ps")
def test_without_proc_the_chief_is_found_by_its_command_line(running: RunningCluster, tmp_path: Path) -> None:
    command = Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")
    seen_as = Path(command[command.index(b"-D") + 1].decode())
    assert running.pid in postgres_processes._servers_by_ps(seen_as)
    assert not postgres_processes._servers_by_ps(tmp_path)


def test_a_cluster_without_its_marker_is_made_again(stopped: Path) -> None:
    inside = Cluster(stopped)
    inside.marker.unlink()
    (inside.data / "PG_VERSION").unlink()
    old_key = inside.key.read_text()
    with ensure_cluster(stopped, durable=False) as cluster:
        assert value(cluster, "SELECT 1") == 1
    assert inside.key.read_text() != old_key


@pytest.mark.parametrize("after", [0.0, 0.05, 0.25, 0.5])
def test_a_first_start_killed_in_the_middle_is_made_up_for(tmp_path: Path, after: float) -> None:
    with start(HOLD, tmp_path / "c") as first:
        until(lambda: (tmp_path / "c" / "server").exists())
        time.sleep(after)
        first.kill()
    with ensure_cluster(tmp_path / "c", durable=False, timeout=60) as cluster:
        assert value(cluster, "SELECT 1") == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_given_up_for_good(stopped: Path, address: str) -> None:
    before = Cluster(stopped).port()
    assert before is not None
    with socket.create_server((address, before)), ensure_cluster(stopped, durable=False) as cluster:
        assert not is_free(before)
        assert cluster.port != before
        assert cluster.alive
    assert Cluster(stopped).port() == cluster.port


def test_a_broken_data_folder_is_an_error_that_names_the_log(stopped: Path) -> None:
    (Cluster(stopped).data / "global" / "pg_control").unlink()
    with pytest.raises(ClusterError, match=r"postgres\.log"):
        ensure_cluster(stopped, durable=False)
    with pytest.raises(ClusterError, match=r"postgres\.log"):  # and the lock was let go
        ensure_cluster(stopped, durable=False, timeout=5)
