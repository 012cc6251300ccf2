//! `[[analyzer]]`: a program that looks at the code and reports what it finds.

use patchline_model::analyzer::{Analyzer, Format};
use patchline_model::service::Name;
use patchline_model::time::Seconds;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;
use crate::settings::value::{command, inside, parsed};

const USUAL_SECONDS: u64 = 600;
const LONGEST_SECONDS: u64 = 3600;
pub const MOST_ANALYZERS: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyzerSection {
    name: Spanned<String>,
    command: Spanned<Vec<String>>,
    report: Option<Spanned<String>>,
    format: Option<Spanned<String>>,
    fix: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    network: bool,
    deadline_seconds: Option<Spanned<u64>>,
}

pub fn analyzers(sections: &[AnalyzerSection]) -> Result<Vec<Analyzer>, Problem> {
    for (at, section) in sections.iter().enumerate() {
        let name = &section.name;
        if at >= MOST_ANALYZERS {
            return Err(Problem::at(name.span(), format!("there are more than {MOST_ANALYZERS} analyzers")));
        }
        if sections[..at].iter().any(|before| before.name.get_ref() == name.get_ref()) {
            let message = format!("there are two analyzers `{}`", name.get_ref());
            return Err(Problem::at(name.span(), message).hint("give each a name of its own"));
        }
    }
    sections.iter().map(analyzer).collect()
}

fn analyzer(section: &AnalyzerSection) -> Result<Analyzer, Problem> {
    Ok(Analyzer {
        name: parsed::<Name>(&section.name)?.to_string(),
        command: command(&section.command)?.0,
        report: section.report.as_ref().map(inside).transpose()?,
        format: section.format.as_ref().map_or(Ok(Format::default()), format)?,
        fix: section.fix.as_ref().map(command).transpose()?.map(|line| line.0),
        network: section.network,
        deadline: section.deadline_seconds.as_ref().map_or(Ok(Seconds(USUAL_SECONDS)), deadline)?,
    })
}

fn format(value: &Spanned<String>) -> Result<Format, Problem> {
    let found = Format::NAMES.iter().find(|(name, _)| name == value.get_ref());
    found.map(|(_, format)| *format).ok_or_else(|| {
        let names = Format::NAMES.map(|(name, _)| format!("\"{name}\"")).join(", ");
        Problem::at(value.span(), format!("`{}` is not a format of reports", value.get_ref()))
            .hint(format!("there are {names}"))
    })
}

fn deadline(value: &Spanned<u64>) -> Result<Seconds, Problem> {
    match *value.get_ref() {
        seconds if (1..=LONGEST_SECONDS).contains(&seconds) => Ok(Seconds(seconds)),
        _ => Err(Problem::at(value.span(), format!("expected seconds from 1 to {LONGEST_SECONDS}"))),
    }
}

#[cfg(test)]
mod tests {
    use patchline_model::analyzer::{Analyzer, Format};
    use patchline_model::time::Seconds;

    use super::{AnalyzerSection, analyzers};

    #[derive(serde::Deserialize)]
    struct File {
        analyzer: Vec<AnalyzerSection>,
    }

    fn read(text: &str) -> Result<Vec<Analyzer>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        analyzers(&file.analyzer).map_err(|problem| problem.message)
    }

    const LEAST: &str = "[[analyzer]]\nname = \"ruff\"\ncommand = [\"ruff\", \"check\"]\n";

    #[test]
    fn an_analyzer_is_a_name_and_a_command_and_the_rest_has_defaults() {
        let read = read(LEAST).unwrap();
        let then = Analyzer {
            name: "ruff".to_owned(),
            command: vec!["ruff".to_owned(), "check".to_owned()],
            report: None,
            format: Format::Sarif,
            fix: None,
            network: false,
            deadline: Seconds(600),
        };
        assert_eq!(read, [then]);
    }

    #[test]
    fn what_can_t_be_is_refused() {
        for (line, words) in [
            ("report = \"../out.sarif\"", "inside the service's folder"),
            ("format = \"xml\"", "is not a format of reports"),
            ("fix = []", "needs a program"),
            ("deadline_seconds = 0", "1 to 3600"),
            ("deadline_seconds = 3601", "1 to 3600"),
            ("fixes = []", "unknown field"),
            (LEAST, "two analyzers `ruff`"),
        ] {
            let why = read(&format!("{LEAST}{line}")).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let why = read("[[analyzer]]\nname = \"Ruff 1\"\ncommand = [\"ruff\"]\n").unwrap_err();
        assert!(why.contains("is not a name"), "{why}");
    }
}
