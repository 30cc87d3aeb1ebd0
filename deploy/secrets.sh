#!/usr/bin/env bash
# Makes the secret files that are missing under deploy/secrets/ and gives each to the one container that reads it.
# Run as root, any number of times: nothing is ever replaced. deploy/secrets/README.md says what each file is.
set -euo pipefail
umask 077
cd "$(dirname "$0")/secrets"
[ "$(id -u)" = 0 ] || { echo "Run as root: the files belong to the users of the containers." >&2; exit 1; }

service=10001 postgres=999 gateway=101

random() { head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_' | tr -d '='; }

missing() { [ ! -s "$1" ]; }

if missing postgres_password; then random > postgres_password; fi
if missing administrator_database_url; then
    echo "postgresql+psycopg://postgres:$(cat postgres_password)@postgres/adal" > administrator_database_url
fi
for name in intake accounts rewards registry; do
    for login in "$name" "${name}_owner"; do
        if missing "${login}_database_url"; then
            echo "postgresql+psycopg://adal_${login}:$(random)@postgres/adal" > "${login}_database_url"
        fi
    done
done
for name in intake_pepper intake_service accounts_service; do
    if missing "$name"; then random > "$name"; fi
done

chown "$postgres:$postgres" postgres_password
chown "$service:$service" -- *_database_url intake_pepper intake_service accounts_service
for name in intake_log accounts_token; do
    if missing "$name"; then echo "still missing: adal keys make deploy/secrets/$name --kind signing"; else chown "$service:$service" "$name"; fi
done
for name in tls_certificate tls_key; do
    if missing "$name"; then echo "still missing: deploy/secrets/$name"; else chown "$gateway:$gateway" "$name"; fi
done
find . -type f ! -name README.md ! -name .gitignore -exec chmod 400 {} +
