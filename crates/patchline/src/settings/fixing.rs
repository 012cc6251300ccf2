//! `[fix]`: which findings share a patch, and what a pull request says.

use patchline_conductor::grouping::Grouping;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::{Problem, Source};
use crate::settings::unreadable::unreadable;
use crate::settings::value::inside;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixSection {
    group: Option<Spanned<String>>,
    template: Option<Spanned<String>>,
}

/// How fixes are made and told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fixing {
    pub grouping: Grouping,
    /// The file with the text of pull requests, seen from the service's folder.
    pub template: Option<String>,
}

/// A file of which only this section counts.
#[derive(Deserialize)]
struct File {
    fix: Option<FixSection>,
}

pub fn fixing(source: &Source<'_>) -> Result<Fixing, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| unreadable(&error))?;
    fixing_of(&file.fix.unwrap_or_default())
}

pub fn fixing_of(section: &FixSection) -> Result<Fixing, Problem> {
    let grouping = match &section.group {
        None => Grouping::default(),
        Some(written) => match written.get_ref().as_str() {
            "priority" => Grouping::Priority,
            "all" => Grouping::All,
            other => {
                let problem = Problem::at(written.span(), format!("`{other}` is no way to group findings"));
                return Err(problem.hint(
                    "\"priority\": a patch for each priority and owner; \"all\": one patch for everything",
                ));
            }
        },
    };
    Ok(Fixing { grouping, template: section.template.as_ref().map(inside).transpose()? })
}

#[cfg(test)]
mod tests {
    use patchline_conductor::grouping::Grouping;

    use super::{Fixing, fixing};
    use crate::settings::caret::Source;

    fn read(text: &str) -> Result<Fixing, String> {
        fixing(&Source { path: "patchline.toml".to_owned(), text }).map_err(|problem| problem.message)
    }

    #[test]
    fn findings_are_grouped_by_priority_unless_the_file_says_otherwise() {
        assert_eq!(read("[service]\nname = \"a\"\n"), Ok(Fixing::default()));
        let told = Fixing { grouping: Grouping::All, template: Some(".forge/pull.md".to_owned()) };
        assert_eq!(read("[fix]\ngroup = \"all\"\ntemplate = \".forge/pull.md\"\n"), Ok(told));
        assert!(read("[fix]\ngroup = \"tier\"\n").unwrap_err().contains("`tier` is no way to group"));
        assert!(read("[fix]\ntemplate = \"../pull.md\"\n").is_err());
        assert!(read("[fix]\ngroups = \"all\"\n").is_err());
    }
}
