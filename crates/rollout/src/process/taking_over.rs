//! What an earlier host has left: instances that still run, and what it has counted.

use std::time::Duration;

use futures_util::future::join_all;

use crate::process::history::{Keeper, Minutes};
use crate::process::identity::{Found, Held, boot_id, find_instances};
use crate::process::instance::check_health;
use crate::process::running::Running;
use crate::process::saved::{SavedInstance, read_json};
use crate::process::supervise::Supervisor;

impl Supervisor {
    pub fn adopt(&mut self) {
        // An earlier version of this program kept no fence.
        if let (true, Some(attempt)) =
            (self.saved.fence.is_empty(), self.saved.desired.as_ref().and_then(|desired| desired.attempt))
        {
            self.saved.fence.obey(attempt);
        }
        self.get_to_know();
        let is_same_boot = self.saved.boot_id == boot_id();
        for saved in std::mem::take(&mut self.saved.instances) {
            self.saved.next_instance = self.saved.next_instance.max(saved.instance + 1);
            self.learn(&saved.version, &saved.label);
            match Held::open(saved.identity) {
                Ok(held) if is_same_boot => {
                    self.log
                        .line(&format!("instance {} adopted: pid {}", saved.instance, saved.identity.pid));
                    self.running.push(Running::watch(saved, held, None, self.events.0.clone()));
                }
                Ok(_) | Err(_) => {
                    self.log.line(&format!("instance {} is gone", saved.instance));
                    let is_wanted = self.desired_arms().iter().any(|arm| arm.version == saved.version);
                    if let Some(arm) = self.arms.get_mut(&saved.version) {
                        arm.restarts += u64::from(is_wanted && is_same_boot);
                    }
                }
            }
        }
    }

    /// What carries the marker of an instance of a version that is wanted, though the state that knew it is lost.
    pub fn adopt_marked(&mut self) {
        for found in find_instances(&self.host.name) {
            self.saved.next_instance = self.saved.next_instance.max(found.instance + 1);
            let label =
                self.desired_arms().iter().find(|arm| arm.version == found.version).map(|arm| &arm.label);
            let (Some(label), Ok(held)) = (label.cloned(), Held::open(found.identity)) else { continue };
            let Found { identity, marker, instance, version, name, port } = found;
            self.log.line(&format!("instance {instance} found again: pid {}", identity.pid));
            let saved = SavedInstance { instance, marker, version, label, name, port, identity };
            self.running.push(Running::watch(saved, held, None, self.events.0.clone()));
        }
    }

    /// Checks all that was adopted at the same time, so that the proxy opens with every arm in its place.
    pub async fn probe_all(&mut self) {
        let deadline = Duration::from_millis(self.host.spec.health_deadline_ms);
        let path = self.host.spec.health_path.clone();
        let probes = self.running.iter().map(|running| async {
            let health = check_health(running.upstream.address, &path, deadline).await;
            (running.saved.instance, health)
        });
        for (instance, health) in join_all(probes).await {
            self.probed(instance, health);
        }
    }

    /// What an earlier host has counted. A damaged file is no history, which holds up nothing.
    pub fn read_history(&self) -> Keeper {
        let path = self.host.files.history();
        let read = read_json::<Minutes>(&path).map(|read| read.filter(Minutes::are_sound));
        let minutes = read.unwrap_or_else(|error| {
            self.log.line(&format!("could not read the history, which begins anew: {error}"));
            None
        });
        Keeper::new(minutes.unwrap_or_default())
    }
}
