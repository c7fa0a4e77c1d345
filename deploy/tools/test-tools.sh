#!/bin/sh
# Installs what the tests need and this machine lacks: cargo-nextest, kubectls of several ages (unpacked, not installed),
# the Python client, a static busybox for container tests. Everything but cargo-nextest stays below .odeon/tools.
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

# A package of a Debian suite, unpacked only, into `$tools/<directory>`. The mirror is the one this machine is set up with.
unpacked_package() {
    package=$1 suite=$2 directory=$3
    lists=$(mktemp -d)
    mirror=$(grep -rhv '^ *#' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1)
    mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial"
    if [ -z "$mirror" ]; then
        echo "no Debian mirror is set up here; put a kubectl at $tools/$directory/usr/bin/kubectl" >&2
        return 1
    fi
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$lists/sources.list"
    options="-o Dir::Etc::sourcelist=$lists/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$lists/state/lists -o Dir::State::status=/dev/null -o Dir::Cache=$lists/cache -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086
    (cd "$lists" && apt-get $options update -q >/dev/null && apt-get $options download -q "$package" >/dev/null) &&
        mkdir -p "$tools/$directory" &&
        dpkg-deb -x "$lists/$package"_*.deb "$tools/$directory"
    fetched=$?
    rm -rf "$lists"
    return $fetched
}

# kubectl-1.32 and kubectl-1.20 ask differently from the current one (protobuf, watches that list, OpenAPI).
for version in 1.32:trixie:kubectl 1.20:bookworm:kubernetes-client; do
    name=kubectl-${version%%:*} source=${version#*:}
    if [ ! -x "$tools/$name" ]; then
        echo "fetching $name"
        unpacked_package "${source#*:}" "${source%:*}" "$name.deb"
        ln -sf "$name.deb/usr/bin/kubectl" "$tools/$name"
    fi
done

if [ ! -x "$tools/kubectl" ]; then
    echo "fetching kubectl"
    if unpacked_package kubectl sid kubectl.deb; then
        ln -sf kubectl.deb/usr/bin/kubectl "$tools/kubectl"
    else
        ln -sf kubectl-1.32 "$tools/kubectl"
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
