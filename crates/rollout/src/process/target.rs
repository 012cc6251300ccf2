//! Local processes as a target: one host for each service in an environment, in a folder of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use patchline_model::digest::Digest;
use patchline_model::failure::Failure;
use patchline_model::id::JobId;
use patchline_model::share::Share;
use patchline_model::stage::budget::History;
use patchline_model::stage::plan::{Arm, Counts, Desired, Observed, ObservedArm, Process, Usage};
use patchline_model::stage::traffic::Met;

use crate::capability::Capability;
use crate::process::client::{HostClient, ensure_host};
use crate::process::failure::HostError;
use crate::process::saved::{Files, Saved, read_json};
use crate::process::spec::{self, Attempt, DesiredArm, DesiredArms, HostSpec, InstanceState, ObservedArms};
use crate::target::{Site, Target};

/// How long `reconcile` waits for the world to match.
const PATIENCE: Duration = Duration::from_millis(500);
/// Beyond the time that draining and stopping may take.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// How often another conductor may be faster.
const MAX_RACES: u32 = 3;
const MAX_LABEL: usize = 200;

/// Runs versions as processes of this machine.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The program whose `process-host` is the host.
    pub binary: PathBuf,
    /// Below it lies a folder for each host: `<service>/<environment>`.
    pub hosts: PathBuf,
}

impl Processes {
    pub const NAME: &'static str = "process";

    /// What the host and its proxy can do.
    pub const CAPABILITIES: &'static [Capability] = &[
        Capability::Weights,
        Capability::Cohorts,
        Capability::Flags,
        Capability::Mirror,
        Capability::Conversion,
        Capability::Names,
    ];
}

#[async_trait]
impl Target for Processes {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn capabilities(&self) -> &'static [Capability] {
        Self::CAPABILITIES
    }

    async fn reconcile(&self, job: JobId, site: &Site, desired: &Desired) -> Result<Observed, Failure> {
        let arms = desired.arms.iter().map(|arm| to_host(site, arm)).collect::<Result<Vec<_>, _>>()?;
        let host = ensure_host(&self.binary, &self.directory(site), &spec_of(site)).await.map_err(failed)?;
        // What is brought up where nothing ran belongs to no patch.
        let attempt = (job.patch.0 > 0).then_some(Attempt { patch: job.patch.0, number: job.attempt });
        if !apply(&host, arms, desired, attempt).await.map_err(failed)? {
            return host.observe().await.map(|observed| from_host(&observed)).map_err(failed);
        }
        let meets = |observed: &ObservedArms| from_host(observed).meets(desired);
        match host.wait_until("match what is desired", PATIENCE, meets).await {
            Ok(observed) => Ok(from_host(&observed)),
            // Not yet: say what is there, and let the caller ask again.
            Err(HostError::Late { .. }) => {
                host.observe().await.map(|observed| from_host(&observed)).map_err(failed)
            }
            Err(other) => Err(failed(other)),
        }
    }

    async fn observe(&self, site: &Site) -> Result<Option<Observed>, Failure> {
        let directory = self.directory(site);
        let host = match HostClient::connect(&directory).await {
            Ok(host) => host,
            Err(HostError::Unreachable { .. }) if !is_wanted(&directory)? => return Ok(None),
            // The host was killed, or the machine was: another one takes over what runs and starts what is gone.
            Err(HostError::Unreachable { .. }) => {
                ensure_host(&self.binary, &directory, &spec_of(site)).await.map_err(failed)?
            }
            Err(other) => return Err(failed(other)),
        };
        let observed = from_host(&host.observe().await.map_err(failed)?);
        Ok((!observed.arms.is_empty()).then_some(observed))
    }

    async fn history(&self, site: &Site) -> Result<Option<History>, Failure> {
        match HostClient::connect(&self.directory(site)).await {
            Ok(host) => host.history().await.map_err(failed),
            Err(HostError::Unreachable { .. }) => Ok(None),
            Err(other) => Err(failed(other)),
        }
    }

    async fn stop(&self, site: &Site) -> Result<(), Failure> {
        let (directory, spec) = (self.directory(site), spec_of(site));
        if HostClient::connect(&directory).await.is_err() && !is_wanted(&directory)? {
            return Ok(());
        }
        // A host that was killed has left instances behind; only another one knows how to end them.
        let host = ensure_host(&self.binary, &directory, &spec).await.map_err(failed)?;
        let deadline =
            Duration::from_millis(spec.drain_deadline_ms * 2 + spec.stop_deadline_ms) + STOP_MARGIN;
        host.stop(deadline).await.map_err(failed)
    }
}

impl Processes {
    /// The folder of the host of a site. Names are plain, so they cannot lead elsewhere.
    pub fn directory(&self, site: &Site) -> PathBuf {
        self.hosts.join(site.service.as_str()).join(site.run.environment.as_str())
    }
}

