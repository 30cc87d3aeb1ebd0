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
for name in rewards_feed_token registry_feed_token sender_webhooks_token sender_mail_token notifier_feed_token; do
    if missing "$name"; then random > "$name"; fi
done
if missing sender_webhook_secret; then echo "whsec_$(head -c 32 /dev/urandom | base64 -w 0)" > sender_webhook_secret; fi

chown "$postgres:$postgres" postgres_password
chown "$service:$service" -- *_database_url intake_pepper intake_service accounts_service *_feed_token sender_* notifier_*
for name in rewards registry notifier; do
    if missing "${name}_identity"; then
        echo "still missing: adal keys make deploy/secrets/${name}_identity --kind service --id $name --line $name.json"
    else chown "$service:$service" "${name}_identity"; fi
done
for name in intake_log accounts_token; do
    if missing "$name"; then echo "still missing: adal keys make deploy/secrets/$name --kind signing"; else chown "$service:$service" "$name"; fi
done
for name in tls_certificate tls_key; do
    if missing "$name"; then echo "still missing: deploy/secrets/$name"; else chown "$gateway:$gateway" "$name"; fi
done
caller() { echo "\"$1\":\"$(printf %s "$(cat "$2")" | sha256sum | cut -c 1-64)\""; }
callers="$(caller rewards rewards_feed_token),$(caller registry registry_feed_token)"
callers+=",$(caller webhooks sender_webhooks_token),$(caller mail sender_mail_token),$(caller notifier notifier_feed_token)"
echo "for intake-feed.env: ADAL_INTAKE_FEED_CALLERS={$callers}"
find . -type f ! -name README.md ! -name .gitignore -exec chmod 400 {} +
