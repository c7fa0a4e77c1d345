//! Reads `Accept`: whole objects, a table, or metadata only.

use crate::failure::Failure;

/// The form in which objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Whole,
    /// `meta.k8s.io/v1 Table`: `kubectl get`.
    Table,
    /// `meta.k8s.io/v1 PartialObjectMetadata`.
    Metadata,
}

/// One entry of `Accept`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaRange {
    /// `application/json`.
    pub kind: String,
    /// The `as` parameter.
    pub form: String,
    /// The `g` parameter.
    pub group: String,
    /// The `v` parameter.
    pub version: String,
    /// The `q` parameter in thousandths.
    pub quality: u32,
}

/// Reads an `Accept` header, best first. An absent or empty one accepts everything.
pub fn media_ranges(accept: &str) -> Vec<MediaRange> {
    let mut ranges: Vec<MediaRange> =
        accept.split(',').map(str::trim).filter(|text| !text.is_empty()).map(range).collect();
    if ranges.is_empty() {
        ranges.push(MediaRange { kind: "*/*".to_owned(), quality: 1000, ..MediaRange::default() });
    }
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
    ranges
}

fn range(text: &str) -> MediaRange {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let mut range = MediaRange { kind, quality: 1000, ..MediaRange::default() };
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "as" => range.form = value.to_owned(),
            "g" => range.group = value.to_owned(),
            "v" => range.version = value.to_owned(),
            "q" => range.quality = value.parse::<f32>().map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u32),
            _ => {}
        }
    }
    range
}

impl MediaRange {
    /// Protobuf satisfies it.
    fn takes_protobuf(&self) -> bool {
        self.kind == "application/vnd.kubernetes.protobuf" && self.form != "Table"
    }

    /// YAML satisfies it, which is JSON until it goes out.
    fn takes_yaml(&self) -> bool {
        self.kind == "application/yaml"
    }

    /// JSON satisfies it.
    pub fn takes_json(&self) -> bool {
        matches!(self.kind.as_str(), "*/*" | "application/*" | "application/json")
    }
}

/// The form of the first range that can be served.
pub fn form(accept: &str) -> Result<Form, Failure> {
    let known = |range: &MediaRange| match (range.form.as_str(), range.version.as_str()) {
        ("", _) => Some(Form::Whole),
        ("Table", "v1" | "v1beta1") => Some(Form::Table),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "v1" | "v1beta1") => Some(Form::Metadata),
        _ => None,
    };
    let ranges = media_ranges(accept);
    let json = ranges.iter().filter(|range| range.takes_json() || range.takes_yaml()).find_map(known);
    // Whoever takes JSON gets it; `protobuf` translates for the others.
    let protobuf = || ranges.iter().filter(|range| range.takes_protobuf()).find_map(known);
    json.or_else(protobuf).ok_or_else(Failure::not_acceptable)
}

/// A watch is sent as JSON or, of what has such a form, as protobuf.
pub fn can_stream(accept: &str, as_protobuf: bool) -> Result<(), Failure> {
    const STREAMS: [&str; 2] =
        ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
    let fits = |range: &MediaRange| range.takes_json() || as_protobuf && range.takes_protobuf();
    match media_ranges(accept).iter().any(fits) {
        true => Ok(()),
        false => Err(api::status::not_acceptable(&STREAMS).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_understood() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form(table), Ok(Form::Table));
        assert_eq!(form("application/vnd.kubernetes.protobuf,application/json"), Ok(Form::Whole));
        assert_eq!(
            form(
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            ),
            Ok(Form::Metadata)
        );
        assert_eq!(form(""), Ok(Form::Whole));
        assert_eq!(form("application/json;as=Chair;v=v1,*/*;q=0.1"), Ok(Form::Whole));
        assert_eq!(form("application/vnd.kubernetes.protobuf"), Ok(Form::Whole));
        assert_eq!(form("application/yaml"), Ok(Form::Whole));
        assert!(can_stream("application/yaml", true).is_err());
        assert!(can_stream("application/vnd.kubernetes.protobuf;stream=watch", true).is_ok());
        assert!(can_stream("application/vnd.kubernetes.protobuf", false).is_err());
        assert_eq!(form("text/html").map_err(|failure| failure.code()), Err(406));
    }
}
