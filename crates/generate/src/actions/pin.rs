//! One `uses:` and what stands there afterwards: the tag or the commit of another version, in the same style.

use std::cmp::Ordering;

use patchline_inventory::lockfile::workflow::{Use, uses};

use crate::actions::tags::{Tags, order};

/// What takes the place of a reference, and of the version in the comment beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    reference: String,
    comment: Option<String>,
}

impl Pin {
    /// The reference for this version, or why there is none.
    pub(crate) fn of(used: &Use<'_>, version: &str, tags: &Tags) -> Result<Self, String> {
        match (used.is_commit(), used.comment) {
            (true, Some((_, said))) => Self::commit(used, said, version, tags),
            (true, None) => Err(format!("`{}` is pinned to a commit of no version", used.name)),
            (false, _) => Self::tag(used, version, tags),
        }
    }

    /// The comment says which version a commit is; that is believed only if the server says so, too.
    fn commit(used: &Use<'_>, said: &str, version: &str, tags: &Tags) -> Result<Self, String> {
        let short = &used.reference[..10];
        match tags.named(used.version(), said) {
            Some((_, commit)) if commit.eq_ignore_ascii_case(used.reference) => {}
            Some((_, commit)) => {
                let (name, other) = (&used.name, &commit[..10]);
                return Err(format!(
                    "`{name}` is pinned to {short}, which is not {said} as its comment says: that is {other}"
                ));
            }
            None => return Err(format!("`{}` has no tag {said}, as the comment at {short} says", used.name)),
        }
        let (tag, commit) = tags.named(version, said).ok_or_else(|| without_tag(used, version))?;
        let bare = tag.strip_prefix('v').unwrap_or(tag);
        let comment = if said.starts_with('v') { format!("v{bare}") } else { bare.to_owned() };
        Ok(Self { reference: commit.to_owned(), comment: Some(comment) })
    }

    fn tag(used: &Use<'_>, version: &str, tags: &Tags) -> Result<Self, String> {
        let parts = used.version().split('.').count();
        let precise: Vec<&str> = version.splitn(parts + 1, '.').take(parts).collect();
        let wanted = if parts < 3 { precise.join(".") } else { version.to_owned() };
        let (tag, commit) = tags.named(&wanted, used.reference).ok_or_else(|| without_tag(used, &wanted))?;
        if parts < 3 && !leads_to(commit, version, tags) {
            return Err(format!("the tag `{tag}` of `{}` does not lead to {version} or above", used.name));
        }
        if tag == used.reference {
            return Err(format!("`{}@{tag}` moves by itself, and leads to {version} or above", used.name));
        }
        let comment = used.comment.filter(|(_, said)| *said == used.reference).map(|_| tag.to_owned());
        Ok(Self { reference: tag.to_owned(), comment })
    }
}

/// Whether a commit is that of this version or of a higher one with the same first number.
fn leads_to(commit: &str, version: &str, tags: &Tags) -> bool {
    let first = |text: &str| text.split('.').next().map(str::to_owned);
    let releases = tags.releases().into_iter().filter(|one| first(one) == first(version));
    releases
        .filter(|one| order(one, version) != Ordering::Less)
        .any(|one| tags.named(one, "v").is_some_and(|(_, other)| other == commit))
}

fn without_tag(used: &Use<'_>, version: &str) -> String {
    format!("`{}` has no tag for {version}", used.name)
}

