//! A `Gemfile` that states facts alone, and the one of ours that says the same to Bundler. A `Gemfile` is Ruby code: the
//! repository's is read here and never run, and what more than states is refused by its line.

use std::fmt::Write as _;
use std::ops::Range;

use crate::dependency::bundler::range;
use crate::dependency::bundler::statement::{Statement, Value};
use crate::dependency::bundler::token::statements;

/// Options of a gem that change nothing of which version it gets.
const WITHOUT_WEIGHT: [&str; 4] = ["require", "group", "groups", "force_ruby_platform"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gemfile {
    pub(crate) sources: Vec<String>,
    pub(crate) ruby: Option<Ruby>,
    pub(crate) gems: Vec<Asked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruby {
    /// Ranges, and options with their values.
    Stated(Vec<String>, Vec<(String, String)>),
    /// The file that says it.
    In(String),
}

/// A gem that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    /// Each with its place in the file.
    pub(crate) ranges: Vec<(String, Range<usize>)>,
    platforms: Vec<String>,
    source: Option<String>,
}

/// What a block holds for the gems in it.
enum Block {
    Source(String),
    Platforms(Vec<String>),
    Group,
}

impl Gemfile {
    /// What is refused, as in ``line 3: `gemspec` ``.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let line = |at: usize| format!("line {}", text[..at].matches('\n').count() + 1);
        let (mut found, mut blocks) = (Self::default(), Vec::new());
        for tokens in statements(text).map_err(|(at, what)| format!("{}: {what}", line(at)))? {
            let start = tokens[0].place.start;
            let refused = || {
                let shown: String =
                    text[start..].lines().next().unwrap_or_default().trim_end().chars().take(60).collect();
                format!("{}: `{shown}`", line(start))
            };
            let statement = Statement::read(&tokens).ok_or_else(refused)?;
            found.take(statement, &mut blocks).ok_or_else(refused)?;
        }
        if blocks.is_empty() { Ok(found) } else { Err("a block without its `end`".to_owned()) }
    }

    fn take(&mut self, statement: Statement, blocks: &mut Vec<Block>) -> Option<()> {
        let Statement { name, values, options, opens } = statement;
        match (name.as_str(), values.as_slice(), opens) {
            ("end", [], false) if options.is_empty() => drop(blocks.pop()?),
            ("source", [Value::Text(url, _)], true) if options.is_empty() => {
                blocks.push(Block::Source(url.clone()))
            }
            ("source", [Value::Text(url, _)], false) if options.is_empty() => self.sources.push(url.clone()),
            ("group", _, true) => blocks.push(Block::Group),
            ("platforms" | "platform", values, true) if options.is_empty() => {
                blocks.push(Block::Platforms(words(values)));
            }
            ("ruby", values, false) => self.ruby = Some(ruby(values, options)?),
            ("gem", [Value::Text(name, _), ranges @ ..], false) => {
                let gem = asked(name, ranges, options, blocks)?;
                self.gems.push(gem);
            }
            _ => return None,
        }
        Some(())
    }

    /// What Bundler is shown. Where a gem has to be held at a version, `held` says at which, and where it comes from.
    pub(crate) fn shown(&self, ruby: Option<&str>, held: &[Held]) -> String {
        let mut text = String::new();
        for source in &self.sources {
            let _ = writeln!(text, "source {}", quoted(source));
        }
        match (&self.ruby, ruby) {
            (Some(Ruby::Stated(ranges, options)), _) => {
                let ranges = ranges.iter().map(|range| quoted(range));
                let options = options.iter().map(|(key, value)| format!("{key}: {}", quoted(value)));
                let all: Vec<String> = ranges.chain(options).collect();
                let _ = writeln!(text, "ruby {}", all.join(", "));
            }
            (Some(Ruby::In(_)), Some(version)) => {
                let _ = writeln!(text, "ruby {}", quoted(version));
            }
            (Some(Ruby::In(_)), None) | (None, _) => {}
        }
        for gem in &self.gems {
            let at = held.iter().find(|held| held.name == gem.name).map(|held| format!("= {}", held.version));
            let mut words = vec![quoted(&gem.name)];
            match at {
                Some(at) => words.push(quoted(&at)),
                None => words.extend(gem.ranges.iter().map(|(range, _)| quoted(range))),
            }
            if !gem.platforms.is_empty() {
                let list: Vec<String> = gem.platforms.iter().map(|one| format!(":{one}")).collect();
                words.push(format!("platforms: [{}]", list.join(", ")));
            }
            words.extend(gem.source.iter().map(|source| format!("source: {}", quoted(source))));
            let _ = writeln!(text, "gem {}", words.join(", "));
        }
        for held in held.iter().filter(|held| self.gems.iter().all(|gem| gem.name != held.name)) {
            let source = match &held.source {
                Some(source) => format!(", source: {}", quoted(source)),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "gem {}, {}{source}",
                quoted(&held.name),
                quoted(&format!("= {}", held.version))
            );
        }
        text
    }

    /// The text with ranges that take this version of a gem; none where they can't.
    pub(crate) fn relaxed(&self, text: &str, name: &str, version: &str) -> Option<String> {
        let mut text = text.to_owned();
        let places = self.gems.iter().filter(|gem| gem.name == name).flat_map(|gem| &gem.ranges);
        let mut places: Vec<&(String, Range<usize>)> = places.collect();
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.start));
        for (range, place) in places {
            text.replace_range(place.clone(), &range::relaxed(range, version)?);
        }
        Some(text)
    }
}

