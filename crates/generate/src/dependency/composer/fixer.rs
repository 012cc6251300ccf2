//! Moves packages in `composer.lock` to versions without the problem.

use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::composer::lock::{LARGEST, Lockfile};
use crate::dependency::composer::manifest::Manifest;
use crate::dependency::composer::project::Locked;
use crate::dependency::composer::range::{compare, is_above, is_major, lowest};
use crate::dependency::composer::repository::Repositories;
use crate::dependency::composer::settings::sources;
use crate::dependency::composer::tool::Composer;
use crate::dependency::handover::Handover;
use crate::dependency::place::{Worktree, folder_of, read_file};
use crate::dependency::upgrade::{About, proposal};
use crate::failures::{of_fetch, of_git};
use crate::fixer::{Fixer, Proposal, Request};

const LOCKFILE: &str = "composer.lock";
const MANIFEST: &str = "composer.json";

/// Updates `composer.lock`, and `composer.json` where nothing less will do.
#[derive(Clone, Debug)]
pub struct ComposerFixer {
    sandbox: Sandbox,
}

impl ComposerFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for ComposerFixer {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_php = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "Packagist");
        let file = Path::new(&finding.location.path).file_name();
        finding.source == Source::Lockfile && is_php && file.is_some_and(|name| name == LOCKFILE)
    }

    fn changes(&self, file: &str) -> bool {
        file == LOCKFILE
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `composer update --no-install` and commit `composer.lock`";
        let (folder, _) = folder_of(request, &[LOCKFILE], hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder).await;
        tree.remove().await;
        outcome
    }
}

impl ComposerFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let (locked, text) = (read_file(&place, LOCKFILE, LARGEST)?, read_file(&place, MANIFEST, LARGEST)?);
        let broken = |what: String| {
            let hint = "restore the file from version control, or make a new lockfile with `composer update --no-install`";
            Failure::permanent(what).of(FailureClass::Input).with_hint(hint)
        };
        let lock = Lockfile::parse(&locked).map_err(broken)?;
        let manifest =
            Manifest::read(&text).map_err(|what| broken(format!("could not read `{MANIFEST}`: {what}")))?;
        let mut composer =
            Composer::new(&self.sandbox, &request.work, request.cache.join("composer"), &text)?;
        let sources = match sources(&composer.repositories().await?) {
            Ok(sources) => sources,
            Err(reason) => return Ok(Proposal::NoFix { reasons: vec![reason], log: composer.log }),
        };
        let php = match php_of(&manifest, &lock) {
            Some(php) => php,
            None => composer.php().await?,
        };
        let client =
            Client::new(Settings { cache: Some(request.cache.join("registry")), ..Settings::default() });
        let client = client.map_err(|error| of_fetch(&error))?;
        let repositories = Repositories::new(client, sources, php.clone());
        let named = |finding: &Finding| {
            finding
                .package
                .as_ref()
                .map(|package| (package.name.to_ascii_lowercase(), package.version.clone()))
        };
        let mut project = Locked {
            about: About {
                fixer: "composer",
                manifest: MANIFEST,
                lockfile: LOCKFILE,
                named,
                is_above,
                is_major,
            },
            folder: place,
            text,
            set: lock.set(),
            lock,
            locked,
            wishes: manifest.wishes(),
            php,
            composer,
        };
        let handover = Handover { request, git, worktree, may_change: &[MANIFEST, LOCKFILE], unchanged };
        proposal(&mut project, &repositories, handover).await
    }
}

/// The PHP that the project is for: the one that it takes for given, or else the oldest that it asks for and that what is
/// installed takes.
fn php_of(manifest: &Manifest, lock: &Lockfile) -> Option<String> {
    if let Some(php) = &manifest.platform_php {
        return Some(php.clone());
    }
    let own = lowest(manifest.php.as_ref()?)?;
    let installed = lock.php().filter_map(|(_, range)| lowest(range));
    installed.chain([own]).max_by(|left, right| compare(left, right))
}
