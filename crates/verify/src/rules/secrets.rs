//! Secrets in added lines: what the issuers of keys and tokens made easy to know.

use crate::complaint::{Complaint, Given};

/// How it begins, what follows, and how much of it there must be.
const TOKENS: [(&str, &str, usize); 14] = [
    ("an AWS access key", "AKIA", 16),
    ("an AWS access key", "ASIA", 16),
    ("a GitHub token", "ghp_", 36),
    ("a GitHub token", "gho_", 36),
    ("a GitHub token", "ghs_", 36),
    ("a GitHub token", "github_pat_", 60),
    ("a GitLab token", "glpat-", 20),
    ("a Slack token", "xoxb-", 20),
    ("a Slack token", "xoxp-", 20),
    ("a Stripe key", "sk_live_", 20),
    ("a Google API key", "AIza", 35),
    ("an npm token", "npm_", 36),
    ("a PyPI token", "pypi-AgEIcHlwaS5vcmc", 40),
    ("an age key", "AGE-SECRET-KEY-1", 50),
];

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let added =
        given.diff.files.iter().flat_map(|file| file.added().map(move |(number, line)| (file, number, line)));
    added
        .filter_map(|(file, number, line)| {
            let what = secret(line)?;
            let why = format!("holds {what}: take it back, and write none into the repository");
            Some(Complaint::refused(format!("{}:{number}", file.path()), why))
        })
        .collect()
}

fn secret(line: &str) -> Option<&'static str> {
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    TOKENS.into_iter().find_map(|(what, begins, length)| {
        let found = line.match_indices(begins).any(|(at, _)| {
            let before = line.as_bytes()[..at].last().is_some_and(|byte| byte.is_ascii_alphanumeric());
            let rest = line.as_bytes()[at + begins.len()..].iter().take_while(|byte| is_part(byte)).count();
            !before && rest >= length
        });
        found.then_some(what)
    })
}

#[cfg(test)]
mod tests {
    use super::secret;

    #[test]
    fn tokens_are_known_by_how_they_begin_and_how_long_they_are() {
        let token = |begins: &str, length: usize| format!("key = \"{begins}{}\"", "A1".repeat(length));
        assert_eq!(secret(&token("AKIA", 8)), Some("an AWS access key"));
        assert_eq!(secret(&token("ghp_", 18)), Some("a GitHub token"));
        assert_eq!(secret(&format!("-----BEGIN {} KEY-----", "EC PRIVATE")), Some("a private key"));
        assert_eq!(secret("a task_AKIA and AKIA, ghp_short"), None);
        assert_eq!(secret(&token("xAKIA", 8)), None);
    }
}
