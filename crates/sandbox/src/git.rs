//! git on local repositories: trees, worktrees, commits and branches. Never the network, never a hook, never the
//! user's checkout or index.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ask::{Ask, identity, refused, scratch_folder, shown, unusable};
use crate::export::Export;
use crate::foreign::Exit;
use crate::git_error::GitError;

/// A repository on this machine. Commits are full hexadecimal names; a revision may be anything git understands.
#[derive(Clone, Debug)]
pub struct Git {
    repository: PathBuf,
}

impl Git {
    pub fn at(repository: &Path) -> Self {
        Self { repository: repository.to_owned() }
    }

    /// The top of the checkout that contains this folder.
    pub async fn top(path: &Path) -> Result<PathBuf, GitError> {
        let purpose = format!("find the git repository of `{}`", path.display());
        let top = Ask::new(&purpose, path, &["rev-parse", "--show-toplevel"]).line().await?;
        Ok(PathBuf::from(top))
    }

    pub async fn is_repository(&self) -> Result<bool, GitError> {
        match self.folder().await {
            Ok(_) => Ok(true),
            Err(GitError::Refused { reason, .. }) if reason.contains("not a git repository") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The commit that is checked out.
    pub async fn head(&self) -> Result<String, GitError> {
        self.resolve("HEAD").await
    }

    /// The commit that a revision names.
    pub async fn resolve(&self, revision: &str) -> Result<String, GitError> {
        let purpose = format!("find the commit `{}`", shown(revision));
        if revision.starts_with('-') || revision.contains(['\0', '\n']) {
            return Err(refused(&purpose, "that is not a revision"));
        }
        let revision = format!("{revision}^{{commit}}");
        let ask = self.ask(&purpose, &["rev-parse", "--verify", "--quiet", &revision]);
        ask.line().await.map_err(|error| match error {
            GitError::Refused { reason, hint, .. } if reason.starts_with("exit code") => GitError::Refused {
                reason: format!("there is none in `{}`", self.repository.display()),
                purpose: purpose.clone(),
                hint,
            },
            error => error,
        })
    }

    /// Whether a commit is another one or one of its ancestors.
    pub async fn is_ancestor(&self, commit: &str, of: &str) -> Result<bool, GitError> {
        let ask = self.ask("compare two commits", &["merge-base", "--is-ancestor", commit, of]);
        match ask.finish().await? {
            (Exit::Code(0), ..) => Ok(true),
            (Exit::Code(1), ..) => Ok(false),
            (_, _, reason) => Err(refused("compare two commits", &reason)),
        }
    }

    /// The newest commit that both come from; nothing when they share no history, as far as it is here.
    pub async fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let purpose = "find where two commits part";
        match self.ask(purpose, &["merge-base", one, other]).finish().await? {
            (Exit::Code(0), stdout, _) => Ok(Some(String::from_utf8_lossy(&stdout).trim().to_owned())),
            (Exit::Code(1), ..) => Ok(None),
            (_, _, reason) => Err(refused(purpose, &reason)),
        }
    }

    /// Whether older commits were left out when this repository was cloned.
    pub async fn is_shallow(&self) -> Result<bool, GitError> {
        let ask = self.ask("look for a shallow clone", &["rev-parse", "--is-shallow-repository"]);
        Ok(ask.line().await? == "true")
    }

    /// The files of the checkout that would be part of a commit of everything: known to git, or new and not ignored.
    pub async fn files(&self) -> Result<Vec<String>, GitError> {
        let arguments = ["ls-files", "-z", "--full-name", "--cached", "--others", "--exclude-standard"];
        Ok(names(&self.ask("list the files of the checkout", &arguments).bytes().await?))
    }

    /// Writes the tree of a commit into a folder, which is made if need be.
    pub async fn export(&self, commit: &str, folder: &Path) -> Result<(), GitError> {
        self.open(commit, folder).await?.all().await
    }

    /// Makes a folder into which files of a commit can be written; there is none in it yet.
    pub async fn open(&self, commit: &str, folder: &Path) -> Result<Export, GitError> {
        let purpose = format!("write out the commit `{}`", shown(commit));
        fs::create_dir_all(folder).map_err(|source| unusable(&purpose, folder, source))?;
        Export::of(purpose, self.folder().await?, commit, folder).await
    }

    /// Writes what a folder of a commit holds into a tar file, the same bytes each time; empty for the whole tree.
    pub async fn archive(&self, commit: &str, folder: &str, file: &Path) -> Result<(), GitError> {
        let purpose = format!("archive the commit `{}`", shown(commit));
        let mut ask = self.ask(&purpose, &["-c", "tar.umask=0022", "archive", "--format=tar"]);
        ask.arguments.extend(["--output".into(), file.into(), commit.into(), "--".into()]);
        ask.arguments.extend((!folder.is_empty()).then(|| format!(":(top,literal){folder}").into()));
        ask.bytes().await.map(drop)
    }

    /// Checks a commit out into a folder of its own. A leftover at the same place is replaced.
    pub async fn worktree_add(&self, folder: &Path, commit: &str) -> Result<(), GitError> {
        self.worktree_remove(folder).await?;
        let purpose = format!("make a worktree of the commit `{}`", shown(commit));
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(|source| unusable(&purpose, parent, source))?;
        }
        let mut ask = self.ask(&purpose, &["worktree", "add", "--detach", "--force"]);
        ask.arguments.extend([folder.into(), commit.into()]);
        ask.bytes().await.map(drop)
    }

