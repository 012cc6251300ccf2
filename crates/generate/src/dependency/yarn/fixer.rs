//! Moves packages of a yarn project to versions without the problem.

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
use crate::dependency::place::{Worktree, folder_of};
use crate::dependency::yarn::change::YarnProject;
use crate::dependency::yarn::tool::Yarn;
use crate::dependency::yarn::{berry, settings};
use crate::failures::{of_file, of_git};
use crate::fixer::{Fixer, Proposal, Request};

const LOCKFILE: &str = "yarn.lock";

/// Updates `yarn.lock`, and `package.json` where nothing less will do.
#[derive(Clone, Debug)]
pub struct YarnFixer {
    sandbox: Sandbox,
    program: String,
}

impl YarnFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, program: "yarn".to_owned() }
    }

    /// With the yarn that lies there.
    pub fn at(sandbox: Sandbox, program: &Path) -> Self {
        Self { sandbox, program: program.display().to_string() }
    }
}

#[async_trait]
impl Fixer for YarnFixer {
    fn name(&self) -> &'static str {
        "yarn"
    }

    fn can(&self, finding: &Finding) -> bool {
        finding.source == Source::Lockfile && is_npm_in(finding, LOCKFILE)
    }

    fn changes(&self, file: &str) -> bool {
        file == LOCKFILE
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `yarn install` and commit `yarn.lock`";
        let (folder, _) = folder_of(request, &[LOCKFILE], hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl YarnFixer {
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
        manifest::beside(&place, LOCKFILE, "yarn")?;
        let format = berry::format(&files.lock_now()?);
        if format.is_none() && settings::keeps_packages(&place) {
            let reason = "yarn keeps packages in a folder of the project (`yarn-offline-mirror`), which would have to change too";
            return Ok(Proposal::NoFix { reasons: vec![reason.to_owned()], log: String::new() });
        }
        let cache = request.cache.join("yarn");
        fs::create_dir_all(&cache).map_err(|error| of_file("make yarn's cache", error))?;
        let mut yarn = Yarn::find(&self.sandbox, &self.program, worktree, &place, &cache).await?;
        yarn.fits(format, &read(&place.join("package.json"))?)?;
        let rc = place.join(".yarnrc.yml");
        let rc = if rc.symlink_metadata().is_ok() { read(&rc)? } else { String::new() };
        let addresses = if format.is_some() { settings::of_berry(&rc) } else { settings::of_classic(&place) };
        let main = match &addresses.main {
            Some(main) => main.clone(),
            None => yarn.default_registry().await?,
        };
        // Beside the worktree, where yarn looks as well, and where no commit takes it in.
        let kept = request.work.join(format!("yarn-{}-{}.yml", request.patch, request.number));
        yarn.set_up(&main, kept, &settings::kept(&rc))?;
        let registry = registry(request, addresses, &main)?;
        let mut project = match YarnProject::open(yarn, files, settings::own_code(&rc)).await? {
            Ok(project) => project,
            Err((reason, log)) => return Ok(Proposal::NoFix { reasons: vec![reason], log }),
        };
        let base = Base { request, git, worktree, unchanged, may_change: &["package.json", LOCKFILE] };
        propose(base, &mut project, &registry).await
    }
}
