"""Runs the history of one service with that service's owner login, under a lock and with short lock waits.

The URL comes from ADAL_<SERVICE>_OWNER_DATABASE_URL. The version table lies in the service's own schema.
"""

import importlib
import os
from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool, text

service = context.config.config_ini_section
target = importlib.import_module(f"services.{service}.models").metadata


def own_schema(name: str | None, kind: str, _parents: Any) -> bool:
    """Look at the service's schema only."""
    return name == service if kind == "schema" else True


def run() -> None:
    url = os.environ[f"ADAL_{service.upper()}_OWNER_DATABASE_URL"]
    engine = create_engine(url, hide_parameters=True, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # A migration that cannot get its lock gives up instead of queueing every request behind it.
        connection.execute(text("SET lock_timeout = '4s'"))
        connection.execute(text("SELECT pg_advisory_lock(hashtext('adal-migrations'))"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=target,
            include_schemas=True,
            include_name=own_schema,
            version_table_schema=service,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
