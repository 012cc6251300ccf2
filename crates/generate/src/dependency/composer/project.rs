//! A `composer.lock` with its `composer.json` in a worktree, and a plan carried out on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use async_trait::async_trait;
use patchline_model::failure::Failure;

use crate::dependency::composer::lock::{Lockfile, with_writer_of};
use crate::dependency::composer::manifest::Manifest;
use crate::dependency::composer::range::admits;
use crate::dependency::composer::tool::Composer;
use crate::dependency::flat::{Plan, Wish};
use crate::dependency::moved::Set;
use crate::dependency::upgrade::{About, Project};
use crate::failures::of_file;

pub(crate) struct Locked<'a> {
    pub(crate) about: About,
    pub(crate) folder: PathBuf,
    /// What `composer.json` holds before anything changes.
    pub(crate) text: String,
    pub(crate) lock: Lockfile,
    pub(crate) locked: String,
    pub(crate) set: Set,
    pub(crate) wishes: BTreeMap<String, Vec<Wish>>,
    pub(crate) php: String,
    pub(crate) composer: Composer<'a>,
}

impl Locked<'_> {
    async fn run(
        &mut self,
        manifest: &str,
        lockfile: &str,
        plan: &Plan,
    ) -> Result<Result<String, String>, Failure> {
        let made = self.composer.update(manifest, lockfile, &plan.steps).await?;
        Ok(made.map(|made| with_writer_of(&made, &self.locked)))
    }

    /// What is not as it must be with a lockfile that Composer made.
    fn fault(&self, after: &Lockfile, plan: &Plan) -> Option<String> {
        if plan.relaxed.is_empty() && after.differs_in_hash(&self.lock) {
            let text =
                "`composer.lock` is not of this `composer.json`: run `composer update --lock`, and commit it";
            return Some(text.to_owned());
        }
        if let Some(what) = self.lock.differs_beside_moves(after) {
            return Some(format!(
                "Composer would change {what} in the lockfile as well: use the one that wrote it"
            ));
        }
        let set = after.set();
        let has_moved =
            |name: &str| self.set.get(name).map(|was| &was.version) != set.get(name).map(|now| &now.version);
        let mut barred = after.php().filter(|(name, range)| has_moved(name) && !admits(range, &self.php));
        let (name, range) = barred.next()?;
        Some(format!("`{name} {}` asks for PHP {range}, and {} must do here", set[name].version, self.php))
    }
}

#[async_trait]
impl Project for Locked<'_> {
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
            let read = Manifest::read(&text).map_err(Failure::permanent)?;
            match read.relaxed(&text, name, &plan.steps[name]) {
                Some(relaxed) => text = relaxed,
                None => {
                    return Ok(Err(format!(
                        "the range of `{name}` in `composer.json` is written in a way of its own"
                    )));
                }
            }
        }
        let locked = self.locked.clone();
        let made = match self.run(&text, &locked, plan).await? {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        match self.run(&text, &made, plan).await? {
            Ok(again) if again == made => {}
            Ok(_) => {
                return Ok(Err(
                    "Composer would change its lockfile again when it is run a second time".to_owned()
                ));
            }
            Err(why) => return Ok(Err(why)),
        }
        let after = Lockfile::parse(&made).map_err(Failure::permanent)?;
        if let Some(fault) = self.fault(&after, plan) {
            return Ok(Err(fault));
        }
        let written = fs::write(self.folder.join(self.about.manifest), &text);
        written
            .and_then(|()| fs::write(self.folder.join(self.about.lockfile), &made))
            .map_err(|error| of_file("write a lockfile", error))?;
        Ok(Ok(after.set()))
    }

    fn restore(&self) -> Result<(), Failure> {
        let written = fs::write(self.folder.join(self.about.manifest), &self.text);
        written
            .and_then(|()| fs::write(self.folder.join(self.about.lockfile), &self.locked))
            .map_err(|error| of_file("write a file back", error))
    }

    fn log(&self) -> String {
        self.composer.log.clone()
    }
}
