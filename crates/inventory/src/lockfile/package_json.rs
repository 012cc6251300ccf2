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

/// The same, where it stands in a text.
pub struct Named<'a> {
    pub name: &'a str,
    pub range: &'a str,
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
    let Ok(manifest) = json(text) else { return Vec::new() };
    let own = |named: Named<'_>| Wanted {
        name: named.name.to_owned(),
        range: named.range.to_owned(),
        scope: named.scope,
    };
    wanted_by(&manifest).map(own).collect()
}

/// What an entry with such lists wants. `bun.lock` and `package-lock.json` have them too.
pub fn wanted_by<'a>(entry: &'a Value<'_>) -> impl Iterator<Item = Named<'a>> {
    let entries =
        |(list, scope): (&str, Scope)| entry.entries_of(list).iter().map(move |entry| (entry, scope));
    let all = LISTS.into_iter().flat_map(entries);
    all.map(|(entry, scope)| Named { name: &entry.key, range: entry.value.text().unwrap_or_default(), scope })
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
