//! RubyGems' compact index (<https://guides.rubygems.org/rubygems-org-compact-index-api/>): one text for each gem, with all its
//! versions and what they require.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use patchline_connect::{Client, Get, Kind as Fault};
use patchline_model::failure::{Failure, FailureClass};

use crate::changelog::kept::{Archive, Archives, LARGEST_ARCHIVE};
use crate::dependency::bundler::range::{admits, compare, is_preview};
use crate::dependency::flat::Required;
use crate::dependency::registered::{Published, Registry};
use crate::failures::of_fetch;

const LARGEST: u64 = 16 << 20;
const MOST_LINES: usize = 100_000;

pub(crate) struct Index {
    pub(crate) client: Client,
    /// The addresses of the source that each installed gem comes from.
    pub(crate) remotes: BTreeMap<String, Vec<String>>,
    /// Those of the first source, for what is not installed.
    pub(crate) first: Vec<String>,
    /// Which Ruby the project is for.
    pub(crate) ruby: String,
    pub(crate) platforms: BTreeSet<String>,
}

#[async_trait]
impl Registry for Index {
    fn ecosystem(&self) -> &'static str {
        "RubyGems"
    }

    async fn published(&self, name: &str) -> Result<Vec<Published>, Failure> {
        if !is_name(name) {
            return Ok(Vec::new());
        }
        for base in self.remotes.get(name).unwrap_or(&self.first) {
            let get = Get::new(format!("{}/info/{name}", base.trim_end_matches('/')), LARGEST);
            let answer = match self.client.get(&get).await {
                Ok(answer) => answer,
                Err(error) if error.kind == Fault::Missing => continue,
                Err(error) if error.kind == Fault::Forbidden => {
                    let hint = "a source that wants a password or a token can't be asked here: name a mirror that does not, as in `bundle config mirror.SOURCE ADDRESS`";
                    return Err(of_fetch(&error).with_hint(hint));
                }
                Err(error) => return Err(of_fetch(&error)),
            };
            let text = String::from_utf8_lossy(&answer.bytes);
            let lines = read(&text).map_err(|what| {
                Failure::transient(format!("could not read what `{}` answers: {what}", get.url))
                    .of(FailureClass::Network)
                    .with_hint("look whether the source has a compact index, and whether a proxy answers in its place")
            })?;
            return Ok(self.versions(lines));
        }
        Ok(Vec::new())
    }

    fn admits(&self, range: &str, version: &str) -> bool {
        admits(range, version)
    }

    fn compare(&self, left: &str, right: &str) -> Ordering {
        compare(left, right)
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }
}

#[async_trait]
impl Archives for Index {
    async fn archive(&self, name: &str, version: &str) -> Result<Option<Archive>, Failure> {
        for base in self.remotes.get(name).unwrap_or(&self.first) {
            if !is_name(name) || !is_name(version) {
                continue;
            }
            let url = format!("{}/gems/{name}-{version}.gem", base.trim_end_matches('/'));
            match self.client.get(&Get::new(url, LARGEST_ARCHIVE).once()).await {
                Ok(answer) => return Ok(Some(Archive::Gem(answer.bytes))),
                Err(error) if error.kind == Fault::Missing => {}
                Err(error) => return Err(of_fetch(&error)),
            }
        }
        Ok(None)
    }
}

/// Whether a registry can be asked for it.
fn is_name(text: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_of_names)
}

impl Index {
    /// The versions for all platforms of the lockfile: by themselves, or for each of them.
    fn versions(&self, lines: Vec<Line>) -> Vec<Published> {
        let mut by_version: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in lines.into_iter().filter(|line| !is_preview(&line.version)) {
            by_version.entry(line.version.clone()).or_default().push(line);
        }
        let published = by_version.into_iter().filter_map(|(version, lines)| {
            let is_for = |platform: &String| {
                let fits = |line: &Line| {
                    line.platform == "ruby"
                        || line.platform.starts_with(platform.as_str())
                        || platform.starts_with(&line.platform)
                };
                lines.iter().any(fits)
            };
            if !self.platforms.iter().all(is_for) {
                return None;
            }
            let line = lines.iter().find(|line| line.platform == "ruby").or(lines.first())?;
            let ruby = line.ruby.as_ref().filter(|range| !admits(range, &self.ruby));
            let barred = ruby.map(|range| format!("asks for Ruby {range}, and {} must do here", self.ruby));
            Some(Published { version, requires: line.requires.clone(), barred })
        });
        published.collect()
    }
}

