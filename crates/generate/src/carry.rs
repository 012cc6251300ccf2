//! A change carried to another commit: a fix to an older branch, or a change taken out again.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use patchline_model::digest::Commit;
use patchline_model::failure::{Failure, FailureClass};
use patchline_sandbox::git::Git;

use crate::failures::of_git;

/// Places of a change that are traced to whoever wrote them; of a larger change the first ones.
const MOST_SITES: usize = 100;

/// What is carried, and where to.
#[derive(Clone, Debug)]
pub struct Carry {
    pub repository: PathBuf,
    /// The change: what lies between these two commits.
    pub from: Commit,
    pub to: Commit,
    /// The commit that it is carried to.
    pub onto: Commit,
    /// A folder of our own. It stays where a person has to go on.
    pub worktree: PathBuf,
    pub message: String,
    /// `Name <mail>`.
    pub author: String,
    /// Seconds since 1970 that the commit carries, so that a second run gives the same commit.
    pub committed_at: i64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    Commit(Commit),
    /// With the reason.
    NotNeeded(String),
    /// Both sides changed the same lines: the worktree holds both between marks, in these files.
    Conflict {
        files: Vec<String>,
    },
}

/// The fix for another branch, if that has what the fix mends.
pub async fn backport(carry: &Carry) -> Result<Carried, Failure> {
    if let Some(why) = is_unaffected(carry).await? {
        return Ok(Carried::NotNeeded(why));
    }
    applied(carry, false, "it has the fix already").await
}

/// The change taken out again.
pub async fn revert(carry: &Carry) -> Result<Carried, Failure> {
    applied(carry, true, "nothing of the change is left in it").await
}

async fn applied(carry: &Carry, reverse: bool, nothing: &str) -> Result<Carried, Failure> {
    let git = Git::at(&carry.repository);
    if carry.worktree.symlink_metadata().is_ok() {
        let worktree = carry.worktree.display();
        let what = format!("`{worktree}` is there from before, and may hold what a person settled in it");
        return Err(Failure::permanent(what).of(FailureClass::Input).with_hint(format!(
            "commit it there and hand it over with `patchline fix --from`, or `git worktree remove --force {worktree}`"
        )));
    }
    let diff = git.diff(carry.from.as_str(), carry.to.as_str()).await.map_err(of_git)?;
    git.worktree_add(&carry.worktree, carry.onto.as_str()).await.map_err(of_git)?;
    let carried = within(carry, &git, &diff, reverse, nothing).await;
    if !matches!(carried, Ok(Carried::Conflict { .. })) {
        // What could not be removed is no reason to lose this one's answer.
        drop(git.worktree_remove(&carry.worktree).await);
    }
    carried
}

async fn within(
    carry: &Carry,
    git: &Git,
    diff: &str,
    reverse: bool,
    nothing: &str,
) -> Result<Carried, Failure> {
    let files = git.apply(&carry.worktree, diff, reverse).await.map_err(|error| {
        let what = format!("could not carry the change to {}: {error}", carry.onto.short());
        Failure::permanent(what)
            .of(FailureClass::Input)
            .with_hint("make the change there by hand, and hand it over with `patchline fix --from`")
    })?;
    if !files.is_empty() {
        return Ok(Carried::Conflict { files });
    }
    if git.changes(&carry.worktree).await.map_err(of_git)?.is_empty() {
        return Ok(Carried::NotNeeded(nothing.to_owned()));
    }
    let commit = git.commit_all(&carry.worktree, &carry.message, &carry.author, carry.committed_at).await;
    let commit = commit.map_err(of_git)?.parse();
    commit.map(Carried::Commit).map_err(|error| Failure::permanent(format!("git answered {error}")))
}