/// The text with other references, and nothing else changed.
pub(crate) fn repinned(text: &str, mut pin: impl FnMut(&Use<'_>) -> Option<Pin>) -> String {
    let (mut made, mut done) = (String::with_capacity(text.len()), 0);
    let mut put = |made: &mut String, at: usize, old: &str, new: &str| {
        made.push_str(&text[done..at]);
        made.push_str(new);
        done = at + old.len();
    };
    for used in uses(text) {
        let Some(Pin { reference, comment }) = pin(&used) else { continue };
        put(&mut made, used.at, used.reference, &reference);
        if let (Some((at, old)), Some(new)) = (used.comment, comment) {
            put(&mut made, at, old, &new);
        }
    }
    made.push_str(&text[done..]);
    made
}

#[cfg(test)]
mod tests {
    use patchline_inventory::lockfile::workflow::uses;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Pin, repinned};
    use crate::actions::tags::Tags;

    fn commit(sign: char) -> String {
        sign.to_string().repeat(40)
    }

    fn tags() -> Tags {
        let named =
            [("v4.1.2", 'a'), ("v4.1.7", 'b'), ("v4", 'b'), ("v5", 'e'), ("v5.0.0", 'c'), ("3.0.0", 'd')];
        let lines: String =
            named.iter().map(|(name, sign)| format!("{}\trefs/tags/{name}\n", commit(*sign))).collect();
        Tags::of(&lines)
    }

    #[track_caller]
    fn check(line: &str, version: &str, then: Result<&str, &str>) {
        let mut why = Ok(());
        let made = repinned(line, |used| match Pin::of(used, version, &tags()) {
            Ok(pin) => Some(pin),
            Err(reason) => {
                why = Err(reason);
                None
            }
        });
        assert_eq!(
            why.map(|()| made.as_str()).as_ref().map_err(String::as_str),
            then.as_ref().map_err(|why| *why)
        );
    }

    #[test]
    fn the_style_stays() {
        let [a, b] = ['a', 'b'].map(commit);
        check("- uses: x/y@v4.1.2\r\n", "4.1.7", Ok("- uses: x/y@v4.1.7\r\n"));
        check("- uses: \"x/y/deep@4.1.2\"  # why\n", "4.1.7", Ok("- uses: \"x/y/deep@v4.1.7\"  # why\n"));
        check("uses:   x/y@v3.1 # x", "4.1.7", Err("`x/y` has no tag for 4.1"));
        check("uses: x/y@v3", "4.1.7", Ok("uses: x/y@v4"));
        check("uses: x/y@v4", "4.1.7", Err("`x/y@v4` moves by itself, and leads to 4.1.7 or above"));
        check("uses: x/y@v4", "5.0.0", Err("the tag `v5` of `x/y` does not lead to 5.0.0 or above"));
        check(
            &format!("uses: x/y@{a} # v4.1.2, tested"),
            "4.1.7",
            Ok(&format!("uses: x/y@{b} # v4.1.7, tested")),
        );
        check(&format!("uses: x/y@{a} # tag=4.1.2"), "4.1.7", Ok(&format!("uses: x/y@{b} # tag=4.1.7")));
        check(
            &format!("uses: x/y@{b} # v4.1.2"),
            "4.1.7",
            Err("`x/y` is pinned to bbbbbbbbbb, which is not v4.1.2 as its comment says: that is aaaaaaaaaa"),
        );
        check(
            &format!("uses: x/y@{b} # v4.0.0"),
            "4.1.7",
            Err("`x/y` has no tag v4.0.0, as the comment at bbbbbbbbbb says"),
        );
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics_and_an_edit_taken_back_leaves_the_same_bytes(
            text in "(uses:|- | |@|#|x/y|v4\\.1\\.2|v4|a{40}|'|\r?\n|run: \\|\n|ä|\\$)*",
            other in any::<String>(),
        ) {
            for text in [&text, &other] {
                let olds: Vec<(String, Option<String>)> = uses(text)
                    .iter()
                    .map(|used| (used.reference.to_owned(), used.comment.map(|(_, said)| said.to_owned())))
                    .collect();
                // Only what is read again as what was written can be taken back.
                let mut made = text.to_string();
                for turn in 0..2 {
                    let mut at = 0;
                    made = repinned(&made, |used| {
                        let (old, said) = olds.get(at).cloned().unwrap_or_default();
                        at += 1;
                        if old.is_empty() {
                            return None;
                        }
                        let is_commit = old.len() == 40;
                        let new = if is_commit { "b".repeat(40) } else { "v9.9.9".to_owned() };
                        let reference = if turn == 0 { new } else { old };
                        let comment = used.comment.and(said).map(|said| if turn == 0 { "v9.9.9".to_owned() } else { said });
                        Some(Pin { reference, comment })
                    });
                }
                prop_assert_eq!(&made, text);
            }
        }
    }
}
