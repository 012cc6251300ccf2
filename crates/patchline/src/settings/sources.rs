//! `[scan]`: which hosts are mirrors of public registries, and which are private registries.

use std::collections::BTreeSet;

use patchline_detect::Sources;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::{Problem, Source};
use crate::settings::unreadable::unreadable;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanSection {
    #[serde(default)]
    mirrors: Vec<Spanned<String>>,
    #[serde(default)]
    private: Vec<Spanned<String>>,
}

/// A file of which only this section counts.
#[derive(Deserialize)]
struct File {
    scan: Option<ScanSection>,
}

/// Whether the file says nothing else, and so describes no service.
pub fn are_all(text: &str) -> bool {
    text.parse::<toml::Table>().is_ok_and(|table| table.len() == 1 && table.contains_key("scan"))
}

pub fn sources(source: &Source<'_>) -> Result<Sources, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| unreadable(&error))?;
    sources_of(&file.scan.unwrap_or_default())
}

pub fn sources_of(section: &ScanSection) -> Result<Sources, Problem> {
    let hosts =
        |list: &[Spanned<String>]| list.iter().map(host).collect::<Result<BTreeSet<String>, Problem>>();
    let (mirrors, private) = (hosts(&section.mirrors)?, hosts(&section.private)?);
    match section.private.iter().find(|one| mirrors.contains(&one.get_ref().to_ascii_lowercase())) {
        Some(both) => Err(Problem::at(both.span(), "this host is among the `mirrors`, too")),
        None => Ok(Sources { mirrors, private }),
    }
}

fn host(value: &Spanned<String>) -> Result<String, Problem> {
    let text = value.get_ref();
    let is_host = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | ':' | '[' | ']');
    if text.is_empty() || !text.chars().all(is_host) {
        let problem = Problem::at(value.span(), "this is not a host");
        return Err(problem.hint("a name alone, as in \"npm.example.org\", with its port where there is one"));
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use patchline_detect::Sources;

    use super::{are_all, sources};
    use crate::settings::caret::Source;

    fn read(text: &str) -> Result<Sources, String> {
        let source = Source { path: "patchline.toml".to_owned(), text };
        sources(&source).map_err(|problem| problem.trouble(&source).excerpt.unwrap_or_default())
    }

    #[test]
    fn hosts_are_read_and_what_is_none_is_refused_where_it_stands() {
        let set = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
        let given = "[scan]\nmirrors = [\"NPM.invalid:4873\"]\nprivate = [\"corp.invalid\"]\n";
        let then = Sources { mirrors: set(&["npm.invalid:4873"]), private: set(&["corp.invalid"]) };
        assert_eq!(read(given), Ok(then));
        assert_eq!(read("[service]\nname = \"x\"\n"), Ok(Sources::default()));
        let wrong = [
            ("[scan]\nmirrors = [\"https://npm.invalid\"]\n", "this is not a host"),
            ("[scan]\nmirrors = [\"\"]\n", "this is not a host"),
            ("[scan]\nmirrors = [\"a\"]\nprivate = [\"A\"]\n", "among the `mirrors`"),
            ("[scan]\nmirror = [\"a\"]\n", "unknown field"),
        ];
        for (given, then) in wrong {
            let shown = read(given).expect_err("it is wrong");
            assert!(shown.contains(then) && shown.contains('^'), "{given}\n{shown}");
        }
    }

    #[test]
    fn a_file_may_have_this_section_alone() {
        assert!(are_all("[scan]\nmirrors = []\n"));
        assert!(!are_all("[scan]\n[service]\n") && !are_all("") && !are_all("scan = "));
    }
}
