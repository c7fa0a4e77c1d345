#!/bin/sh
# demo.sh up | down: the compose cluster of deploy/compose, with the sample on it.
set -eu
bin=${ODEON_BIN_DIR:-bin}
directory=.odeon/demo
file=deploy/compose/compose.yaml
project=${ODEON_DEMO_PROJECT:-odeon-demo}
kubeconfig=$directory/kubeconfig
: "${ODEON_API_PORT:=6443}" "${ODEON_PROMETHEUS_PORT:=9090}"
export ODEON_API_PORT ODEON_PROMETHEUS_PORT

if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose="docker-compose"; fi
run() { $compose -p "$project" -f "$file" "$@"; }
say() { printf '%s\n' "$*"; }

# await SECONDS WHAT COMMAND...: waits until the command succeeds, showing what for.
await() {
    limit=$1 what=$2
    shift 2
    printf '  %s ' "$what"
    started=$(date +%s)
    until "$@" >/dev/null 2>&1; do
        if [ $(($(date +%s) - started)) -ge "$limit" ]; then
            say "… not after $limit s"
            return 1
        fi
        printf '.'
        sleep 0.5
    done
    say "ok ($(($(date +%s) - started)) s)"
}

odeon() { "$bin/odeon" --kubeconfig "$kubeconfig" "$@"; }
fetch_kubeconfig() { run exec -T gateway /odeon kubeconfig --pki-dir /pki --server-url "https://127.0.0.1:$ODEON_API_PORT" >"$kubeconfig.new" && mv "$kubeconfig.new" "$kubeconfig"; }
nodes_ready() { [ "$(odeon get nodes --no-headers | grep -c ' Ready ')" -ge 3 ]; }
# The host port that leads to the node port of each agent.
sample_port() { run port agent 30080 | sed 's/.*://'; }
sample_answers() { curl -fsS --max-time 2 "http://127.0.0.1:$(sample_port)/"; }
prometheus_sees_all() { ! curl -fsS "http://127.0.0.1:$ODEON_PROMETHEUS_PORT/api/v1/targets" | grep -qE '"health":"(down|unknown)"'; }

explain_failure() {
    say ""
    say "The demo did not come up. The last lines of its processes:"
    run logs --tail=15 gateway controller scheduler agent || true
    [ ! -f "$kubeconfig" ] || odeon get pods -A -o wide || true
    say "'make demo-down' removes it."
    exit 1
}

up() {
    mkdir -p "$directory"
    say "starting the cluster (NATS ×3, gateway, controller ×2, scheduler, agent ×3, Prometheus)"
    run up -d --no-build --remove-orphans >"$directory/compose.out" 2>"$directory/compose.log" || { cat "$directory/compose.log" >&2; explain_failure; }
    await 60 "the gateway answers" fetch_kubeconfig || explain_failure
    await 60 "3 nodes are Ready" nodes_ready || explain_failure
    odeon apply -f deploy/sample/hello.yaml
    await 60 "the sample is rolled out" odeon rollout status deployment/hello --timeout 1s || explain_failure
    await 30 "the sample answers" sample_answers || explain_failure
    await 60 "Prometheus sees every target" prometheus_sees_all || explain_failure
    say ""
    say "  API          https://127.0.0.1:$ODEON_API_PORT"
    say "  sample       http://127.0.0.1:$(sample_port)/    (each request is answered by some replica)"
    say "  Prometheus   http://127.0.0.1:$ODEON_PROMETHEUS_PORT/consoles/odeon.html"
    say ""
    say "Try next:"
    say "  export KUBECONFIG=$(pwd)/$kubeconfig"
    say "  kubectl get nodes; kubectl get pods -A -o wide"
    say "  bin/odeon why pod/\$(kubectl get pods -o jsonpath='{.items[0].metadata.name}')"
    say "  kubectl scale deployment hello --replicas=12; kubectl get pods -w"
    say "  $compose -p $project -f $file up -d --no-build --scale agent=5"
    say "  make demo-down"
}

down() {
    # Agents end their pods before the network that both are on can go; what a killed agent left is swept up after it.
    run stop --timeout 25 agent >/dev/null 2>&1 || true
    [ ! -x "$bin/odeon" ] || "$bin/odeon" agent cleanup --cluster demo || true
    run --profile sample down --volumes --remove-orphans --timeout 20 2>&1 | grep -v '^ *$' | tail -n 3 || true
    rm -rf "$directory"
    say "the demo is gone"
}

case "${1:-}" in
    up) up ;;
    down) down ;;
    *) say "usage: demo.sh up | down" >&2; exit 2 ;;
esac