    /// Removes a worktree with all that is in it, also one that is half made or half gone.
    pub async fn worktree_remove(&self, folder: &Path) -> Result<(), GitError> {
        let purpose = format!("remove the worktree `{}`", folder.display());
        let with = |words: &[&str]| {
            let mut ask = self.ask(&purpose, words);
            ask.arguments.push(folder.into());
            ask
        };
        let known = self.worktrees(&purpose).await?.iter().any(|worktree| same(worktree, folder));
        let removed = known && with(&["worktree", "remove", "--force", "--force"]).succeeds().await?;
        if !removed {
            if folder.symlink_metadata().is_ok() {
                fs::remove_dir_all(folder).map_err(|source| unusable(&purpose, folder, source))?;
            }
            // Ours alone is taken off the list: `prune` would drop every worktree whose disk is away for the moment.
            if let Some(entry) = self.entry(&purpose, folder).await? {
                fs::remove_dir_all(&entry).map_err(|source| unusable(&purpose, &entry, source))?;
            }
        }
        Ok(())
    }

    /// The files in a worktree that differ from its commit. A file whose line ends git would write otherwise counts from
    /// the beginning.
    pub async fn changes(&self, worktree: &Path) -> Result<Vec<String>, GitError> {
        let purpose = format!("look for changes in `{}`", worktree.display());
        let scratch = scratch_folder(&purpose)?;
        let stage = self.stage(&purpose, worktree, scratch.path(), &[]).await?;
        self.changed_files(&stage.parent, &stage.tree).await
    }

