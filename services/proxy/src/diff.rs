//! Decides which frontends a node needs for a route table, and which routes lead from one table to the next.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::NodeName;
use api::messages::{Backend, PortRoutes, ServiceRoutes};

use crate::route::{Door, Frontend, Owner, Route, Target, Transport};
use crate::table::Table;

/// What leads from `old` to `new` on `node`: first what closes, then what opens or changes.
pub fn diff(old: &Table, new: &Table, node: &NodeName) -> Vec<Route> {
    let mut closed = Vec::new();
    let mut opened = Vec::new();
    for (before, after) in changed(old, new) {
        let mut stale = before.map(|routes| frontends(routes, node)).unwrap_or_default();
        for (frontend, target) in after.map(|routes| frontends(routes, node)).unwrap_or_default() {
            match stale.remove(&frontend) {
                Some(known) if known == target => {}
                Some(known) if known.owner == target.owner => {
                    opened.push(Route::SetBackends { frontend, target })
                }
                Some(_) | None => opened.push(Route::Listen { frontend, target }),
            }
        }
        closed.extend(
            stale.into_iter().map(|(frontend, target)| Route::Close { frontend, owner: target.owner }),
        );
    }
    closed.append(&mut opened);
    closed
}

/// Who may receive new connections: the ready ones, or else those that still serve while they end (KEP-1669);
/// with `local`, of the own node only.
pub fn eligible(backends: &[Backend], node: &NodeName, local: bool) -> Vec<SocketAddr> {
    let near = |backend: &&Backend| !local || backend.node == *node;
    let pick = |wanted: fn(&Backend) -> bool| {
        let picked = backends.iter().filter(near).filter(|backend| wanted(backend));
        let mut addresses: Vec<_> = picked.map(|backend| SocketAddr::new(backend.ip, backend.port)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    };
    match pick(|backend| backend.ready) {
        ready if ready.is_empty() => pick(|backend| backend.serving && backend.terminating),
        ready => ready,
    }
}

type Pair<'a> = (Option<&'a Arc<ServiceRoutes>>, Option<&'a Arc<ServiceRoutes>>);

/// Services that differ between two tables. Those that both share are skipped without looking inside.
fn changed<'a>(old: &'a Table, new: &'a Table) -> Vec<Pair<'a>> {
    let gone = old.services.iter().filter(|(key, _)| !new.services.contains_key(*key));
    let gone = gone.map(|(_, routes)| (Some(routes), None));
    let kept = new.services.iter().map(|(key, routes)| (old.services.get(key), Some(routes)));
    gone.chain(kept.filter(|pair| !matches!(pair, (Some(a), Some(b)) if Arc::ptr_eq(a, b)))).collect()
}

/// The frontends of one Service and where they lead.
fn frontends(routes: &ServiceRoutes, node: &NodeName) -> BTreeMap<Frontend, Target> {
    let mut found = BTreeMap::new();
    for port in &routes.ports {
        let Some(transport) = Transport::parse(&port.protocol) else { continue };
        for ip in &routes.cluster_ips {
            let door = Door::ClusterIp(SocketAddr::new(*ip, port.port));
            found.insert(Frontend { transport, door }, target(routes, port, node, routes.internal_local));
        }
        if port.node_port != 0 {
            let door = Door::NodePort(port.node_port);
            found.insert(Frontend { transport, door }, target(routes, port, node, routes.external_local));
        }
    }
    found
}

fn target(routes: &ServiceRoutes, port: &PortRoutes, node: &NodeName, local: bool) -> Target {
    let name = match port.name.is_empty() {
        true => port.port.to_string(),
        false => port.name.clone(),
    };
    Target {
        owner: Owner { namespace: routes.namespace.clone(), service: routes.name.clone(), port: name },
        may_speak_http: matches!(port.app_protocol.as_str(), "" | "http" | "kubernetes.io/ws"),
        affinity: routes.affinity_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        backends: eligible(&port.backends, node, local),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::text;

    fn check(old: &str, new: &str, expected: Expect) {
        let (old, mut new) = (text::table(old), text::table(new));
        for (key, routes) in &mut new.services {
            if let Some(same) = old.services.get(key).filter(|known| *known == routes) {
                *routes = Arc::clone(same);
            }
        }
        let routes = diff(&old, &new, &NodeName::from("a"));
        let lines: Vec<String> = routes.iter().map(ToString::to_string).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_new_service_opens_its_doors() {
        check(
            "",
            "service default/web ip=10.96.0.10
             port http 80 node=30080: 10.0.0.1:8080@a 10.0.0.2:8080@b
             port dns 53 UDP: 10.0.0.1:53@a",
            expect![[r#"
                listen tcp 10.96.0.10:80: default/web:http -> 10.0.0.1:8080 10.0.0.2:8080
                listen tcp node port 30080: default/web:http -> 10.0.0.1:8080 10.0.0.2:8080
                listen udp 10.96.0.10:53: default/web:dns -> 10.0.0.1:53"#]],
        );
    }

    #[test]
    fn a_pod_that_ends_leaves_and_nothing_else_happens() {
        check(
            "service default/web ip=10.96.0.10
             port - 80: 10.0.0.1:80@a 10.0.0.2:80@b
             service default/db ip=10.96.0.11
             port - 5432: 10.0.0.9:5432@b",
            "service default/web ip=10.96.0.10
             port - 80: 10.0.0.1:80@a 10.0.0.2:80@b,terminating
             service default/db ip=10.96.0.11
             port - 5432: 10.0.0.9:5432@b",
            expect!["set tcp 10.96.0.10:80: default/web:80 -> 10.0.0.1:80"],
        );
    }

    #[test]
    fn the_last_pods_serve_while_they_end() {
        check(
            "",
            "service default/web ip=10.96.0.10
             port - 80: 10.0.0.1:80@a,terminating 10.0.0.2:80@b,unready",
            expect!["listen tcp 10.96.0.10:80: default/web:80 -> 10.0.0.1:80"],
        );
    }

    #[test]
    fn local_policies_keep_to_the_own_node() {
        check(
            "",
            "service default/web ip=10.96.0.10 external-local
             port - 80 node=30080: 10.0.0.1:80@a 10.0.0.2:80@b
             service default/db ip=10.96.0.11 internal-local sticky=60
             port - 81: 10.0.0.3:80@b",
            expect![[r#"
                listen tcp 10.96.0.11:81: default/db:81 -> nobody sticky 60s
                listen tcp 10.96.0.10:80: default/web:80 -> 10.0.0.1:80 10.0.0.2:80
                listen tcp node port 30080: default/web:80 -> 10.0.0.1:80"#]],
        );
    }

    #[test]
    fn other_protocols_are_not_looked_into() {
        check(
            "",
            "service default/web ip=10.96.0.10
             port h2 80 app=kubernetes.io/h2c: 10.0.0.1:80@a
             port http 81 app=http: 10.0.0.1:81@a",
            expect![[r#"
                listen tcp 10.96.0.10:80: default/web:h2 -> 10.0.0.1:80 opaque
                listen tcp 10.96.0.10:81: default/web:http -> 10.0.0.1:81"#]],
        );
    }

    #[test]
    fn a_node_port_that_moves_closes_first() {
        check(
            "service default/a ip=10.96.0.1
             port - 80 node=30000: 10.0.0.1:80@a
             service default/b ip=10.96.0.2
             port - 80: 10.0.0.2:80@a",
            "service default/a ip=10.96.0.1
             port - 80: 10.0.0.1:80@a
             service default/b ip=10.96.0.2
             port - 80 node=30000: 10.0.0.2:80@a",
            expect![[r#"
                close tcp node port 30000: default/a:80
                listen tcp node port 30000: default/b:80 -> 10.0.0.2:80"#]],
        );
    }

    #[test]
    fn a_service_that_goes_closes_everything() {
        check(
            "service default/web ip=10.96.0.10 ip=fd00::1
             port - 80: 10.0.0.1:80@a
             service default/headless headless
             port - 80: 10.0.0.1:80@a",
            "",
            expect![[r#"
                close tcp 10.96.0.10:80: default/web:80
                close tcp [fd00::1]:80: default/web:80"#]],
        );
    }
}
