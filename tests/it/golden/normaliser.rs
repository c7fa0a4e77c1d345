//! Replaces what differs from run to run: ages, times, uids, addresses, revisions, made-up suffixes, the width of columns.

use regex::Regex;

/// What stands for what, in order.
const PATTERNS: &[(&str, &str)] = &[
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<hash>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r"W\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "W<time> "),
    (r"https://127\.0\.0\.1:\d+", "<server>"),
    (r"targetPort: [3-6]\d{4}", "targetPort: <port>"),
    (r"\b10\.\d+\.\d+\.\d+\b", "<ip>"),
    (r#"(resourceVersion"?: ?)"\d+""#, r#"$1"<version>""#),
    (r"hollow-[0-9a-f]{16}", "hollow-<id>"),
    (r"\.[0-9a-f]{16}\b", ".<id>"),
    (r"-[bcdfghjklmnpqrstvwxz2456789]{7,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<hash>-<suffix>"),
    (r"-[bcdfghjklmnpqrstvwxz2456789]{7,10}\b", "-<hash>"),
    (r"kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "kube-api-access-<suffix>"),
    (r"\bnode-[01]\b", "node-<n>"),
    (r"pod-template-hash([=:] ?)[bcdfghjklmnpqrstvwxz2456789]+", "pod-template-hash$1<hash>"),
    (r"\b(\d+d)?(\d+h)?(\d+m)?\d+s\b( ago)?", "<age>$4"),
];

/// Makes the outputs of two runs the same.
pub struct Normaliser {
    patterns: Vec<(Regex, &'static str)>,
    /// Between two columns, which are as wide as their widest cells.
    gap: Regex,
}

impl Normaliser {
    /// The normaliser of all sessions.
    pub fn new() -> Self {
        let patterns = PATTERNS.iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), *name)).collect();
        Self { patterns, gap: Regex::new(r"   +|\t").unwrap() }
    }

    /// The output without what differs.
    pub fn normalised(&self, output: &str) -> String {
        let replaced = self
            .patterns
            .iter()
            .fold(output.to_owned(), |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned());
        replaced.lines().map(|line| format!("{}\n", self.narrowed(line))).collect()
    }

    /// Keeps the indentation, also of lines of a difference.
    fn narrowed(&self, line: &str) -> String {
        let body = line.trim_start_matches(['+', '-']).trim_start();
        let indentation = line.strip_suffix(body).unwrap_or_default();
        format!("{indentation}{}", self.gap.replace_all(body.trim_end(), "  "))
    }
}

#[test]
fn columns_and_ages_are_the_same() {
    let normaliser = Normaliser::new();
    assert_eq!(
        normaliser.normalised("web-5c9f7d8b6-x7k2p   1/1     12s\n"),
        "web-<hash>-<suffix>  1/1  <age>\n"
    );
    assert_eq!(normaliser.normalised("+      - image: a\n  b:   c \n"), "+      - image: a\n  b:  c\n");
}
