//! Reads from what a failed command wrote whether the commit is broken, the world was, or a tool is missing.

use patchline_model::failure::{Failure, FailureClass};

/// How much of the first errors is repeated.
const MAX_LINES: usize = 6;
const MAX_LINE_CHARS: usize = 200;

/// What a failed command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The commit does not build; the first error lines.
    Commit(String),
    World(Failure),
}

/// Whether the command that failed was allowed to use the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Allowed,
    Denied,
}

/// What a command that ended with an exit code other than 0 means.
pub(crate) fn read(stderr: &str, stdout: &str, network: Network) -> Trouble {
    let says = |words: &[&str]| {
        let has = |word: &&str| stderr.contains(*word) || stdout.contains(*word);
        words.iter().any(has)
    };
    let first = first_errors(stderr, stdout);
    if says(&NO_ROOM) {
        let failure = Failure::transient(format!("the disk is full: {first}")).of(FailureClass::Storage);
        return Trouble::World(failure.with_hint("free some space where the builds are kept"));
    }
    if says(&KILLED) {
        let failure = Failure::transient(format!("the build was killed from outside: {first}"));
        return Trouble::World(failure.with_hint("it may have run out of memory; try again with more of it"));
    }
    if says(&NO_TOOL) {
        let failure = Failure::permanent(format!("a tool is missing: {first}")).of(FailureClass::Tool);
        return Trouble::World(failure.with_hint("install the tool that is named, for the user who builds"));
    }
    match network {
        Network::Allowed if says(&NO_NETWORK) => {
            let failure = Failure::transient(format!("what the build needs could not be fetched: {first}"));
            Trouble::World(
                failure
                    .of(FailureClass::Network)
                    .with_hint("look at the network and the package registry; it is tried again"),
            )
        }
        Network::Denied if says(&NOT_FETCHED) => {
            let failure =
                Failure::permanent(format!("the build needs the network, which it may not use: {first}"));
            Trouble::World(
                failure.with_hint("let `prepare` in `[build]` fetch everything that the build needs"),
            )
        }
        Network::Allowed | Network::Denied => Trouble::Commit(first),
    }
}

const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
const KILLED: [&str; 2] = ["signal: 9, SIGKILL", "Cannot allocate memory"];
const NO_TOOL: [&str; 4] =
    ["error: linker `", "error: no such command:", "is `cmake` not installed?", "' is not installed"];
const NOT_FETCHED: [&str; 2] = ["but --offline was specified", "Could not resolve host"];
const NO_NETWORK: [&str; 13] = [
    "Could not resolve host",
    "Couldn't resolve host",
    "Could not connect",
    "Couldn't connect",
    "Failed to connect",
    "failed to connect",
    "Connection refused",
    "Connection reset",
    "Network is unreachable",
    "network failure",
    "spurious network error",
    "Timeout was reached",
    "Temporary failure in name resolution",
];

/// The first lines that speak of an error, each with the place that follows; else the last lines of all.
fn first_errors(stderr: &str, stdout: &str) -> String {
    let text = if stderr.trim().is_empty() { stdout } else { stderr };
    let speaks = |line: &str| {
        line.starts_with("error") && !line.starts_with("error: could not compile")
            || line.trim_start().starts_with("--> ")
            || line.contains("panicked at")
    };
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let place = line.trim_start().starts_with("--> ");
        let after_error = lines.last().is_some_and(|last| last.starts_with("error"));
        if lines.len() < MAX_LINES && speaks(line) && (!place || after_error) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        lines = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        lines.reverse();
    }
    let short = |line: &str| line.trim().chars().take(MAX_LINE_CHARS).collect::<String>();
    lines.into_iter().map(short).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use patchline_model::failure::FailureKind;
    use proptest::prelude::{any, proptest};

    use super::{Network, Trouble, first_errors, read};

    #[track_caller]
    fn check(stderr: &str, network: Network, kind: Option<FailureKind>) {
        match (read(stderr, "", network), kind) {
            (Trouble::Commit(_), None) => {}
            (Trouble::World(failure), Some(kind)) => {
                assert_eq!(failure.kind, kind);
                assert!(failure.hint.is_some(), "a person is told what to do");
            }
            (trouble, _) => panic!("{trouble:?}"),
        }
    }

    #[test]
    fn what_the_world_did_is_not_blamed_on_the_commit() {
        let lost = "error: failed to get `x`\n  [6] Could not resolve host: index.example.org";
        check(lost, Network::Allowed, Some(FailureKind::Transient));
        check("error: No space left on device (os error 28)", Network::Denied, Some(FailureKind::Transient));
        check(
            "process didn't exit successfully (signal: 9, SIGKILL: kill)",
            Network::Denied,
            Some(FailureKind::Transient),
        );
        check("error: linker `cc` not found", Network::Denied, Some(FailureKind::Permanent));
        let offline = "error: attempting to make an HTTP request, but --offline was specified";
        check(offline, Network::Denied, Some(FailureKind::Permanent));
        check("error[E0308]: mismatched types", Network::Denied, None);
        check("error: the lock file needs to be updated but --locked was passed", Network::Allowed, None);
    }

    #[test]
    fn the_first_errors_come_with_their_places() {
        let text = "   Compiling x\nwarning: unused\n  --> src/a.rs:1:1\nerror[E0308]: mismatched types\n \
                    --> src/main.rs:2:5\n  |\nerror: aborting due to 1 previous error\nerror: could not compile `x`";
        let expected =
            "error[E0308]: mismatched types\n--> src/main.rs:2:5\nerror: aborting due to 1 previous error";
        assert_eq!(first_errors(text, ""), expected);
        assert_eq!(first_errors("", "one\n\ntwo\nthree\nfour\n"), "two\nthree\nfour");
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic_or_write_much(stderr in any::<String>(), stdout in any::<String>()) {
            let _ = read(&stderr, &stdout, Network::Allowed);
            assert!(first_errors(&stderr, &stdout).chars().count() <= 6 * 201);
        }
    }
}
