//! `patchline db compare` through the binary: pairs in, signs out, and what it says of lines that are no pairs.
#![allow(clippy::unwrap_used, reason = "tests may; clippy sees only the functions that are marked as tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

fn compare(ecosystem: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
    command.args(["db", "compare", ecosystem]).current_dir("/").env_remove("PATCHLINE_DATA");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn answers(ecosystem: &str, input: &[u8]) -> Output {
    let mut child = compare(ecosystem).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // A thread of its own, so that neither side waits for the other with a full pipe. After a bad line nobody reads on.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    output
}

#[track_caller]
fn check(ecosystem: &str, given: &str, then: &str) {
    let output = answers(ecosystem, given.as_bytes());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>().join(" "), then, "{ecosystem}: {given}");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// It ends with this code, says all of this, and has answered this much before.
#[track_caller]
fn check_wrong(ecosystem: &str, given: &[u8], code: i32, says: &[&str], answered: &str) {
    let output = answers(ecosystem, given);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in says {
        assert!(said.contains(part), "`{part}` is missing:\n{said}");
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), answered);
}

const USAGE: i32 = 2;
const INPUT: i32 = 3;

#[test]
fn each_pair_gets_its_sign() {
    check("PyPI", "1.0rc1 1.0\n1.0 1\n1.0.post1 1.0\n", "< = >");
    check("Debian:12", "1.0~rc1 1.0\r\n1.0 1.0-0\r\n1: 1\r\n", "< = ?");
    check("Red Hat:enterprise_linux:9::appstream", "1.0 1.0^\n", "<");
    check("npm", "1.0.0 1.0.0-a\n\n  1.0   v1.0.0  \nlatest 1.0.0", "> = ?");
    check("crates.io", "1.0.0 1.0\n1.0.0 1.0.1\n", "? <");
    check("Maven", "", "");
}

#[test]
fn a_version_without_end_is_none() {
    let long = "1".repeat(1000);
    check("Maven", &format!("{long} {long}\n1 2\n"), "? <");
}

#[test]
fn many_pairs_go_through() {
    let pairs: String = (0..50_000).map(|number| format!("1.{number} 1.{}\n", number % 7)).collect();
    let output = answers("Go", pairs.as_bytes());
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 50_000);
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'=').count(), 7);
}

#[test]
fn who_asks_one_by_one_is_answered_one_by_one() {
    let mut child = compare("npm").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for (pair, then) in [("1 2\n", "<\n"), ("2 1\n", ">\n")] {
        stdin.write_all(pair.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, then);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_that_is_no_pair_is_named() {
    let expected = "hint: give two versions a line";
    check_wrong(
        "npm",
        b"1 2\n\n3\n4 5\n",
        INPUT,
        &["standard input, line 3: ", "one version", expected],
        "<\n",
    );
    check_wrong("npm", b"1 < 2\n", INPUT, &["line 1: ", "more than the two", expected], "");
    check_wrong("npm", b"1 2\n1 \xff\n", INPUT, &["line 2: ", "not UTF-8", expected], "<\n");
    let long = [b"1 2\n".as_slice(), &[b'1'; 1 << 20]].concat();
    check_wrong("npm", &long, INPUT, &["line 2: ", "longer than 4096 bytes", expected], "<\n");
}

#[test]
fn an_ecosystem_that_is_not_known_is_refused_with_the_one_that_is_meant() {
    let meant =
        [("pypi", "PyPI"), ("Crates.io", "crates.io"), ("debian:12", "Debian"), ("RubyGem", "RubyGems")];
    for (wrong, near) in meant {
        check_wrong(wrong, b"1 2\n", USAGE, &[wrong, &format!("hint: did you mean `{near}`?")], "");
    }
    check_wrong("Fortran", b"", USAGE, &["`Fortran` have no order here", "npm", "Hackage", "Red Hat"], "");
}
