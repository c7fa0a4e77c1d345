//! Prints the server's `Table`s in aligned columns, as kubectl does.

use serde_json::Value;

/// What to show of a table.
#[derive(Clone, Copy, Default)]
pub struct TableStyle {
    /// Columns of priority above 0 too.
    pub wide: bool,
    /// No heading.
    pub no_headers: bool,
    /// A first column with the namespace.
    pub with_namespace: bool,
}

/// The table's rows as text, the heading first unless the style says otherwise.
pub fn rows(table: &Value, style: TableStyle) -> Vec<Vec<String>> {
    let columns = array(table, "columnDefinitions");
    let shown: Vec<usize> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| style.wide || column.get("priority").and_then(Value::as_i64).unwrap_or(0) == 0)
        .map(|(index, _)| index)
        .collect();
    let mut rows = Vec::new();
    if !style.no_headers {
        let mut heading: Vec<String> = shown
            .iter()
            .filter_map(|&index| columns.get(index)?.get("name")?.as_str())
            .map(str::to_uppercase)
            .collect();
        if style.with_namespace {
            heading.insert(0, "NAMESPACE".to_owned());
        }
        rows.push(heading);
    }
    rows.extend(array(table, "rows").iter().map(|row| cells(row, &shown, style)));
    rows
}

fn cells(row: &Value, shown: &[usize], style: TableStyle) -> Vec<String> {
    let all = array(row, "cells");
    let mut cells: Vec<String> =
        shown.iter().map(|&index| all.get(index).map(text).unwrap_or_default()).collect();
    if style.with_namespace {
        let namespace = row.pointer("/object/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        cells.insert(0, namespace.to_owned());
    }
    cells
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => "<none>".to_owned(),
        other => other.to_string(),
    }
}

/// Aligns rows in columns three spaces apart.
pub fn align(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            match widths.get_mut(index) {
                Some(width) => *width = (*width).max(cell.chars().count()),
                None => widths.push(cell.chars().count()),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let line: String = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect::<Vec<_>>()
            .concat();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn table() -> Value {
        json!({
            "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "IP", "priority": 1}],
            "rows": [
                {"cells": ["web-1", "1/1", "10.0.0.1"], "object": {"metadata": {"namespace": "default"}}},
                {"cells": ["a-long-name", "0/1", null], "object": {"metadata": {"namespace": "shop"}}},
            ],
        })
    }

    #[test]
    fn narrow_tables_leave_out_columns_of_low_priority() {
        expect![[r#"
            NAME          READY
            web-1         1/1
            a-long-name   0/1
        "#]]
        .assert_eq(&align(&rows(&table(), TableStyle::default())));
    }

    #[test]
    fn wide_tables_over_all_namespaces_show_everything() {
        let style = TableStyle { wide: true, with_namespace: true, no_headers: true };
        expect![[r#"
            default   web-1         1/1   10.0.0.1
            shop      a-long-name   0/1   <none>
        "#]]
        .assert_eq(&align(&rows(&table(), style)));
    }
}
