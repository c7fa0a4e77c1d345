//! A container's environment: literals, fields, ConfigMaps, Secrets, and `$(NAME)` in values and arguments.

use k8s_openapi::api::core::v1 as k8s;

use super::fields::{self, Place};
use super::plan::FullPod;

/// Variables in order; a later one of the same name replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// A container's environment, or what is missing for it.
    pub fn of(full: &FullPod, container: &k8s::Container, place: &Place) -> Result<Self, String> {
        let mut environment = Self::default();
        for source in container.env_from.iter().flatten() {
            environment.take_all(full, source)?;
        }
        for variable in container.env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (Some(value), _) => Some(environment.expand(value)),
                (None, Some(source)) => value_from(full, container, place, source)?,
                (None, None) => Some(String::new()),
            };
            if let Some(value) = value {
                environment.set(&variable.name, value);
            }
        }
        Ok(environment)
    }

    /// `NAME=value` lines.
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Replaces `$(NAME)` by the value of a variable that is known; `$$` stands for `$`; anything else stays.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            expanded.push_str(before);
            let after = from.get(1..).unwrap_or_default();
            rest = if let Some(escaped) = after.strip_prefix('$') {
                expanded.push('$');
                escaped
            } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')'))
            {
                match self.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                tail
            } else {
                expanded.push('$');
                after
            };
        }
        expanded.push_str(rest);
        expanded
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn take_all(&mut self, full: &FullPod, source: &k8s::EnvFromSource) -> Result<(), String> {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &source.config_map_ref {
            match full.config_maps.get(&reference.name) {
                Some(map) => {
                    for (name, value) in map.data.iter().flatten() {
                        self.set(&format!("{prefix}{name}"), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(format!("configmap \"{}\" not found", reference.name)),
            }
        }
        if let Some(reference) = &source.secret_ref {
            match full.secrets.get(&reference.name) {
                Some(secret) => {
                    for (name, value) in secret.data.iter().flatten() {
                        self.set(&format!("{prefix}{name}"), String::from_utf8_lossy(&value.0).into_owned());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(format!("secret \"{}\" not found", reference.name)),
            }
        }
        Ok(())
    }
}

/// `None`: the variable is optional and absent.
fn value_from(
    full: &FullPod,
    container: &k8s::Container,
    place: &Place,
    source: &k8s::EnvVarSource,
) -> Result<Option<String>, String> {
    if let Some(reference) = &source.field_ref {
        let value = fields::field(&full.pod, place, &reference.field_path);
        return value.map(Some).ok_or_else(|| format!("unsupported fieldPath \"{}\"", reference.field_path));
    }
    if let Some(reference) = &source.resource_field_ref {
        let value = fields::resource(&full.pod, place, &container.name, reference);
        return value.map(Some).ok_or_else(|| format!("unsupported resource \"{}\"", reference.resource));
    }
    if let Some(reference) = &source.config_map_key_ref {
        let map = full.config_maps.get(&reference.name);
        let value = map.and_then(|map| map.data.as_ref()?.get(&reference.key)).cloned();
        return required(value, reference.optional, || match map {
            None => format!("configmap \"{}\" not found", reference.name),
            Some(_) => format!("couldn't find key {} in ConfigMap {}", reference.key, reference.name),
        });
    }
    if let Some(reference) = &source.secret_key_ref {
        let secret = full.secrets.get(&reference.name);
        let value = secret.and_then(|secret| secret.data.as_ref()?.get(&reference.key));
        let value = value.map(|value| String::from_utf8_lossy(&value.0).into_owned());
        return required(value, reference.optional, || match secret {
            None => format!("secret \"{}\" not found", reference.name),
            Some(_) => format!("couldn't find key {} in Secret {}", reference.key, reference.name),
        });
    }
    Ok(Some(String::new()))
}

fn required(
    value: Option<String>,
    optional: Option<bool>,
    missing: impl FnOnce() -> String,
) -> Result<Option<String>, String> {
    match value {
        None if optional != Some(true) => Err(missing()),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_where_they_are_known() {
        let environment = Environment(vec![("A".into(), "1".into())]);
        assert_eq!(environment.expand("$(A)-$(B)-$$(A)-$A-$"), "1-$(B)-$(A)-$A-$");
    }
}
