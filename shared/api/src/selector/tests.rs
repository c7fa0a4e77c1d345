//! Selectors, as text.

use expect_test::{Expect, expect};
use serde_json::json;

use super::{FieldSelector, Selector};
use crate::ResourceId;

fn check(selectors: &[&str], expected: Expect) {
    let objects = [
        ("web", json!({"app": "web", "tier": "front"})),
        ("db", json!({"app": "db", "size": "3"})),
        ("bare", json!({})),
    ];
    let line = |selector: &&str| match Selector::parse(selector) {
        Ok(parsed) => {
            let names =
                objects.iter().filter(|(_, labels)| parsed.matches_map(Some(labels))).map(|(name, _)| *name);
            format!("{selector}  ->  {}\n", names.collect::<Vec<_>>().join(" "))
        }
        Err(error) => format!("{selector}  ->  error: {error}\n"),
    };
    expected.assert_eq(&selectors.iter().map(line).collect::<String>());
}

#[test]
fn labels() {
    check(
        &[
            "",
            "app=web",
            "app==web",
            "app!=web",
            "app in (web, db)",
            "app notin (web)",
            "tier",
            "!tier",
            "app=web,tier",
            "size>2",
            "size<2",
            "tier=",
            "app in web",
            "app=web tier",
            "=a",
            "a b",
            "app=web,",
            "-x=y",
            "app=(",
        ],
        expect![[r#"
              ->  web db bare
            app=web  ->  web
            app==web  ->  web
            app!=web  ->  db bare
            app in (web, db)  ->  web db
            app notin (web)  ->  db bare
            tier  ->  web
            !tier  ->  db bare
            app=web,tier  ->  web
            size>2  ->  db
            size<2  ->  
            tier=  ->  
            app in web  ->  error: unable to parse requirement: found 'web' expected: '('
            app=web tier  ->  error: found 'tier', expected: ',' or 'end of string'
            =a  ->  error: found '=', expected: !, identifier, or 'end of string'
            a b  ->  error: unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt
            app=web,  ->  error: found '', expected: identifier after ','
            -x=y  ->  error: unable to parse requirement: <nil>: Invalid value: "-x": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            app=(  ->  error: unable to parse requirement: found '(', expected: identifier
        "#]],
    );
}

fn fields(kind: &'static str, selector: &str, object: &serde_json::Value) -> String {
    let kind = crate::kind(ResourceId::new(kind)).unwrap();
    match FieldSelector::parse(kind, selector) {
        Ok(parsed) => format!("{}", parsed.matches(object)),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn fields_of_kinds() {
    let pod = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
    let lines: String = [
        ("pods", "metadata.name=web"),
        ("pods", "status.phase=Running,spec.nodeName!=n2"),
        ("pods", "status.phase!=Running"),
        ("pods", "spec.hostNetwork=false"),
        ("pods", "spec.foo=1"),
        ("configmaps", "data.x=1"),
        ("pods", "metadata.name"),
        ("pods", ""),
        ("nodes", "spec.unschedulable=false"),
    ]
    .iter()
    .map(|(kind, selector)| format!("{kind} {selector}  ->  {}\n", fields(kind, selector, &pod)))
    .collect();
    expect![[r#"
        pods metadata.name=web  ->  true
        pods status.phase=Running,spec.nodeName!=n2  ->  true
        pods status.phase!=Running  ->  false
        pods spec.hostNetwork=false  ->  true
        pods spec.foo=1  ->  error: field label not supported: spec.foo
        configmaps data.x=1  ->  error: "data.x" is not a known field selector: only "metadata.name", "metadata.namespace"
        pods metadata.name  ->  error: invalid selector: 'metadata.name'; can't understand 'metadata.name'
        pods   ->  true
        nodes spec.unschedulable=false  ->  true
    "#]].assert_eq(&lines);
}
