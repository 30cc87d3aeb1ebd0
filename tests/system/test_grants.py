"""Every login is tried against everything it must not do, and against the whole privilege table of the catalogue."""

import psycopg
import pytest
from psycopg import sql

from services.first_run import SERVICES
from tests.conftest import Database

LOG_TABLES = ("log_records", "log_entries", "log_tiles", "log_checkpoints", "log_cosignatures")
SEALED_TABLES = (
    "parts",
    "grants",
    "shares",
    "states",
    "classifications",
    "directories",
    "identity_reasons",
    "identity_decisions",
    "identity_releases",
    "undertakings",
    "identity_openings",
    "disclosures",
    "disclosure_ends",
    "case_notes",
    "packages_made",
    "tombstones",
)

#: Tables of intake on which its login may UPDATE, and which columns. Anything else is refused.
UPDATES = {
    "reports": {
        *("state", "lookup_mac", "pending_lookup_mac", "pending_part", "pending_n", "code_replaced_on"),
        *("retaliation_on", "carried", "pending_carried", "code_suspect_on", "code_suspect"),
        *("classification", "body", "outcome", "outcome_on", "register_by", "lane"),
    },
    "deadlines": {"due", "met_on", "ended_on", "reason", "warned_on", "escalated_on"},
    "calendars": {"digest", "day"},
    "assignments": {"ended"},
    "protections": {"status"},
    "call_notes": {"done_on", "done_by"},
    "case_reads": {"number", "day"},
    "holds": {"released_by", "released_on"},
    "deletions": {"refused_by", "refused_on"},
    "notice_addresses": {"sealed"},
    "drafts": {"expires"},
    "identity_requests": {"state"},
    "uploads": {"received", "stored", "segments", "sha256"},
    "idempotency_keys": {"answer"},
    "job_runs": {"name", "started", "finished", "done", "error"},
    "outbox": {"position"},
    "feed_consumers": {"given", "acknowledged"},
}
DELETES = {
    "outbox",
    "spent_challenges",
    "idempotency_keys",
    "drafts",
    "uploads",
    "grants",
    "notice_addresses",
    "case_labels",
    "case_links",
    "doomed_blobs",
}


def connect(database: Database, service: str, owner: bool = False) -> psycopg.Connection:
    url = database.url(service, owner).replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(url, autocommit=True)


def refused(conn: psycopg.Connection, statement: str) -> bool:
    try:
        conn.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize("table", LOG_TABLES)
@pytest.mark.parametrize(
    "statement", ["UPDATE intake.{} SET {} = {}", "DELETE FROM intake.{}", "TRUNCATE intake.{}"]
)
def test_intake_cannot_change_or_delete_log_rows(migrated: Database, table: str, statement: str) -> None:
    with connect(migrated, "intake") as conn:
        column = conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1",
            [f"intake.{table}"],
        ).fetchone()
        assert column is not None
        assert refused(conn, statement.format(table, column[0], column[0]))


@pytest.mark.parametrize("table", SEALED_TABLES)
def test_intake_cannot_change_or_delete_what_is_sealed(migrated: Database, table: str) -> None:
    with connect(migrated, "intake") as conn:
        # Grants are deleted when an access ends, and never changed.
        assert table in DELETES or refused(conn, f"DELETE FROM intake.{table}")
        assert refused(conn, f"TRUNCATE intake.{table}")
        for (column,) in conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f"intake.{table}"],
        ).fetchall():
            assert refused(conn, f'UPDATE intake.{table} SET "{column}" = "{column}"')


def test_intake_cannot_delete_a_report_or_change_what_was_filed(migrated: Database) -> None:
    with connect(migrated, "intake") as conn:
        assert refused(conn, "DELETE FROM intake.reports")
        for column in ("rid", "manifest", "signature", "filed_on", "reference", "leaf", "category", "mode"):
            assert refused(conn, f"UPDATE intake.reports SET {column} = {column}")


@pytest.mark.parametrize("service", SERVICES)
def test_no_login_reaches_another_schema(migrated: Database, service: str) -> None:
    with connect(migrated, service) as conn, connect(migrated, service, owner=True) as owner:
        for other in set(SERVICES) - {service}:
            tables = _tables(migrated, other)
            assert tables
            for table in tables:
                assert refused(conn, f"SELECT FROM {other}.{table}")
                assert refused(owner, f"SELECT FROM {other}.{table}")


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_login_changes_the_schema(migrated: Database, service: str) -> None:
    with connect(migrated, service) as conn:
        assert refused(conn, f"CREATE TABLE {service}.mine (id int)")
        assert refused(conn, "CREATE TABLE public.mine (id int)")
        assert refused(conn, f"ALTER TABLE {service}.job_runs ADD COLUMN more int")
        assert refused(conn, f"UPDATE {service}.alembic_version SET version_num = 'x'")
        assert refused(conn, "CREATE SCHEMA mine")
        assert refused(conn, f"SET ROLE adal_{service}_owner")


