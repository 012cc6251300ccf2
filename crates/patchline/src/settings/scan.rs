//! `[scan]`: which hosts are mirrors of public registries and which are private ones, and how old advisories may be.

use std::collections::BTreeSet;

use patchline_model::scanning::{Freshness, Scanning, Sources, Stale};
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::{Problem, Source};
use crate::settings::unreadable::unreadable;

/// A hundred years.
const MOST_DAYS: u32 = 36_500;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanSection {
    #[serde(default)]
    mirrors: Vec<Spanned<String>>,
    #[serde(default)]
    private: Vec<Spanned<String>>,
    stale_after_days: Option<Spanned<i64>>,
    stale: Option<Spanned<String>>,
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

pub fn scanning(source: &Source<'_>) -> Result<Scanning, Problem> {
    let file: File = toml::from_str(source.text).map_err(|error| unreadable(&error))?;
    scanning_of(&file.scan.unwrap_or_default())
}

pub fn scanning_of(section: &ScanSection) -> Result<Scanning, Problem> {
    Ok(Scanning { sources: sources_of(section)?, freshness: freshness_of(section)? })
}

fn freshness_of(section: &ScanSection) -> Result<Freshness, Problem> {
    let days = |value: &Spanned<i64>| {
        let days = u32::try_from(*value.get_ref()).ok().filter(|days| *days <= MOST_DAYS);
        days.ok_or_else(|| Problem::at(value.span(), format!("days are a number from 0 to {MOST_DAYS}")))
    };
    let stale = match &section.stale {
        None => Stale::default(),
        Some(value) => match value.get_ref().as_str() {
            "warn" => Stale::Warn,
            "error" => Stale::Error,
            _ => {
                let problem = Problem::at(value.span(), "old advisories are \"warn\" or \"error\"");
                return Err(problem.hint("\"error\" lets a scan that needs them fail"));
            }
        },
    };
    Ok(Freshness { stale_after_days: section.stale_after_days.as_ref().map(days).transpose()?, stale })
}

fn sources_of(section: &ScanSection) -> Result<Sources, Problem> {
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
    use patchline_model::scanning::{Freshness, Scanning, Sources, Stale};

    use super::{are_all, scanning};
    use crate::settings::caret::Source;

    fn read(text: &str) -> Result<Scanning, String> {
        let source = Source { path: "patchline.toml".to_owned(), text };
        scanning(&source).map_err(|problem| problem.trouble(&source).excerpt.unwrap_or_default())
    }

    #[test]
    fn hosts_are_read_and_what_is_none_is_refused_where_it_stands() {
        let set = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
        let given = "[scan]\nmirrors = [\"NPM.invalid:4873\"]\nprivate = [\"corp.invalid\"]\n";
        let sources = Sources { mirrors: set(&["npm.invalid:4873"]), private: set(&["corp.invalid"]) };
        assert_eq!(read(given), Ok(Scanning { sources, freshness: Freshness::default() }));
        assert_eq!(read("[service]\nname = \"x\"\n"), Ok(Scanning::default()));
        let wrong = [
            ("[scan]\nmirrors = [\"https://npm.invalid\"]\n", "this is not a host"),
            ("[scan]\nmirrors = [\"\"]\n", "this is not a host"),
            ("[scan]\nmirrors = [\"a\"]\nprivate = [\"A\"]\n", "among the `mirrors`"),
            ("[scan]\nmirror = [\"a\"]\n", "unknown field"),
            ("[scan]\nstale = \"maybe\"\n", "are \"warn\" or \"error\""),
            ("[scan]\nstale_after_days = -1\n", "a number from 0 to 36500"),
        ];
        for (given, then) in wrong {
            let shown = read(given).expect_err("it is wrong");
            assert!(shown.contains(then) && shown.contains('^'), "{given}\n{shown}");
        }
    }

    #[test]
    fn how_old_advisories_may_be_is_read() {
        let read = |text: &str| read(text).expect("it is right").freshness;
        let usual = read("[scan]\n");
        assert_eq!((usual.days(), usual.stale), (7, Stale::Warn));
        let strict = read("[scan]\nstale_after_days = 2\nstale = \"error\"\n");
        assert_eq!((strict.days(), strict.stale), (2, Stale::Error));
        assert_eq!(strict.and(&usual), strict);
        assert_eq!(read("[scan]\nstale_after_days = 30\n").and(&strict), strict);
    }

    #[test]
    fn a_file_may_have_this_section_alone() {
        assert!(are_all("[scan]\nmirrors = []\n"));
        assert!(!are_all("[scan]\n[service]\n") && !are_all("") && !are_all("scan = "));
    }
}