    /// As [`Git::changes`], but nothing is taken into the repository, so that what is large or not wanted leaves no trace.
    pub async fn touched(&self, worktree: &Path) -> Result<Vec<String>, GitError> {
        let purpose = format!("look for changes in `{}`", worktree.display());
        let scratch = scratch_folder(&purpose)?;
        let git = self.own_index(&purpose, worktree, scratch.path()).await?;
        let mut files = Vec::new();
        for arguments in [
            // What differs from the index, what is new, and what the index has that its commit has not.
            &["ls-files", "-z", "--modified", "--deleted"] as &[&str],
            &["ls-files", "-z", "--others", "--exclude-standard"],
            &["diff-index", "-z", "--cached", "--no-renames", "--name-only", "HEAD"],
        ] {
            let ask = Ask::new(&purpose, worktree, arguments).detached(&git, scratch.path(), worktree);
            files.extend(names(&ask.bytes().await?));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Commits all that changed in a worktree on top of the commit it was made from. `author` reads `Name <mail>`. The
    /// same input gives the same commit. Neither a branch nor the worktree's own head moves.
    pub async fn commit_all(
        &self,
        worktree: &Path,
        message: &str,
        author: &str,
        epoch_seconds: i64,
    ) -> Result<String, GitError> {
        self.commit_files(worktree, &[], message, author, epoch_seconds).await
    }

    /// As [`Git::commit_all`], but only these files; none means all.
    pub async fn commit_files(
        &self,
        worktree: &Path,
        files: &[&str],
        message: &str,
        author: &str,
        epoch_seconds: i64,
    ) -> Result<String, GitError> {
        let purpose = format!("commit the changes in `{}`", worktree.display());
        let scratch = scratch_folder(&purpose)?;
        let Stage { git, parent, tree } = self.stage(&purpose, worktree, scratch.path(), files).await?;
        let ask = |arguments: &[&str]| {
            Ask::new(&purpose, worktree, arguments).detached(&git, scratch.path(), worktree)
        };
        if tree == ask(&["rev-parse", "--verify", &format!("{parent}^{{tree}}")]).line().await? {
            return Err(refused(&purpose, "nothing has changed"));
        }
        let text = scratch.path().join("message");
        fs::write(&text, message).map_err(|source| unusable(&purpose, &text, source))?;
        let mut commit = ask(&["commit-tree", &tree, "-p", &parent, "-F"]);
        commit.arguments.push(text.into());
        commit.environment.extend(identity(author, epoch_seconds));
        commit.line().await
    }

    /// Applies a diff to the files and the index of a worktree, or takes it out. Where the files have moved on since, both
    /// sides are merged by what the repository knows of them; the files in which they contradict each other are answered,
    /// and hold both sides between marks. A diff that can't be applied at all is an error, and changes nothing.
    pub async fn apply(&self, worktree: &Path, diff: &str, reverse: bool) -> Result<Vec<String>, GitError> {
        let purpose = format!("apply a diff in `{}`", worktree.display());
        let scratch = scratch_folder(&purpose)?;
        let file = scratch.path().join("diff");
        fs::write(&file, diff).map_err(|source| unusable(&purpose, &file, source))?;
        let mut ask = Ask::new(&purpose, worktree, &["apply", "--3way", "--index", "--whitespace=nowarn"]);
        ask.arguments.extend(reverse.then(|| "--reverse".into()));
        ask.arguments.push(file.into());
        let (exit, _, reason) = ask.finish().await?;
        if exit == Exit::Code(0) {
            return Ok(Vec::new());
        }
        let listed = Ask::new(&purpose, worktree, &["ls-files", "--unmerged", "-z"]).bytes().await?;
        let listed = String::from_utf8_lossy(&listed);
        let mut files: Vec<String> = listed
            .split('\0')
            .filter_map(|entry| entry.split_once('\t').map(|(_, name)| name.to_owned()))
            .collect();
        files.dedup();
        if files.is_empty() { Err(refused(&purpose, &reason)) } else { Ok(files) }
    }

    /// The commits that last wrote these lines of a file as it is in a commit, `first` to `last` counted from 1.
    pub async fn origins(
        &self,
        commit: &str,
        path: &str,
        (first, last): (u32, u32),
    ) -> Result<Vec<String>, GitError> {
        let purpose = format!("find who wrote `{}` of `{}`", shown(path), shown(commit));
        let lines = format!("-L{first},{last}");
        let ask = self.ask(&purpose, &["blame", "--porcelain", &lines, commit, "--", path]);
        let told = String::from_utf8_lossy(&ask.bytes().await?).into_owned();
        let is_commit =
            |word: &&str| matches!(word.len(), 40 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit());
        let mut commits: Vec<String> = told
            .lines()
            .filter(|line| !line.starts_with('\t'))
            .filter_map(|line| line.split(' ').next().filter(is_commit).map(str::to_owned))
            .collect();
        commits.sort();
        commits.dedup();
        Ok(commits)
    }

    /// Creates or moves a branch; refuses if a worktree has it checked out.
    pub async fn branch_set(&self, name: &str, commit: &str) -> Result<(), GitError> {
        let purpose = format!("set the branch `{}`", shown(name));
        if name.starts_with('-') {
            return Err(refused(&purpose, "that is not a name of a branch"));
        }
        let mut ask = self.ask(&purpose, &["branch", "--force", "--no-track", name, commit]);
        ask.environment.extend(identity("Patchline <patchline@localhost>", 0));
        // Killed half way it would leave a lock on the branch, and nobody could set it any more.
        ask.limits.dies_with_us = false;
        ask.bytes().await.map(drop)
    }

    /// The commit of a branch, if there is such a branch.
    pub async fn branch(&self, name: &str) -> Result<Option<String>, GitError> {
        let reference = format!("refs/heads/{name}");
        let ask = self.ask("read a branch", &["rev-parse", "--verify", "--quiet", &reference]);
        match ask.finish().await? {
            (Exit::Code(0), stdout, _) => Ok(Some(String::from_utf8_lossy(&stdout).trim().to_owned())),
            (Exit::Code(1), ..) => Ok(None),
            (_, _, reason) => Err(refused("read a branch", &reason)),
        }
    }

    /// The unified diff from one commit to another; the same for everybody, whatever their settings.
    pub async fn diff(&self, base: &str, commit: &str) -> Result<String, GitError> {
        let purpose = format!("compare `{}` with `{}`", shown(base), shown(commit));
        let arguments = [
            "diff-tree",
            "-p",
            "-r",
            "-M",
            "--binary",
            "--full-index",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
        ];
        let mut ask = self.ask(&purpose, &arguments);
        ask.arguments.extend([base.into(), commit.into()]);
        Ok(String::from_utf8_lossy(&ask.bytes().await?).into_owned())
    }

    /// The files that differ, a moved file under both its names.
    pub async fn changed_files(&self, base: &str, commit: &str) -> Result<Vec<String>, GitError> {
        let arguments = ["diff-tree", "-r", "-z", "--no-renames", "--name-only", base, commit];
        let bytes = self.ask("list the changed files", &arguments).bytes().await?;
        Ok(names(&bytes))
    }

    /// How many lines each file that differs gained and lost together; none where it is no text.
    pub async fn changed_lines(
        &self,
        base: &str,
        commit: &str,
    ) -> Result<Vec<(String, Option<u64>)>, GitError> {
        let arguments = ["diff-tree", "-r", "-z", "--no-renames", "--numstat", "--no-ext-diff", base, commit];
        let bytes = self.ask("count the changed lines", &arguments).bytes().await?;
        let counted = names(&bytes).into_iter().filter_map(|entry| {
            let mut fields = entry.splitn(3, '\t');
            let (added, removed, name) = (fields.next()?, fields.next()?, fields.next()?);
            let lines = added.parse::<u64>().ok().zip(removed.parse::<u64>().ok());
            Some((name.to_owned(), lines.map(|(added, removed)| added.saturating_add(removed))))
        });
        Ok(counted.collect())
    }

    /// The ordinary files of a commit.
    pub async fn tree_files(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let arguments = ["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit];
        Ok(names(&self.ask("list the files of a commit", &arguments).bytes().await?))
    }

    /// A file as it is in a commit; nothing if there is no file of this name.
    pub async fn show(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let purpose = format!("read `{}` of `{}`", shown(path), shown(commit));
        // Literally, and from the top of the tree, wherever in it we stand.
        let arguments = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--", path];
        let listed = self.ask(&purpose, &arguments).bytes().await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let entry = listed.split('\0').next().and_then(|line| line.split_once('\t'));
        let blob = entry.filter(|(_, name)| *name == path).and_then(|(about, _)| about.split_once(" blob "));
        let Some((_, blob)) = blob else { return Ok(None) };
        self.ask(&purpose, &["cat-file", "blob", blob]).bytes().await.map(Some)
    }

    /// The first of these ordinary files that a commit has, by its name from the top, and what it holds; nothing in place of that
    /// where it is larger than `most` bytes.
    pub async fn first_file(
        &self,
        commit: &str,
        paths: &[&str],
        most: u64,
    ) -> Result<Option<(String, Option<Vec<u8>>)>, GitError> {
        let purpose = format!("look for `{}` in `{}`", shown(&paths.join("`, `")), shown(commit));
        let listing = ["--literal-pathspecs", "ls-tree", "-z", "--long", "--full-tree", commit, "--"];
        let listed = self.ask(&purpose, &[&listing, paths].concat()).bytes().await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let entries: Vec<(&str, &str)> =
            listed.split('\0').filter_map(|entry| entry.split_once('\t')).collect();
        let found = paths.iter().find_map(|path| {
            let (about, _) = entries.iter().find(|(about, name)| name == path && about.starts_with("100"))?;
            let mut words = about.split_ascii_whitespace().skip(2);
            Some((*path, words.next()?, words.next()?.parse::<u64>().ok()?))
        });
        let Some((path, blob, bytes)) = found else { return Ok(None) };
        if bytes > most {
            return Ok(Some((path.to_owned(), None)));
        }
        let bytes = self.ask(&purpose, &["cat-file", "blob", blob]).bytes().await?;
        Ok(Some((path.to_owned(), Some(bytes))))
    }

    /// The ordinary files of a commit by their paths from its top: no links, no submodules.
    pub async fn files_of(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let ask = self.ask("list the files of a commit", &["ls-tree", "-r", "-z", "--full-tree", commit]);
        let bytes = ask.bytes().await?;
        let listed = String::from_utf8_lossy(&bytes);
        let entries = listed.split('\0').filter_map(|entry| entry.split_once('\t'));
        let ordinary = entries.filter(|(about, _)| about.starts_with("100"));
        Ok(ordinary.map(|(_, name)| name.to_owned()).collect())
    }

    /// The address of the remote repository that this one was cloned from, where git knows of one.
    pub async fn origin(&self) -> Result<Option<String>, GitError> {
        let ask = self.ask("read where it was cloned from", &["config", "--get", "remote.origin.url"]);
        match ask.finish().await? {
            (Exit::Code(0), stdout, _) => Ok(Some(String::from_utf8_lossy(&stdout).trim().to_owned())),
            (Exit::Code(1), ..) => Ok(None),
            (_, _, reason) => Err(refused("read where it was cloned from", &reason)),
        }
    }

    /// The first line of a commit's message.
    pub async fn log_subject(&self, commit: &str) -> Result<String, GitError> {
        self.field(commit, "%s").await
    }

    /// The author of a commit, as `Name <mail>`.
    pub async fn author_of(&self, commit: &str) -> Result<String, GitError> {
        self.field(commit, "%an <%ae>").await
    }

    /// When a commit was made, in seconds since 1970.
    pub async fn commit_time(&self, commit: &str) -> Result<i64, GitError> {
        let text = self.field(commit, "%ct").await?;
        text.parse()
            .map_err(|_| refused("read when a commit was made", &format!("`{}` is no time", shown(&text))))
    }

    async fn field(&self, commit: &str, format: &str) -> Result<String, GitError> {
        let purpose = format!("read the commit `{}`", shown(commit));
        let commit = self.resolve(commit).await?;
        let format = format!("--format={format}");
        self.ask(
            &purpose,
            &["log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", &format, &commit],
        )
        .line()
        .await
    }

    /// The folder in which git keeps its own files.
    async fn folder(&self) -> Result<PathBuf, GitError> {
        let purpose = format!("open the git repository `{}`", self.repository.display());
        self.ask(&purpose, &["rev-parse", "--absolute-git-dir"]).line().await.map(PathBuf::from)
    }

    /// Writes the worktree's files, or some of them, as a tree, by a copy of its index.
    async fn stage(
        &self,
        purpose: &str,
        worktree: &Path,
        scratch: &Path,
        files: &[&str],
    ) -> Result<Stage, GitError> {
        let git = self.own_index(purpose, worktree, scratch).await?;
        let ask =
            |arguments: &[&str]| Ask::new(purpose, worktree, arguments).detached(&git, scratch, worktree);
        let parent = ask(&["rev-parse", "--verify", "HEAD^{commit}"]).line().await?;
        let files = if files.is_empty() { &["."] } else { files };
        ask(&[&["--literal-pathspecs", "add", "--all", "--"], files].concat()).bytes().await?;
        let tree = ask(&["write-tree"]).line().await?;
        Ok(Stage { git, parent, tree })
    }

    /// A copy of a worktree's index in `scratch`, and where the repository keeps the original. What was run in the worktree
    /// may have put another `.git` there; so its folder, its commit and its index come from the repository itself.
    async fn own_index(&self, purpose: &str, worktree: &Path, scratch: &Path) -> Result<PathBuf, GitError> {
        let entry = self.entry(purpose, worktree).await?;
        let git = entry.ok_or_else(|| refused(purpose, "it is not a worktree of the repository"))?;
        let own = git.join("index");
        copy_as_it_is(&own, &scratch.join("index")).map_err(|source| unusable(purpose, &own, source))?;
        Ok(git)
    }

    /// Where the repository keeps what it knows of a worktree.
    async fn entry(&self, purpose: &str, worktree: &Path) -> Result<Option<PathBuf>, GitError> {
        let common =
            self.ask(purpose, &["rev-parse", "--path-format=absolute", "--git-common-dir"]).line().await?;
        let entries = fs::read_dir(Path::new(&common).join("worktrees")).into_iter().flatten().flatten();
        let points_here = |entry: &PathBuf| {
            let text = fs::read_to_string(entry.join("gitdir")).unwrap_or_default();
            entry.join(text.trim_end()).parent().is_some_and(|folder| same(folder, worktree))
        };
        let mut entries = entries.map(|entry| entry.path());
        Ok(entries.find(points_here))
    }

    async fn worktrees(&self, purpose: &str) -> Result<Vec<PathBuf>, GitError> {
        let listed = self.ask(purpose, &["worktree", "list", "--porcelain"]).bytes().await?;
        Ok(parse_worktrees(&String::from_utf8_lossy(&listed)))
    }

    fn ask(&self, purpose: &str, arguments: &[&str]) -> Ask {
        Ask::new(purpose, &self.repository, arguments)
    }
}

/// What a worktree would be committed as.
struct Stage {
    git: PathBuf,
    parent: String,
    tree: String,
}

/// What git separates by zero bytes.
fn names(bytes: &[u8]) -> Vec<String> {
    let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn parse_worktrees(listed: &str) -> Vec<PathBuf> {
    listed.lines().filter_map(|line| line.strip_prefix("worktree ")).map(PathBuf::from).collect()
}

/// Whether two paths name one folder, which may be gone.
fn same(left: &Path, right: &Path) -> bool {
    let real = |path: &Path| {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        path.canonicalize().ok().or_else(|| Some(parent?.join(path.file_name()?)))
    };
    left == right || real(left).is_some_and(|left| real(right) == Some(left))
}

/// Copies an index with its time of writing: by that time git tells which files it must look into again, for they may have
/// changed in the very second in which the index was written.
fn copy_as_it_is(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let written = fs::metadata(from)?.modified()?;
    fs::File::options().write(true).open(to)?.set_modified(written)
}

#[cfg(test)]
mod tests {
    use super::parse_worktrees;
    use std::path::Path;

    #[test]
    fn worktrees_are_read_from_the_list() {
        let listed =
            "worktree /a\nHEAD 11\nbranch refs/heads/main\n\nworktree /b c\nHEAD 22\ndetached\nlocked x\n\n";
        assert_eq!(parse_worktrees(listed), [Path::new("/a"), Path::new("/b c")]);
    }
}
