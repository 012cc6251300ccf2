//! `scan --changed`: what a range of commits brought in or changed. The inventory where both sides part is compared with that
//! of now, so a lockfile that was only put in another order brings in nothing, and a manifest that changes what another file
//! pins counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use patchline_detect::needed::{self, Needed};
use patchline_detect::{Advisories, Scan};
use patchline_inventory::detector::{Relation, Scope};
use patchline_inventory::{Installed, Unresolved};
use patchline_model::failure::in_full;
use patchline_model::package::Package;
use patchline_sandbox::{Export, Git, GitError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::commands::scan::place::{below, folder_of, real};
use crate::commands::scan::whole::whole;
use crate::exit::{Exit, Trouble};
use crate::report::scanned;
use crate::terminal::note;

/// A range as it was asked for, in each repository that was scanned.
pub struct Ranges {
    asked: String,
    opened: Vec<Range>,
}

/// The range in one repository.
struct Range {
    top: PathBuf,
    /// Where both sides part.
    commit: String,
    before: Side,
    after: After,
}

/// What the range leads to.
enum After {
    /// The checkout as it is, with these files.
    Checkout(BTreeSet<String>),
    Commit(Side),
}

/// A commit of which the files are written out that are looked at.
struct Side {
    folder: TempDir,
    export: Export,
    files: BTreeSet<String>,
}

/// Whole trees of a repository.
pub struct Sides {
    pub before: PathBuf,
    /// None: the checkout as it is.
    pub after: Option<PathBuf>,
}

impl Ranges {
    pub fn new(asked: &str) -> Self {
        Self { asked: asked.to_owned(), opened: Vec::new() }
    }

    /// The commit since which things changed; that of the first repository.
    pub fn since(&self) -> Option<String> {
        self.opened.first().map(|range| range.commit.clone())
    }

    /// The scan of this path as the range leaves it, less what was there before.
    pub fn scan(&mut self, path: &Path, advisories: &Advisories) -> Result<Scan, Trouble> {
        let real = real(path)?;
        let (range, runtime) = self.range(folder_of(&real))?;
        let within = below(&real, &range.top);
        let now = match &range.after {
            After::Checkout(_) => whole(path, path, advisories)?,
            After::Commit(side) => {
                let root = runtime.block_on(side.needed_at(&within))?;
                if !root.exists() {
                    let path = path.display();
                    return Err(Trouble::input(format!("`{path}` is not there at the end of the range")));
                }
                whole(&root, path, advisories)?
            }
        };
        let before = before(&runtime.block_on(range.before.needed_at(&within))?, path, advisories);
        let folder = below(folder_of(&real), &range.top);
        Ok(narrowed(now, &before, |place| range.counts(&folder, place)))
    }

    /// Both sides of the range in the repository of this path, whole.
    pub fn sides(&mut self, path: &Path) -> Result<Sides, Trouble> {
        let (range, runtime) = self.range(folder_of(&real(path)?))?;
        let after = match &range.after {
            After::Checkout(_) => None,
            After::Commit(side) => Some(runtime.block_on(side.all())?),
        };
        Ok(Sides { before: runtime.block_on(range.before.all())?, after })
    }

    fn range(&mut self, folder: &Path) -> Result<(&Range, Runtime), Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Trouble::storage(format!("could not start the runtime: {error}")))?;
        let top = runtime.block_on(Git::top(folder)).map_err(git_trouble)?;
        let at = match self.opened.iter().position(|range| range.top == top) {
            Some(at) => at,
            None => {
                self.opened.push(runtime.block_on(Range::open(top, &self.asked))?);
                self.opened.len() - 1
            }
        };
        Ok((&self.opened[at], runtime))
    }
}

impl Side {
    async fn of(git: &Git, commit: &str) -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new().prefix("patchline-scan-").tempdir();
        let folder = folder.map_err(|error| Trouble::storage(format!("could not make a folder: {error}")))?;
        let export = git.open(commit, folder.path()).await.map_err(git_trouble)?;
        let files = git.tree_files(commit).await.map_err(git_trouble)?.into_iter().collect();
        Ok(Self { folder, export, files })
    }

    /// Where the folder or file of the commit lies with all that a scan of it reads.
    async fn needed_at(&self, within: &str) -> Result<PathBuf, Trouble> {
        let root = self.folder.path().join(within);
        if self.files.iter().any(|file| Path::new(file).starts_with(within) && file != within) {
            fs::create_dir_all(&root)
                .map_err(|error| Trouble::storage(format!("could not make a folder: {error}")))?;
        }
        let mut needed = needed::at_first(&self.files, within);
        loop {
            match needed {
                Needed::All => return Ok(self.all().await?.join(within)),
                Needed::These(files) if files.is_empty() => return Ok(root),
                Needed::These(files) => {
                    let files: Vec<String> = files.into_iter().collect();
                    self.export.files(&files).await.map_err(git_trouble)?;
                }
            }
            needed = needed::besides(self.folder.path(), &self.files, within);
        }
    }

    /// Where the whole commit lies.
    async fn all(&self) -> Result<PathBuf, Trouble> {
        self.export.all().await.map_err(git_trouble)?;
        Ok(self.folder.path().to_owned())
    }
}

