//! The ecosystems' own tools, asked about random versions where they are installed: dpkg, node's `semver` (which comes
//! with npm) and Python's `packaging`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::Strategy;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::check::{scheme, sign};

/// Reads `A B` lines, and answers each with a sign; `?` where the tool refuses one.
const NODE: &str = r#"
const semver = require(process.argv[1]);
for (const line of require('fs').readFileSync(0, 'utf8').trim().split('\n')) {
  const [left, right] = line.split(' ');
  try { console.log(['<', '=', '>'][semver.compare(left, right) + 1]); } catch { console.log('?'); }
}"#;

const PYTHON: &str = r#"
import sys
from packaging.version import Version, InvalidVersion
for line in sys.stdin:
    try:
        left, right = map(Version, line.split())
        print('<' if left < right else '=' if left == right else '>')
    except InvalidVersion:
        print('?')
"#;

/// Pairs that the pattern gives, the same ones each time.
fn pairs(pattern: &'static str, number: usize) -> Vec<(String, String)> {
    let mut runner = TestRunner::deterministic();
    let mut draw = || pattern.new_tree(&mut runner).expect("the pattern is sound").current();
    (0..number).map(|_| (draw(), draw())).collect()
}

/// Compares what the tool says of each pair with what we say. Where the tool refuses a text, only `strictly` binds us.
fn check(ecosystem: &str, strictly: bool, pairs: &[(String, String)], said: &[String]) {
    assert_eq!(pairs.len(), said.len(), "the tool answers every line");
    let told = said.iter().filter(|sign| *sign != "?").count();
    assert!(told * 2 > pairs.len(), "the tool understands {told} of {} pairs", pairs.len());
    for ((left, right), said) in pairs.iter().zip(said) {
        let ours = sign(scheme(ecosystem).compare(left, right));
        assert!(
            ours == said || (said == "?" && !strictly),
            "{left} {said} {right} by the tool, {ours} by us"
        );
    }
    eprintln!("{ecosystem}: {told} pairs agree with the tool");
}

/// The tool's answers; none where it is not there.
fn ask(command: &mut Command, pairs: &[(String, String)]) -> Option<Vec<String>> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {command:?} does not start");
        return None;
    };
    let lines: String = pairs.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
    let mut stdin = child.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || drop(stdin.write_all(lines.as_bytes())));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    if !output.status.success() {
        eprintln!("skipped: {command:?} does not work here");
        return None;
    }
    Some(String::from_utf8(output.stdout).expect("signs").lines().map(str::to_owned).collect())
}

#[test]
fn npm_agrees_with_node_semver() {
    let Some(module) = node_semver() else {
        eprintln!("skipped: npm's `semver` is not installed");
        return;
    };
    let pairs = pairs("[01]\\.[029]\\.[0-3](-(a|b|rc|0|2|10|1a|A-)(\\.(x|0|3|12)){0,2})?(\\+[ab1])?", 5000);
    let Some(said) = ask(Command::new("node").args(["-e", NODE]).arg(module), &pairs) else { return };
    check("npm", true, &pairs, &said);
}

#[test]
fn pypi_agrees_with_packaging() {
    let pattern = "v?(1!)?[01](\\.[0-2]0?){0,2}([._-]?(a|b|c|rc|alpha|BETA|pre|preview)[._-]?[02]?)?\
                   (-1|[._-]?(post|rev|r)[._-]?[03]?)?([._-]?dev[._-]?[04]?)?(\\+(a|1|b\\.2|1-a|B_10))?";
    let pairs = pairs(pattern, 5000);
    let Some(said) = ask(Command::new("python3").args(["-c", PYTHON]), &pairs) else { return };
    check("PyPI", true, &pairs, &said);
}

#[test]
fn debian_agrees_with_dpkg() {
    let pattern = "([01]:)?[012]([.+~]|rc|a|-)?([0-2]{1,2}|~|b)?(-[01](\\.1|ubuntu1|\\+b1|~bpo)?)?";
    let pairs = pairs(pattern, 300);
    let mut said = Vec::new();
    for (left, right) in &pairs {
        let holds = |relation: &str| {
            let arguments = ["--compare-versions", left, relation, right];
            let output = Command::new("dpkg").args(arguments).stderr(Stdio::null()).status();
            output.ok().and_then(|status| status.code())
        };
        said.push(match (holds("lt"), holds("eq")) {
            (None, _) | (_, None) => {
                eprintln!("skipped: dpkg is not installed");
                return;
            }
            (Some(0), _) => "<".to_owned(),
            (Some(1), Some(0)) => "=".to_owned(),
            (Some(1), Some(1)) => ">".to_owned(),
            (Some(_), Some(_)) => "?".to_owned(),
        });
    }
    check("Debian", true, &pairs, &said);
}

/// Where npm keeps it: beside npm's own library.
fn node_semver() -> Option<PathBuf> {
    let output = Command::new("npm").args(["root", "--global"]).stderr(Stdio::null()).output().ok()?;
    let root = String::from_utf8(output.stdout).ok()?;
    let module = Path::new(root.trim()).join("npm/node_modules/semver");
    module.is_dir().then_some(module)
}
