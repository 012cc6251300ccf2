//! What shows a problem, as the flags of `report` say it.

use patchline_model::reproducer::{ByTest, How};
use patchline_model::service::Service;

use crate::cli::ReportArguments;
use crate::exit::Trouble;

/// Characters of one line.
const LONGEST_LINE: usize = 500;

/// What shows the problem, where it was told.
pub fn how(arguments: &ReportArguments, service: &Service) -> Result<Option<How>, Trouble> {
    match (&arguments.test, arguments.reproducer.first()) {
        (None, None) => Ok(None),
        (None, Some(program)) if program.trim().is_empty() => {
            Err(Trouble::usage("`--reproducer` needs a program")
                .hint("as in `--reproducer sh show.sh {artifact}`"))
        }
        (None, Some(_)) => Ok(Some(How::Command(arguments.reproducer.clone()))),
        (Some(_), _) if service.test.is_none() => {
            Err(Trouble::input(format!("{} has no `[test]`, so no test of it can be run", service.name))
                .hint("name the suite's command in `patchline.toml`"))
        }
        (Some(test), _) => {
            let reason = line("--reason", arguments.reason.as_deref())?;
            Ok(Some(How::Test(ByTest { name: line("--test", Some(test))?, reason, files: Vec::new() })))
        }
    }
}

/// One line that says something.
pub fn line(flag: &str, text: Option<&str>) -> Result<String, Trouble> {
    let Some(text) = text else {
        return Err(Trouble::usage(format!("`{flag}` is missing"))
            .hint("`patchline report --help` shows what is needed"));
    };
    let line = text.trim();
    if line.is_empty() || line.contains(char::is_control) || line.chars().count() > LONGEST_LINE {
        return Err(Trouble::usage(format!("`{flag}` is one line of at most {LONGEST_LINE} characters"))
            .hint("what is longer goes into a file for `--text`"));
    }
    Ok(line.to_owned())
}
