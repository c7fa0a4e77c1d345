//! Finds the two streams that make one forwarded connection: one for its bytes, one for what went wrong.

use std::collections::HashMap;

use crate::spdy::Headers;

/// Pairs that may wait for their second stream at once.
const WAITING: usize = 1_000;

/// Streams that wait for their other half.
#[derive(Debug, Default)]
pub struct Pairs {
    waiting: HashMap<String, Half>,
}

/// One stream of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Error { stream: u32 },
    Data { stream: u32, port: u16 },
}

/// What to do about a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is not as agreed.
    Refuse,
    /// Its other half comes later.
    Wait,
    /// Both halves are there.
    Connect {
        /// Carries the connection's bytes.
        data: u32,
        /// Carries what went wrong.
        error: u32,
        /// The port in the pod.
        port: u16,
    },
}

impl Pairs {
    /// Takes a new stream.
    pub fn open(&mut self, stream: u32, headers: &Headers) -> Step {
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let Some(port) = header("port").parse::<u16>().ok().filter(|port| *port > 0) else {
            return Step::Refuse;
        };
        let half = match header("streamtype") {
            "error" => Half::Error { stream },
            "data" => Half::Data { stream, port },
            _ => return Step::Refuse,
        };
        let request = match (header("requestid"), half) {
            // Old clients open the error stream first and say no more: its number stands for the pair.
            ("", Half::Error { stream }) => stream.to_string(),
            ("", Half::Data { stream, .. }) => stream.saturating_sub(2).to_string(),
            (request, _) => request.to_owned(),
        };
        match (self.waiting.remove(&request), half) {
            (None, _) if self.waiting.len() >= WAITING => Step::Refuse,
            (None, half) => {
                self.waiting.insert(request, half);
                Step::Wait
            }
            (Some(Half::Error { stream: error }), Half::Data { stream: data, port })
            | (Some(Half::Data { stream: data, port }), Half::Error { stream: error }) => {
                Step::Connect { data, error, port }
            }
            (Some(first), _) => {
                self.waiting.insert(request, first);
                Step::Refuse
            }
        }
    }

    /// A stream has gone before its other half came.
    pub fn forget(&mut self, gone: u32) {
        self.waiting.retain(|_, half| match half {
            Half::Error { stream } | Half::Data { stream, .. } => *stream != gone,
        });
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A line is `<stream> <header>=<value>…`, or `gone <stream>`.
    fn check(streams: &str, expected: Expect) {
        let mut pairs = Pairs::default();
        let mut steps = String::new();
        for line in streams.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (stream, rest) = line.split_once(' ').unwrap();
            if stream == "gone" {
                pairs.forget(rest.parse().unwrap());
                continue;
            }
            let headers = rest
                .split(' ')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            steps += &format!("{line}: {:?}\n", pairs.open(stream.parse().unwrap(), &headers));
        }
        expected.assert_eq(&steps);
    }

    #[test]
    fn halves_find_each_other() {
        check(
            "1 streamtype=error port=80 requestid=0
             3 streamtype=error port=81 requestid=1
             5 streamtype=data port=80 requestid=0
             7 streamtype=data port=81 requestid=1
             9 streamtype=data port=82 requestid=2
             11 streamtype=error port=82 requestid=2
             13 streamtype=error port=83
             15 streamtype=data port=83",
            expect![[r#"
                1 streamtype=error port=80 requestid=0: Wait
                3 streamtype=error port=81 requestid=1: Wait
                5 streamtype=data port=80 requestid=0: Connect { data: 5, error: 1, port: 80 }
                7 streamtype=data port=81 requestid=1: Connect { data: 7, error: 3, port: 81 }
                9 streamtype=data port=82 requestid=2: Wait
                11 streamtype=error port=82 requestid=2: Connect { data: 9, error: 11, port: 82 }
                13 streamtype=error port=83: Wait
                15 streamtype=data port=83: Connect { data: 15, error: 13, port: 83 }
            "#]],
        );
    }

    #[test]
    fn what_is_not_agreed_is_refused() {
        check(
            "1 streamtype=error requestid=0
             3 streamtype=error port=0 requestid=0
             5 streamtype=error port=65536 requestid=0
             7 streamtype=stdin port=80 requestid=0
             9 streamtype=error port=80 requestid=0
             11 streamtype=error port=80 requestid=0
             gone 9
             13 streamtype=data port=80 requestid=0",
            expect![[r#"
                1 streamtype=error requestid=0: Refuse
                3 streamtype=error port=0 requestid=0: Refuse
                5 streamtype=error port=65536 requestid=0: Refuse
                7 streamtype=stdin port=80 requestid=0: Refuse
                9 streamtype=error port=80 requestid=0: Wait
                11 streamtype=error port=80 requestid=0: Refuse
                13 streamtype=data port=80 requestid=0: Wait
            "#]],
        );
    }
}
