//! How a suite's results are read: which format its command writes, what it is told so that it writes it, and the reading.

use patchline_model::service::CommandLine;
use patchline_model::verification::{Format, Verification};

use crate::readers::{cargo, go, jest, junit, nextest, pytest, spec, tap};
use crate::table::Table;

/// Where Maven's Surefire and Failsafe, and Gradle, leave their reports.
const MAVEN_REPORTS: &str = "**/target/*-reports/TEST-*.xml";
const GRADLE_REPORTS: &str = "**/build/test-results/**/TEST-*.xml";

/// How the results of one suite come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) command: CommandLine,
    pub(crate) format: Format,
    /// Files that the suite leaves, as a pattern of paths below the service's folder; without it its output is read.
    pub(crate) report: Option<String>,
    /// Whether go compiles it.
    pub(crate) uses_go: bool,
}

/// What a suite left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output<'a> {
    pub(crate) stdout: &'a str,
    pub(crate) stderr: &'a str,
    pub(crate) reports: &'a [String],
}

impl Reading {
    /// The settings win over what the command suggests.
    pub(crate) fn of(command: &CommandLine, settings: &Verification) -> Self {
        let (known, usual) = known(&command.0);
        let by_report = settings.report.as_ref().map(|report| match report.ends_with(".json") {
            true => Format::Jest,
            false => Format::Junit,
        });
        let format = settings.format.or(by_report).unwrap_or(known);
        let usual = usual.filter(|_| format == Format::Junit).map(str::to_owned);
        Self {
            command: CommandLine(complete(&command.0, known, format)),
            format,
            report: settings.report.clone().or(usual),
            uses_go: known == Format::Go,
        }
    }
}

/// The tests in what a suite left; none where the suite is judged by how it ends.
pub(crate) fn read(format: Format, output: Output<'_>) -> Result<Option<Table>, String> {
    let text = match output.reports {
        [] => output.stdout.to_owned(),
        reports => reports.join("\n"),
    };
    Ok(Some(match format {
        Format::Cargo => cargo::read(output.stdout, output.stderr),
        Format::Nextest => nextest::read(output.stdout, output.stderr),
        Format::Go => go::read(&text),
        Format::Pytest => pytest::read(&text),
        Format::Tap => tap::read(&text),
        Format::Spec => spec::read(&text),
        Format::Jest => jest::read(&text)?,
        Format::Junit if output.reports.is_empty() => junit::read([output.stdout])?,
        Format::Junit => junit::read(output.reports.iter().map(String::as_str))?,
        Format::Exit => return Ok(None),
    }))
}

/// The format that a command writes, and where it leaves it if not in its output.
fn known(words: &[String]) -> (Format, Option<&'static str>) {
    let Some((program, rest)) = words.split_first() else { return (Format::Exit, None) };
    let program = program.rsplit('/').next().unwrap_or(program);
    let verb = rest.iter().find(|word| !word.starts_with(['-', '+'])).map_or("", String::as_str);
    let has = |word: &str| rest.iter().any(|other| other == word);
    match (program, verb) {
        ("cargo", "test" | "t") => (Format::Cargo, None),
        ("cargo", "nextest") => (Format::Nextest, None),
        ("go", "test") => (Format::Go, None),
        ("node", _) if has("--test") => (Format::Tap, None),
        ("pytest" | "py.test", _) => (Format::Pytest, None),
        ("python" | "python3", "pytest") if has("-m") => (Format::Pytest, None),
        ("uv" | "poetry", "run") if has("pytest") => (Format::Pytest, None),
        ("jest", _) | ("npx", "jest") => (Format::Jest, None),
        ("vitest", _) | ("npx", "vitest") => (Format::Jest, None),
        ("mvn" | "mvnw", _) => (Format::Junit, Some(MAVEN_REPORTS)),
        ("gradle" | "gradlew", _) => (Format::Junit, Some(GRADLE_REPORTS)),
        _ => (Format::Exit, None),
    }
}

/// What the tool must be told so that it goes on after a failure, where later tests would seem to vanish, and names
/// each test in a form that is read.
fn complete(words: &[String], known: Format, format: Format) -> Vec<String> {
    let begins = |prefix: &str| words.iter().any(|word| word.starts_with(prefix));
    let vitest = words.iter().any(|word| word.rsplit('/').next() == Some("vitest"));
    let mut words = words.to_vec();
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let verb = words.iter().position(|word| matches!(word.as_str(), "test" | "--test")).map(|at| at + 1);
    match known {
        Format::Cargo | Format::Nextest if !begins("--no-fail-fast") => {
            words.insert(end, "--no-fail-fast".to_owned());
        }
        Format::Go => {
            let at = verb.unwrap_or(end);
            // A test that passed before must run again all the same.
            if !begins("-count") && !begins("--count") {
                words.insert(at, "-count=1".to_owned());
            }
            if format == Format::Go && !begins("-json") {
                words.insert(at, "-json".to_owned());
            }
        }
        Format::Pytest if format == Format::Pytest && !begins("-r") => words.push("-rA".to_owned()),
        Format::Tap if matches!(format, Format::Tap | Format::Spec) && !begins("--test-reporter") => {
            let reporter = if format == Format::Tap { "tap" } else { "spec" };
            words.insert(verb.unwrap_or(end), format!("--test-reporter={reporter}"));
        }
        Format::Jest if format == Format::Jest && vitest && !begins("--reporter") => {
            words.insert(end, "--reporter=json".to_owned());
        }
        Format::Jest if format == Format::Jest && !vitest && !begins("--json") => {
            words.insert(end, "--json".to_owned());
        }
        Format::Junit if !begins("-Dmaven.test.failure.ignore") && !begins("--continue") => {
            let maven = words.first().is_some_and(|program| program.contains("mvn"));
            words.push(if maven { "--fail-at-end" } else { "--continue" }.to_owned());
        }
        _ => {}
    }
    words
}

