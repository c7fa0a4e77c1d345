//! Named formats: `!format.dns1123Label().validate(self.name).hasValue()`.

use cel::common::types::{CelList, CelString, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::{failed, optional, taken};
use crate::cel::native::{Named, Native, named};
use crate::structural::formats::Format;
use crate::validation::{dns_1035_label, dns_label, dns_subdomain, label_value, qualified_name};

/// What is wrong with a text, if anything is.
type Check = fn(&str) -> Vec<String>;

/// A format with a name.
#[derive(Clone, Copy)]
struct NamedFormat {
    name: &'static str,
    check: Check,
}

named! { NamedFormat => "kubernetes.NamedFormat" }

const FORMATS: [(&str, Check); 13] = [
    ("dns1123Label", dns_label),
    ("dns1123Subdomain", dns_subdomain),
    ("dns1035Label", dns_1035_label),
    ("qualifiedName", qualified_name),
    ("dns1123LabelPrefix", |text| dns_label(&without_hyphen(text))),
    ("dns1123SubdomainPrefix", |text| dns_subdomain(&without_hyphen(text))),
    ("dns1035LabelPrefix", |text| dns_1035_label(&without_hyphen(text))),
    ("labelValue", label_value),
    ("uri", |text| of_schemas("uri", text, "invalid URI")),
    ("uuid", |text| of_schemas("uuid", text, "does not match the UUID format")),
    ("byte", |text| of_schemas("byte", text, "invalid base64")),
    ("date", |text| of_schemas("date", text, "invalid date")),
    ("datetime", |text| of_schemas("date-time", text, "invalid datetime")),
];

impl std::fmt::Debug for NamedFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for NamedFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    environment.add_overload("format.named", "format.named(string)", vec![STRING_TYPE], |args| {
        let [name] = taken(args)?;
        let found = name.downcast_ref::<CelString>().and_then(|name| of(name.inner()));
        Ok(optional(found.map(|format| Box::new(Native(format)) as Box<dyn Val>)))
    })?;
    macro_rules! shorthands {
        ($($name:literal),*) => {$(
            environment.add_overload(concat!("format.", $name), $name, Vec::new(), |_| {
                of($name).map(|format| CowVal::owned(Native(format))).ok_or_else(|| failed("no such format"))
            })?;
        )*};
    }
    shorthands!(
        "dns1123Label",
        "dns1123Subdomain",
        "dns1035Label",
        "qualifiedName",
        "dns1123LabelPrefix",
        "dns1123SubdomainPrefix",
        "dns1035LabelPrefix",
        "labelValue",
        "uri",
        "uuid",
        "byte",
        "date",
        "datetime"
    );
    environment.add_member_overload(
        "validate",
        "format.validate(string)",
        NamedFormat::named().to_owned(),
        vec![STRING_TYPE],
        validate,
    )
}

fn of(name: &str) -> Option<NamedFormat> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(name, check)| NamedFormat { name, check: *check })
}

/// Nothing if the text is of the format, else what is wrong.
fn validate<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [format, text] = taken(args)?;
    let format = format.downcast_ref::<Native<NamedFormat>>().ok_or_else(|| failed("no such overload"))?;
    let text = text.downcast_ref::<CelString>().ok_or_else(|| failed("no such overload"))?;
    let wrong = (format.0.check)(text.inner());
    let words = wrong.into_iter().map(|words| Box::new(CelString::from(words)) as Box<dyn Val>);
    let words: Vec<Box<dyn Val>> = words.collect();
    let found: Option<Box<dyn Val>> =
        if words.is_empty() { None } else { Some(Box::new(CelList::from(words))) };
    Ok(optional(found))
}

/// Prefixes of names end with a hyphen.
fn without_hyphen(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => text.to_owned(),
    }
}

fn of_schemas(name: &str, text: &str, wrong: &str) -> Vec<String> {
    let fits = Format::of(name).is_none_or(|format| (format.matches)(text));
    if fits { Vec::new() } else { vec![wrong.to_owned()] }
}
