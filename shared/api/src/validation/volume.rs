//! Rules of volumes.

use std::collections::HashSet;

use serde_json::Value;

use super::Errors;
use super::container::relative;
use super::format::{config_key, dns_label};
use crate::json::{int, items, text};

/// Checks a pod spec's volumes and returns their names.
pub(super) fn volumes<'a>(errors: &mut Errors, spec: &'a Value, path: &str) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for (index, volume) in items(spec, "/volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        source(errors, volume, &path);
        match text(volume, "/name") {
            "" => errors.required(format!("{path}.name"), ""),
            name if names.contains(name) => errors.duplicate(format!("{path}.name"), name),
            name => {
                errors.format(&format!("{path}.name"), name, dns_label(name));
                names.insert(name);
            }
        }
    }
    names
}

fn source(errors: &mut Errors, volume: &Value, path: &str) {
    let sources = volume.as_object().into_iter().flatten().filter(|(key, _)| *key != "name");
    for (position, (kind, source)) in sources.enumerate() {
        let path = format!("{path}.{kind}");
        if position > 0 {
            errors.forbidden(path, "may not specify more than 1 volume type");
            continue;
        }
        match kind.as_str() {
            "secret" => errors.needs(source, &path, "secretName"),
            "configMap" => errors.needs(source, &path, "name"),
            "hostPath" => host_path(errors, source, &path),
            "persistentVolumeClaim" => errors.needs(source, &path, "claimName"),
            "emptyDir" => {
                let limit = text(source, "/sizeLimit");
                if !limit.is_empty() {
                    super::resources::amount_of(errors, &format!("{path}.sizeLimit"), limit);
                }
            }
            _ => {}
        }
        mode(errors, source, "defaultMode", &path);
        keys(errors, source, &path, kind == "downwardAPI");
        for (index, projection) in items(source, "/sources").iter().enumerate() {
            for (kind, projection) in projection.as_object().into_iter().flatten() {
                let path = format!("{path}.sources[{index}].{kind}");
                if matches!(kind.as_str(), "secret" | "configMap") {
                    errors.needs(projection, &path, "name");
                }
                keys(errors, projection, &path, kind == "downwardAPI");
            }
        }
    }
}

pub(super) fn host_path(errors: &mut Errors, source: &Value, path: &str) {
    errors.needs(source, path, "path");
    let place = text(source, "/path");
    if place.split('/').any(|part| part == "..") {
        errors.invalid(format!("{path}.path"), place, "must not contain '..'");
    }
    let kinds =
        ["BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    errors.one_of(format!("{path}.type"), text(source, "/type"), &kinds, false);
}

fn keys(errors: &mut Errors, source: &Value, path: &str, downward: bool) {
    for (index, item) in items(source, "/items").iter().enumerate() {
        let path = format!("{path}.items[{index}]");
        let key = text(item, "/key");
        match (downward, key) {
            (true, _) => {}
            (false, "") => errors.required(format!("{path}.key"), ""),
            (false, key) => errors.format(&format!("{path}.key"), key, config_key(key)),
        }
        errors.needs(item, &path, "path");
        relative(errors, &format!("{path}.path"), text(item, "/path"));
        mode(errors, item, "mode", &path);
    }
}

fn mode(errors: &mut Errors, source: &Value, key: &str, path: &str) {
    if let Some(mode) = int(source, &format!("/{key}")).filter(|mode| !(0..=0o777).contains(mode)) {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(format!("{path}.{key}"), mode, detail);
    }
}
