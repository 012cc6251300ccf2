//! `Gemfile.lock`, as far as choosing versions needs it (the format is only written down in Bundler's `lockfile_parser.rb`).

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::flat::Required;
use crate::dependency::moved::{Installed, Set};

/// Largest lockfile that is read, in bytes.
pub(crate) const LARGEST: u64 = 8 << 20;
const MOST_GEMS: usize = 20_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lockfile {
    pub(crate) gems: Vec<Gem>,
    pub(crate) platforms: BTreeSet<String>,
    /// As in `3.1.2`.
    pub(crate) ruby: Option<String>,
    /// Who wrote it.
    pub(crate) bundler: Option<String>,
    /// The names of its sections.
    pub(crate) sections: BTreeSet<String>,
    checksums: BTreeMap<String, String>,
}

/// One gem for one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gem {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `ruby` is any.
    pub(crate) platform: String,
    /// The addresses of its source.
    pub(crate) remotes: Vec<String>,
    requires: Vec<Required>,
}

impl Lockfile {
    /// Why not, in a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lock = Self::default();
        let (mut section, mut remotes) = ("", Vec::new());
        for (at, line) in text.lines().map(str::trim_end).enumerate() {
            let content = line.trim_start_matches(' ');
            let broken = |what: &str| format!("could not read the lockfile: line {}: {what}", at + 1);
            if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| content.starts_with(mark)) {
                return Err(broken("a merge conflict is left in it"));
            }
            match (line.len() - content.len(), section) {
                (_, _) if content.is_empty() => {}
                (0, _) => {
                    (section, remotes) = (content, Vec::new());
                    lock.sections.insert(content.to_owned());
                }
                (2, "GEM") => remotes.extend(content.strip_prefix("remote: ").map(str::to_owned)),
                (4, "GEM") => {
                    let gem =
                        gem(content, &remotes).ok_or_else(|| broken("it is no gem with its version"))?;
                    if lock.gems.len() >= MOST_GEMS {
                        return Err(format!("the lockfile has more than {MOST_GEMS} gems"));
                    }
                    lock.gems.push(gem);
                }
                (6, "GEM") => {
                    let gem = lock.gems.last_mut().ok_or_else(|| broken("it belongs to no gem"))?;
                    gem.requires.push(required(content));
                }
                (2, "PLATFORMS") => drop(lock.platforms.insert(content.to_owned())),
                (3, "RUBY VERSION") => lock.ruby = ruby(content),
                (3, "BUNDLED WITH") => lock.bundler = Some(content.to_owned()),
                (2, "CHECKSUMS") => {
                    let (gem, sum) = content.split_once(") ").unwrap_or((content, ""));
                    lock.checksums.insert(gem.to_owned(), sum.to_owned());
                }
                (_, _) => {}
            }
        }
        Ok(lock)
    }

    /// The gems that come from elsewhere than a registry have sections of their own.
    pub(crate) fn elsewhere(&self) -> Option<&str> {
        let known = ["GIT", "PATH", "PLUGIN SOURCE"];
        self.sections.iter().map(String::as_str).find(|section| known.contains(section))
    }

    /// What is installed, whatever the platform.
    pub(crate) fn set(&self) -> Set {
        let mut set = Set::new();
        for gem in &self.gems {
            let one = set
                .entry(gem.name.clone())
                .or_insert_with(|| Installed { version: gem.version.clone(), ..Installed::default() });
            if one.version != gem.version {
                one.fixed = Some(format!(
                    "`{}` is locked at several versions, {} and {} among them, for several platforms",
                    gem.name, one.version, gem.version
                ));
            }
            let new = gem.requires.iter().filter(|required| !one.requires.contains(required));
            let new: Vec<Required> = new.cloned().collect();
            one.requires.extend(new);
            let prefix = format!("{} ({}", gem.name, gem.version);
            let sums = self.checksums.iter().filter(|(of, sum)| of.starts_with(&prefix) && !sum.is_empty());
            one.content.extend(sums.map(|(of, sum)| (of.clone(), sum.clone())));
        }
        set
    }

    /// The version of each gem by itself, platforms included, which a gem may have several of.
    pub(crate) fn is_for_any_platform(&self, name: &str) -> bool {
        self.gems.iter().any(|gem| gem.name == name && gem.platform == "ruby")
    }
}

