#!/bin/sh
# As much of the official image's entry point as docker-compose.yml relies on.
set -eu
export PGDATA
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    # shellcheck disable=SC2086 # several words are meant
    initdb -U postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS > /dev/null
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl -w -s -l /dev/null -o "-c listen_addresses=''" start
    PGPASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")" createdb -h /tmp -U postgres "$POSTGRES_DB"
    pg_ctl -w -s -m fast stop
fi
exec "$@" -c listen_addresses='*'
