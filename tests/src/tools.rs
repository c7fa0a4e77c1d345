//! Finds and runs the programs that the tests drive.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How often a predicate is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A binary of ours, `odeon` or `hello`: in `$ODEON_BIN_DIR` (set by `make test`), else in `bin` (`make build`).
///
/// # Panics
/// It is not there.
#[expect(clippy::panic, reason = "a test without its subject has failed")]
pub fn binary(name: &str) -> PathBuf {
    let directory = std::env::var_os("ODEON_BIN_DIR").map_or_else(|| repository().join("bin"), PathBuf::from);
    let path = directory.join(name);
    if !path.is_file() {
        panic!("{} is missing: run `make build` first, or `make test`, which builds it", path.display());
    }
    path
}

/// The binary under test.
pub fn odeon() -> PathBuf {
    binary("odeon")
}

/// A program that `make tools` put into `.odeon/tools`.
///
/// # Panics
/// It is not there.
#[expect(clippy::panic, reason = "a test without its tools has failed")]
pub fn tool(name: &str) -> PathBuf {
    let path = repository().join(".odeon/tools").join(name);
    if !path.exists() {
        panic!("{} is missing: run `make tools` first, or `make test`, which does", path.display());
    }
    path
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Output {
    /// It exited with 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output of a program that succeeded.
    ///
    /// # Panics
    /// It failed; both outputs are shown.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success, "failed:\n{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error of a program that failed.
    ///
    /// # Panics
    /// It succeeded.
    #[track_caller]
    pub fn err(self) -> String {
        assert!(!self.success, "succeeded:\n{}", self.stdout);
        self.stderr
    }
}

/// Runs a command to its end.
///
/// # Panics
/// It cannot be started.
#[expect(clippy::panic, reason = "a test without its tools has failed")]
pub fn run(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => panic!("cannot run {command:?}: {error}"),
    }
}

/// Waits until `look` finds something.
///
/// # Panics
/// It does not within `limit`; `what` and the last thing seen are shown.
#[track_caller]
#[expect(clippy::panic, reason = "a deadline that passed is a failed test")]
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if Instant::now() > deadline => {
                panic!("not within {limit:?}: {what}; last seen: {last}")
            }
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}
