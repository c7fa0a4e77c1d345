//! Starts structured logging: text for people, JSON for machines, filtered by `ODEON_LOG`.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use crate::{metrics, process};

/// The environment variable with the filter: `info`, `debug,bus=trace`.
const FILTER_VARIABLE: &str = "ODEON_LOG";
/// The environment variable with the format: `text` or `json`.
const FORMAT_VARIABLE: &str = "ODEON_LOG_FORMAT";
/// Our own crates at `info`; what we depend on only when something is wrong.
const DEFAULT_FILTER: &str = "info,async_nats=warn,hyper=warn,rustls=warn,bollard=warn,actix=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is not a log format: use text or json")),
        }
    }
}

/// What the command line says about logs; the environment fills in what it leaves open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `None`: `ODEON_LOG_FORMAT`, else text.
    pub format: Option<LogFormat>,
    /// `None`: `ODEON_LOG`, else `info` with quieter dependencies.
    pub filter: Option<String>,
}

/// Logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter does not parse.
    #[error("`{filter}` is not a log filter")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// `ODEON_LOG_FORMAT` is neither text nor json.
    #[error("{0}")]
    Format(String),
    /// Something else has installed a subscriber before.
    #[error("logging is already started")]
    AlreadyStarted,
}

/// Starts logging to standard error and registers what every process measures of itself. Call once per process.
pub fn init(service: &str, options: Options) -> Result<(), InitError> {
    let filter = filter(options.filter)?;
    let format = format(options.format)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    metrics::register(Box::new(process::ProcessCollector::new()));
    metrics::int_gauge_vec(
        "odeon_build_info",
        "Always 1; the labels say what runs.",
        &["service", "version"],
    )
    .with_label_values(&[service, env!("CARGO_PKG_VERSION")])
    .set(1);
    started.map_err(|_| InitError::AlreadyStarted)
}

fn filter(given: Option<String>) -> Result<EnvFilter, InitError> {
    let filter = given
        .or_else(|| std::env::var(FILTER_VARIABLE).ok())
        .filter(|filter| !filter.trim().is_empty())
        .unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    EnvFilter::try_new(&filter).map_err(|source| InitError::Filter { filter, source })
}

fn format(given: Option<LogFormat>) -> Result<LogFormat, InitError> {
    match (given, std::env::var(FORMAT_VARIABLE)) {
        (Some(format), _) => Ok(format),
        (None, Ok(text)) if !text.is_empty() => text.parse().map_err(InitError::Format),
        (None, _) => Ok(LogFormat::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = filter(Some("bus=loud".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "`bus=loud` is not a log filter");
    }

    #[test]
    fn formats_parse() {
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("xml".parse::<LogFormat>(), Err("`xml` is not a log format: use text or json".to_owned()));
    }
}
