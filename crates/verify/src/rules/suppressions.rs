//! A warning that is turned off is not a problem that is gone: skips, suppressions, ignored advisories in added lines.

use std::collections::{BTreeMap, BTreeSet};

use crate::complaint::{Complaint, Given};
use crate::diff::{File, Kind};
use crate::kinds::FileKind;

/// Turns a test off, in any language that is known here.
const SKIPS: [&str; 19] = [
    "#[ignore",
    "@pytest.mark.skip",
    "@pytest.mark.xfail",
    "pytest.skip(",
    "@unittest.skip",
    "@skip",
    "self.skipTest(",
    "@Disabled",
    "@Ignore",
    "it.skip(",
    "test.skip(",
    "describe.skip(",
    "it.todo(",
    "xit(",
    "xtest(",
    "xdescribe(",
    "t.Skip(",
    "t.SkipNow(",
    "t.Skipf(",
];

/// Turns a scanner or a linter off.
const SILENCERS: [&str; 34] = [
    "// nosec",
    "//nosec",
    "#nosec",
    "# nosec",
    "nosemgrep",
    "# noqa",
    "#noqa",
    "# type: ignore",
    "# pyright: ignore",
    "# pylint: disable",
    "# ruff: noqa",
    "# flake8: noqa",
    "eslint-disable",
    "biome-ignore",
    "@ts-ignore",
    "@ts-expect-error",
    "@ts-nocheck",
    "//nolint",
    "// nolint",
    "ast-grep-ignore",
    "rubocop:disable",
    "shellcheck disable",
    "NOLINT",
    "@SuppressWarnings",
    "@SuppressFBWarnings",
    "NOSONAR",
    "codeql[",
    "lgtm[",
    "--ignore-vuln",
    "allow(clippy::",
    "#[allow(",
    "#![allow(",
    "#[expect(",
    "#![expect(",
];

/// Files that say which advisories a scanner is to pass over.
const IGNORE_FILES: [&str; 9] = [
    "deny.toml",
    "audit.toml",
    "osv-scanner.toml",
    ".trivyignore",
    ".trivyignore.yaml",
    ".grype.yaml",
    ".snyk",
    ".nsprc",
    "audit-ci.json",
];

const ADVISORIES: [&str; 6] = ["RUSTSEC-", "CVE-", "GHSA-", "PYSEC-", "GO-20", "SNYK-"];

/// Files by which analyzers pass over whole files.
const HIDING_FILES: [&str; 3] = [".semgrepignore", ".eslintignore", ".gitleaksignore"];

/// Files that say by which rules analyzers go.
const ANALYZER_SETTINGS: [&str; 21] = [
    "pyproject.toml",
    "ruff.toml",
    ".ruff.toml",
    "setup.cfg",
    "tox.ini",
    ".flake8",
    ".pylintrc",
    "mypy.ini",
    ".eslintrc",
    ".eslintrc.json",
    ".eslintrc.js",
    ".eslintrc.cjs",
    ".eslintrc.yml",
    ".eslintrc.yaml",
    "package.json",
    "biome.json",
    ".golangci.yml",
    ".golangci.yaml",
    ".rubocop.yml",
    "Cargo.toml",
    "clippy.toml",
];

pub(crate) fn complaints(given: Given<'_>) -> Vec<Complaint> {
    let rules = rules(given);
    given.diff.files.iter().flat_map(|file| in_file(given, file, &rules)).collect()
}

/// The rules by which the patch's findings were found.
fn rules(given: Given<'_>) -> BTreeSet<&str> {
    let removed: BTreeSet<_> = given.case.candidate.removes.iter().collect();
    let findings = given.case.findings.iter().filter(|finding| removed.contains(&finding.id));
    findings.filter_map(|finding| Some(finding.analysis()?.rule.as_str())).collect()
}

fn in_file(given: Given<'_>, file: &File, rules: &BTreeSet<&str>) -> Vec<Complaint> {
    let path = file.path();
    let (ignores, hides) = (is_ignore_file(path), is_one_of(path, &HIDING_FILES));
    if FileKind::of(path) == FileKind::Words && !ignores && !hides {
        return Vec::new();
    }
    let sets = is_one_of(path, &ANALYZER_SETTINGS)
        || path.rsplit('/').next().unwrap_or(path).starts_with("eslint.config.");
    let mut had = turned_off_before(file);
    let mut complaints = Vec::new();
    for (number, line) in file.added() {
        let place = format!("{path}:{number}");
        let why = if let Some(skip) = SKIPS.iter().find(|skip| has(line, skip)) {
            format!("leaves a test out (`{skip}`)")
        } else if let Some(word) = silencer(line) {
            match had.get_mut(word) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    continue;
                }
                Some(_) | None => format!("turns a warning off (`{word}`) instead of what it warns of"),
            }
        } else if ignores && ADVISORIES.iter().any(|name| line.contains(name)) {
            "tells a scanner to pass over an advisory instead of removing what it speaks of".to_owned()
        } else if hides && !line.trim().is_empty() {
            "hides files from an analyzer instead of removing what it finds".to_owned()
        } else if let Some(rule) = rules.iter().find(|rule| sets && names(line, rule)) {
            format!("changes what an analyzer does with `{rule}` instead of removing what it finds")
        } else {
            continue;
        };
        complaints.push(Complaint::unless_meant(given, place, why));
    }
    complaints
}

/// What the lines that go had turned off: a line that is written anew with it turns nothing off.
fn turned_off_before(file: &File) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let lines = file.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.kind == Kind::Removed);
    for word in lines.filter_map(|line| silencer(&line.text)) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Some analyzers take these words in any case.
fn silencer(line: &str) -> Option<&'static str> {
    let line = line.to_lowercase();
    SILENCERS.iter().find(|word| has(&line, &word.to_lowercase())).copied()
}

fn names(line: &str, rule: &str) -> bool {
    let is_part =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    line.match_indices(rule).any(|(at, found)| {
        !is_part(line[..at].chars().next_back()) && !is_part(line[at + found.len()..].chars().next())
    })
}

fn is_one_of(path: &str, names: &[&str]) -> bool {
    names.contains(&path.rsplit('/').next().unwrap_or(path))
}

fn is_ignore_file(path: &str) -> bool {
    is_one_of(path, &IGNORE_FILES)
}

/// Not as the end of a longer word.
fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let inner = word.starts_with(|letter: char| letter.is_alphanumeric());
        !inner || before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}
