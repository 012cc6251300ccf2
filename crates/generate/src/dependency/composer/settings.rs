//! Where packages come from: what Composer itself says of it, and what it is shown of the user's own settings, which is
//! nothing but addresses.

use std::env;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use url::Url;

/// A repository that answers as Packagist does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) address: Url,
    only: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Source {
    /// Whether this repository is asked for a package.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is = |pattern: &String| fits(pattern, name);
        self.only.as_ref().is_none_or(|only| only.iter().any(is)) && !self.exclude.iter().any(is)
    }
}

/// The settings that Composer is given as the user's own.
pub(crate) fn users_own() -> String {
    let home = env::home_dir();
    let places = [
        env::var_os("COMPOSER_HOME").map(PathBuf::from),
        env::var_os("XDG_CONFIG_HOME").map(|folder| PathBuf::from(folder).join("composer")),
        home.as_ref().map(|home| home.join(".config/composer")),
        home.as_ref().map(|home| home.join(".composer")),
    ];
    let read = |folder: PathBuf| fs::read_to_string(folder.join("config.json")).ok();
    only_addresses(&places.into_iter().flatten().find_map(read).unwrap_or_default())
}

/// Of a `config.json` the repositories without a secret, and whether they may be asked without TLS.
fn only_addresses(text: &str) -> String {
    let settings: Value = serde_json::from_str(text).unwrap_or_default();
    let is_open = |one: &Value| match one {
        Value::Object(map) => {
            map.get("url").and_then(Value::as_str).is_none_or(is_open) && !map.contains_key("options")
        }
        Value::Bool(_) => true,
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    };
    let repositories = match settings.get("repositories") {
        Some(Value::Object(map)) => {
            let open = map.iter().filter(|(_, one)| is_open(one));
            Value::Object(open.map(|(name, one)| (name.clone(), one.clone())).collect())
        }
        Some(Value::Array(list)) => Value::Array(list.iter().filter(|one| is_open(one)).cloned().collect()),
        _ => Value::Object(Map::new()),
    };
    let secure = settings.pointer("/config/secure-http").cloned().unwrap_or(Value::Bool(true));
    json!({ "repositories": repositories, "config": { "secure-http": secure } }).to_string()
}

/// The repositories, as Composer lists them, in its order. Why they can't be asked, where one can't.
pub(crate) fn sources(text: &str) -> Result<Vec<Source>, String> {
    let all: Value = serde_json::from_str(text.trim())
        .map_err(|_| "Composer does not say which repositories it asks".to_owned())?;
    let all: Vec<Value> = match all {
        Value::Array(list) => list,
        Value::Object(map) => map.into_iter().map(|(_, one)| one).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut sources = Vec::new();
    for one in all.iter().filter(|one| one.get("type").is_some()) {
        match (one["type"].as_str().unwrap_or_default(), one.get("url").and_then(Value::as_str)) {
            ("composer", Some(url)) => sources.push(source(one, url)?),
            // What stands in the manifest itself Composer needs nobody for.
            ("package", _) => {}
            (kind, _) => {
                return Err(format!(
                    "`composer.json` names a repository of the type `{kind}`, which is left: only those of the type `composer` can be asked for versions"
                ));
            }
        }
    }
    Ok(sources)
}

fn source(one: &Value, url: &str) -> Result<Source, String> {
    let shown = url.rsplit('@').next().unwrap_or(url);
    let address = Url::parse(&format!("{}/", url.trim_end_matches("/packages.json").trim_end_matches('/')));
    let address = address.ok().filter(|address| matches!(address.scheme(), "http" | "https"));
    let address = address.ok_or_else(|| {
        format!("the repository at `{shown}` can't be asked: that is no address of the web")
    })?;
    if !is_open(url) || one.get("options").is_some() {
        return Err(format!(
            "the repository at `{shown}` is set up with a password or options of its own, which are not read: it can't be asked"
        ));
    }
    let list = |key: &str| {
        let list = one.get(key)?.as_array()?.iter();
        Some(list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    };
    Ok(Source { address, only: list("only"), exclude: list("exclude").unwrap_or_default() })
}

/// An address without a secret in it.
fn is_open(text: &str) -> bool {
    !text.contains('@')
}

/// Whether a name is of this pattern, in which a star stands for any letters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{fits, only_addresses, sources};

    #[test]
    fn nothing_but_addresses_is_kept() {
        let text = r#"{"config": {"secure-http": false, "http-basic": {"h": {"password": "secret"}}, "github-oauth": {"g": "secret"}},
            "repositories": {"a": {"type": "composer", "url": "https://a.example"}, "b": {"type": "composer", "url": "https://u:secret@b.example"},
            "c": {"type": "composer", "url": "https://c.example", "options": {"http": {"header": ["Token: secret"]}}}, "packagist.org": false}}"#;
        let kept = only_addresses(text);
        assert!(!kept.contains("secret\"") && !kept.contains("secret@"), "{kept}");
        assert!(kept.contains("https://a.example") && kept.contains(r#""packagist.org":false"#), "{kept}");
        assert!(kept.contains(r#""secure-http":false"#), "{kept}");
    }

    #[test]
    fn repositories_are_told_in_order() {
        let check = |text: &str, then: Result<&[&str], &str>| {
            let found =
                sources(text).map(|all| all.iter().map(|one| one.address.to_string()).collect::<Vec<_>>());
            match (found, then) {
                (Ok(found), Ok(then)) => assert_eq!(found, then, "{text}"),
                (Err(found), Err(then)) => assert!(found.contains(then), "{found}"),
                (found, then) => panic!("{found:?} {then:?}"),
            }
        };
        check(
            r#"{"0": {"type": "composer", "url": "https://b.example/x"}, "p": {"type": "composer", "url": "https://a.example"}}"#,
            Ok(&["https://b.example/x/", "https://a.example/"]),
        );
        check(r#"[{"type": "package", "package": {}}, {"packagist.org": false}]"#, Ok(&[]));
        check(r#"[{"type": "path", "url": "./x"}]"#, Err("of the type `path`"));
        check(
            r#"[{"type": "composer", "url": "https://u:p@a.example"}]"#,
            Err("`a.example` is set up with a password"),
        );
        check("nonsense", Err("does not say"));
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        let check =
            |pattern: &str, name: &str, then: bool| assert_eq!(fits(pattern, name), then, "{pattern} {name}");
        check("t/*", "t/a", true);
        check("t/a", "t/a", true);
        check("t/a", "t/ab", false);
        check("*/a*c", "t/abc", true);
        check("t/*", "u/a", false);
        check("*", "t/a", true);
    }
}
