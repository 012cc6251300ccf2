//! Moves packages of a pnpm project to versions without the problem.

use std::fs;
use std::path::Path;

use async_trait::async_trait;
use patchline_model::failure::Failure;
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::node::files::{Files, read};
use crate::dependency::node::manifest;
use crate::dependency::node::project::{Base, is_npm_in, propose, registry};
use crate::dependency::node::settings::Addresses;
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::pnpm::change::PnpmProject;
use crate::dependency::pnpm::lock::Lock;
use crate::dependency::pnpm::tool::Pnpm;
use crate::dependency::pnpm::workspace;
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

const LOCKFILE: &str = "pnpm-lock.yaml";
/// Code of the project that changes what packages require.
const HOOKS: [&str; 2] = [".pnpmfile.cjs", ".pnpmfile.mjs"];

/// Updates `pnpm-lock.yaml`, and the manifests where nothing less will do.
#[derive(Clone, Debug)]
pub struct PnpmFixer {
    sandbox: Sandbox,
    program: String,
}

impl PnpmFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, program: "pnpm".to_owned() }
    }

    /// With the pnpm that lies there.
    pub fn at(sandbox: Sandbox, program: &Path) -> Self {
        Self { sandbox, program: program.display().to_string() }
    }
}

#[async_trait]
impl Fixer for PnpmFixer {
    fn name(&self) -> &'static str {
        "pnpm"
    }

    fn can(&self, finding: &Finding) -> bool {
        finding.source == Source::Lockfile && is_npm_in(finding, LOCKFILE)
    }

    fn changes(&self, file: &str) -> bool {
        file == LOCKFILE
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `pnpm install --lockfile-only` and commit `pnpm-lock.yaml`";
        let (folder, _) = folder_of(request, &[LOCKFILE], hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl PnpmFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let files = Files::open(worktree, &place, LOCKFILE)?;
        manifest::beside(&place, LOCKFILE, "pnpm")?;
        let lock = Lock::parse(&files.lock_now()?).map_err(Failure::permanent)?;
        if let Some(reason) = own_code(&place, &lock)? {
            return Ok(Proposal::NoFix { reasons: vec![reason], log: String::new() });
        }
        let cache = request.cache.join("pnpm");
        fs::create_dir_all(&cache).map_err(|error| of_file("make pnpm's cache", error))?;
        let mut pnpm = Pnpm::find(&self.sandbox, &self.program, worktree, &place, &cache).await?;
        pnpm.fits(&lock.format, &read(&place.join("package.json"))?)?;
        let addresses = Addresses::read(&place);
        let main = match &addresses.main {
            Some(main) => main.clone(),
            None => pnpm.default_registry().await?,
        };
        pnpm.set_registry(&main);
        let registry = registry(request, addresses, &main)?;
        let mut project = PnpmProject::new(pnpm, files, lock);
        let may_change = &["package.json", LOCKFILE, "pnpm-workspace.yaml"];
        let base = Base { request, git, worktree, unchanged, may_change };
        propose(base, &mut project, &registry).await
    }
}

/// Why nothing is done where code of the project takes part: what it would make of a change, only it knows, and it is not
/// run.
fn own_code(place: &Path, lock: &Lock) -> Result<Option<String>, Failure> {
    let settings = place.join("pnpm-workspace.yaml");
    let settings = if settings.symlink_metadata().is_ok() { read(&settings)? } else { String::new() };
    let hook = HOOKS.into_iter().find(|hook| place.join(hook).symlink_metadata().is_ok());
    let hook = hook.or(lock.has_hooks.then_some("a pnpmfile"));
    let hook = hook.or(workspace::has(&settings, "configDependencies").then_some("configDependencies"));
    Ok(hook.map(|hook| {
        format!("the project changes by code of its own (`{hook}`) what packages require; that code is not run here")
    }))
}
