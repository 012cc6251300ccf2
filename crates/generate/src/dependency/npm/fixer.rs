//! Moves npm packages to versions without the problem.

use std::fs;
use std::path::Path;

use async_trait::async_trait;
use patchline_model::failure::Failure;
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::node::files::Files;
use crate::dependency::node::manifest;
use crate::dependency::node::project::{Base, is_npm_in, propose, registry};
use crate::dependency::node::settings::Addresses;
use crate::dependency::npm::change::NpmProject;
use crate::dependency::npm::lock::Lock;
use crate::dependency::npm::tool::Npm;
use crate::dependency::place::{Worktree, folder_of};
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

/// npm prefers the second where both are there.
const LOCKFILES: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];

/// Updates `package-lock.json`, and `package.json` where nothing less will do.
#[derive(Clone, Debug)]
pub struct NpmFixer {
    sandbox: Sandbox,
}

impl NpmFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for NpmFixer {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn can(&self, finding: &Finding) -> bool {
        finding.source == Source::Lockfile && LOCKFILES.iter().any(|file| is_npm_in(finding, file))
    }

    fn changes(&self, file: &str) -> bool {
        LOCKFILES.contains(&file)
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `npm install --package-lock-only` and commit `package-lock.json`";
        let (folder, lock) = folder_of(request, &LOCKFILES, hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder, &lock).await;
        tree.remove().await;
        outcome
    }
}

impl NpmFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
        lock: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let files = Files::open(worktree, &place, lock)?;
        manifest::beside(&place, lock, "npm")?;
        let cache = request.cache.join("npm");
        fs::create_dir_all(&cache).map_err(|error| of_file("make npm's cache", error))?;
        let says_where = Lock::parse(&files.lock_now()?).map_err(Failure::permanent)?.says_where();
        let mut npm = Npm::new(&self.sandbox, worktree, &place, files.lock.clone(), &cache, says_where);
        let addresses = Addresses::read(&place);
        let main = match &addresses.main {
            Some(main) => main.clone(),
            None => npm.default_registry().await?,
        };
        npm.set_registry(&main);
        let registry = registry(request, addresses, &main)?;
        let mut project = match NpmProject::open(npm, files).await? {
            Ok(project) => project,
            Err((reason, log)) => return Ok(Proposal::NoFix { reasons: vec![reason], log }),
        };
        let may_change = &["package.json", "package-lock.json", "npm-shrinkwrap.json"];
        let base = Base { request, git, worktree, unchanged, may_change };
        propose(base, &mut project, &registry).await
    }
}
