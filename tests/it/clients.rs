//! Other clients than kubectl: the Python client.

use std::process::Command;

use odeon_tests::{Cluster, repository, run, tool};

#[test]
fn the_python_client_works_unmodified() {
    let cluster = Cluster::hollow(1);
    let output = run(Command::new(tool("python/bin/python3"))
        .arg(repository().join("tests/it/client.py"))
        .arg(cluster.kubeconfig()));
    assert_eq!(output.ok().trim(), "all good");
}
