"""Starting and stopping a cluster, and what its log keeps to itself."""

import os
import signal
import stat
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from services.kit import postgres_processes
from services.kit.postgres import Cluster, RunningCluster, ensure_cluster
from tests.kit.clusters import linux, pid_of, run, servers, setting, until, value

MARKER = "karaganda-7731"


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


def test_a_later_start_keeps_data_port_and_password_and_is_quick(stopped: Path) -> None:
    with ensure_cluster(stopped, durable=False) as first:
        with psycopg.connect(first.superuser_conninfo()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        conninfo = first.superuser_conninfo()
    began = time.monotonic()
    with ensure_cluster(stopped, durable=False) as second:
        took = time.monotonic() - began
        assert second.superuser_conninfo() == conninfo
        assert value(second, "SELECT n FROM kept") == 42
    assert took < 20  # 0.1 s on a free machine


@pytest.mark.parametrize(("durable", "expected"), [(True, "on"), (False, "off")])
def test_durability_is_on_unless_given_up(stopped: Path, durable: bool, expected: str) -> None:
    with ensure_cluster(stopped, durable=durable) as cluster:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert setting(cluster, name) == expected


def test_starting_from_a_thread_that_ends_does_not_stop_the_server(stopped: Path) -> None:
    found: list[RunningCluster] = []
    thread = threading.Thread(target=lambda: found.append(ensure_cluster(stopped, durable=False)))
    thread.start()
    thread.join()
    time.sleep(0.3)
    with found[0] as cluster:
        assert value(cluster, "SELECT 1") == 1


# --- a stop --------------------


def test_stopping_twice_is_harmless_and_leaves_no_process(stopped: Path) -> None:
    cluster = ensure_cluster(stopped, durable=False)
    assert (cluster.alive, cluster.owned) == (True, True)
    cluster.stop()
    cluster.stop()
    assert (cluster.alive, cluster.owned) == (False, False)
    assert not servers(stopped)
    assert "database system is shut down" in Cluster(stopped).log.read_text()


def test_a_stop_does_not_wait_for_idle_clients(stopped: Path) -> None:
    cluster = ensure_cluster(stopped, durable=False)
    client = psycopg.connect(cluster.superuser_conninfo())
    began = time.monotonic()
    cluster.stop()
    assert time.monotonic() - began < 25  # the patience of a fast shutdown is 30
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    client.close()


def test_a_server_deaf_to_a_fast_shutdown_is_stopped_harder(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [(number, 0.3) for number, _ in postgres_processes._STEPS]
    monkeypatch.setattr(postgres_processes, "_STEPS", steps)
    cluster = ensure_cluster(stopped, durable=False)
    os.kill(pid_of(cluster), signal.SIGSTOP)  # a stopped process hears nothing but SIGKILL
    cluster.stop()
    until(lambda: not servers(stopped))


@linux
def test_a_forked_copy_neither_stops_the_server_nor_keeps_the_lock(stopped: Path) -> None:
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
        stopped,
    )
    assert result.stdout == "True\n", result.stderr


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


def test_the_settings_of_the_log_cannot_be_undone_by_the_configuration_file(stopped: Path) -> None:
    with (Cluster(stopped).data / "postgresql.auto.conf").open("a") as file:
        file.write("log_statement = 'all'\nlog_min_messages = 'debug1'\nlog_connections = 'on'\n")
    with ensure_cluster(stopped, durable=False) as cluster:
        assert setting(cluster, "log_statement") == "none"
        assert setting(cluster, "log_min_messages") == "log"
        assert setting(cluster, "log_connections") == ""
        assert "%h" not in str(setting(cluster, "log_line_prefix"))
