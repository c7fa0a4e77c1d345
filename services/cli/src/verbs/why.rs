//! `odeon why`: the chain of decisions behind an object, from the user's request on.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Scope, encode};
use crate::client::Client;
use crate::resources::{kinds_for, targets};

/// Show the chain of decisions behind an object
#[derive(clap::Args, Clone, Debug)]
pub struct Why {
    /// `pod/web-1`, `deployment web`
    #[arg(required = true, value_name = "RESOURCE")]
    resource: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Show also turns that only counted and wrote a status
    #[arg(long)]
    all: bool,
    /// Print the chain as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `odeon why`.
pub async fn why(client: &Client, options: &Why) -> Result<()> {
    let kinds = kinds_for(client, &options.resource).await?;
    for target in targets(&kinds, &options.resource)? {
        let name = target.name.context("name the object, such as pod/web-1")?;
        let namespace = if target.kind.namespaced { options.scope.namespace(client) } else { "" };
        let path =
            format!("/odeon/v1/why?resource={}&namespace={namespace}&name={}", target.kind.id, encode(name));
        let answer = client.get(&path).await?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            print!("{}", render(&answer, options.all));
        }
    }
    Ok(())
}

/// Three lines a decision, indented below what led to it: when, who and about what; woken by what and why; what it did.
fn render(answer: &Value, all: bool) -> String {
    let lines = answer.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return "The journal holds nothing about it; it keeps decisions for some days.\n".to_owned();
    }
    lines.iter().filter(|line| all || is_decision(line, answer)).map(render_line).collect()
}

/// Whether a line says more than that another object's status was counted anew.
fn is_decision(line: &Value, answer: &Value) -> bool {
    let commands = line.get("commands").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_own = line.get("object") == answer.get("object");
    let acts =
        commands.iter().filter_map(Value::as_str).any(|command| is_own || !command.starts_with("status "));
    acts || line.get("outcome").is_some_and(|outcome| outcome != "done")
        || is_own && line.get("event").is_some_and(Value::is_object)
}

fn render_line(line: &Value) -> String {
    let text = |path: &str| line.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let depth =
        line.get("depth").and_then(Value::as_u64).and_then(|depth| usize::try_from(depth).ok()).unwrap_or(0);
    let indent = "  ".repeat(depth);
    let time = text("/at").get(11..23).unwrap_or_default();
    let object = format!("{}/{}", text("/object/resource"), text("/object/name"));
    let mut shown = format!("{time}  {indent}{}  {object}\n", text("/component"));
    let mut detail = |words: &str| {
        if !words.is_empty() {
            shown.push_str(&format!("{:12}  {indent}  {words}\n", ""));
        }
    };
    detail(text("/trigger"));
    let because = text("/because");
    detail(&if because.is_empty() { String::new() } else { format!("because {because}") });
    let commands = line.get("commands").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    commands.iter().filter_map(Value::as_str).for_each(|command| detail(&format!("→ {command}")));
    let outcome = text("/outcome");
    if outcome != "done" {
        detail(&format!("! {outcome}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_decision_stands_below_what_led_to_it() {
        let answer = json!({"lines": [
            {"at": "2026-01-31T10:00:00.123456Z", "component": "gateway", "depth": 0, "because": "admin asked for it",
             "trigger": "created by admin (kubectl-create)", "commands": ["create deployments.apps/default/web"],
             "object": {"resource": "deployments.apps", "name": "web"}, "outcome": "done"},
            {"at": "2026-01-31T10:00:00.130000Z", "component": "controller-a", "depth": 1, "because": "", "trigger": "web was created",
             "commands": [], "object": {"resource": "deployments.apps", "name": "web"}, "outcome": "the disk is full"},
            {"at": "2026-01-31T10:00:00.140000Z", "component": "controller-a", "depth": 1, "because": "what it observes has changed",
             "commands": ["status deployments.apps/default/web"], "object": {"resource": "deployments.apps", "name": "web"}, "outcome": "done"},
        ]});
        expect![[r#"
            10:00:00.123  gateway  deployments.apps/web
                            created by admin (kubectl-create)
                            because admin asked for it
                            → create deployments.apps/default/web
            10:00:00.130    controller-a  deployments.apps/web
                              web was created
                              ! the disk is full
        "#]]
        .assert_eq(&render(&answer, false));
    }
}
