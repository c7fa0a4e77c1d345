//! How a conversation ended, as clients are told.

use serde_json::{Value, json};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Done,
    /// The command failed by itself, with this code.
    Exited(i64),
    /// The command could not be run or heard.
    Failed(String),
}

impl Ending {
    /// As a `Status`.
    pub fn status(&self) -> Value {
        match self {
            Self::Done => json!({"metadata": {}, "status": "Success"}),
            Self::Exited(code) => json!({
                "metadata": {},
                "status": "Failure",
                "message": self.message(),
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
            }),
            Self::Failed(why) => json!({
                "metadata": {},
                "status": "Failure",
                "message": self.message(),
                "reason": "InternalError",
                "details": {"causes": [{"message": why}]},
                "code": 500,
            }),
        }
    }

    /// In words; nothing if it ended as it should.
    pub fn message(&self) -> String {
        match self {
            Self::Done => String::new(),
            Self::Exited(code) => {
                format!("command terminated with non-zero exit code: exit status {code}")
            }
            Self::Failed(why) => format!("Internal error occurred: {why}"),
        }
    }
}
