#!/bin/sh
# Makes the images that deploy/compose/compose.yaml names. With a registry in reach the official ones are pulled and
# odeon is built by compose; without one, everything is made here: odeon and hello FROM scratch from static binaries,
# NATS from its binary, Prometheus from its Debian package.
set -eu
bin=${ODEON_BIN_DIR:-bin}
nats_image=nats:2.14
prometheus_image=prom/prometheus:v2.53.4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

have() { docker image inspect "$1" >/dev/null 2>&1; }

# from_scratch TAG ENTRYPOINT...: an image of the files in $scratch/root.
from_scratch() {
    tag=$1
    shift
    entry=$(printf '"%s",' "$@")
    tar -C "$scratch/root" --owner=0 --group=0 -c . | docker import -c "ENTRYPOINT [${entry%,}]" -c "ENV PATH=/" - "$tag" >/dev/null
    rm -rf "$scratch/root"
    echo "  $tag"
}

fresh_root() {
    rm -rf "$scratch/root"
    mkdir -p "$scratch/root/tmp" "$scratch/root/etc"
    chmod 1777 "$scratch/root/tmp"
}

registry_answers() {
    [ "${ODEON_NO_REGISTRY:-}" != 1 ] && timeout 15 docker pull --quiet "$nats_image" >/dev/null 2>&1
}

# with_libraries BINARY: the binary and what it links to, at the same places.
with_libraries() {
    ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$scratch/root$(dirname "$library")"
        cp -L "$library" "$scratch/root$library"
    done
}

prometheus_from_debian() {
    (cd "$scratch" && { apt-get download -q prometheus >/dev/null 2>&1 || { apt-get update -q >/dev/null && apt-get download -q prometheus >/dev/null; }; })
    dpkg-deb -x "$scratch"/prometheus_*.deb "$scratch/deb"
    fresh_root
    mkdir -p "$scratch/root/bin" "$scratch/root/prometheus"
    cp "$scratch/deb/usr/bin/prometheus" "$scratch/root/bin/prometheus"
    with_libraries "$scratch/root/bin/prometheus"
    from_scratch "$prometheus_image" /bin/prometheus
}

if registry_answers; then
    echo "images: a registry answers; the official images are used"
    docker pull --quiet "$prometheus_image" >/dev/null
else
    echo "images: no registry answers; making them here"
    if ! have "$nats_image"; then
        fresh_root
        cp bin/nats-server "$scratch/root/nats-server"
        from_scratch "$nats_image" /nats-server
    fi
    have "$prometheus_image" || prometheus_from_debian
fi
fresh_root
cp "$bin/odeon" "$scratch/root/odeon"
from_scratch odeon:demo /odeon
fresh_root
cp "$bin/hello" "$scratch/root/hello"
from_scratch odeon-hello:demo /hello