/// Why the other commit has nothing of what the change mends. It has where any of the changed lines stands in it, or
/// comes from a commit that is among its ancestors.
async fn is_unaffected(carry: &Carry) -> Result<Option<String>, Failure> {
    let git = Git::at(&carry.repository);
    let diff = git.diff(carry.from.as_str(), carry.to.as_str()).await.map_err(of_git)?;
    let sites = sites(&diff);
    if sites.is_empty() {
        return Ok(None);
    }
    let mut origins: Vec<String> = Vec::new();
    for site in sites.iter().take(MOST_SITES) {
        let there = git.show(carry.onto.as_str(), &site.path).await.map_err(of_git)?;
        if there.is_some_and(|bytes| site.stands_in(&String::from_utf8_lossy(&bytes))) {
            return Ok(None);
        }
        let lines = (*site.lines.start(), *site.lines.end());
        for origin in git.origins(carry.from.as_str(), &site.path, lines).await.map_err(of_git)? {
            if git.is_ancestor(&origin, carry.onto.as_str()).await.map_err(of_git)? {
                return Ok(None);
            }
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
    }
    let short: Vec<&str> = origins.iter().take(3).map(|origin| &origin[..origin.len().min(10)]).collect();
    let more = if origins.len() > short.len() { " and others" } else { "" };
    Ok(Some(format!("what the change mends came with {}{more}, which it does not have", short.join(", "))))
}

/// A place that a change touches, as it was before.
#[derive(Debug, PartialEq, Eq)]
struct Site {
    path: String,
    /// Counted from 1.
    lines: RangeInclusive<u32>,
    text: Vec<String>,
}

impl Site {
    /// Whether its lines stand in the text one after the other.
    fn stands_in(&self, text: &str) -> bool {
        let lines: Vec<&str> = text.lines().collect();
        lines
            .windows(self.text.len())
            .any(|window| window.iter().zip(&self.text).all(|(left, right)| left == right))
    }
}

/// The lines that a unified diff takes away, run by run; where it only adds, those around. New files have none.
fn sites(diff: &str) -> Vec<Site> {
    let mut sites = Vec::new();
    let mut path = None;
    let mut hunk: Vec<(char, u32, &str)> = Vec::new();
    let (mut old, mut left) = (0_u32, (0_u32, 0_u32));
    for line in diff.lines() {
        if left == (0, 0) {
            if let Some(name) = line.strip_prefix("--- ") {
                path = name.strip_prefix("a/").map(|name| name.trim_end_matches('\t').to_owned());
            } else if let Some((first, counts)) = head(line) {
                (old, left) = (first, counts);
            }
            continue;
        }
        let (sign, text) = (line.chars().next().unwrap_or(' '), line.get(1..).unwrap_or_default());
        match sign {
            '-' => left.0 = left.0.saturating_sub(1),
            '+' => left.1 = left.1.saturating_sub(1),
            '\\' => continue,
            _ => left = (left.0.saturating_sub(1), left.1.saturating_sub(1)),
        }
        hunk.push((sign, old, text));
        if sign != '+' {
            old = old.saturating_add(1);
        }
        if left == (0, 0) {
            if let Some(path) = &path {
                of_hunk(path, &hunk, &mut sites);
            }
            hunk.clear();
        }
    }
    sites
}

/// Each run of changed lines in a hunk.
fn of_hunk(path: &str, hunk: &[(char, u32, &str)], sites: &mut Vec<Site>) {
    let mut at = 0;
    while at < hunk.len() {
        if hunk[at].0 == ' ' {
            at += 1;
            continue;
        }
        let end = (at..hunk.len()).find(|index| hunk[*index].0 == ' ').unwrap_or(hunk.len());
        let removed: Vec<_> = hunk[at..end].iter().filter(|(sign, ..)| *sign == '-').collect();
        let around: Vec<_> = [at.checked_sub(1), Some(end)]
            .into_iter()
            .flatten()
            .filter_map(|index| hunk.get(index))
            .collect();
        let lines = if removed.is_empty() { around } else { removed };
        if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            let text = lines.iter().map(|(_, _, text)| (*text).to_owned()).collect();
            sites.push(Site { path: path.to_owned(), lines: first.1..=last.1, text });
        }
        at = end;
    }
}

/// The first old line of a hunk, and how many old and new lines it has.
fn head(line: &str) -> Option<(u32, (u32, u32))> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let parsed = |text: &str| -> Option<(u32, u32)> {
        let (first, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    let ((first, old), (_, new)) = (parsed(old)?, parsed(new)?);
    Some((first, (old, new)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::sites;

    const DIFF: &str = "\
diff --git a/src/a.rs b/src/a.rs
index 1..2 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -1,5 +1,5 @@
 one
-two
--- three
+2
+3
 four
 five
@@ -20,2 +20,3 @@ fn x() {
 twenty
+new
 last
diff --git a/new b/new
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+text
\\ No newline at end of file
";

    #[test]
    fn a_site_is_what_stood_there_before() {
        let found: Vec<_> = sites(DIFF)
            .into_iter()
            .map(|site| {
                format!("{}:{}-{} {}", site.path, site.lines.start(), site.lines.end(), site.text.join("|"))
            })
            .collect();
        assert_eq!(found, ["src/a.rs:2-3 two|-- three", "src/a.rs:20-21 twenty|last"]);
        let first = &sites(DIFF)[0];
        assert!(first.stands_in("x\ntwo\n-- three\ny") && !first.stands_in("two\nx\n-- three"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), cut in 0_usize..400) {
            let whole = format!("{}{text}", DIFF.get(..cut.min(DIFF.len())).unwrap_or_default());
            for site in sites(&whole) {
                let _ = site.stands_in(&text);
            }
        }
    }
}
