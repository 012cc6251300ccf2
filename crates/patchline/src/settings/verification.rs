//! `[test]`, `[verify]`, `[coverage]` and `[bench]`: how patches are verified beyond reproducers.

use std::ops::RangeInclusive;

use patchline_model::service::CommandLine;
use patchline_model::verification::{Api, Bench, Coverage, Format, Migrations, Strictness, Verification};
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{command, parsed};

/// Runs of a suite again, at most.
const MOST_RERUNS: u32 = 50;

/// Fewer pairs of runs give no interval at 95 %.
const PAIRS: RangeInclusive<u32> = 6..=200;
const USUAL_PAIRS: u32 = 10;

/// How many times as long a patch may take.
const USUAL_RATIO: f64 = 1.1;
const MOST_RATIO: f64 = 100.0;

/// Characters of a pattern of paths, and patterns of one list.
const LONGEST_PATTERN: usize = 300;
const MOST_PATTERNS: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSection {
    command: Spanned<Vec<String>>,
    format: Option<Spanned<String>>,
    report: Option<Spanned<String>>,
    reruns: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySection {
    unneeded_hunks: Option<Spanned<String>>,
    migrations: Option<MigrationsSection>,
    api: Option<ApiSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MigrationsSection {
    files: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    setup: Vec<Spanned<String>>,
    blocking: Option<Spanned<String>>,
    irreversible: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiSection {
    command: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageSection {
    command: Spanned<Vec<String>>,
    report: Spanned<String>,
    least: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchSection {
    command: Spanned<Vec<String>>,
    pairs: Option<Spanned<u32>>,
    max_ratio: Option<Spanned<f64>>,
}

/// The suite's command, and how it is read.
pub fn test_of(section: Option<&TestSection>) -> Result<(Option<CommandLine>, Verification), Problem> {
    let Some(section) = section else { return Ok((None, Verification::default())) };
    let verification = Verification {
        format: section.format.as_ref().map(parsed::<Format>).transpose()?,
        report: section.report.as_ref().map(report).transpose()?,
        reruns: section.reruns.as_ref().map(reruns).transpose()?,
        ..Verification::default()
    };
    Ok((Some(command(&section.command)?), verification))
}

/// What the other sections add to it.
pub fn verification_of(
    suite: Verification,
    verify: Option<&VerifySection>,
    coverage: Option<&CoverageSection>,
    bench: Option<&BenchSection>,
) -> Result<Verification, Problem> {
    let migrations = verify.and_then(|section| section.migrations.as_ref());
    let api = verify.and_then(|section| section.api.as_ref());
    let api = api.map(|section| Ok(Api { command: command(&section.command)?.0 })).transpose()?;
    Ok(Verification {
        unneeded_hunks: strictness(verify.and_then(|section| section.unneeded_hunks.as_ref()))?,
        migrations: migrations.map(migrations_of).transpose()?,
        api,
        coverage: coverage.map(coverage_of).transpose()?,
        bench: bench.map(bench_of).transpose()?,
        ..suite
    })
}

fn coverage_of(section: &CoverageSection) -> Result<Coverage, Problem> {
    Ok(Coverage {
        command: command(&section.command)?.0,
        report: report(&section.report)?,
        least: section.least.as_ref().map(least).transpose()?,
    })
}

fn least(value: &Spanned<f64>) -> Result<f64, Problem> {
    match *value.get_ref() {
        part if part > 0.0 && part <= 1.0 => Ok(part),
        _ => Err(Problem::at(value.span(), "`least` lies above 0, and is at most 1").hint("0.8 is 80 %")),
    }
}

fn bench_of(section: &BenchSection) -> Result<Bench, Problem> {
    let pairs = match &section.pairs {
        Some(value) if !PAIRS.contains(value.get_ref()) => {
            let message = format!("`pairs` is a number from {} to {}", PAIRS.start(), PAIRS.end());
            return Err(Problem::at(value.span(), message));
        }
        Some(value) => *value.get_ref(),
        None => USUAL_PAIRS,
    };
    let max_ratio = match &section.max_ratio {
        Some(value) if !(1.0..=MOST_RATIO).contains(value.get_ref()) => {
            let message = format!("`max_ratio` is a number from 1.0 to {MOST_RATIO:.1}");
            return Err(Problem::at(value.span(), message).hint("1.1 lets a patch take a tenth longer"));
        }
        Some(value) => *value.get_ref(),
        None => USUAL_RATIO,
    };
    Ok(Bench { command: command(&section.command)?.0, pairs, max_ratio })
}

fn migrations_of(section: &MigrationsSection) -> Result<Migrations, Problem> {
    let written = section.files.get_ref();
    if !(1..=MOST_PATTERNS).contains(&written.len()) || section.setup.len() > MOST_PATTERNS {
        let message =
            format!("`files` and `setup` hold at most {MOST_PATTERNS} patterns, `files` at least one");
        return Err(Problem::at(section.files.span(), message).hint("as in [\"migrations/*.sql\"]"));
    }
    let patterns = |list: &[Spanned<String>], name: &str| {
        list.iter().map(|one| pattern(one, name, "migrations/*.sql")).collect::<Result<Vec<_>, _>>()
    };
    Ok(Migrations {
        files: patterns(written, "files")?,
        setup: patterns(&section.setup, "setup")?,
        blocking: strictness(section.blocking.as_ref())?,
        irreversible: strictness(section.irreversible.as_ref())?,
    })
}

fn strictness(value: Option<&Spanned<String>>) -> Result<Strictness, Problem> {
    let Some(value) = value else { return Ok(Strictness::default()) };
    match value.get_ref().as_str() {
        "warn" => Ok(Strictness::Warn),
        "refuse" => Ok(Strictness::Refuse),
        other => Err(Problem::at(value.span(), format!("`{other}` is neither \"warn\" nor \"refuse\""))),
    }
}

fn reruns(value: &Spanned<u32>) -> Result<u32, Problem> {
    match *value.get_ref() {
        number if number <= MOST_RERUNS => Ok(number),
        _ => Err(Problem::at(value.span(), format!("`reruns` is a number from 0 to {MOST_RERUNS}"))),
    }
}

fn report(value: &Spanned<String>) -> Result<String, Problem> {
    pattern(value, "report", "target/surefire-reports/*.xml")
}

/// A pattern of paths that stay inside the service's folder.
fn pattern(value: &Spanned<String>, name: &str, like: &str) -> Result<String, Problem> {
    let text = value.get_ref();
    let inside = !text.starts_with('/') && !text.split('/').any(|part| part == "..");
    if inside && (1..=LONGEST_PATTERN).contains(&text.len()) {
        return Ok(text.clone());
    }
    let message = format!(
        "`{name}` is a pattern of paths inside the service's folder, of at most {LONGEST_PATTERN} characters"
    );
    Err(Problem::at(value.span(), message).hint(format!("as in \"{like}\"")))
}

#[cfg(test)]
mod tests {
    use patchline_model::verification::{Format, Strictness, Verification};

    use super::{BenchSection, CoverageSection, TestSection, VerifySection, test_of, verification_of};

    fn read(text: &str) -> Result<Verification, String> {
        let section: TestSection = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        test_of(Some(&section)).map(|(_, read)| read).map_err(|problem| problem.message)
    }

    #[test]
    fn a_suite_says_how_it_is_read() {
        let text = "command = [\"make\"]\nformat = \"junit\"\nreport = \"out/*.xml\"\nreruns = 5";
        let expected = Verification {
            format: Some(Format::Junit),
            report: Some("out/*.xml".to_owned()),
            reruns: Some(5),
            ..Verification::default()
        };
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("command = [\"make\"]"), Ok(Verification::default()));
    }

    fn others(verify: &str, coverage: &str, bench: &str) -> Result<Verification, String> {
        let verify: VerifySection = toml::from_str(verify).unwrap();
        let coverage: CoverageSection = toml::from_str(coverage).unwrap();
        let bench: BenchSection = toml::from_str(bench).unwrap();
        verification_of(Verification::default(), Some(&verify), Some(&coverage), Some(&bench))
            .map_err(|problem| problem.message)
    }

    #[test]
    fn hunks_coverage_and_speed_have_their_defaults_and_limits() {
        let (coverage, bench) = ("command = [\"a\"]\nreport = \"b\"\n", "command = [\"a\"]\n");
        let read = others("", coverage, bench).unwrap();
        assert_eq!(read.unneeded_hunks, Strictness::Warn);
        assert_eq!(read.bench.map(|bench| (bench.pairs, bench.max_ratio)), Some((10, 1.1)));
        let refuse = others("unneeded_hunks = \"refuse\"", coverage, bench).unwrap();
        assert_eq!(refuse.unneeded_hunks, Strictness::Refuse);
        for (verify, more_coverage, more_bench, words) in [
            ("unneeded_hunks = \"no\"", "", "", "neither"),
            ("", "least = 80.0", "", "at most 1"),
            ("", "", "pairs = 5", "from 6 to 200"),
            ("", "", "max_ratio = 0.9", "from 1.0"),
        ] {
            let (coverage, bench) = (format!("{coverage}{more_coverage}"), format!("{bench}{more_bench}"));
            let why = others(verify, &coverage, &bench).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn migrations_and_the_api_have_their_settings() {
        let read = |text: &str| others(text, "command = [\"a\"]\nreport = \"b\"\n", "command = [\"a\"]\n");
        let files = "[migrations]\nfiles = [\"db/*.sql\"]\n";
        let usual = read(files).unwrap().migrations.unwrap();
        assert_eq!((usual.files, usual.setup), (vec!["db/*.sql".to_owned()], Vec::new()));
        assert_eq!((usual.blocking, usual.irreversible), (Strictness::Warn, Strictness::Warn));
        let strict = read(&format!("{files}blocking = \"refuse\"\nsetup = [\"roles.sql\"]")).unwrap();
        assert_eq!(strict.migrations.unwrap().blocking, Strictness::Refuse);
        let api = read("[api]\ncommand = [\"x\", \"{base}\"]").unwrap().api.unwrap();
        assert_eq!(api.command, ["x", "{base}"]);
        for (text, words) in [
            ("[migrations]\nfiles = []", "at least one"),
            ("[migrations]\nfiles = [\"../a.sql\"]", "`files` is a pattern of paths inside"),
            ("[migrations]\nfiles = [\"a\"]\nsetup = [\"/a\"]", "`setup` is a pattern of paths inside"),
            ("[migrations]\nfiles = [\"a\"]\nirreversible = \"no\"", "neither"),
            ("[api]\ncommand = []", "a command needs a program"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_can_t_be_is_refused() {
        for (line, words) in [
            ("format = \"xunit\"", "is not a format"),
            ("report = \"../out.xml\"", "inside the service's folder"),
            ("report = \"/out.xml\"", "inside the service's folder"),
            ("reruns = 51", "0 to 50"),
            ("rerun = 1", "unknown field"),
        ] {
            let why = read(&format!("command = [\"make\"]\n{line}")).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
