//! The kubectl-style verbs: each a small client of the same API that kubectl uses.

mod apply;
mod delete;
mod describe;
mod get;
mod logs;
mod rollout;
mod scale;
mod table;
mod why;

pub use apply::{Apply, apply};
pub use delete::{Delete, delete};
pub use describe::{Describe, describe};
pub use get::{Get, get};
pub use logs::{Logs, logs};
pub use rollout::{Rollout, rollout};
pub use scale::{Scale, scale};
pub use table::align;
pub use why::{Why, why};

/// Which namespace a command is about.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Scope {
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub namespace: Option<String>,
}

impl Scope {
    /// The namespace to use with this client.
    pub fn namespace<'a>(&'a self, client: &'a crate::client::Client) -> &'a str {
        self.namespace.as_deref().unwrap_or(&client.namespace)
    }
}

/// Percent-encodes a query value.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
