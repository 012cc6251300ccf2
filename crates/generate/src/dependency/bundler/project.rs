//! A `Gemfile.lock` with its `Gemfile` in a worktree, and a plan carried out on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use async_trait::async_trait;
use patchline_model::failure::Failure;

use crate::dependency::bundler::gemfile::{Gemfile, Held};
use crate::dependency::bundler::lock::{Lockfile, bundled_with};
use crate::dependency::bundler::tool::Bundler;
use crate::dependency::flat::{Plan, Wish};
use crate::dependency::moved::{Installed, Set};
use crate::dependency::upgrade::{About, Project};
use crate::failures::of_file;

pub(crate) struct Bundle<'a> {
    pub(crate) about: About,
    pub(crate) manifest: PathBuf,
    pub(crate) lockfile: PathBuf,
    pub(crate) gemfile: Gemfile,
    /// What the `Gemfile` holds before anything changes.
    pub(crate) text: String,
    pub(crate) lock: Lockfile,
    pub(crate) locked: String,
    pub(crate) set: Set,
    pub(crate) wishes: BTreeMap<String, Vec<Wish>>,
    /// What the file says that the `Gemfile` leaves it to say which Ruby it is.
    pub(crate) ruby: Option<String>,
    pub(crate) bundler: Bundler<'a>,
    /// The platform of this machine, where the lockfile is not for it.
    pub(crate) extra: BTreeSet<String>,
}

impl Bundle<'_> {
    /// Why Bundler would change the lockfile by itself already, where it would.
    pub(crate) async fn is_settled(&mut self) -> Result<Result<(), String>, Failure> {
        let shown = self.gemfile.shown(self.ruby.as_deref(), &[]);
        let locked = self.locked.clone();
        Ok(match self.run(&shown, &locked).await? {
            Ok(text) if text == self.locked => Ok(()),
            Ok(_) => Err(format!(
                "Bundler would change `{0}` before anything is fixed: run `bundle lock` with the Bundler that wrote it, and commit `{0}`",
                self.about.lockfile
            )),
            Err(why) => Err(why),
        })
    }

    /// What Bundler makes of a lockfile, but for who says to have written it.
    async fn run(&mut self, gemfile: &str, lockfile: &str) -> Result<Result<String, String>, Failure> {
        let mut text = match self.bundler.lock(gemfile, lockfile, &self.extra).await? {
            Ok(text) => text,
            Err(why) => return Ok(Err(why)),
        };
        let made = Lockfile::parse(&text).map_err(Failure::permanent)?;
        // Bundler adds the platform of this machine, which is not asked.
        if let Some(platform) = made.platforms.difference(&self.lock.platforms).next() {
            self.extra.insert(platform.clone());
            text = match self.bundler.lock(gemfile, lockfile, &self.extra).await? {
                Ok(text) => text,
                Err(why) => return Ok(Err(why)),
            };
        }
        Ok(Ok(match &self.lock.bundler {
            Some(version) => bundled_with(&text, version),
            None => text,
        }))
    }

    /// Every gem at the version that it has or goes to, but for those that are for other platforms alone.
    fn held(&self, plan: &Plan) -> Vec<Held> {
        let hold = |(name, one): (&String, &Installed)| {
            let to = plan.steps.get(name);
            if to.is_none() && (one.fixed.is_some() || !self.lock.is_for_any_platform(name)) {
                return None;
            }
            let gem = self.lock.gems.iter().find(|gem| gem.name == *name)?;
            let source = gem.remotes.first().filter(|_| !self.is_of_first_source(&gem.remotes));
            Some(Held {
                name: name.clone(),
                version: to.unwrap_or(&one.version).clone(),
                source: source.cloned(),
            })
        };
        self.set.iter().filter_map(hold).collect()
    }

    fn is_of_first_source(&self, remotes: &[String]) -> bool {
        let plain = |url: &String| url.trim_end_matches('/').to_owned();
        remotes
            .iter()
            .map(plain)
            .any(|url| self.gemfile.sources.iter().map(plain).any(|source| source == url))
    }
}

#[async_trait]
impl Project for Bundle<'_> {
    fn about(&self) -> &About {
        &self.about
    }

    fn before(&self) -> &Set {
        &self.set
    }

    fn wishes(&self) -> &BTreeMap<String, Vec<Wish>> {
        &self.wishes
    }

    async fn carry_out(&mut self, plan: &Plan) -> Result<Result<Set, String>, Failure> {
        self.restore()?;
        let mut text = self.text.clone();
        for name in &plan.relaxed {
            let read = Gemfile::read(&text).map_err(Failure::permanent)?;
            match read.relaxed(&text, name, &plan.steps[name]) {
                Some(relaxed) => text = relaxed,
                None => {
                    let file = self.about.manifest;
                    return Ok(Err(format!(
                        "the range of `{name}` in `{file}` is written in a way of its own"
                    )));
                }
            }
        }
        let gemfile = Gemfile::read(&text).map_err(Failure::permanent)?;
        let ruby = self.ruby.clone();
        // First each gem is held where it is to be, so that nothing else moves; then Bundler takes the file as it stands.
        let locked = self.locked.clone();
        let held = match self.run(&gemfile.shown(ruby.as_deref(), &self.held(plan)), &locked).await? {
            Ok(held) => held,
            Err(why) => return Ok(Err(why)),
        };
        let shown = gemfile.shown(ruby.as_deref(), &[]);
        let made = match self.run(&shown, &held).await? {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        match self.run(&shown, &made).await? {
            Ok(again) if again == made => {}
            Ok(_) => {
                return Ok(Err(
                    "Bundler would change its lockfile again when it is run a second time".to_owned()
                ));
            }
            Err(why) => return Ok(Err(why)),
        }
        let after = Lockfile::parse(&made).map_err(Failure::permanent)?;
        if after.sections != self.lock.sections || after.platforms != self.lock.platforms {
            return Ok(Err(
                "Bundler would change more of the lockfile than its gems: use the one that wrote it"
                    .to_owned(),
            ));
        }
        fs::write(&self.manifest, &text).map_err(|error| of_file("write a manifest", error))?;
        fs::write(&self.lockfile, &made).map_err(|error| of_file("write a lockfile", error))?;
        Ok(Ok(after.set()))
    }

    fn restore(&self) -> Result<(), Failure> {
        let written = fs::write(&self.manifest, &self.text);
        written
            .and_then(|()| fs::write(&self.lockfile, &self.locked))
            .map_err(|error| of_file("write a file back", error))
    }

    fn log(&self) -> String {
        self.bundler.log.clone()
    }
}
