//! `composer.json`: what it asks for, and other ranges in it, where nothing else of the file changes.

use std::collections::BTreeMap;
use std::ops::Range;

use patchline_inventory::text::json::json;

use crate::dependency::composer::range;
use crate::dependency::flat::Wish;

const LISTS: [&str; 2] = ["require", "require-dev"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    asks: Vec<Asked>,
    /// What it asks of PHP.
    pub(crate) php: Option<String>,
    /// Which PHP it takes for given.
    pub(crate) platform_php: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    range: String,
    /// Where the range stands, without its quotes; none where it is not written letter by letter.
    place: Option<Range<usize>>,
}

impl Manifest {
    /// Why not, in a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let document = json(text).map_err(|broken| format!("line {}: {}", broken.line, broken.what))?;
        let mut found = Self::default();
        for entry in LISTS.iter().flat_map(|list| document.entries_of(list)) {
            let Some(range) = entry.value.text() else { continue };
            let start = entry.value.offset + 1;
            let place = start..start + range.len();
            let is_plain = text.get(place.clone()) == Some(range);
            let (name, range) = (entry.key.to_ascii_lowercase(), range.to_owned());
            match name.as_str() {
                "php" => found.php = Some(range),
                name if !name.contains('/') => {}
                _ => found.asks.push(Asked { name, range, place: is_plain.then_some(place) }),
            }
        }
        let platform = document.get("config").and_then(|config| config.get("platform"));
        found.platform_php = platform.and_then(|platform| platform.text_of("php")).map(str::to_owned);
        Ok(found)
    }

    pub(crate) fn wishes(&self) -> BTreeMap<String, Vec<Wish>> {
        let mut wishes: BTreeMap<String, Vec<Wish>> = BTreeMap::new();
        for Asked { name, range, place } in &self.asks {
            let (by, may_change) = ("`composer.json`".to_owned(), place.is_some());
            wishes.entry(name.clone()).or_default().push(Wish { range: range.clone(), by, may_change });
        }
        wishes
    }

    /// The text with a range that takes this version of a package; none where it can't.
    pub(crate) fn relaxed(&self, text: &str, name: &str, version: &str) -> Option<String> {
        let mut text = text.to_owned();
        for asked in self.asks.iter().rev().filter(|asked| asked.name == name) {
            text.replace_range(asked.place.clone()?, &range::relaxed(&asked.range, version)?);
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::Manifest;

    const TEXT: &str = "{\n  \"require\": {\"php\": \">=8.1\",  \"T/a\": \"^1.0\", \"ext-x\": \"*\"},\n\t\"require-dev\": { \"t/b\": \"1.\\u0030\" },\n  \"config\": {\"platform\": {\"php\": \"8.2.0\"}}\n}";

    #[test]
    fn only_the_range_changes() {
        let manifest = Manifest::read(TEXT).unwrap();
        assert_eq!(manifest.relaxed(TEXT, "t/a", "2.3.4").unwrap(), TEXT.replace("^1.0", "^2.3"));
        assert_eq!(manifest.relaxed(TEXT, "t/b", "2.3.4"), None);
        assert_eq!(
            (manifest.php.as_deref(), manifest.platform_php.as_deref()),
            (Some(">=8.1"), Some("8.2.0"))
        );
        let wishes = manifest.wishes();
        assert_eq!((wishes.len(), wishes["t/b"][0].may_change), (2, false));
        assert!(Manifest::read("{").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\{|\\}|\"require\"|:|\"a/b\"|\"\\^1\"|,|é|\\\\){0,20}") {
            let _ = Manifest::read(&text).map(|manifest| manifest.relaxed(&text, "a/b", "2.0"));
        }
    }
}
