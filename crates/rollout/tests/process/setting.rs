//! What each test starts and stops: a host in a folder of its own, and the versions it is to run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use patchline_model::stage::traffic::Traffic;
use patchline_rollout::process::client::{HostClient, ensure_host};
use patchline_rollout::process::spec::{DesiredArm, DesiredArms, HostSpec, ObservedArm, ObservedArms};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far more than anything here takes, for a slow and busy machine.
pub const LONG: Duration = Duration::from_secs(60);

pub struct Setting {
    directory: TempDir,
    pub spec: HostSpec,
    pub client: HostClient,
    revision: u64,
}

impl Setting {
    pub async fn new() -> Setting {
        Setting::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut HostSpec)) -> Setting {
        let mut spec = HostSpec::new("shop", "test");
        spec.health_interval_ms = 100;
        spec.hold_deadline_ms = 20_000;
        // On a busy machine a late answer is no sick instance; a sick one says so, and a dead one refuses.
        spec.health_deadline_ms = 20_000;
        change(&mut spec);
        let directory = tempfile::tempdir().expect("a directory");
        let client = ensure_host(&host_binary(), directory.path(), &spec).await.expect("the host starts");
        Setting { directory, spec, client, revision: 0 }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// As it stands in the markers of its processes.
    pub fn name(&self) -> String {
        fs::canonicalize(self.path()).expect("it exists").to_string_lossy().into_owned()
    }

    pub async fn apply(&mut self, arms: &[DesiredArm]) {
        self.apply_with(arms, Traffic::ByTurns).await;
    }

    pub async fn apply_with(&mut self, arms: &[DesiredArm], traffic: Traffic) {
        self.revision += 1;
        let desired = DesiredArms {
            revision: self.revision,
            arms: arms.to_vec(),
            in_place: false,
            attempt: None,
            traffic,
        };
        self.client.apply(&desired).await.expect("it is accepted");
    }

    /// The same, with instances that are converted and stay.
    pub async fn apply_in_place(&mut self, arms: &[DesiredArm]) {
        self.revision += 1;
        let desired = DesiredArms {
            revision: self.revision,
            arms: arms.to_vec(),
            in_place: true,
            attempt: None,
            traffic: Traffic::ByTurns,
        };
        self.client.apply(&desired).await.expect("it is accepted");
    }

    /// Applies and waits until every instance that is wanted is healthy and no other is left.
    pub async fn settle(&mut self, arms: &[DesiredArm]) -> ObservedArms {
        self.apply(arms).await;
        self.settled().await
    }

    pub async fn settled(&self) -> ObservedArms {
        let is_settled =
            |arm: &ObservedArm| arm.healthy == arm.wanted && arm.instances.len() == arm.wanted as usize;
        self.client
            .wait_until("settle", LONG, |observed| observed.arms.iter().all(is_settled))
            .await
            .expect("it settles")
    }

    pub async fn observed(&self) -> ObservedArms {
        self.client.observe().await.expect("it answers")
    }

    pub async fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.observed().await.listen)
    }

    /// Kills the host, and nothing but the host, and waits until it is gone.
    pub async fn kill_host(&self) {
        kill(self.observed().await.host_pid, Signal::KILL);
        let gone = async {
            while self.client.observe().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, gone).await.expect("the host dies");
    }

    pub async fn start_host(&mut self) {
        self.client = ensure_host(&host_binary(), self.path(), &self.spec).await.expect("the host starts");
    }

    pub async fn stop(self) {
        self.client.stop(LONG).await.expect("it stops");
        assert_eq!(marked_processes(&self.name()), Vec::<u32>::new());
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // Only a test that failed leaves anything behind.
        let name = self.name();
        let lock = format!("{name}\0");
        for pid in pids().into_iter().filter(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("process-host") && line.ends_with(&lock)
        }) {
            kill(pid, Signal::KILL);
        }
        marked_processes(&name).into_iter().for_each(|pid| kill(pid, Signal::KILL));
    }
}

pub fn arm(label: &str, instances: u32, share_ppm: u32) -> DesiredArm {
    arm_with(label, instances, share_ppm, &[])
}

pub fn arm_with(label: &str, instances: u32, share_ppm: u32, environment: &[(&str, &str)]) -> DesiredArm {
    DesiredArm {
        version: format!("sha256:{label}"),
        label: label.to_owned(),
        executable: example("instance"),
        artifact: None,
        reload_signal: Default::default(),
        arguments: Vec::new(),
        environment: environment
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect::<BTreeMap<_, _>>(),
        directory: None,
        instances,
        share_ppm,
        carriers: None,
        flags: Vec::new(),
        names: Vec::new(),
    }
}

pub fn of<'a>(observed: &'a ObservedArms, label: &str) -> &'a ObservedArm {
    observed.arms.iter().find(|arm| arm.label == label).expect("the arm is known")
}

pub fn host_binary() -> PathBuf {
    example("process_host")
}

pub fn http_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

pub fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    let _ = kill_process(pid, signal);
}

/// Every process that carries a marker of this host and has not ended.
pub fn marked_processes(name: &str) -> Vec<u32> {
    let marker = format!("PATCHLINE_INSTANCE={name}#");
    let has_marker = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(marker.as_bytes()))
    };
    pids().into_iter().filter(|pid| is_alive(*pid) && has_marker(pid)).collect()
}

pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot.
pub fn start_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(')').expect("the name is in brackets");
    rest.split_ascii_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).expect("it has a start time")
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("there is /proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let path = test
        .parent()
        .and_then(Path::parent)
        .expect("it lies in target/debug/deps")
        .join("examples")
        .join(name);
    assert!(path.exists(), "`{}` is missing: `cargo build -p patchline-rollout --examples`", path.display());
    path
}
