//! Moves gems in `Gemfile.lock` to versions without the problem.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use patchline_connect::{Client, Settings};
use patchline_model::failure::{Failure, FailureClass};
use patchline_model::stage::detect::{Finding, Source};
use patchline_sandbox::git::Git;
use patchline_sandbox::sandbox::Sandbox;

use crate::dependency::bundler::gemfile::{Gemfile, Ruby};
use crate::dependency::bundler::index::Index;
use crate::dependency::bundler::lock::{LARGEST, Lockfile};
use crate::dependency::bundler::project::Bundle;
use crate::dependency::bundler::range::{is_above, is_major};
use crate::dependency::bundler::settings::Mirrors;
use crate::dependency::bundler::tool::Bundler;
use crate::dependency::flat::Wish;
use crate::dependency::handover::Handover;
use crate::dependency::place::{Worktree, folder_of, read_file};
use crate::dependency::upgrade::{About, proposal};
use crate::failures::{of_fetch, of_git};
use crate::fixer::{Fixer, Proposal, Request};

/// Lockfiles, with the manifest of each.
const FILES: [(&str, &str); 2] = [("Gemfile.lock", "Gemfile"), ("gems.locked", "gems.rb")];

/// Updates `Gemfile.lock`, and `Gemfile` where nothing less will do.
#[derive(Clone, Debug)]
pub struct BundlerFixer {
    sandbox: Sandbox,
}

impl BundlerFixer {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Fixer for BundlerFixer {
    fn name(&self) -> &'static str {
        "bundler"
    }

    fn can(&self, finding: &Finding) -> bool {
        let is_ruby = finding.package.as_ref().is_some_and(|package| package.ecosystem.0 == "RubyGems");
        let file = Path::new(&finding.location.path).file_name().and_then(|name| name.to_str());
        finding.source == Source::Lockfile && is_ruby && file.is_some_and(|name| self.changes(name))
    }

    fn changes(&self, file: &str) -> bool {
        FILES.iter().any(|(lockfile, _)| *lockfile == file)
    }

    async fn propose(&self, request: &Request) -> Result<Proposal, Failure> {
        let hint = "run `bundle lock` and commit `Gemfile.lock`";
        let lockfiles = FILES.map(|(lockfile, _)| lockfile);
        let (folder, lockfile) = folder_of(request, &lockfiles, hint).await?;
        let tree = Worktree::add(request).await?;
        let outcome = self.propose_in(request, &tree.git, &tree.path, &folder, &lockfile).await;
        tree.remove().await;
        outcome
    }
}

impl BundlerFixer {
    async fn propose_in(
        &self,
        request: &Request,
        git: &Git,
        worktree: &Path,
        folder: &str,
        lockfile: &str,
    ) -> Result<Proposal, Failure> {
        let place = worktree.join(folder);
        let unchanged = git.changes(worktree).await.map_err(of_git)?;
        let (lockfile, manifest) = FILES.into_iter().find(|(name, _)| *name == lockfile).unwrap_or(FILES[0]);
        let (locked, text) = (read_file(&place, lockfile, LARGEST)?, read_file(&place, manifest, LARGEST)?);
        let lock = Lockfile::parse(&locked).map_err(|what| {
            let hint = "restore the file from version control, or make a new one with `bundle lock`";
            Failure::permanent(what).of(FailureClass::Input).with_hint(hint)
        })?;
        let gemfile = match states(&text, &lock, manifest, lockfile) {
            Ok(gemfile) => gemfile,
            Err(reason) => return Ok(Proposal::NoFix { reasons: vec![reason], log: String::new() }),
        };
        let mirrors = Mirrors::read();
        let mut bundler =
            Bundler::new(&self.sandbox, mirrors.clone(), &request.work, request.cache.join("bundler"))?;
        bundler.is_for_ruby = lock.platforms.contains("ruby");
        let ruby = match &gemfile.ruby {
            Some(Ruby::In(file)) => Some(ruby_in(&place, file)?),
            Some(Ruby::Stated(..)) | None => None,
        };
        let stated = lock.ruby.clone().or_else(|| ruby.clone());
        let project_ruby = match stated {
            Some(version) => version,
            None => bundler.ruby().await?,
        };
        let index = index(request, &lock, &gemfile, &mirrors, project_ruby)?;
        let named = |finding: &Finding| {
            finding.package.as_ref().map(|package| (package.name.clone(), package.version.clone()))
        };
        let mut project = Bundle {
            about: About { fixer: "bundler", manifest, lockfile, named, is_above, is_major },
            manifest: place.join(manifest),
            lockfile: place.join(lockfile),
            wishes: wishes(&gemfile, manifest),
            set: lock.set(),
            gemfile,
            text,
            lock,
            locked,
            ruby,
            bundler,
            extra: BTreeSet::new(),
        };
        if let Err(reason) = project.is_settled().await? {
            return Ok(Proposal::NoFix { reasons: vec![reason], log: project.bundler.log });
        }
        let handover = Handover { request, git, worktree, may_change: &[manifest, lockfile], unchanged };
        proposal(&mut project, &index, handover).await
    }
}