/// Says it only when it is news, with the next revision; should another conductor be faster, looks again. Answers
/// whether it was news.
async fn apply(
    host: &HostClient,
    arms: Vec<DesiredArm>,
    desired: &Desired,
    attempt: Option<Attempt>,
) -> Result<bool, HostError> {
    let mut races = 0;
    loop {
        let before = host.desired().await?;
        if before.arms == arms && before.in_place == desired.in_place && before.traffic == desired.traffic {
            // Said once more: what could not be stored before is stored now, or this fails as well.
            if before.revision > 0 {
                host.apply(&before).await?;
            }
            return Ok(false);
        }
        let asked = DesiredArms {
            revision: before.revision + 1,
            arms: arms.clone(),
            in_place: desired.in_place,
            attempt,
            traffic: desired.traffic.clone(),
        };
        match host.apply(&asked).await {
            Err(error) if error.is_stale_revision() && races < MAX_RACES => races += 1,
            other => return other.map(|()| true),
        }
    }
}

fn spec_of(site: &Site) -> HostSpec {
    let mut spec = HostSpec::new(site.service.as_str(), site.run.environment.as_str());
    spec.listen.set_port(site.run.port);
    spec.health_path = site.run.health.clone();
    spec.start_deadline_ms = site.run.plan.start_deadline.0.saturating_mul(1_000).max(1_000);
    spec
}

fn to_host(site: &Site, arm: &Arm) -> Result<DesiredArm, Failure> {
    let artifact = &arm.version.artifact;
    let executable = site.executables.get(artifact).ok_or_else(|| {
        Failure::permanent(format!("could not run {artifact}: its executable is not known"))
            .with_hint("build the artifact again, or restore it from a backup")
    })?;
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    Ok(DesiredArm {
        version: artifact.as_str().to_owned(),
        label: arm.version.label.chars().map(printable).take(MAX_LABEL).collect(),
        executable: site.run.program.as_ref().map_or_else(|| executable.clone(), PathBuf::from),
        artifact: Some(executable.clone()),
        reload_signal: site.run.reload_signal,
        arguments: site.run.arguments.clone(),
        environment: Default::default(),
        directory: None,
        instances: arm.instances,
        share_ppm: arm.share.ppm(),
        carriers: Some(arm.carriers),
        flags: arm.flags.clone(),
        names: arm.names.clone(),
    })
}

fn from_host(observed: &ObservedArms) -> Observed {
    Observed {
        epoch: observed.epoch.clone(),
        arms: observed.arms.iter().filter_map(arm_from_host).collect(),
        unrouted: observed.unrouted,
        address: Some(observed.listen.to_string()),
        traffic: Some(observed.traffic.clone()),
    }
}

fn arm_from_host(arm: &spec::ObservedArm) -> Option<ObservedArm> {
    Some(ObservedArm {
        artifact: arm.version.parse::<Digest>().ok()?,
        share: Share::try_from(arm.share_ppm).ok()?,
        instances: u32::try_from(arm.instances.len()).ok()?,
        healthy: arm.healthy,
        counts: Some(Counts {
            requests: arm.compared.requests,
            errors: arm.compared.errors,
            latency: arm.compared.latency.buckets.clone(),
            restarts: arm.restarts,
        }),
        met: Some(Met { requests: arm.requests, errors: arm.errors }),
        mirrored: Some(arm.mirrored.clone()),
        addresses: arm
            .instances
            .iter()
            .filter(|one| one.state == InstanceState::Healthy)
            .map(|one| format!("127.0.0.1:{}", one.port))
            .collect(),
        processes: arm
            .instances
            .iter()
            .filter(|one| one.serves.as_ref() == Some(&arm.version) && is_there(one.state))
            .map(|one| Process { pid: one.pid, started: one.start_time })
            .collect(),
        usage: arm.instances.iter().filter_map(usage_from_host).collect(),
        names: arm
            .instances
            .iter()
            .filter(|one| one.state == InstanceState::Healthy)
            .filter_map(|one| one.name.clone())
            .collect(),
    })
}

fn usage_from_host(one: &spec::ObservedInstance) -> Option<Usage> {
    let used = one.used.as_ref().filter(|_| one.state == InstanceState::Healthy)?;
    Some(Usage {
        instance: format!("{}-{}", one.pid, used.start_time),
        memory_bytes: used.memory_bytes,
        cpu_millis: used.cpu_millis,
    })
}

/// Not on its way out.
fn is_there(state: InstanceState) -> bool {
    match state {
        InstanceState::Starting | InstanceState::Healthy | InstanceState::Unhealthy => true,
        InstanceState::Draining | InstanceState::Stopping => false,
    }
}

/// Whether something runs there, or should: a machine that was shut down has ended its instances and still owes them.
fn is_wanted(directory: &Path) -> Result<bool, Failure> {
    let path = Files::new(directory).state();
    let wants = |saved: Saved| {
        saved.is_lost
            || !saved.instances.is_empty()
            || saved.desired.is_some_and(|desired| !desired.arms.is_empty())
    };
    match read_json::<Saved>(&path) {
        Ok(saved) => Ok(saved.is_some_and(wants)),
        Err(error) => Err(Failure::transient(format!("could not read `{}`: {error}", path.display()))),
    }
}

fn failed(error: HostError) -> Failure {
    let text = error.in_full();
    match error {
        HostError::Spec { .. } | HostError::OtherService { .. } | HostError::Refused { status: 422, .. } => {
            Failure::permanent(text)
        }
        HostError::Listen { .. }
        | HostError::NotStarted { .. }
        | HostError::File { .. }
        | HostError::Locked { .. }
        | HostError::Unreachable { .. }
        | HostError::Late { .. }
        | HostError::Refused { .. }
        | HostError::Answer { .. } => Failure::transient(text),
    }
}
