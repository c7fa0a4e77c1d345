//! Which names expressions may use.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};

/// What functions with a dot in their names begin with.
pub(super) const NAMESPACES: [&str; 5] = ["optional", "ip", "sets", "format", "jsonpatch"];
/// Names that are types.
#[rustfmt::skip]
const TYPES: [&str; 26] = [
    "bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "dyn", "optional_type",
    "google", "net", "kubernetes", "duration", "timestamp", "optional", "ip", "cidr", "sets", "format", "url",
    "quantity", "semver", "authorizer",
];
/// Functions that may be called, of those that Kubernetes has.
#[rustfmt::skip]
const FUNCTIONS: [&str; 127] = [
    "add", "all", "allowed", "asApproximateFloat", "asInteger", "bool", "byte", "bytes", "charAt", "check",
    "cidr", "compareTo", "contains", "containsCIDR", "containsIP", "date", "datetime", "distinct",
    "dns1035Label", "dns1035LabelPrefix", "dns1123Label", "dns1123LabelPrefix", "dns1123Subdomain",
    "dns1123SubdomainPrefix", "double", "duration", "dyn", "endsWith", "equivalent", "error", "errored", "escapeKey",
    "family", "fieldSelector", "find", "findAll", "flatten", "format", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getEscapedPath", "getFullYear", "getHost", "getHostname", "getHours",
    "getMilliseconds", "getMinutes", "getMonth", "getPort", "getQuery", "getScheme", "getSeconds", "group",
    "hasValue", "indexOf", "int", "intersects", "ip", "isCanonical", "isCIDR", "isGlobalUnicast",
    "isGreaterThan", "isInteger", "isIP", "isLessThan", "isLinkLocalMulticast", "isLinkLocalUnicast",
    "isLoopback", "isQuantity", "isSemver", "isSorted", "isUnspecified", "isURL", "join", "labelSelector",
    "labelValue", "lastIndexOf", "lowerAscii", "major", "masked", "matches", "max", "min", "minor", "name",
    "named", "namespace", "none", "of", "ofNonZeroValue", "or", "orValue", "patch", "path", "prefixLength",
    "qualifiedName", "quantity", "quote", "reason", "replace", "resource", "reverse", "semver",
    "serviceAccount", "sign", "size", "slice", "sort", "split", "startsWith", "string", "sub", "subresource",
    "substring", "sum", "timestamp", "trim", "type", "uint", "upperAscii", "uri", "url", "uuid", "validate",
    "value",
];

/// The fields of a `JSONPatch`.
const PATCH_FIELDS: [&str; 4] = ["op", "path", "from", "value"];

/// What is wrong with the names, if anything is.
pub(super) fn complaint(tree: &IdedExpr, variables: &[&str]) -> Option<String> {
    let mut walk = Names { bound: variables.to_vec(), wrong: None };
    walk.visit(tree);
    walk.wrong
}

/// The fields that are selected from a variable.
pub(super) fn selected_from(tree: &IdedExpr, variable: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    each(tree, &mut |tree| {
        if let Expr::Select(select) = &tree.expr
            && matches!(&select.operand.expr, Expr::Ident(name) if name == variable)
        {
            found.insert(select.field.clone());
        }
    });
    found.into_iter().collect()
}

/// Shows every part of an expression.
fn each<'a>(tree: &'a IdedExpr, show: &mut impl FnMut(&'a IdedExpr)) {
    show(tree);
    parts(tree).into_iter().for_each(|part| each(part, show));
}

fn parts(tree: &IdedExpr) -> Vec<&IdedExpr> {
    match &tree.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(entry_parts).collect(),
        Expr::Struct(it) => it.entries.iter().flat_map(entry_parts).collect(),
        Expr::Comprehension(it) => {
            vec![&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result]
        }
    }
}

fn entry_parts(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

struct Names<'a> {
    bound: Vec<&'a str>,
    wrong: Option<String>,
}

impl<'a> Names<'a> {
    fn visit(&mut self, tree: &'a IdedExpr) {
        if self.wrong.is_some() {
            return;
        }
        match &tree.expr {
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) => {
                self.function(&call.func_name);
                parts(tree).into_iter().for_each(|part| self.visit(part));
            }
            Expr::Comprehension(it) => {
                self.visit(&it.iter_range);
                self.visit(&it.accu_init);
                let outer = self.bound.len();
                self.bound.push(&it.accu_var);
                self.visit(&it.result);
                self.bound.push(&it.iter_var);
                self.visit(&it.loop_cond);
                self.visit(&it.loop_step);
                self.bound.truncate(outer);
            }
            Expr::Struct(message) => {
                self.message(&message.type_name, &message.entries);
                parts(tree).into_iter().for_each(|part| self.visit(part));
            }
            _ => parts(tree).into_iter().for_each(|part| self.visit(part)),
        }
    }

    /// Objects have the fields of what is changed, which is told when they are; patches have their own.
    fn message(&mut self, name: &str, entries: &[IdedEntryExpr]) {
        let root = name.split('.').next().unwrap_or(name);
        let is_patch = name == "JSONPatch";
        if !self.bound.contains(&root) || !is_patch && root != "Object" {
            self.wrong = Some(format!("undeclared reference to '{name}' (in container '')"));
        }
        let fields = entries.iter().filter_map(|entry| match &entry.expr {
            EntryExpr::StructField(field) => Some(field.field.as_str()),
            EntryExpr::MapEntry(_) => None,
        });
        let mut unknown = fields.filter(|field| is_patch && !PATCH_FIELDS.contains(field));
        if let Some(field) = unknown.next() {
            self.wrong = Some(format!("undefined field '{field}'"));
        }
    }

    fn variable(&mut self, name: &str) {
        let known = name.starts_with('@') || self.bound.contains(&name) || TYPES.contains(&name);
        if !known {
            self.wrong = Some(format!("undeclared reference to '{name}' (in container '')"));
        }
    }

    fn function(&mut self, name: &str) {
        let last = name.rsplit('.').next().unwrap_or(name);
        let is_operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !is_operator && !FUNCTIONS.contains(&last) {
            self.wrong = Some(format!("undeclared reference to '{name}' (in container '')"));
        }
    }
}
