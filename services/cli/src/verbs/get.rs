//! `odeon get`: tables, YAML or JSON of objects, and watching them change.

use anyhow::{Result, bail};
use futures::{AsyncBufReadExt, StreamExt};
use serde_json::{Value, json};

use super::table::{TableStyle, align, rows};
use super::{Scope, encode};
use crate::client::Client;
use crate::resources::{Target, collection_path, display_name, kinds_for, name_of, object_path, targets};

/// Show objects
#[derive(clap::Args, Clone, Debug)]
pub struct Get {
    /// `pods`, `deploy web`, `svc/hello`, `pods,services`, `all`
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects whose labels match: `app=web,tier!=db`
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// Only objects whose fields match: `status.phase=Running`
    #[arg(long)]
    field_selector: Option<String>,
    /// How to print: wide, name, json or yaml
    #[arg(short, long)]
    output: Option<Output>,
    /// Leave out the heading
    #[arg(long)]
    no_headers: bool,
    /// Go on with changes as they happen
    #[arg(short, long)]
    watch: bool,
}

/// How objects are printed.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Wide,
    Name,
    Json,
    Yaml,
}

/// Runs `odeon get`.
pub async fn get(client: &Client, options: &Get) -> Result<()> {
    let kinds = kinds_for(client, &options.resources).await?;
    let targets = targets(&kinds, &options.resources)?;
    if options.watch {
        let [target] = targets.as_slice() else { bail!("you may only watch a single resource type") };
        return watch(client, options, *target).await;
    }
    match options.output {
        None | Some(Output::Wide) => tables(client, options, &targets).await,
        Some(output) => whole(client, options, &targets, output).await,
    }
}

impl Get {
    fn path(&self, client: &Client, target: Target<'_>) -> String {
        let namespace = (!self.all_namespaces).then(|| self.scope.namespace(client));
        match target.name {
            Some(name) => object_path(target.kind, namespace.unwrap_or_default(), name),
            None => format!("{}?{}", collection_path(target.kind, namespace), self.query().join("&")),
        }
    }

    fn query(&self) -> Vec<String> {
        let labels = self.selector.iter().map(|text| format!("labelSelector={}", encode(text)));
        let fields = self.field_selector.iter().map(|text| format!("fieldSelector={}", encode(text)));
        labels.chain(fields).collect()
    }

    fn style(&self) -> TableStyle {
        TableStyle {
            wide: self.output == Some(Output::Wide),
            no_headers: self.no_headers,
            with_namespace: self.all_namespaces,
        }
    }
}

async fn tables(client: &Client, options: &Get, targets: &[Target<'_>]) -> Result<()> {
    let several_kinds = targets.windows(2).any(|pair| matches!(pair, [a, b] if a.kind.id != b.kind.id));
    let mut printed: Vec<Vec<String>> = Vec::new();
    let mut kind = None;
    for target in targets {
        let table = client.get_table(&options.path(client, *target)).await?;
        let mut next = rows(&table, options.style());
        let heading = usize::from(!options.no_headers);
        if several_kinds {
            for cell in next
                .iter_mut()
                .skip(heading)
                .filter_map(|row| row.get_mut(usize::from(options.all_namespaces)))
            {
                *cell = display_name(target.kind, cell);
            }
        }
        if kind.is_some_and(|before| before != target.kind.id) {
            print_rows(&printed);
            printed.clear();
        } else if !printed.is_empty() {
            next.drain(..heading.min(next.len()));
        }
        kind = Some(target.kind.id);
        printed.extend(next);
    }
    if printed.len() <= usize::from(!options.no_headers) && targets.iter().all(|target| target.name.is_none())
    {
        let place = if options.all_namespaces {
            String::new()
        } else {
            format!(" in {} namespace", options.scope.namespace(client))
        };
        eprintln!("No resources found{place}.");
        return Ok(());
    }
    print_rows(&printed);
    Ok(())
}

fn print_rows(rows: &[Vec<String>]) {
    print!("{}", align(rows));
}

async fn whole(client: &Client, options: &Get, targets: &[Target<'_>], output: Output) -> Result<()> {
    let mut objects = Vec::new();
    for target in targets {
        let answer = client.get(&options.path(client, *target)).await?;
        match (target.name, answer) {
            (None, Value::Object(mut list)) => {
                let items =
                    list.remove("items").and_then(|items| items.as_array().cloned()).unwrap_or_default();
                objects.extend(items.into_iter().map(|item| with_type(item, target)));
            }
            (_, object) => objects.push(with_type(object, target)),
        }
    }
    if output == Output::Name {
        for (object, target) in objects.iter().zip(targets.iter().cycle()) {
            println!("{}", display_name(target.kind, name_of(object)));
        }
        return Ok(());
    }
    let single = matches!(targets, [target] if target.name.is_some());
    let printed = match objects.as_slice() {
        [object] if single => object.clone(),
        _ => json!({"apiVersion": "v1", "kind": "List", "items": objects}),
    };
    match output {
        Output::Yaml => print!("{}", serde_yaml_ng::to_string(&printed)?),
        _ => println!("{}", serde_json::to_string_pretty(&printed)?),
    }
    Ok(())
}

/// Items of a list come without their type.
fn with_type(mut object: Value, target: &Target<'_>) -> Value {
    if let Some(fields) = object.as_object_mut() {
        let group =
            if target.kind.group.is_empty() { String::new() } else { format!("{}/", target.kind.group) };
        fields.entry("apiVersion").or_insert_with(|| json!(format!("{group}{}", target.kind.version)));
        fields.entry("kind").or_insert_with(|| json!(target.kind.kind));
    }
    object
}

async fn watch(client: &Client, options: &Get, target: Target<'_>) -> Result<()> {
    let namespace = (!options.all_namespaces).then(|| options.scope.namespace(client));
    let mut query = options.query();
    query.extend(target.name.map(|name| format!("fieldSelector=metadata.name%3D{name}")));
    let path = format!("{}?{}", collection_path(target.kind, namespace), query.join("&"));
    let first = client.get_table(&path).await?;
    print_rows(&rows(&first, options.style()));
    let revision = first.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0");
    let mut lines =
        client.lines(&format!("{path}&watch=true&resourceVersion={revision}"), true).await?.lines();
    let style = TableStyle { no_headers: true, ..options.style() };
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?)?;
        match event.get("object") {
            Some(object) if event.get("type").is_some_and(|kind| kind == "ERROR") => {
                bail!("{}", object.get("message").and_then(Value::as_str).unwrap_or("the watch ended"));
            }
            Some(table) => print_rows(&rows(table, style)),
            None => {}
        }
    }
    Ok(())
}