impl Range {
    async fn open(top: PathBuf, asked: &str) -> Result<Self, Trouble> {
        let git = Git::at(&top);
        let (from, to) = match asked.split_once("..") {
            Some((from, to)) => (from, Some(to.trim_start_matches('.'))),
            None => (asked, None),
        };
        let from = resolved(&git, from).await?;
        let head = resolved(&git, to.unwrap_or_default()).await?;
        let Some(commit) = git.merge_base(&from, &head).await.map_err(git_trouble)? else {
            let message = format!("could not compare by `{asked}`: both sides share no history");
            return Err(deepened(&git, Trouble::input(message)).await);
        };
        let before = Side::of(&git, &commit).await?;
        let after = match to {
            Some(_) => After::Commit(Side::of(&git, &head).await?),
            None => After::Checkout(git.files().await.map_err(git_trouble)?.into_iter().collect()),
        };
        Ok(Self { top, commit, before, after })
    }

    /// Whether the file is one that a commit could hold: what git ignores is in no range.
    fn counts(&self, folder: &str, place: &str) -> bool {
        let path = scanned::below(folder, place);
        match &self.after {
            // What is said of a folder counts, for git knows none.
            After::Checkout(files) => files.contains(&path) || self.top.join(&path).is_dir(),
            After::Commit(_) => true,
        }
    }
}

/// The commit that a revision names; as in git, none written is the one that is checked out.
async fn resolved(git: &Git, revision: &str) -> Result<String, Trouble> {
    let revision = if revision.is_empty() { "HEAD" } else { revision };
    match git.resolve(revision).await {
        Ok(commit) => Ok(commit),
        Err(error) => Err(deepened(git, git_trouble(error)).await),
    }
}

/// In a shallow clone, what is missing may only not be here.
async fn deepened(git: &Git, trouble: Trouble) -> Trouble {
    match git.is_shallow().await {
        Ok(true) => {
            trouble.hint("this clone is shallow; `git fetch --unshallow` brings the rest of its history")
        }
        Ok(false) | Err(_) => trouble,
    }
}

fn git_trouble(error: GitError) -> Trouble {
    let is_missing = matches!(error, GitError::ToolMissing { .. });
    let exit = if is_missing { Exit::Tool } else { Exit::Input };
    let hint =
        error.hint().unwrap_or("`--changed` takes a revision or a range, as in `main` or `v1.0..v1.1`");
    Trouble::new(exit, in_full(&error)).hint(hint)
}

type Uses = BTreeMap<(String, Package), Vec<(Relation, Scope)>>;

fn uses(inventory: &[Installed]) -> Uses {
    let mut uses = Uses::new();
    for one in inventory {
        let key = (one.location.path.clone(), one.package.clone());
        uses.entry(key).or_default().push((one.relation, one.scope));
    }
    uses
}

/// What there was: packages by file, each with its uses there, and what was unresolved; without lines, for these move.
#[derive(Default)]
struct Before {
    packages: Uses,
    unresolved: BTreeSet<(String, Option<String>, String)>,
}

/// Where it can't be read, all that is there now counts as new, and that is said.
fn before(root: &Path, path: &Path, advisories: &Advisories) -> Before {
    let mut before = Before::default();
    if !root.exists() {
        return before;
    }
    match whole(root, path, advisories) {
        Ok(scan) => {
            before.packages = uses(&scan.inventory);
            before.unresolved = scan.unresolved.into_iter().map(lack).collect();
        }
        Err(trouble) => {
            let path = path.display();
            note(&format!(
                "warning: all of {path} counts as new, for what was there before could not be read: {}",
                trouble.message
            ));
        }
    }
    before
}

fn lack(unresolved: Unresolved) -> (String, Option<String>, String) {
    (unresolved.path, unresolved.package, unresolved.what)
}

/// The findings of packages that were not there, or not for this use, and what was not unresolved. The inventory stays whole.
fn narrowed(scan: Scan, before: &Before, counts: impl Fn(&str) -> bool) -> Scan {
    let Scan { mut findings, inventory, mut unresolved, advisories } = scan;
    let now = uses(&inventory);
    let is_new = |path: &str, package: &Package| {
        let key = (path.to_owned(), package.clone());
        let (before, mut now) = (before.packages.get(&key), now.get(&key).into_iter().flatten());
        before.is_none_or(|before| now.any(|used| !before.contains(used)))
    };
    findings.retain(|finding| {
        let path = &finding.location.path;
        counts(path) && finding.package.as_ref().is_none_or(|package| is_new(path, package))
    });
    unresolved.retain(|one| counts(&one.path) && !before.unresolved.contains(&lack(one.clone())));
    Scan { findings, inventory, unresolved, advisories }
}