/// The lockfile as if this Bundler had written it.
pub(crate) fn bundled_with(text: &str, version: &str) -> String {
    let Some((head, tail)) = text.split_once("BUNDLED WITH") else { return text.to_owned() };
    let mut parts = tail.splitn(3, '\n');
    let (first, written, rest) = (parts.next(), parts.next(), parts.next());
    let end = if written.is_some_and(|line| line.ends_with('\r')) { "\r" } else { "" };
    format!(
        "{head}BUNDLED WITH{}\n   {version}{end}\n{}",
        first.unwrap_or_default(),
        rest.unwrap_or_default()
    )
}

/// `name (1.2-platform)`.
fn gem(content: &str, remotes: &[String]) -> Option<Gem> {
    let (name, rest) = content.split_once(" (")?;
    let full = rest.strip_suffix(')')?;
    let (version, platform) = full.split_once('-').unwrap_or((full, "ruby"));
    Some(Gem {
        name: name.to_owned(),
        version: version.to_owned(),
        platform: platform.to_owned(),
        remotes: remotes.to_vec(),
        requires: Vec::new(),
    })
}

/// `name (>= 1, < 3)`.
fn required(content: &str) -> Required {
    let (name, range) = content.split_once(" (").unwrap_or((content, ">= 0)"));
    Required { name: name.trim_end_matches('!').to_owned(), range: range.trim_end_matches(')').to_owned() }
}

/// `ruby 3.1.2p20`.
fn ruby(content: &str) -> Option<String> {
    let version = content.strip_prefix("ruby ")?.split(' ').next()?;
    Some(version.split('p').next().unwrap_or(version).to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Lockfile, bundled_with};

    const LOCK: &str = "GEM\n  remote: https://r.example/\n  specs:\n    a (1.0)\n      b (>= 1, < 3)\n      c\n    n (1.0)\n    n (1.0-x86_64-linux)\n    m (1.0-java)\n\nPLATFORMS\n  ruby\n  x86_64-linux\n\nDEPENDENCIES\n  a\n\nCHECKSUMS\n  a (1.0) sha256=aa\n\nRUBY VERSION\n   ruby 3.1.2p20\n\nBUNDLED WITH\n   2.1.4\n";

    #[test]
    fn a_lockfile_says_what_is_installed() {
        let lock = Lockfile::parse(LOCK).unwrap();
        let set = lock.set();
        let ranges: Vec<String> =
            set["a"].requires.iter().map(|one| format!("{} {}", one.name, one.range)).collect();
        assert_eq!(ranges, ["b >= 1, < 3", "c >= 0"]);
        assert_eq!((lock.ruby.as_deref(), lock.bundler.as_deref()), (Some("3.1.2"), Some("2.1.4")));
        assert_eq!((set["n"].version.as_str(), &set["n"].fixed), ("1.0", &None));
        assert_eq!(set["a"].content.values().collect::<Vec<_>>(), ["sha256=aa"]);
        assert!(lock.is_for_any_platform("n") && !lock.is_for_any_platform("m"));
        assert_eq!(lock.gems[0].remotes, ["https://r.example/"]);
        assert_eq!(lock.elsewhere(), None);
        assert_eq!(Lockfile::parse("PATH\n  remote: .\n").unwrap().elsewhere(), Some("PATH"));
        assert!(Lockfile::parse("GEM\n    a\n").unwrap_err().contains("line 2"));
        assert_eq!(bundled_with(LOCK, "2.5.3"), LOCK.replace("2.1.4", "2.5.3"));
        assert_eq!(bundled_with("GEM\n", "2.5.3"), "GEM\n");
        let windows = LOCK.replace('\n', "\r\n");
        assert_eq!(bundled_with(&windows, "2.5.3"), windows.replace("2.1.4", "2.5.3"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(GEM|PLATFORMS|BUNDLED WITH|\n|  |    |      |a \\(1|-|\\)|é){0,30}") {
            let _ = Lockfile::parse(&text).map(|lock| lock.set());
            bundled_with(&text, "1");
        }
    }
}