#[cfg(test)]
mod tests {
    use patchline_model::verification::{Format, Verification};
    use proptest::prelude::{any, prop, proptest};

    use super::{Output, Reading, read};
    use crate::sample::line;

    const FORMATS: [Format; 9] = [
        Format::Cargo,
        Format::Nextest,
        Format::Go,
        Format::Pytest,
        Format::Tap,
        Format::Spec,
        Format::Jest,
        Format::Junit,
        Format::Exit,
    ];

    #[track_caller]
    fn check(words: &[&str], format: Format, expected: &[&str]) {
        let reading = Reading::of(&line(words), &Verification::default());
        assert_eq!(reading.format, format);
        assert_eq!(reading.command, line(expected));
    }

    #[test]
    fn known_commands_are_told_to_go_on_and_to_name_each_test() {
        check(&["cargo", "test"], Format::Cargo, &["cargo", "test", "--no-fail-fast"]);
        check(
            &["cargo", "+stable", "test", "--", "--test-threads=1"],
            Format::Cargo,
            &["cargo", "+stable", "test", "--no-fail-fast", "--", "--test-threads=1"],
        );
        check(&["cargo", "t", "--no-fail-fast"], Format::Cargo, &["cargo", "t", "--no-fail-fast"]);
        check(&["cargo", "nextest", "run"], Format::Nextest, &["cargo", "nextest", "run", "--no-fail-fast"]);
        check(&["cargo", "run", "test"], Format::Exit, &["cargo", "run", "test"]);
        check(&["make", "test"], Format::Exit, &["make", "test"]);
        check(&["go", "test", "./..."], Format::Go, &["go", "test", "-json", "-count=1", "./..."]);
        check(&["go", "test", "-count=3"], Format::Go, &["go", "test", "-json", "-count=3"]);
        check(&["python3", "-m", "pytest", "-q"], Format::Pytest, &["python3", "-m", "pytest", "-q", "-rA"]);
        check(&["pytest", "-ra"], Format::Pytest, &["pytest", "-ra"]);
        check(&["node", "--test"], Format::Tap, &["node", "--test", "--test-reporter=tap"]);
        check(&["npx", "vitest", "run"], Format::Jest, &["npx", "vitest", "run", "--reporter=json"]);
        check(&["npx", "jest"], Format::Jest, &["npx", "jest", "--json"]);
        check(&["./mvnw", "-o", "test"], Format::Junit, &["./mvnw", "-o", "test", "--fail-at-end"]);
        check(&[], Format::Exit, &[]);
    }

    #[test]
    fn the_settings_win_over_what_the_command_suggests() {
        let with = |format, report: Option<&str>| {
            let settings =
                Verification { format, report: report.map(str::to_owned), ..Verification::default() };
            Reading::of(&line(&["go", "test"]), &settings)
        };
        let reading = with(None, Some("out/*.xml"));
        assert_eq!((reading.format, reading.command), (Format::Junit, line(&["go", "test", "-count=1"])));
        assert_eq!(with(None, Some("out.json")).format, Format::Jest);
        assert_eq!(with(Some(Format::Tap), Some("out.tap")).format, Format::Tap);
        assert_eq!(with(Some(Format::Exit), None).command, line(&["go", "test", "-count=1"]));
    }

    /// A line of each format, to be cut and repeated.
    const SAMPLE: &str = "running 1 test\ntest a ... FAILED\n---- a stdout ----\nno\n        PASS [   0.004s] a b
{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"T\"}\n=== short test summary info ===\nFAILED a::b[c - d] - e\n___ b ___
not ok 1 - a # TODO\n    ok 2 - é\n▶ group\n  ✖ a (1ms)\n{\"testResults\":[{\"name\":\"a\",\"assertionResults\":[]}]}
<testsuite name='a'><testcase name='b'><failure message='c'>d</failure></testcase></testsuite>\n";

    proptest! {
        #[test]
        fn nothing_makes_a_reader_panic(
            noise in any::<String>(),
            pieces in prop::collection::vec((0..SAMPLE.len(), 0..SAMPLE.len()), 0..12),
        ) {
            let piece = |(a, b): &(usize, usize)| {
                String::from_utf8_lossy(&SAMPLE.as_bytes()[*a.min(b)..*a.max(b)]).into_owned()
            };
            let text = pieces.iter().map(piece).chain([noise]).collect::<Vec<_>>().concat();
            for format in FORMATS {
                let reports = [text.clone()];
                let _ = read(format, Output { stdout: &text, stderr: &text, reports: &[] });
                let _ = read(format, Output { stdout: "", stderr: "", reports: &reports });
            }
        }

        #[test]
        fn a_report_that_is_cut_is_read_as_far_as_it_goes_or_refused(at in 0..SAMPLE.len()) {
            let text = String::from_utf8_lossy(&SAMPLE.as_bytes()[..at]).into_owned();
            for format in FORMATS {
                if let Ok(Some(table)) = read(format, Output { stdout: &text, stderr: "", reports: &[] }) {
                    assert!(table.tests.len() <= 8);
                }
            }
        }
    }
}
