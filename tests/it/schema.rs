//! Requests made up from our own OpenAPI: none breaks the server, and every answer is what the schema promises.

use std::process::Command;

use odeon_tests::{Cluster, run, tool};

/// Which documents, and for how many seconds each.
const DOCUMENTS: [(&str, &str); 4] = [
    ("api/v1", "30"),
    ("apis/apps/v1", "20"),
    ("apis/rbac.authorization.k8s.io/v1", "15"),
    ("apis/policy/v1", "15"),
];
/// Statuses that the document does not name are no failures: Kubernetes names 200 and 401 only.
const CHECKS: &str = "not_a_server_error,response_schema_conformance,content_type_conformance";

#[test]
fn no_request_that_the_schema_allows_breaks_the_server() {
    let cluster = Cluster::hollow(1);
    let url = cluster.ready_line().split([' ', ',']).find(|word| word.starts_with("https://")).unwrap();
    let token = std::fs::read_to_string(cluster.directory().join("pki/admin.token")).unwrap();
    let authorization = format!("Authorization: Bearer {}", token.trim());
    for (document, seconds) in DOCUMENTS {
        let output = run(Command::new(tool("python/bin/schemathesis"))
            .args(["run", &format!("{url}/openapi/v3/{document}"), "--url", url])
            .args(["--header", &authorization, "--tls-verify", "false", "--no-color"])
            .args(["--checks", CHECKS, "--phases", "fuzzing", "--max-time", seconds, "--continue-on-failure"])
            // Events have a null `eventTime` as in Kubernetes, and resource versions of their own.
            .args(["--exclude-path-regex", "/events"])
            .current_dir(cluster.directory()));
        // Watches never end, so exit codes tell of timeouts too; failures have a number.
        assert!(output.stdout.contains("Test cases:"), "{}{}", output.stdout, output.stderr);
        assert!(!output.stdout.contains("\n- ST"), "{document}: {}", output.stdout);
    }
}
