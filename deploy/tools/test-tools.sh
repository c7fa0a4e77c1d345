#!/bin/sh
# Installs what the tests need and this machine lacks: cargo-nextest, a current kubectl (unpacked, not installed), the
# Python client, a static busybox for container tests. Everything but cargo-nextest stays below .odeon/tools.
set -eu
tools=.odeon/tools
mkdir -p "$tools"

cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
installed() { command -v "$1" >/dev/null 2>&1; }

if ! installed docker || { ! docker compose version >/dev/null 2>&1 && ! installed docker-compose; }; then
    as_root apt-get update -q >/dev/null
    as_root apt-get install -y -q docker.io docker-compose >/dev/null
fi

# A package of a newer Debian suite, unpacked only. The mirror is the one this machine is set up with.
newer_package() {
    package=$1 suite=$2
    lists=$(mktemp -d)
    mirror=$(grep -rhv '^ *#' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1)
    mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial"
    if [ -z "$mirror" ]; then
        echo "no Debian mirror is set up here; put a kubectl of 1.32 or newer at $tools/$package" >&2
        return 1
    fi
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$lists/sources.list"
    options="-o Dir::Etc::sourcelist=$lists/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$lists/state/lists -o Dir::State::status=/dev/null -o Dir::Cache=$lists/cache -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086
    (cd "$lists" && apt-get $options update -q >/dev/null && apt-get $options download -q "$package" >/dev/null) &&
        mkdir -p "$tools/$package.deb" &&
        dpkg-deb -x "$lists/$package"_*.deb "$tools/$package.deb"
    fetched=$?
    rm -rf "$lists"
    return $fetched
}

if [ ! -x "$tools/kubectl" ]; then
    echo "fetching kubectl"
    if newer_package kubectl sid; then
        ln -sf kubectl.deb/usr/bin/kubectl "$tools/kubectl"
    else
        newer_package kubernetes-client trixie
        ln -sf kubernetes-client.deb/usr/bin/kubectl "$tools/kubectl"
    fi
fi

if [ ! -x "$tools/busybox" ]; then
    echo "fetching a static busybox"
    (cd "$tools" && { apt-get download -q busybox-static >/dev/null 2>&1 || { as_root apt-get update -q >/dev/null && apt-get download -q busybox-static >/dev/null; }; } &&
        dpkg-deb -x busybox-static_*.deb busybox-static && rm -f busybox-static_*.deb && ln -sf busybox-static/bin/busybox busybox)
fi

if [ ! -x "$tools/python/bin/python3" ]; then
    echo "installing the Python client"
    python3 -m venv "$tools/python" 2>/dev/null || { as_root apt-get install -y -q python3-venv >/dev/null && python3 -m venv "$tools/python"; }
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check kubernetes
fi

if [ ! -x "$tools/python/bin/schemathesis" ]; then
    echo "installing schemathesis"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check "schemathesis>=4.32,<5"
fi
