//! What cargo wrote when it refused, in one sentence.

/// Longest sentence, in characters.
const LONGEST: usize = 300;

/// What cargo and its network library write when nothing answers. Cargo has no exit code of its own for that.
const UNREACHABLE: [&str; 9] = [
    "could not resolve host",
    "couldn't resolve host",
    "could not connect",
    "couldn't connect",
    "failed to connect",
    "connection refused",
    "timeout was reached",
    "network failure seems to have happened",
    "spurious network error",
];

/// Who requires what, where cargo says so; else its first error.
pub(crate) fn reason(stderr: &str) -> String {
    let met = in_the_way(stderr).map(|InTheWay { name, version, range, by, .. }| {
        format!("`{by}` requires `{name} {range}`, and `{name} {version}` is in the way")
    });
    let sentence = met
        .or_else(|| conflict(stderr))
        .or_else(|| trait_of_a_release(stderr))
        .or_else(|| first_error(stderr))
        .unwrap_or_else(|| "cargo gave no reason".to_owned());
    crate::message::clean(&sentence, LONGEST)
}

/// A copy that is in the way of what something requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InTheWay {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What is required of it instead.
    pub(crate) range: String,
    /// By which range it was selected.
    pub(crate) selected: String,
    by: String,
}

/// Which copy is in the way, where cargo says so.
pub(crate) fn in_the_way(stderr: &str) -> Option<InTheWay> {
    let quoted = |mark: &str| Some(stderr.split_once(mark)?.1.split('`').next()?.to_owned());
    let name = quoted("failed to select a version for `")?;
    let range = quoted("versions that meet the requirements `")?.split(" (").next()?.to_owned();
    let mark = format!("previously selected package `{name} v");
    let version = quoted(&mark)?.split(' ').next()?.to_owned();
    let after = stderr.split_once(&mark)?.1;
    let selected =
        after.split_once("which satisfies dependency `").and_then(|(_, rest)| rest.split('"').nth(1));
    let selected = selected.map_or_else(|| format!("={version}"), str::to_owned);
    let by = quoted("... required by package `")?.replacen(" v", " ", 1);
    let by = by.split(" (").next()?.to_owned();
    Some(InTheWay { name, version, range, selected, by })
}

/// Whether it failed because the network could not be reached.
pub(crate) fn is_unreachable(stderr: &str) -> bool {
    let stderr = stderr.to_lowercase();
    UNREACHABLE.iter().any(|words| stderr.contains(words))
}

/// Whether the toolchain that the repository asks for is missing.
pub(crate) fn missing_toolchain(stderr: &str) -> Option<String> {
    let line = stderr.lines().find(|line| line.contains("toolchain") && line.contains("is not installed"))?;
    Some(crate::message::clean(line.trim_start_matches("error: "), LONGEST))
}

fn conflict(stderr: &str) -> Option<String> {
    let requirement =
        stderr.lines().find_map(|line| line.split_once("for the requirement `")?.1.split('`').next())?;
    let by = stderr
        .lines()
        .find_map(|line| line.trim().trim_start_matches("... ").strip_prefix("required by package `"))?;
    let by = by.split('`').next()?;
    let (package, own) = match by.split_once(" (") {
        Some((package, place)) => (package, !place.contains("://") && !place.starts_with("registry")),
        None => (by, false),
    };
    let requirement = requirement.replacen(" = \"", " ", 1).replace('"', "");
    let advice = if own { ": its `Cargo.toml` would have to change" } else { "" };
    Some(format!("`{}` requires `{requirement}`{advice}", package.replacen(" v", " ", 1)))
}

/// A feature that is not there any more, or a native library that two would link to.
fn trait_of_a_release(stderr: &str) -> Option<String> {
    let line = stderr.lines().map(str::trim).find(|line| {
        (line.starts_with("the package `") || line.starts_with("package `"))
            && (line.contains("does not have") || line.contains("links to the native library"))
    })?;
    Some(format!("cargo says: {line}"))
}

fn first_error(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().skip_while(|line| !line.starts_with("error: "));
    let first = lines.next()?.trim_start_matches("error: ");
    // What follows is set in, or an empty line.
    let rest = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("required by"));
    let rest: Vec<&str> = rest.take(6).collect();
    Some(format!("cargo says: {first} {}", rest.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::{InTheWay, in_the_way, is_unreachable, missing_toolchain, reason};

    const PINNED: &str = "\
error: failed to select a version for the requirement `inner = \"=0.4.0\"`
candidate versions found which didn't match: 0.4.1
location searched: `/x/registry` index (which is replacing registry `crates-io`)
required by package `parent v1.0.0`
    ... which satisfies dependency `parent = \"^1\"` (locked to 1.0.0) of package `app v0.1.0 (/x)`
";

    #[test]
    fn who_requires_what_is_said_in_one_sentence() {
        assert_eq!(reason(PINNED), "`parent 1.0.0` requires `inner =0.4.0`");
        let own = PINNED.replace("`parent v1.0.0`", "`app v0.1.0 (/x)`");
        assert_eq!(
            reason(&own),
            "`app 0.1.0` requires `inner =0.4.0`: its `Cargo.toml` would have to change"
        );
        assert_eq!(reason("error: no matching package\nrequired by\n"), "cargo says: no matching package");
        assert_eq!(reason(""), "cargo gave no reason");
    }

    const MET: &str = "\
error: failed to select a version for `memchr`.
    ... required by package `regex v1.5.5`
    ... which satisfies dependency `regex = \"^1.3.5\"` (locked to 1.5.5) of package `app v0.1.0 (/x)`
versions that meet the requirements `^2.4.0` are: 2.8.3, 2.8.0

all possible versions conflict with previously selected packages.

  previously selected package `memchr v2.3.3`
    ... which satisfies dependency `memchr = \"^2.1.2\"` (locked to 2.3.3) of package `bstr v0.2.13`
";

    #[test]
    fn what_is_in_the_way_is_told() {
        assert_eq!(reason(MET), "`regex 1.5.5` requires `memchr ^2.4.0`, and `memchr 2.3.3` is in the way");
        let found = in_the_way(MET).expect("it is said");
        let InTheWay { name, version, range, selected, .. } = &found;
        assert_eq!([name, version, range, selected], ["memchr", "2.3.3", "^2.4.0", "^2.1.2"]);
        assert_eq!(in_the_way(PINNED), None);
        let lost = "error: failed to select a version for `time`.\n\npackage `app` depends on `time` with feature `itoa` but `time` does not have that feature.\n";
        assert_eq!(
            reason(lost),
            "cargo says: package `app` depends on `time` with feature `itoa` but `time` does not have that feature."
        );
    }

    #[test]
    fn a_silent_network_is_told_apart() {
        let silent = "warning: spurious network error (1 try remaining): [6] Could not resolve hostname (Could not resolve \
                      host: index)\nerror: failed to get `inner` as a dependency of package `app v0.1.0 (/x)`\n";
        assert!(is_unreachable(silent));
        assert!(!is_unreachable(PINNED));
    }

    #[test]
    fn a_missing_toolchain_is_told_apart() {
        let text = "error: toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed\nhelp: run\n";
        assert_eq!(
            missing_toolchain(text).as_deref(),
            Some("toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed")
        );
        assert_eq!(missing_toolchain(PINNED), None);
    }
}
