//! The tags of an action's repository, with the commit of each.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use patchline_inventory::version::Scheme;

/// Tags by name; each leads to a commit, also where it is an object of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Reads what `git ls-remote --tags` writes. The line of an annotated tag is followed by one with `^{}` and its commit.
    pub(crate) fn of(listed: &str) -> Self {
        let mut tags = BTreeMap::new();
        for (commit, name) in listed.lines().filter_map(|line| line.split_once("\trefs/tags/")) {
            let is_commit =
                matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            match name.strip_suffix("^{}") {
                Some(name) if is_commit => drop(tags.insert(name.to_owned(), commit.to_owned())),
                None if is_commit => drop(tags.entry(name.to_owned()).or_insert_with(|| commit.to_owned())),
                Some(_) | None => {}
            }
        }
        Self(tags)
    }

    /// The tag of a version: written as the other tag is, or else as it is there.
    pub(crate) fn named<'a>(&'a self, version: &str, like: &str) -> Option<(&'a str, &'a str)> {
        let (marked, plain) = (format!("v{version}"), version.to_owned());
        let names = if like.starts_with('v') { [marked, plain] } else { [plain, marked] };
        let found = names.iter().find_map(|name| self.0.get_key_value(name));
        found.map(|(name, commit)| (name.as_str(), commit.as_str()))
    }

    /// Versions of three numbers, the lowest first, without the `v`. Previews are none.
    pub(crate) fn releases(&self) -> Vec<&str> {
        let bare = self.0.keys().map(|name| name.strip_prefix('v').unwrap_or(name));
        let mut releases: Vec<&str> = bare.filter(|name| is_release(name)).collect();
        releases.sort_by(|left, right| order(left, right));
        releases.dedup();
        releases
    }
}

pub(crate) fn order(left: &str, right: &str) -> Ordering {
    let compared = Scheme::named("GitHub Actions").and_then(|scheme| scheme.compare(left, right));
    compared.unwrap_or_else(|| left.cmp(right))
}

fn is_release(name: &str) -> bool {
    let mut parts = name.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.by_ref().take(3).filter(|part| is_number(part)).count() == 3 && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::Tags;

    #[test]
    fn an_annotated_tag_leads_to_its_commit_and_releases_are_in_order() {
        let [a, b, c] = ["a", "b", "c"].map(|sign| sign.repeat(40));
        let listed = format!(
            "{a}\trefs/tags/v1.10.0\n{b}\trefs/tags/v1.10.0^{{}}\n{c}\trefs/tags/1.9.0\n{a}\trefs/tags/v1\n\
             {a}\trefs/tags/v2.0.0-rc.1\nwarning: x\n{a}\trefs/heads/v3.0.0\nzz\trefs/tags/v4.0.0\n"
        );
        let tags = Tags::of(&listed);
        assert_eq!(tags.releases(), ["1.9.0", "1.10.0"]);
        assert_eq!(tags.named("1.10.0", "v1.2.3"), Some(("v1.10.0", b.as_str())));
        assert_eq!(tags.named("1.9.0", "v1.2.3"), Some(("1.9.0", c.as_str())));
        assert_eq!(tags.named("4.0.0", "v1.2.3"), None);
    }
}