/// The `Gemfile`, where it states facts alone and all gems come from registries; or else why it is left.
fn states(text: &str, lock: &Lockfile, manifest: &str, lockfile: &str) -> Result<Gemfile, String> {
    if let Some(section) = lock.elsewhere() {
        return Err(format!(
            "`{lockfile}` has gems from elsewhere than a registry (`{section}`), which Bundler only resolves by running their gemspecs"
        ));
    }
    Gemfile::read(text).map_err(|what| {
        format!("`{manifest}` is code, which is not run, and more than it can be read as: {what}")
    })
}

fn index(
    request: &Request,
    lock: &Lockfile,
    gemfile: &Gemfile,
    mirrors: &Mirrors,
    ruby: String,
) -> Result<Index, Failure> {
    let addresses = |urls: &[String]| -> Result<Vec<String>, Failure> {
        if let Some(secret) = urls.iter().find(|url| url.contains('@')) {
            let shown = secret.rsplit('@').next().unwrap_or_default();
            let text = format!("could not ask the source at `{shown}`: its address has a password in it");
            let hint =
                "a source that wants a password or a token can't be asked here: name a mirror that does not";
            return Err(Failure::permanent(text).of(FailureClass::Input).with_hint(hint));
        }
        Ok(urls.iter().map(|url| mirrors.address(url)).collect())
    };
    let mut remotes = BTreeMap::new();
    for gem in &lock.gems {
        remotes.insert(gem.name.clone(), addresses(&gem.remotes)?);
    }
    let client = Client::new(Settings { cache: Some(request.cache.join("registry")), ..Settings::default() });
    Ok(Index {
        client: client.map_err(|error| of_fetch(&error))?,
        remotes,
        first: addresses(&gemfile.sources)?,
        ruby,
        platforms: lock.platforms.clone(),
    })
}

fn wishes(gemfile: &Gemfile, manifest: &str) -> BTreeMap<String, Vec<Wish>> {
    let mut wishes: BTreeMap<String, Vec<Wish>> = BTreeMap::new();
    for gem in gemfile.gems.iter().filter(|gem| !gem.ranges.is_empty()) {
        let ranges: Vec<&str> = gem.ranges.iter().map(|(range, _)| range.as_str()).collect();
        let wish = Wish { range: ranges.join(", "), by: format!("`{manifest}`"), may_change: true };
        wishes.entry(gem.name.clone()).or_default().push(wish);
    }
    wishes
}

/// The version in `.ruby-version` or `.tool-versions`, which Bundler reads so.
fn ruby_in(folder: &Path, file: &str) -> Result<String, Failure> {
    let text = match Path::new(file).components().count() {
        1 => read_file(folder, file, LARGEST)?,
        _ => return Err(Failure::permanent(format!("could not use `{file}`: it lies in another folder"))),
    };
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.starts_with('#') && line.contains(|sign: char| sign.is_ascii_digit()));
    let words = line
        .map(|line| line.trim_start_matches("ruby").trim_start_matches(['-', ' ', '=']).trim_matches('"'));
    words.map(str::to_owned).ok_or_else(|| Failure::permanent(format!("`{file}` names no version of Ruby")))
}
