//! Brings a service up where nothing of it runs yet: with the version that was promoted last, or else with a commit.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use patchline_build::builder::Built;
use patchline_ledger::store::StoreError;
use patchline_model::digest::{Commit, Digest};
use patchline_model::failure::Failure;
use patchline_model::id::{JobId, PatchId, Stage};
use patchline_model::service::{Run, Service};
use patchline_model::share::Share;
use patchline_model::stage::plan::{Arm, Desired, Observed, Version};
use patchline_model::stage::traffic::{FlagValue, Traffic};
use patchline_model::strategy::course::course;
use patchline_model::view::flags;
use patchline_rollout::target::{Site, Target};

use crate::blocking::blocking;
use crate::conductor::Conductor;
use crate::failures::storage;
use crate::hands::Hands;
use crate::jobs::build::{artifact, make};

/// The version to begin with: the one promoted last by the ledger, else a build of this commit.
pub async fn first_version(
    hands: &Hands,
    conductor: &Conductor,
    service: &Service,
    commit: &Commit,
) -> Result<Version, Failure> {
    let promoted = last_promoted(conductor, service).await.map_err(|error| storage(&error))?;
    if let Some(version) = promoted {
        return Ok(version);
    }
    match make(hands, service, commit, false).await? {
        Built::Broken { why, .. } => {
            Err(Failure::permanent(format!("{} does not build: {why}", commit.short())))
        }
        Built::Artifact(made) => {
            let artifact = artifact(hands, service, commit, &made, None)?;
            Ok(Version { artifact: artifact.digest, label: commit.short().into() })
        }
    }
}

async fn last_promoted(conductor: &Conductor, service: &Service) -> Result<Option<Version>, StoreError> {
    let Some(lock) = service.lock() else { return Ok(None) };
    let Some(runs) = conductor.board([]).await?.runs.get(&lock).copied() else { return Ok(None) };
    Ok(conductor.patch(runs).await?.and_then(|known| known.patch.rollout.new.clone()))
}

/// Starts the service with one version holding all of the traffic, and waits until it is healthy.
pub async fn bring_up(
    hands: &Hands,
    conductor: &Conductor,
    service: &Service,
    version: &Version,
) -> Result<Observed, Failure> {
    let (run, target) = run_and_target(hands, service)?;
    let instances = run.plan.instances;
    let names = course(&run.plan).names(instances, false).to_vec();
    let arm = Arm {
        version: version.clone(),
        instances,
        share: Share::ALL,
        carriers: instances,
        flags: kept_on(conductor, &version.artifact).await?,
        names,
    };
    let desired = Desired { arms: vec![arm], in_place: false, traffic: Traffic::ByTurns };
    let site = site(hands, service, run, &[version])?;
    let job = JobId { patch: PatchId(0), stage: Stage::Rollout, attempt: 0 };
    let mut looks_left = run.plan.start_deadline.0.max(1) * 2;
    loop {
        let observed = target.reconcile(job, &site, &desired).await?;
        if observed.meets(&desired) {
            return Ok(observed);
        }
        looks_left -= 1;
        if looks_left == 0 {
            let text = format!("{} was not healthy within {}", service.name, run.plan.start_deadline);
            return Err(Failure::transient(text).with_hint("look at the instances' logs in the data folder"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// The flags with which a version was promoted: its instances are told that they are on for as long as it runs.
pub async fn kept_on(conductor: &Conductor, artifact: &Digest) -> Result<Vec<FlagValue>, Failure> {
    let patches = conductor.patches().await.map_err(|error| storage(&error))?;
    let flags = flags::kept_on(patches.iter().map(|known| &known.patch), artifact);
    Ok(flags.into_iter().map(|flag| FlagValue { flag, is_on: true }).collect())
}

/// How the service runs and the target that its plan names.
pub fn run_and_target<'a>(
    hands: &'a Hands,
    service: &'a Service,
) -> Result<(&'a Run, &'a dyn Target), Failure> {
    let run = service
        .run
        .as_ref()
        .ok_or_else(|| Failure::permanent(format!("{} has no [run] section", service.name)))?;
    let target = hands.target(&run.target).ok_or_else(|| {
        let known: Vec<&str> = hands.targets.iter().map(|target| target.name()).collect();
        Failure::permanent(format!("there is no target `{}`", run.target))
            .with_hint(format!("known targets: {}", known.join(", ")))
    })?;
    Ok((run, target))
}

/// The service's site with these versions ready to be started.
pub fn site(hands: &Hands, service: &Service, run: &Run, versions: &[&Version]) -> Result<Site, Failure> {
    let name =
        Path::new(&service.build.artifact).file_name().map_or("artifact".into(), |name| name.to_owned());
    let mut executables = BTreeMap::new();
    for version in versions {
        let path = hands.home.release(&version.artifact).join(&name);
        blocking(|| place(hands, &version.artifact, &path))?;
        executables.insert(version.artifact.clone(), path);
    }
    Ok(Site { service: service.name.clone(), run: run.clone(), executables })
}

/// Puts an artifact's bytes, checked against its digest, where it can be started.
fn place(hands: &Hands, artifact: &Digest, path: &PathBuf) -> Result<(), Failure> {
    const LARGEST_ARTIFACT: u64 = 2 * 1024 * 1024 * 1024;
    if path.exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| storage(&error);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let bytes =
        hands.attestor.blobs().get(artifact.as_str(), LARGEST_ARTIFACT).map_err(|error| storage(&error))?;
    static PLACED: AtomicU64 = AtomicU64::new(0);
    let number = PLACED.fetch_add(1, Ordering::Relaxed);
    let whole = folder.join(format!(".{}-{number}", std::process::id()));
    let mut file = File::create(&whole).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o755)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    drop(file);
    std::fs::rename(&whole, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
