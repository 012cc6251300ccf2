//! What a `package.json` asks for: the lockfiles of yarn and of old npm don't say who is direct.

use crate::detector::Scope;
use crate::text::json::json;
use crate::text::value::Value;

/// A name, the range that is asked for, and what for.
pub struct Wanted {
    pub name: String,
    pub range: String,
    pub scope: Scope,
}

/// A name and what it is asked for.
pub struct Named<'a> {
    pub name: &'a str,
    pub scope: Scope,
}

const LISTS: [(&str, Scope); 4] = [
    ("dependencies", Scope::Normal),
    ("optionalDependencies", Scope::Optional),
    ("peerDependencies", Scope::Peer),
    ("devDependencies", Scope::Dev),
];

/// What the manifest wants; nothing when it can't be read.
pub fn wanted(text: &str) -> Vec<Wanted> {
    json(text).map(|manifest| wanted_by(&manifest)).unwrap_or_default()
}

/// What an entry with such lists wants. `bun.lock` and `package-lock.json` have them too.
pub fn wanted_by(entry: &Value<'_>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (list, scope) in LISTS {
        for entry in entry.entries_of(list) {
            let range = entry.value.text().unwrap_or_default().to_owned();
            wanted.push(Wanted { name: entry.key.clone().into_owned(), range, scope });
        }
    }
    wanted
}

/// The scope of what stands in a list of this name; none where it is no such list.
pub fn scope_of(list: &str) -> Option<Scope> {
    LISTS.iter().find(|(name, _)| *name == list).map(|(_, scope)| *scope)
}

/// Name and rest of `name@rest`, in which the name may begin with an `@` and the rest have more of them.
pub fn name_and_rest(text: &str) -> (&str, &str) {
    let sign = text.match_indices('@').map(|(at, _)| at).find(|at| *at > 0);
    sign.map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// Whether a tarball at this address is one of the registry, or of a mirror of it, and not somebody's own.
pub fn is_registry(resolved: &str) -> bool {
    let is_web = resolved.starts_with("https://") || resolved.starts_with("http://");
    // Most addresses say nothing of git, and one look tells that.
    is_web && (!resolved.contains("git") || !is_of_git(resolved))
}

fn is_of_git(resolved: &str) -> bool {
    resolved.contains("codeload.github.com")
        || resolved.contains("://github.com/")
        || resolved.contains(".git#")
        || resolved.ends_with(".git")
}
