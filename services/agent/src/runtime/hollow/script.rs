//! Reads when a hollow container ends by itself: `true`, `false`, `sleep 3`, `exit 7`, also behind `sh -c` and in sequence.

use std::time::Duration;

/// How a container's process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ending {
    /// After so long.
    pub after: Duration,
    /// With this code.
    pub code: i32,
}

/// The end of a command, if it is one of the few that a hollow container can pretend to run. All others run until they are told to stop.
pub fn ending(command: &[String], args: &[String]) -> Option<Ending> {
    let words: Vec<&str> = command.iter().chain(args).map(String::as_str).collect();
    match words.as_slice() {
        [shell, "-c", script, ..] if is_shell(shell) => sequence(script.split([';', '\n'])),
        words => sequence(std::iter::once(words.join(" ").as_str())),
    }
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "ash"))
}

fn sequence<'a>(commands: impl Iterator<Item = &'a str>) -> Option<Ending> {
    let mut end = Ending { after: Duration::ZERO, code: 0 };
    let mut any = false;
    for command in commands.map(str::trim).filter(|command| !command.is_empty()) {
        any = true;
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["true" | ":"] | ["echo" | "date", ..] => end.code = 0,
            ["false"] => end.code = 1,
            ["sleep", seconds] => {
                let seconds: f64 = seconds.trim_end_matches('s').parse().ok()?;
                end.after = end.after.saturating_add(Duration::try_from_secs_f64(seconds).ok()?);
                end.code = 0;
            }
            ["exit", code] => return Some(Ending { code: code.parse().ok()?, ..end }),
            ["exit"] => return Some(end),
            _ => return None,
        }
    }
    any.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Option<(u128, i32)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        ending(&words, &[]).map(|end| (end.after.as_millis(), end.code))
    }

    #[test]
    fn a_few_commands_end_by_themselves() {
        assert_eq!(of(&["true"]), Some((0, 0)));
        assert_eq!(of(&["sleep", "1.5"]), Some((1500, 0)));
        assert_eq!(of(&["/bin/sh", "-c", "date; echo Hello; sleep 2; exit 3"]), Some((2000, 3)));
        assert_eq!(of(&["sh", "-c", "false"]), Some((0, 1)));
        assert_eq!(of(&["nginx", "-g", "daemon off;"]), None);
        assert_eq!(of(&["sleep", "infinity"]), None);
        assert_eq!(of(&[]), None);
    }
}
