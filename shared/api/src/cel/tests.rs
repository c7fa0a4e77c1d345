//! Expressions, and what becomes of them: a line each.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

/// Each line's value, or why it has none.
fn check(expressions: &str, expect: Expect) {
    let object = json!({
        "spec": {"replicas": 3, "names": ["b", "a", "c"], "labels": {"x": "1", "y": "2"}, "ratio": 1.5, "nothing": null},
    });
    let mut text = String::new();
    for written in expressions.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let answer = match Expression::compile(written, &["object"]) {
            Err(complaint) => complaint.lines().next().unwrap_or_default().to_owned(),
            Ok(expression) => {
                let scope = Scope::default().with("object", spoken(&object));
                match expression.evaluate(&scope, &mut Budget::of(PER_OBJECT)) {
                    Ok(value) => told(&value),
                    Err(Fault::Failed(why)) => format!("failed: {why}"),
                    Err(other) => format!("{other:?}"),
                }
            }
        };
        text.push_str(&format!("{written} => {answer}\n"));
    }
    expect.assert_eq(&text);
}

fn told(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(told).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let mut entries: Vec<String> =
                map.map.iter().map(|(key, value)| format!("{key}: {}", told(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn addresses_and_networks() {
    check(
        r#"
        ip("10.0.0.1").family() == 4 && ip("::1").family() == 6
        isIP("10.0.0.1") && !isIP("10.0.0.256") && !isIP("::ffff:1.2.3.4")
        ip("fe80::1").isLinkLocalUnicast()
        ip("10.0.0.1").isGlobalUnicast()
        ip.isCanonical("2001:DB8::1")
        string(ip("2001:DB8::1"))
        ip("nonsense")
        cidr("10.0.0.0/8").containsIP("10.1.2.3")
        cidr("10.0.0.0/8").containsIP(ip("11.0.0.1"))
        cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16")
        cidr("10.1.0.0/16").containsCIDR(cidr("10.0.0.0/8"))
        cidr("10.1.2.3/8").masked() == cidr("10.0.0.0/8")
        cidr("10.1.2.3/8").ip() == ip("10.1.2.3")
        cidr("::/0").prefixLength()
        isCIDR("10.0.0.0/33")
        type(ip("10.0.0.1")) == net.IP
        "#,
        expect![[r#"
            ip("10.0.0.1").family() == 4 && ip("::1").family() == 6 => true
            isIP("10.0.0.1") && !isIP("10.0.0.256") && !isIP("::ffff:1.2.3.4") => true
            ip("fe80::1").isLinkLocalUnicast() => true
            ip("10.0.0.1").isGlobalUnicast() => true
            ip.isCanonical("2001:DB8::1") => false
            string(ip("2001:DB8::1")) => "2001:db8::1"
            ip("nonsense") => failed: IP Address "nonsense" parse error during conversion from string: unable to parse IP
            cidr("10.0.0.0/8").containsIP("10.1.2.3") => true
            cidr("10.0.0.0/8").containsIP(ip("11.0.0.1")) => false
            cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16") => true
            cidr("10.1.0.0/16").containsCIDR(cidr("10.0.0.0/8")) => false
            cidr("10.1.2.3/8").masked() == cidr("10.0.0.0/8") => true
            cidr("10.1.2.3/8").ip() == ip("10.1.2.3") => true
            cidr("::/0").prefixLength() => 0
            isCIDR("10.0.0.0/33") => false
            type(ip("10.0.0.1")) == net.IP => true
        "#]],
    );
}

#[test]
fn urls() {
    check(
        r#"
        url("https://user:pw@example.com:80/a/b?x=1&x=2&y=%20z").getHost()
        url("https://example.com:80/a b").getEscapedPath()
        url("https://[::1]:80/").getHostname()
        url("https://[::1]:80/").getPort()
        url("https://example.com/?x=1&x=2&y=%20z").getQuery()
        url("/only/a/path").getScheme()
        isURL("https://example.com") && isURL("/path") && !isURL("../path") && !isURL("https://a:b:c/")
        url("nonsense")
        "#,
        expect![[r#"
            url("https://user:pw@example.com:80/a/b?x=1&x=2&y=%20z").getHost() => "example.com:80"
            url("https://example.com:80/a b").getEscapedPath() => "/a%20b"
            url("https://[::1]:80/").getHostname() => "::1"
            url("https://[::1]:80/").getPort() => "80"
            url("https://example.com/?x=1&x=2&y=%20z").getQuery() => {x: ["1", "2"], y: [" z"]}
            url("/only/a/path").getScheme() => ""
            isURL("https://example.com") && isURL("/path") && !isURL("../path") && !isURL("https://a:b:c/") => true
            url("nonsense") => failed: URL parse error during conversion from string: parse "nonsense": invalid URI for request
        "#]],
    );
}

#[test]
fn quantities_versions_and_formats() {
    check(
        r#"
        quantity("1.5Gi").isGreaterThan(quantity("1G"))
        quantity("200M").compareTo(quantity("0.2G"))
        quantity("50k").asInteger()
        quantity("500m").isInteger()
        quantity("1").add(quantity("500m")).asApproximateFloat()
        quantity("1k").sub(1).asInteger()
        quantity("-5").sign()
        isQuantity("10Lo")
        quantity("10Lo")
        semver("1.2.3").isLessThan(semver("1.10.0"))
        semver("1.0.0-rc.1").compareTo(semver("1.0.0"))
        semver("v1.2", true).minor()
        isSemver("v1.2") || isSemver("1.02.3")
        format.dns1123Label().validate("a.b").hasValue()
        format.named("dns1123Label").value().validate("a-b").hasValue()
        format.named("nonsense").hasValue()
        format.dns1123LabelPrefix().validate("a-").hasValue()
        format.uuid().validate("x").value()
        "#,
        expect![[r#"
            quantity("1.5Gi").isGreaterThan(quantity("1G")) => true
            quantity("200M").compareTo(quantity("0.2G")) => 0
            quantity("50k").asInteger() => 50000
            quantity("500m").isInteger() => false
            quantity("1").add(quantity("500m")).asApproximateFloat() => 1.5
            quantity("1k").sub(1).asInteger() => 999
            quantity("-5").sign() => -1
            isQuantity("10Lo") => false
            quantity("10Lo") => failed: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
            semver("1.2.3").isLessThan(semver("1.10.0")) => true
            semver("1.0.0-rc.1").compareTo(semver("1.0.0")) => -1
            semver("v1.2", true).minor() => 2
            isSemver("v1.2") || isSemver("1.02.3") => false
            format.dns1123Label().validate("a.b").hasValue() => true
            format.named("dns1123Label").value().validate("a-b").hasValue() => false
            format.named("nonsense").hasValue() => false
            format.dns1123LabelPrefix().validate("a-").hasValue() => false
            format.uuid().validate("x").value() => ["does not match the UUID format"]
        "#]],
    );
}

#[test]
fn lists_sets_and_texts() {
    check(
        r#"
        object.spec.names.isSorted() || [1, 2, 2].isSorted()
        [1, 2, 3].sum() + [1, 2, 3].max() - [1, 2, 3].min()
        [].sum() == 0
        [].min()
        ["a", "b", "a"].indexOf("a") + ["a", "b", "a"].lastIndexOf("a")
        sets.contains(object.spec.names, ["a", "b"])
        sets.intersects([1], [2])
        sets.equivalent([1, 2, 2], [2, 1])
        "abc 123 def 456".find("[0-9]+")
        "abc 123 def 456".findAll("[0-9]+")
        "abc 123 def 456".findAll("[0-9]+", 1)
        "abc".matches("^[a-c]+$") && matches("abc", "b")
        "abc".matches("(")
        "%s has %d".format([object.spec.names[0], 2])
        object.spec.names.exists_one(n, n == "a")
        object.spec.labels.all(k, object.spec.labels[k].size() == 1)
        "#,
        expect![[r#"
            object.spec.names.isSorted() || [1, 2, 2].isSorted() => true
            [1, 2, 3].sum() + [1, 2, 3].max() - [1, 2, 3].min() => 8
            [].sum() == 0 => true
            [].min() => failed: min called on empty list
            ["a", "b", "a"].indexOf("a") + ["a", "b", "a"].lastIndexOf("a") => 2
            sets.contains(object.spec.names, ["a", "b"]) => true
            sets.intersects([1], [2]) => false
            sets.equivalent([1, 2, 2], [2, 1]) => true
            "abc 123 def 456".find("[0-9]+") => "123"
            "abc 123 def 456".findAll("[0-9]+") => ["123", "456"]
            "abc 123 def 456".findAll("[0-9]+", 1) => ["123"]
            "abc".matches("^[a-c]+$") && matches("abc", "b") => true
            "abc".matches("(") => failed: regex parse error:
                (
                ^
            error: unclosed group
            "%s has %d".format([object.spec.names[0], 2]) => "b has 2"
            object.spec.names.exists_one(n, n == "a") => true
            object.spec.labels.all(k, object.spec.labels[k].size() == 1) => true
        "#]],
    );
}

#[test]
fn times_and_optionals() {
    check(
        r#"
        duration("90m").getHours()
        timestamp("2026-01-31T10:00:00Z") + duration("1h") == timestamp("2026-01-31T11:00:00Z")
        timestamp("2026-01-31T10:00:00Z").getFullYear()
        timestamp("soon")
        object.?spec.?missing.orValue("nothing")
        object.spec.?replicas.hasValue()
        optional.of(1).value() + 1
        has(object.spec.missing) || object.spec.missing == 1
        object.spec.names[7]
        object.spec.replicas / 0
        object.spec.replicas + "a"
        9223372036854775807 + object.spec.replicas
        "#,
        expect![[r#"
            duration("90m").getHours() => 1
            timestamp("2026-01-31T10:00:00Z") + duration("1h") == timestamp("2026-01-31T11:00:00Z") => true
            timestamp("2026-01-31T10:00:00Z").getFullYear() => 2026
            timestamp("soon") => failed: premature end of input
            object.?spec.?missing.orValue("nothing") => "nothing"
            object.spec.?replicas.hasValue() => true
            optional.of(1).value() + 1 => 2
            has(object.spec.missing) || object.spec.missing == 1 => failed: no such key: missing
            object.spec.names[7] => failed: index out of bounds: 7
            object.spec.replicas / 0 => failed: division by zero
            object.spec.replicas + "a" => failed: no such overload
            9223372036854775807 + object.spec.replicas => failed: integer overflow
        "#]],
    );
}

#[test]
fn comprehensions_with_two_variables() {
    check(
        r#"
        object.spec.names.all(i, name, i < 3 && name != "d")
        object.spec.labels.exists(key, label, key == "x" && label == "1")
        object.spec.names.existsOne(i, name, i == 1 && name == "a")
        object.spec.names.transformList(i, name, string(i) + name)
        object.spec.names.transformList(i, name, i > 0, name)
        object.spec.labels.transformMap(key, label, label + key)
        object.spec.labels.transformMap(key, label, key == "x", label)
        object.spec.names.transformMapEntry(i, name, {name: i})
        ["a", "a"].transformMapEntry(i, name, {name: i})
        [1, 2].all(1, v, true)
        "#,
        expect![[r#"
            object.spec.names.all(i, name, i < 3 && name != "d") => true
            object.spec.labels.exists(key, label, key == "x" && label == "1") => true
            object.spec.names.existsOne(i, name, i == 1 && name == "a") => true
            object.spec.names.transformList(i, name, string(i) + name) => ["0b", "1a", "2c"]
            object.spec.names.transformList(i, name, i > 0, name) => ["a", "c"]
            object.spec.labels.transformMap(key, label, label + key) => {x: "1x", y: "2y"}
            object.spec.labels.transformMap(key, label, key == "x", label) => {x: "1"}
            object.spec.names.transformMapEntry(i, name, {name: i}) => {a: 1, b: 0, c: 2}
            ["a", "a"].transformMapEntry(i, name, {name: i}) => failed: insert failed: key String(String("a")) already exists
            [1, 2].all(1, v, true) => compilation failed: ERROR: <input>:1:12: argument must be a simple name
        "#]],
    );
}

#[test]
fn names_are_known_before_anything_runs() {
    check(
        r#"
        thing.spec == 1
        object.conjure()
        object.spec.names.all(n, m == n)
        size(object.spec.names.filter(n, n != "a")) +
        "#,
        expect![[r#"
            thing.spec == 1 => compilation failed: ERROR: <input>:1:1: undeclared reference to 'thing' (in container '')
            object.conjure() => compilation failed: ERROR: <input>:1:1: undeclared reference to 'conjure' (in container '')
            object.spec.names.all(n, m == n) => compilation failed: ERROR: <input>:1:1: undeclared reference to 'm' (in container '')
            size(object.spec.names.filter(n, n != "a")) + => compilation failed: ERROR: <input>:1:46: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
        "#]],
    );
}

#[test]
fn nothing_runs_for_long() {
    let cases = [
        "many.all(a, many.all(b, many.all(c, a + b + c >= 0)))",
        "many.map(a, many.map(b, many.map(c, c))).size() > 0",
        "many.exists(a, many.all(b, many.all(c, c > -1) && false)) || true",
        "many.map(a, big + big).size() > 0",
        "big.replace('a', big).size() > 0",
        "big.split('').join(big).size() > 0",
        "big.split('').distinct().size() > 0",
        "many.all(a, big.contains('b') || big == other)",
        "many.transformList(i, v, many.transformList(j, w, many)).size() > 0",
        "many.all(a, 'x'.matches('(a{100}){100}' + string(a)) || true)",
        "many.map(a, many).map(a, a.sum()).sum() > 0",
    ];
    let big = "a".repeat(1 << 16);
    let many = Value::from((0..1000).collect::<Vec<i64>>());
    for written in cases {
        let expression = Expression::compile(written, &["big", "other", "many"]).unwrap();
        let scope =
            Scope::default().with("big", Value::from(big.as_str())).with("other", Value::from(big.as_str()));
        let scope = scope.with("many", many.clone());
        assert_eq!(
            expression.evaluate(&scope, &mut Budget::of(100_000)),
            Err(Fault::OutOfBudget),
            "{written}"
        );
    }
    let expression = Expression::compile("big.replace('a', big).size() > 0", &["big"]).unwrap();
    let scope = Scope::default().with("big", Value::from(big.as_str()));
    assert_eq!(expression.evaluate(&scope, &mut Budget::of(PER_OBJECT)), Err(Fault::TooCostly));
}

#[test]
fn a_budget_is_shared() {
    let scope = Scope::default().with("many", Value::from((0..30).collect::<Vec<i64>>()));
    let expression = Expression::compile("many.all(a, many.all(b, a + b >= 0))", &["many"]).unwrap();
    let mut budget = Budget::of(50_000);
    let mut fine = 0;
    while expression.evaluate(&scope, &mut budget) == Ok(Value::Bool(true)) {
        fine += 1;
    }
    assert!((2..20).contains(&fine), "{fine}");
    assert_eq!(expression.evaluate(&scope, &mut budget), Err(Fault::OutOfBudget));
}
