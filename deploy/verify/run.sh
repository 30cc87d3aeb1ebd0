#!/usr/bin/env bash
# Brings the whole server mode up for real and takes it down again: deploy/verify/README.md. As root, on Debian.
#
# Everything lives in a temporary folder and in network, mount and process namespaces of its own, which end with it:
# Docker changes no rule of this machine's network and listens on no address of it, and no container outlives this script.
set -euo pipefail
repository="$(cd "$(dirname "$0")/../.." && pwd)"
python="${PYTHON:-$repository/.venv/bin/python}"
[ "$(id -u)" = 0 ] || { echo "Run as root." >&2; exit 1; }

need=()
command -v /usr/sbin/dockerd > /dev/null || need+=(docker.io)
command -v docker-compose > /dev/null || need+=(docker-compose)
command -v mmdebstrap > /dev/null || need+=(mmdebstrap)
command -v ip > /dev/null || need+=(iproute2)
command -v openssl > /dev/null || need+=(openssl)
if [ "${#need[@]}" -gt 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${need[@]}"
fi

home="$(mktemp -d /var/tmp/adal-verify.XXXXXX)"
group="adal-verify-$$"
finish() {
    rm -rf "$home"
    for folder in /sys/fs/cgroup/"$group" /sys/fs/cgroup/*/"$group"; do
        [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} +
    done
}
trap finish EXIT

# What takes long and does not change may be kept between runs: BASE=FOLDER.
base="${BASE:-$home/base}"
mkdir -p "$base/wheels"
if [ ! -s "$base/trixie.tar" ]; then
    echo "Debian trixie ..."
    mmdebstrap --quiet --mode=root --variant=apt --include=python3,python3-venv,passwd,nginx,curl \
        trixie "$base/trixie.part.tar"
    mv "$base/trixie.part.tar" "$base/trixie.tar"
fi
if ! cmp -s "$repository/requirements.lock" "$base/wheels.lock"; then
    echo "wheels ..."
    "$python" -m pip download -qq --no-deps --only-binary=:all: --python-version 3.13 --require-hashes \
        -r "$repository/requirements.lock" -d "$base/wheels"
    cp "$repository/requirements.lock" "$base/wheels.lock"
fi

cd "$repository"
env -u DOCKER_HOST PYTHONPATH="$repository" timeout --kill-after=60 1500 \
    unshare --net --mount --pid --fork --kill-child --mount-proc \
    "$python" -m deploy.verify "$home" "$base" "$group"
