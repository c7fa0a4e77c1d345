//! Words, values, durations and paths of the cluster language.

use std::time::Duration;

use serde_json::{Map, Value};

/// `key`, `key=value`, or a brace with everything up to its partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

impl Word {
    /// The value, which must be there.
    pub(crate) fn text(&self) -> Result<&str, String> {
        self.value.as_deref().ok_or_else(|| format!("`{}` needs a value", self.key))
    }

    /// The value as JSON if it is JSON, else as text.
    pub(crate) fn json(&self) -> Value {
        let text = self.value.clone().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// As it was written, without quotes.
    pub(crate) fn whole(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Splits at spaces outside of quotes and brackets; quotes around a value are taken off.
pub(crate) fn split_words(line: &str) -> Result<Vec<Word>, String> {
    let (mut texts, mut text, mut depth, mut quoted) = (Vec::new(), String::new(), 0_u32, false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => {
                depth = depth.checked_sub(1).ok_or("a bracket is closed that was not open")?
            }
            _ => {}
        }
        if character.is_whitespace() && depth == 0 && !quoted {
            texts.push(std::mem::take(&mut text));
        } else {
            text.push(character);
        }
    }
    if quoted || depth > 0 {
        return Err("a quote or bracket is not closed".to_owned());
    }
    texts.push(text);
    Ok(texts.into_iter().filter(|text| !text.is_empty()).map(|text| word(&text)).collect())
}

fn word(text: &str) -> Word {
    let unquoted = |value: &str| {
        value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).to_owned()
    };
    match text.split_once('=').filter(|_| !text.starts_with('{')) {
        Some((key, value)) => Word { key: key.to_owned(), value: Some(unquoted(value)) },
        None => Word { key: text.to_owned(), value: None },
    }
}

/// `a=b,c=d`.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not `key=value`"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split(',').map(pair).collect()
}

/// `500ms`, `30s`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{text}` is not a duration")),
    };
    Ok(Duration::from_millis(number * milliseconds))
}

/// The place at a dotted path, made if it is absent. A key with dots is written in brackets: `data.[tls.crt]`.
pub(crate) fn slot<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    segments(path).into_iter().fold(value, |value, segment| match segment.parse::<usize>() {
        Ok(index) => element(value, index),
        Err(_) => field(value, segment),
    })
}

fn segments(path: &str) -> Vec<&str> {
    let (mut segments, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (segment, behind) =
            bracketed.unwrap_or_else(|| rest.split_at(rest.find('.').unwrap_or(rest.len())));
        segments.push(segment);
        rest = behind.strip_prefix('.').unwrap_or(behind);
    }
    segments
}

fn field<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    // It is an object now, and indexing an object makes the entry.
    &mut value[key]
}

fn element(value: &mut Value, index: usize) -> &mut Value {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    if let Some(array) = value.as_array_mut() {
        array.resize(array.len().max(index + 1), Value::Null);
    }
    // It is an array that is long enough now.
    &mut value[index]
}