def test_rewards_and_registry_cannot_rewrite_the_law(migrated: Database) -> None:
    with connect(migrated, "rewards") as conn:
        assert refused(conn, "UPDATE rewards.mci_values SET tenge = tenge")
        assert refused(conn, "INSERT INTO rewards.mci_values SELECT * FROM rewards.mci_values")
    with connect(migrated, "registry") as conn:
        assert refused(conn, "UPDATE registry.publication SET state = 'on'")


def test_the_catalogue_grants_intake_nothing_more(migrated: Database) -> None:
    """The grants page and this list are two statements of the same thing, written apart."""
    with migrated.superuser() as conn:
        for table in _tables(migrated, "intake"):
            name = f"intake.{table}"
            columns = {
                column
                for (column,) in conn.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                    "AND NOT attisdropped AND has_column_privilege('adal_intake', attrelid, attnum, 'UPDATE')",
                    [name],
                ).fetchall()
            }
            assert columns == UPDATES.get(table, set()), table
            row = conn.execute(
                "SELECT has_table_privilege('adal_intake', %s, 'DELETE'), "
                "has_table_privilege('adal_intake', %s, 'TRUNCATE'), "
                "has_table_privilege('adal_intake', %s, 'REFERENCES, TRIGGER')",
                [name, name, name],
            ).fetchone()
            assert row == (table in DELETES, False, False), table


#: The same for accounts.
ACCOUNTS_UPDATES = {
    "people": {"roles", "active", "left_on"},
    "credentials": {
        *("password_phc", "totp_box", "totp_last_step", "totp_confirmed"),
        *("enrolment_hash", "enrolment_expires"),
    },
    "keys": {"wrapped", "recipient", "verify_key"},
    "certificates": {"added", "ended"},
    "pending_certificates": {"document", "proposed_by", "day"},
    "group_keys": {"data"},
    "sessions": {"revoked", "stepped"},
    "passkeys": {"sign_count"},
    "api_clients": {"secret_hash", "active"},
    "sign_in_throttle": {"window_start", "count"},
    "job_runs": {"name", "started", "finished", "done", "error"},
}
ACCOUNTS_DELETES = {
    *("pending_certificates", "split_keys", "key_shares", "released_shares", "group_keys"),
    *("sessions", "passkeys", "challenges", "recovery_codes", "sign_in_throttle"),
    *("external_subjects", "external_logins"),
}


def test_the_catalogue_grants_accounts_nothing_more(migrated: Database) -> None:
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND has_column_privilege('adal_accounts', attrelid, attnum, 'UPDATE')"
    )
    may = (
        "SELECT has_table_privilege('adal_accounts', %s, 'DELETE'), "
        "has_table_privilege('adal_accounts', %s, 'TRUNCATE'), "
        "has_table_privilege('adal_accounts', %s, 'REFERENCES, TRIGGER')"
    )
    with migrated.superuser() as conn:
        for table in _tables(migrated, "accounts"):
            name = f"accounts.{table}"
            columns = {column for (column,) in conn.execute(query, [name]).fetchall()}
            assert columns == ACCOUNTS_UPDATES.get(table, set()), table
            row = conn.execute(may, [name, name, name]).fetchone()
            assert row == (table in ACCOUNTS_DELETES, False, False), table


@pytest.mark.parametrize("service", ["rewards", "registry"])
def test_the_catalogue_lets_a_consumer_add_what_it_was_told_and_change_none_of_it(
    migrated: Database, service: str
) -> None:
    may_update = {
        "feed_cursor": {"position", "missed"},
        "job_runs": {"name", "started", "finished", "done", "error"},
    }
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND has_column_privilege(%s, attrelid, attnum, 'UPDATE')"
    )
    with migrated.superuser() as conn:
        for table in _tables(migrated, service):
            name, login = f"{service}.{table}", f"adal_{service}"
            columns = {column for (column,) in conn.execute(query, [name, login]).fetchall()}
            assert columns == may_update.get(table, set()), table
            row = conn.execute(
                "SELECT has_table_privilege(%s, %s, 'DELETE'), has_table_privilege(%s, %s, 'TRUNCATE')",
                [login, name, login, name],
            ).fetchone()
            assert row == (False, False), table


def test_intake_cannot_rewrite_an_event_that_waits(migrated: Database) -> None:
    with connect(migrated, "intake") as conn:
        for column in ("id", "written", "consumer", "kind", "day", "person", "sealed"):
            assert refused(conn, f"UPDATE intake.outbox SET {column} = DEFAULT")
        assert refused(conn, "TRUNCATE intake.outbox")
        assert refused(conn, "DELETE FROM intake.feed_consumers")


def _tables(database: Database, schema: str) -> list[str]:
    with database.superuser() as conn:
        rows = conn.execute(
            sql.SQL("SELECT tablename FROM pg_tables WHERE schemaname = {}").format(sql.Literal(schema))
        )
        return [name for (name,) in rows]
