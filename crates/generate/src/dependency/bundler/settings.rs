//! Where Bundler would ask in the place of a source, by its own settings (<https://bundler.io/man/bundle-config.1.html>): of
//! these nothing but the addresses of mirrors is read.

use std::collections::BTreeMap;
use std::env;
use std::fs;

const PREFIX: &str = "BUNDLE_MIRROR__";

/// By the name of the setting, as `BUNDLE_MIRROR__HTTPS://R__EXAMPLE/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirrors(pub(crate) BTreeMap<String, String>);

impl Mirrors {
    /// The user's settings, over which the environment wins.
    pub(crate) fn read() -> Self {
        let file = env::home_dir().map(|home| home.join(".bundle/config"));
        let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let mut found = Self::of(&text);
        let of_environment = env::vars().filter(|(name, value)| name.starts_with(PREFIX) && is_open(value));
        found.0.extend(of_environment);
        found
    }

    /// Lines as in `BUNDLE_MIRROR__HTTPS://R__EXAMPLE/: "https://m.example"`.
    fn of(text: &str) -> Self {
        let read = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            let (name, value) = (name.trim().trim_matches('"'), value.trim().trim_matches(['"', '\'']));
            (name.starts_with(PREFIX) && is_open(value)).then(|| (name.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(read).collect())
    }

    /// The address that is asked for this source.
    pub(crate) fn address(&self, source: &str) -> String {
        let plain = source.trim_end_matches('/');
        let name = format!("{plain}/").replace('-', "___").replace('.', "__").to_uppercase();
        let of = |name: &str| self.0.get(&format!("{PREFIX}{name}"));
        of(&name)
            .or_else(|| of(name.trim_end_matches('/')))
            .or_else(|| of("ALL"))
            .cloned()
            .unwrap_or_else(|| plain.to_owned())
    }
}

/// An address without a secret in it.
fn is_open(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && !text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::Mirrors;

    #[test]
    fn a_mirror_takes_the_place_of_its_source() {
        let found = Mirrors::of(
            "---\nBUNDLE_MIRROR__HTTPS://R___A__EXAMPLE/: \"http://m.example/\"\nBUNDLE_GEMS__EXAMPLE: \"secret\"\nBUNDLE_MIRROR__HTTPS://P__EXAMPLE/: \"http://u:p@m.example/\"\n",
        );
        assert_eq!(found.0.len(), 1);
        assert_eq!(found.address("https://r-a.example"), "http://m.example/");
        assert_eq!(found.address("https://p.example/"), "https://p.example");
        let all = Mirrors::of("BUNDLE_MIRROR__ALL: https://all.example");
        assert_eq!(all.address("https://p.example/"), "https://all.example");
    }
}
