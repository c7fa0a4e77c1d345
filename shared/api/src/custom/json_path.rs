//! The JSONPath of printer columns: `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::{Number, Value};

/// A path from an object to some of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

/// A text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// `[0]`, `[-1]`.
    Index(i64),
    /// `[1:3]`.
    Slice(Option<i64>, Option<i64>),
    /// `[*]`, `.*`.
    All,
    /// `..name`.
    Deep(String),
    /// `[?(@.a == "b")]`.
    Filter(Filter),
}

/// Which elements of a list a path goes on with.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    path: JsonPath,
    /// `None`: something stands there.
    test: Option<(Comparison, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl JsonPath {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let mut reader = Reader { rest: inner.strip_prefix(['$', '@']).unwrap_or(inner) };
        let mut steps = Vec::new();
        while !reader.rest.is_empty() {
            steps.push(reader.step()?);
        }
        Ok(Self(steps))
    }

    /// A path of plain fields.
    pub fn of_fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Step::Field((*name).to_owned())).collect())
    }

    /// The values that it leads to, in order.
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.0
            .iter()
            .fold(vec![value], |found, step| found.into_iter().flat_map(|value| step.from(value)).collect())
    }

    /// The names of its fields, if it consists of nothing else.
    pub fn fields(&self) -> Option<Vec<&str>> {
        self.0.iter().map(Step::name).collect()
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            _ => None,
        }
    }

    fn from<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => elements.get(place(*index, elements.len())).into_iter().collect(),
            Self::Slice(start, end) => {
                let start = start.map_or(0, |start| place(start, elements.len()));
                let end = end.map_or(elements.len(), |end| place(end, elements.len()));
                elements.iter().take(end).skip(start).collect()
            }
            Self::All => match value {
                Value::Object(fields) => fields.values().collect(),
                _ => elements.iter().collect(),
            },
            Self::Deep(name) => deep(value, name),
            Self::Filter(filter) => elements.iter().filter(|element| filter.holds(element)).collect(),
        }
    }
}

/// Negative places count from the end.
fn place(index: i64, length: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => usize::try_from(index.unsigned_abs()).map_or(usize::MAX, |back| length.wrapping_sub(back)),
    }
}

fn deep<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    let mut found: Vec<&Value> = value.get(name).into_iter().collect();
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    found.extend(inner.into_iter().flat_map(|value| deep(value, name)));
    found
}

impl Filter {
    fn holds(&self, element: &Value) -> bool {
        let found = self.path.find(element);
        let Some((comparison, wanted)) = &self.test else { return !found.is_empty() };
        found.first().is_some_and(|found| comparison.holds(found, wanted))
    }
}

impl Comparison {
    fn holds(self, found: &Value, wanted: &Value) -> bool {
        let order = match (found, wanted) {
            (Value::Number(found), Value::Number(wanted)) => found.as_f64().partial_cmp(&wanted.as_f64()),
            (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
            (found, wanted) => {
                return (found == wanted) == (self == Self::Equal)
                    && matches!(self, Self::Equal | Self::NotEqual);
            }
        };
        order.is_some_and(|order| match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn step(&mut self) -> Result<Step, PathError> {
        if let Some(rest) = self.rest.strip_prefix("..") {
            self.rest = rest;
            return self.name().map(Step::Deep);
        }
        if let Some(rest) = self.rest.strip_prefix('[') {
            return self.bracket(rest);
        }
        self.rest = self.rest.strip_prefix('.').unwrap_or(self.rest);
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Ok(Step::All);
        }
        if self.rest.starts_with('[') {
            return self.step();
        }
        self.name().map(Step::Field)
    }

    /// A name ends at the next dot or bracket that is not escaped.
    fn name(&mut self) -> Result<String, PathError> {
        let (mut name, mut escaped, mut end) = (String::new(), false, self.rest.len());
        for (at, c) in self.rest.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '.' | '[' if !escaped => {
                    end = at;
                    break;
                }
                c => {
                    name.push(c);
                    escaped = false;
                }
            }
        }
        let whole = self.rest;
        self.rest = whole.get(end..).unwrap_or_default();
        match name.is_empty() || name.contains(char::is_whitespace) {
            true => Err(PathError(format!("unrecognized character in {whole:?}"))),
            false => Ok(name),
        }
    }

    fn bracket(&mut self, inside: &str) -> Result<Step, PathError> {
        let unterminated = || PathError("unterminated array".to_owned());
        if let Some(filter) = inside.strip_prefix("?(") {
            let (filter, rest) = filter.split_once(")]").ok_or_else(unterminated)?;
            let step = Filter::parse(filter).map(Step::Filter);
            self.skip_to(rest);
            return step;
        }
        for quote in ['\'', '"'] {
            if let Some(quoted) = inside.strip_prefix(quote) {
                let (name, rest) = quoted.split_once(&format!("{quote}]")).ok_or_else(unterminated)?;
                let name = name.replace('\\', "");
                self.skip_to(rest);
                return Ok(Step::Field(name));
            }
        }
        let (index, rest) = inside.split_once(']').ok_or_else(unterminated)?;
        let wrong = || PathError(format!("invalid array index {index}"));
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some).map_err(|_| wrong()),
        };
        let step = match index.split_once(':') {
            _ if index.trim() == "*" => Step::All,
            Some((start, end)) => Step::Slice(number(start)?, number(end)?),
            None => Step::Index(number(index)?.ok_or_else(wrong)?),
        };
        self.skip_to(rest);
        Ok(step)
    }

    /// Goes on with `rest`, which is an end of what is left.
    fn skip_to(&mut self, rest: &str) {
        self.rest = self.rest.get(self.rest.len() - rest.len()..).unwrap_or_default();
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, PathError> {
        let found = COMPARISONS
            .iter()
            .filter_map(|(sign, comparison)| Some((text.find(sign)?, *sign, *comparison)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let Some((at, sign, comparison)) = found else {
            return Ok(Self { path: JsonPath::parse(text.trim())?, test: None });
        };
        let (path, literal) =
            (text.get(..at).unwrap_or_default(), text.get(at + sign.len()..).unwrap_or_default());
        Ok(Self { path: JsonPath::parse(path.trim())?, test: Some((comparison, value(literal.trim())?)) })
    }
}

fn value(text: &str) -> Result<Value, PathError> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return Ok(Value::String(inner.to_owned()));
        }
    }
    let wrong = || PathError(format!("unrecognized identifier {text}"));
    match text {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => text.parse::<Number>().map(Value::Number).map_err(|_| wrong()),
    }
}
