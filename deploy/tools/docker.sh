#!/bin/sh
# Makes sure that a Docker engine answers; starts the daemon where we may (in CI, as root). Says what to do otherwise.
set -eu
if docker info >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v dockerd >/dev/null; then
    echo "starting the Docker daemon"
    mkdir -p .odeon
    nohup dockerd >.odeon/dockerd.log 2>&1 &
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -le 60 ] || { echo "dockerd did not start; see .odeon/dockerd.log" >&2; exit 1; }
        sleep 0.5
    done
    exit 0
fi
echo "No Docker engine answers. Start it (systemctl start docker), or use 'odeon up --runtime hollow', which needs none." >&2
exit 1