/// One version for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    version: String,
    platform: String,
    requires: Vec<Required>,
    ruby: Option<String>,
}

/// Lines as in `1.2-java b:>= 1&< 3,c:>= 0|checksum:aa,ruby:>= 2.5`, behind one of three hyphens.
fn read(text: &str) -> Result<Vec<Line>, String> {
    let (_, text) = match text.split_once("---\n") {
        Some((head, text)) if head.lines().all(|line| line.contains(": ")) => (head, text),
        _ => return Err("it does not begin as a compact index does".to_owned()),
    };
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if lines.len() >= MOST_LINES {
            return Err(format!("it has more than {MOST_LINES} versions"));
        }
        let (full, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (requires, about) = rest.split_once('|').unwrap_or((rest, ""));
        let (version, platform) = full.split_once('-').unwrap_or((full, "ruby"));
        if !version.starts_with(|sign: char| sign.is_ascii_digit()) {
            return Err(format!("`{}` is no version", version.chars().take(40).collect::<String>()));
        }
        let pairs = |list: &str| -> Vec<(String, String)> {
            let pairs = list.split(',').filter_map(|pair| pair.split_once(':'));
            pairs.map(|(key, value)| (key.trim().to_owned(), value.replace('&', ", "))).collect()
        };
        let requires = pairs(requires).into_iter().map(|(name, range)| Required { name, range });
        let ruby = pairs(about).into_iter().find(|(key, _)| key == "ruby").map(|(_, range)| range);
        lines.push(Line {
            version: version.to_owned(),
            platform: platform.to_owned(),
            requires: requires.collect(),
            ruby,
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use patchline_connect::{Client, Settings};
    use proptest::prelude::proptest;

    use super::{Index, read};

    #[test]
    fn what_can_be_used_is_told_from_what_is_published() {
        let check = |platforms: &[&str], text: &str, then: &[&str]| {
            let index = Index {
                client: Client::new(Settings::default()).unwrap(),
                remotes: BTreeMap::new(),
                first: Vec::new(),
                ruby: "3.1.2".to_owned(),
                platforms: platforms.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>(),
            };
            let versions = index.versions(read(text).unwrap());
            let shown: Vec<String> = versions
                .iter()
                .map(|one| {
                    let needs: Vec<String> =
                        one.requires.iter().map(|need| format!("{} {}", need.name, need.range)).collect();
                    format!(
                        "{} [{}] {}",
                        one.version,
                        needs.join("; "),
                        one.barred.clone().unwrap_or_default()
                    )
                })
                .collect();
            assert_eq!(shown, then, "{text}");
        };
        check(&["ruby"], "---\n1.0 b:>= 1&< 3,c:>= 0|checksum:aa\n", &["1.0 [b >= 1, < 3; c >= 0] "]);
        check(
            &["ruby"],
            "---\n1.0 |checksum:aa,ruby:>= 3.2\n1.1.pre |checksum:a\n1.1-java |checksum:a\n",
            &["1.0 [] asks for Ruby >= 3.2, and 3.1.2 must do here"],
        );
        check(
            &["java", "x86_64-linux"],
            "---\n1.0-java |a:b\n2.0-java |a:b\n2.0-x86_64-linux-gnu |a:b\n",
            &["2.0 [] "],
        );
        assert!(read("<html>\n---\n").is_err() && read("").is_err());
        assert!(read("---\nnonsense here\n").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in "(---\n|1|-| |:|,|&|\\||a|\n|é){0,40}") {
            let _ = read(&text);
        }
    }
}
