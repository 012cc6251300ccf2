//! git on local repositories: trees, worktrees, commits and branches. Never the network, never a hook, never the
//! user's checkout or index.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::foreign::{Exit, SandboxError};
use crate::git_error::GitError;
use crate::process::{self, Invocation, Limits};
use crate::rust::find_program;

const DEADLINE: Duration = Duration::from_secs(300);

/// Bytes of a diff or of a file; more is an error, for half a diff is no diff.
const LARGEST: usize = 32 << 20;

/// Settings that win over those of the user and of the repository.
const SETTINGS: [&str; 10] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "i18n.commitEncoding=UTF-8",
    "advice.detachedHead=false",
];

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

    /// Writes the tree of a commit into a folder, which is made if need be.
    pub async fn export(&self, commit: &str, folder: &Path) -> Result<(), GitError> {
        let purpose = format!("write out the commit `{}`", shown(commit));
        let scratch = scratch_folder(&purpose)?;
        fs::create_dir_all(folder).map_err(|source| unusable(&purpose, folder, source))?;
        let git = self.folder().await?;
        let tree = commit.to_owned() + "^{tree}";
        for arguments in [&["read-tree", &tree] as &[&str], &["checkout-index", "--all", "--force"]] {
            Ask::new(&purpose, folder, arguments).detached(&git, scratch.path(), folder).bytes().await?;
        }
        Ok(())
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
            // One that a killed run left half made is still locked; most are not, and git says so.
            with(&["worktree", "unlock"]).succeeds().await?;
            self.ask(&purpose, &["worktree", "prune"]).bytes().await?;
        }
        Ok(())
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
        let purpose = format!("commit the changes in `{}`", worktree.display());
        // What was run in the worktree may have put another `.git` there; so its folder, its commit and its index come
        // from the repository itself.
        let git = self.entry(&purpose, worktree).await?;
        let scratch = scratch_folder(&purpose)?;
        let ask = |arguments: &[&str]| {
            Ask::new(&purpose, worktree, arguments).detached(&git, scratch.path(), worktree)
        };

        let (own, copy) = (git.join("index"), scratch.path().join("index"));
        fs::copy(&own, copy).map_err(|source| unusable(&purpose, &own, source))?;
        let parent = ask(&["rev-parse", "--verify", "HEAD^{commit}"]).line().await?;
        ask(&["add", "--all", "--", ":/"]).bytes().await?;
        let tree = ask(&["write-tree"]).line().await?;
        let before = ask(&["rev-parse", "--verify", &format!("{parent}^{{tree}}")]).line().await?;
        if tree == before {
            return Err(refused(&purpose, "nothing has changed"));
        }
        let text = scratch.path().join("message");
        fs::write(&text, message).map_err(|source| unusable(&purpose, &text, source))?;
        let mut commit = ask(&["commit-tree", &tree, "-p", &parent, "-F"]);
        commit.arguments.push(text.into());
        commit.environment.extend(identity(author, epoch_seconds));
        commit.line().await
    }

    /// Creates or moves a branch; refuses if a worktree has it checked out.
    pub async fn branch_set(&self, name: &str, commit: &str) -> Result<(), GitError> {
        let purpose = format!("set the branch `{}`", shown(name));
        if name.starts_with('-') {
            return Err(refused(&purpose, "that is not a name of a branch"));
        }
        let mut ask = self.ask(&purpose, &["branch", "--force", "--no-track", name, commit]);
        ask.environment.extend(identity("Patchline <patchline@localhost>", 0));
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
        let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
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

    /// Where the repository keeps what it knows of a worktree.
    async fn entry(&self, purpose: &str, worktree: &Path) -> Result<PathBuf, GitError> {
        let common =
            self.ask(purpose, &["rev-parse", "--path-format=absolute", "--git-common-dir"]).line().await?;
        let entries = fs::read_dir(Path::new(&common).join("worktrees")).into_iter().flatten().flatten();
        let points_here = |entry: &PathBuf| {
            let text = fs::read_to_string(entry.join("gitdir")).unwrap_or_default();
            entry.join(text.trim_end()).parent().is_some_and(|folder| same(folder, worktree))
        };
        let mut entries = entries.map(|entry| entry.path());
        entries.find(points_here).ok_or_else(|| refused(purpose, "it is not a worktree of the repository"))
    }

    async fn worktrees(&self, purpose: &str) -> Result<Vec<PathBuf>, GitError> {
        let listed = self.ask(purpose, &["worktree", "list", "--porcelain"]).bytes().await?;
        Ok(parse_worktrees(&String::from_utf8_lossy(&listed)))
    }

    fn ask(&self, purpose: &str, arguments: &[&str]) -> Ask {
        Ask::new(purpose, &self.repository, arguments)
    }
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

/// One question to git.
struct Ask {
    purpose: String,
    directory: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<String, String>,
}

impl Ask {
    fn new(purpose: &str, directory: &Path, arguments: &[&str]) -> Self {
        Self {
            purpose: purpose.to_owned(),
            directory: directory.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment(),
        }
    }

    /// With an index of its own, so that nobody's checkout is touched.
    fn detached(mut self, git: &Path, scratch: &Path, worktree: &Path) -> Self {
        let index = scratch.join("index");
        for (name, path) in [("GIT_DIR", git), ("GIT_WORK_TREE", worktree), ("GIT_INDEX_FILE", &index)] {
            self.environment.insert(name.to_owned(), path.to_string_lossy().into_owned());
        }
        self
    }

    async fn line(self) -> Result<String, GitError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    async fn succeeds(self) -> Result<bool, GitError> {
        Ok(self.finish().await?.0 == Exit::Code(0))
    }

    async fn bytes(self) -> Result<Vec<u8>, GitError> {
        let (purpose, directory) = (self.purpose.clone(), self.directory.clone());
        match self.finish().await? {
            (Exit::Code(0), bytes, _) => Ok(bytes),
            (_, _, reason) => Err(GitError::Refused { purpose, hint: hint(&reason, &directory), reason }),
        }
    }

    /// How git ended, what it wrote, and the line that says why.
    async fn finish(self) -> Result<(Exit, Vec<u8>, String), GitError> {
        let purpose = self.purpose;
        let program = find_program("git", env::var_os("PATH").as_deref()).ok_or_else(tool_missing)?;
        let settings = SETTINGS.iter().flat_map(|setting| ["-c".into(), OsString::from(setting)]);
        let invocation = Invocation {
            program,
            arguments: settings.chain(self.arguments).collect(),
            directory: self.directory,
            environment: self.environment,
            limits: Limits::default(),
            deadline: DEADLINE,
            output_limit: LARGEST,
            scratch: None,
        };
        if !invocation.directory.is_dir() {
            let source = io::ErrorKind::NotFound.into();
            return Err(GitError::Path { purpose, path: invocation.directory, source });
        }
        let ended = process::execute(invocation)
            .await
            .map_err(|source| GitError::Run { purpose: purpose.clone(), source })?;
        if ended.exit == Exit::Deadline {
            return Err(GitError::Deadline { purpose, seconds: DEADLINE.as_secs() });
        }
        if ended.stdout.truncated() {
            return Err(GitError::TooMuch { purpose, limit: LARGEST });
        }
        let reason = reason(&ended.stderr.into_text()).unwrap_or_else(|| ended.exit.to_string());
        Ok((ended.exit, ended.stdout.into_bytes(), reason))
    }
}

/// Nothing of our own environment but where git finds its programs and the user's settings.
fn environment() -> BTreeMap<String, String> {
    let own = ["PATH", "HOME", "XDG_CONFIG_HOME"];
    let fixed = [
        ("LC_ALL", "C.UTF-8"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        // A replaced object would show us another tree than the one that the commit names.
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
    ];
    let kept = own.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
    kept.chain(fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}

fn identity(author: &str, epoch_seconds: i64) -> impl Iterator<Item = (String, String)> {
    let (name, mail) = author.split_once('<').unwrap_or((author, ""));
    let clean = |text: &str| text.replace(['<', '>'], "").replace(char::is_control, " ").trim().to_owned();
    let (name, mail, date) = (clean(name), clean(mail), format!("@{epoch_seconds} +0000"));
    let name = if name.is_empty() { mail.clone() } else { name };
    ["AUTHOR", "COMMITTER"].into_iter().flat_map(move |who| {
        [("NAME", name.clone()), ("EMAIL", mail.clone()), ("DATE", date.clone())]
            .map(|(what, value)| (format!("GIT_{who}_{what}"), value))
    })
}

/// The first line that names a fault, else the first line at all.
fn reason(stderr: &str) -> Option<String> {
    let fault = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
    let line = stderr.lines().find(fault).or_else(|| stderr.lines().find(|line| !line.trim().is_empty()))?;
    Some(line.trim_start_matches("fatal: ").trim_start_matches("error: ").chars().take(500).collect())
}

fn hint(reason: &str, directory: &Path) -> Option<String> {
    let directory = directory.display();
    if reason.contains("dubious ownership") {
        return Some(format!(
            "the folder belongs to another user; if you trust it, run `git config --global --add safe.directory {directory}`"
        ));
    }
    let missing = reason.contains("not a git repository");
    missing.then(|| format!("run `git init` in `{directory}`, or name the folder of a git repository"))
}

fn tool_missing() -> GitError {
    match SandboxError::tool_missing("git") {
        SandboxError::ToolMissing { hint, .. } => GitError::ToolMissing { hint },
        other => GitError::ToolMissing { hint: other.to_string() },
    }
}

fn scratch_folder(purpose: &str) -> Result<tempfile::TempDir, GitError> {
    tempfile::Builder::new()
        .prefix("patchline-git-")
        .tempdir()
        .map_err(|source| unusable(purpose, &env::temp_dir(), source))
}

fn refused(purpose: &str, reason: &str) -> GitError {
    GitError::Refused { purpose: purpose.to_owned(), reason: reason.to_owned(), hint: None }
}

fn unusable(purpose: &str, path: &Path, source: io::Error) -> GitError {
    GitError::Path { purpose: purpose.to_owned(), path: path.to_owned(), source }
}

/// Foreign text in an error stays on its line and short.
fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::{parse_worktrees, reason};
    use std::path::Path;

    #[test]
    fn worktrees_are_read_from_the_list() {
        let listed =
            "worktree /a\nHEAD 11\nbranch refs/heads/main\n\nworktree /b c\nHEAD 22\ndetached\nlocked x\n\n";
        assert_eq!(parse_worktrees(listed), [Path::new("/a"), Path::new("/b c")]);
    }

    #[test]
    fn the_reason_is_the_line_that_names_the_fault() {
        assert_eq!(reason("warning: x\nfatal: bad y\n").as_deref(), Some("bad y"));
        assert_eq!(reason("\nPreparing\n").as_deref(), Some("Preparing"));
        assert_eq!(reason(""), None);
    }
}
