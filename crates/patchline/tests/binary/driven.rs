//! Whole rollouts of the real binary, driven to where a test wants them.

use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use patchline_model::id::PatchId;
use patchline_model::patch::Patch;
use patchline_model::stage::plan::Strategy;

use crate::project::Change;
use crate::site::Site;

/// Far more than anything here takes, for a slow and busy machine.
pub const LONG: Duration = Duration::from_secs(240);

pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends the conductor with the test, however that goes.
pub struct Served(pub Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn open(site: &Site, change: &Change, strategy: Strategy) -> PatchId {
    let mut service = site.project.service(change);
    service.run.as_mut().expect("it runs").plan.strategy = strategy;
    site.open_as(change, service)
}

/// Approves what is asked for until the patch is as it should be.
#[track_caller]
pub fn until(site: &Site, id: PatchId, is_there: impl Fn(&Patch) -> bool) -> Patch {
    let deadline = Instant::now() + LONG;
    loop {
        site.look_after(id);
        let patch = site.patch(id);
        if is_there(&patch) {
            return patch;
        }
        assert!(Instant::now() < deadline, "{id} stands in {:?}\n{}", patch.rollout.phase, site.story());
        sleep(LOOK_EVERY);
    }
}