/// A gem at the version that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it comes from another source than the first.
    pub(crate) source: Option<String>,
}

fn asked(name: &str, ranges: &[Value], options: Vec<(String, Value)>, blocks: &[Block]) -> Option<Asked> {
    let mut found = Vec::new();
    for range in ranges {
        let flat = match range {
            Value::List(list) => list.as_slice(),
            Value::Text(..) | Value::Symbol(_) | Value::Bare(_) => std::slice::from_ref(range),
        };
        for one in flat {
            let Value::Text(text, place) = one else { return None };
            found.push((text.clone(), place.clone()));
        }
    }
    let of_blocks = blocks.iter().flat_map(|block| match block {
        Block::Platforms(platforms) => platforms.clone(),
        Block::Source(_) | Block::Group => Vec::new(),
    });
    let (mut platforms, mut source): (Vec<String>, _) = (of_blocks.collect(), None);
    for block in blocks {
        if let Block::Source(url) = block {
            source = Some(url.clone());
        }
    }
    for (key, value) in options {
        match (key.as_str(), value) {
            ("platform" | "platforms", value) => platforms.extend(words(&[value])),
            ("source", Value::Text(url, _)) => source = Some(url),
            (key, _) if WITHOUT_WEIGHT.contains(&key) => {}
            _ => return None,
        }
    }
    let is_plain = |word: &String| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let asked = Asked { name: name.to_owned(), ranges: found, platforms, source };
    asked.platforms.iter().all(is_plain).then_some(asked)
}

fn ruby(values: &[Value], options: Vec<(String, Value)>) -> Option<Ruby> {
    if let (true, [(key, Value::Text(file, _))]) = (values.is_empty(), options.as_slice())
        && key == "file"
    {
        return Some(Ruby::In(file.clone()));
    }
    let options = options.into_iter().map(|(key, value)| match (key.as_str(), value) {
        ("engine" | "engine_version" | "patchlevel", Value::Text(text, _)) => Some((key, text)),
        _ => None,
    });
    Some(Ruby::Stated(words(values).into_iter().collect(), options.collect::<Option<Vec<_>>>()?))
}

fn words(values: &[Value]) -> Vec<String> {
    values.iter().flat_map(Value::words).map(str::to_owned).collect()
}

/// A text that is nothing but its letters to Ruby.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Gemfile, Held};

    const PLAIN: &str = r##"# frozen_string_literal: true
source "https://r.example"
git_source(:github) { |repo| "https://g.example/#{repo}.git" }
ruby "~> 3.1" # ours

gem "rails", "~> 7.0.1", ">= 7.0.2" # keep me
group :development, :test do
  gem "debug", platforms: %i[mri windows], require: false
end
platforms :jruby do
  gem 'jdbc', :require => nil
end
source 'https://p.example' do
  gem "own", "1.0"
end
"##;

    #[test]
    fn what_states_facts_is_said_again() {
        let gemfile = Gemfile::read(PLAIN).unwrap();
        let expected = "source 'https://r.example'\nruby '~> 3.1'\ngem 'rails', '~> 7.0.1', '>= 7.0.2'\ngem 'debug', platforms: [:mri, :windows]\ngem 'jdbc', platforms: [:jruby]\ngem 'own', '1.0', source: 'https://p.example'\n";
        assert_eq!(gemfile.shown(None, &[]), expected);
        let held = [("own", "1.1"), ("far", "2")].map(|(name, version)| Held {
            name: name.to_owned(),
            version: version.to_owned(),
            source: None,
        });
        let shown = gemfile.shown(None, &held);
        assert!(
            shown.contains("gem 'own', '= 1.1', source: 'https://p.example'\ngem 'far', '= 2'\n"),
            "{shown}"
        );
        let relaxed = gemfile.relaxed(PLAIN, "rails", "8.1.2").unwrap();
        assert_eq!(relaxed, PLAIN.replace("~> 7.0.1", "~> 8.1.2"));
        assert_eq!(gemfile.relaxed(PLAIN, "own", "1.2").unwrap(), PLAIN.replace("\"1.0\"", "\"1.2\""));
    }

    #[test]
    fn what_more_than_states_is_refused_by_its_line() {
        let check = |text: &str, then: &str| assert_eq!(Gemfile::read(text).unwrap_err(), then, "{text}");
        check("source 'x'\ngemspec\n", "line 2: `gemspec`");
        check("gem 'a', path: '.'", "line 1: `gem 'a', path: '.'`");
        check("\neval_gemfile 'x'", "line 2: `eval_gemfile 'x'`");
        check("gem 'a' if ENV", "line 1: `gem 'a' if ENV`");
        check("gem 'a', ENV['V']", "line 1: `gem 'a', ENV['V']`");
        check("system('id')", "line 1: `system('id')`");
        check("x = 1", "line 1: `= 1`");
        check("group :a do\n", "a block without its `end`");
        check("if true do\nend", "line 1: `if true do`");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_shown_as_facts(text in "(gem|source|group|do|end| |'|\"|a|:a|,|\n|\\\\|=>|%w\\[|\\]){0,40}") {
            if let Ok(gemfile) = Gemfile::read(&text) {
                let shown = gemfile.shown(None, &[]);
                let again = Gemfile::read(&shown).unwrap();
                proptest::prop_assert_eq!(again.shown(None, &[]), shown);
            }
        }
    }
}
