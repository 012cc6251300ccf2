//! `[test]` and `[verify]`: how patches are verified beyond reproducers.

use patchline_model::service::CommandLine;
use patchline_model::verification::{Format, Unneeded, Verification};
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{command, parsed};

/// Runs of a suite again, at most.
const MOST_RERUNS: u32 = 50;

/// Characters of a pattern of paths.
const LONGEST_PATTERN: usize = 300;

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
}

/// The suite's command, and how it is read.
pub fn test_of(section: Option<&TestSection>) -> Result<(Option<CommandLine>, Verification), Problem> {
    let Some(section) = section else { return Ok((None, Verification::default())) };
    let verification = Verification {
        format: section.format.as_ref().map(parsed::<Format>).transpose()?,
        report: section.report.as_ref().map(pattern).transpose()?,
        reruns: section.reruns.as_ref().map(reruns).transpose()?,
        ..Verification::default()
    };
    Ok((Some(command(&section.command)?), verification))
}

/// What the other sections add to it.
pub fn verification_of(suite: Verification, verify: Option<&VerifySection>) -> Result<Verification, Problem> {
    let unneeded = verify.and_then(|section| section.unneeded_hunks.as_ref());
    Ok(Verification {
        unneeded_hunks: unneeded.map(unneeded_hunks).transpose()?.unwrap_or_default(),
        ..suite
    })
}

fn unneeded_hunks(value: &Spanned<String>) -> Result<Unneeded, Problem> {
    match value.get_ref().as_str() {
        "warn" => Ok(Unneeded::Warn),
        "refuse" => Ok(Unneeded::Refuse),
        other => Err(Problem::at(value.span(), format!("`{other}` is neither \"warn\" nor \"refuse\""))),
    }
}

fn reruns(value: &Spanned<u32>) -> Result<u32, Problem> {
    match *value.get_ref() {
        number if number <= MOST_RERUNS => Ok(number),
        _ => Err(Problem::at(value.span(), format!("`reruns` is a number from 0 to {MOST_RERUNS}"))),
    }
}

/// A pattern of paths that stay inside the service's folder.
fn pattern(value: &Spanned<String>) -> Result<String, Problem> {
    let text = value.get_ref();
    let inside = !text.starts_with('/') && !text.split('/').any(|part| part == "..");
    if inside && (1..=LONGEST_PATTERN).contains(&text.len()) {
        return Ok(text.clone());
    }
    let message = format!(
        "`report` is a pattern of paths inside the service's folder, of at most {LONGEST_PATTERN} characters"
    );
    Err(Problem::at(value.span(), message).hint("as in \"target/surefire-reports/*.xml\""))
}

#[cfg(test)]
mod tests {
    use patchline_model::verification::{Format, Verification};

    use super::{TestSection, test_of};

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
