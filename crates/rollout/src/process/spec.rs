//! The control protocol between a conductor and a host: plain values, checked where they come in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use patchline_judge::arms::Latency;
use patchline_model::cohort::Token;
use patchline_model::service::ReloadSignal;
use patchline_model::stage::traffic::{FlagValue, Mirrored, Traffic};
use serde::{Deserialize, Serialize};

/// All of the traffic, in parts per million.
pub const WHOLE_PPM: u32 = 1_000_000;

/// Nothing that comes over the control socket may be longer.
pub const MAX_CONTROL_BYTES: usize = 1 << 20;

const MAX_ARMS: usize = 8;
const MAX_INSTANCES_PER_ARM: u32 = 64;
const MAX_TEXTS: usize = 512;
const MAX_TEXT_BYTES: usize = 64 * 1024;
const MAX_NAME_BYTES: usize = 200;
/// Values of a cohort, methods and headers of a mirror, flags of an arm.
const MAX_WORDS: usize = 64;
const MAX_DEADLINE_MS: u64 = 24 * 60 * 60 * 1000;

/// What a host is for, and its limits. Given when it is first started and kept in `host.json`; a change takes effect
/// when the host starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    pub service: String,
    pub environment: String,
    /// Where the proxy listens: a loopback address. Port 0 means any; the one it got is kept for the next start.
    #[serde(default = "any_loopback_port")]
    pub listen: SocketAddr,
    /// An instance is healthy when `GET` of this path answers 2xx.
    #[serde(default = "health_path")]
    pub health_path: String,
    #[serde(default = "default_ms::<1_000>")]
    pub health_interval_ms: u64,
    #[serde(default = "default_ms::<1_000>")]
    pub health_deadline_ms: u64,
    /// So many failed checks in a row take a healthy instance out of the rotation.
    #[serde(default = "unhealthy_after")]
    pub unhealthy_after: u32,
    /// An instance that is not healthy for so long is replaced.
    #[serde(default = "default_ms::<30_000>")]
    pub start_deadline_ms: u64,
    /// How long requests in flight may keep an instance that is no longer wanted.
    #[serde(default = "default_ms::<30_000>")]
    pub drain_deadline_ms: u64,
    /// The time between SIGTERM and SIGKILL.
    #[serde(default = "default_ms::<5_000>")]
    pub stop_deadline_ms: u64,
    /// From the first byte sent to an instance until its response headers, and between two parts of its body.
    #[serde(default = "default_ms::<30_000>")]
    pub request_deadline_ms: u64,
    /// How long a request may wait for an instance when there is none that could take it.
    #[serde(default = "default_ms::<3_000>")]
    pub hold_deadline_ms: u64,
    /// How long a client may take over its request headers, and leave a connection idle.
    #[serde(default = "default_ms::<30_000>")]
    pub header_deadline_ms: u64,
    /// How long a client may keep its answer waiting, beyond what a slow line takes.
    #[serde(default = "default_ms::<30_000>")]
    pub write_deadline_ms: u64,
    #[serde(default = "max_body_bytes")]
    pub max_body_bytes: u64,
    #[serde(default = "max_concurrent")]
    pub max_connections: u32,
    #[serde(default = "max_concurrent")]
    pub max_requests: u32,
    /// Copies of requests that may be under way at once; what comes beyond is not mirrored.
    #[serde(default = "max_mirrors")]
    pub max_mirrors: u32,
}

impl HostSpec {
    /// A host on any free port, with the default limits.
    pub fn new(service: impl Into<String>, environment: impl Into<String>) -> HostSpec {
        HostSpec {
            service: service.into(),
            environment: environment.into(),
            listen: any_loopback_port(),
            health_path: health_path(),
            health_interval_ms: 1_000,
            health_deadline_ms: 1_000,
            unhealthy_after: unhealthy_after(),
            start_deadline_ms: 30_000,
            drain_deadline_ms: 30_000,
            stop_deadline_ms: 5_000,
            request_deadline_ms: 30_000,
            hold_deadline_ms: 3_000,
            header_deadline_ms: 30_000,
            write_deadline_ms: 30_000,
            max_body_bytes: max_body_bytes(),
            max_connections: max_concurrent(),
            max_requests: max_concurrent(),
            max_mirrors: max_mirrors(),
        }
    }

    pub fn check(&self) -> Result<(), Unfit> {
        name("service", &self.service)?;
        name("environment", &self.environment)?;
        unless(self.listen.ip().is_loopback(), || format!("`{}` is not a loopback address", self.listen))?;
        let path = &self.health_path;
        let is_path =
            path.starts_with('/') && path.len() <= 1024 && path.bytes().all(|b| b.is_ascii_graphic());
        unless(is_path, || "the health path must start with `/` and be plain ASCII".to_owned())?;
        for (what, milliseconds) in [
            ("health_interval_ms", self.health_interval_ms),
            ("health_deadline_ms", self.health_deadline_ms),
            ("start_deadline_ms", self.start_deadline_ms),
            ("drain_deadline_ms", self.drain_deadline_ms),
            ("stop_deadline_ms", self.stop_deadline_ms),
            ("request_deadline_ms", self.request_deadline_ms),
            ("hold_deadline_ms", self.hold_deadline_ms),
            ("header_deadline_ms", self.header_deadline_ms),
            ("write_deadline_ms", self.write_deadline_ms),
        ] {
            unless((1..=MAX_DEADLINE_MS).contains(&milliseconds), || format!("`{what}` is out of range"))?;
        }
        unless(self.unhealthy_after > 0, || "`unhealthy_after` must not be 0".to_owned())?;
        let connections = 1..=65_536;
        unless(connections.contains(&self.max_connections), || {
            "`max_connections` is out of range".to_owned()
        })?;
        unless(connections.contains(&self.max_requests), || "`max_requests` is out of range".to_owned())?;
        unless(connections.contains(&self.max_mirrors), || "`max_mirrors` is out of range".to_owned())
    }
}

/// What should run. `PUT /desired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredArms {
    /// Only ever grows: a lower one than the host has seen is refused.
    pub revision: u64,
    pub arms: Vec<DesiredArm>,
    /// Instances change their version and stay; what goes wrong falls back to the first arm.
    #[serde(default)]
    pub in_place: bool,
    /// On whose behalf. An attempt that others have overtaken is refused: it comes from a conductor that slept while they
    /// went on. Without it, nobody's: what is brought up where nothing ran.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// How requests find their arm.
    #[serde(default)]
    pub traffic: Traffic,
}

/// A patch, and which attempt of its rollout this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub patch: u64,
    pub number: u32,
}

/// One version, how to start it, how many of it, and its share of the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredArm {
    /// The digest: what the arm is known by. Running instances of it are kept whatever else here changes.
    pub version: String,
    /// What people call it; the value of the header `x-patchline-version`.
    pub label: String,
    pub executable: PathBuf,
    /// The artifact's file, where the executable is another program that reads it.
    #[serde(default)]
    pub artifact: Option<PathBuf>,
    /// What tells an instance to take its artifact over.
    #[serde(default)]
    pub reload_signal: ReloadSignal,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub directory: Option<PathBuf>,
    pub instances: u32,
    /// Parts per million. Those of all arms make a whole.
    pub share_ppm: u32,
    /// Healthy instances that it takes to carry the share, others being on their way; all of them where it is not said.
    #[serde(default)]
    pub carriers: Option<u32>,
    /// What its instances are told with each request, in the header `x-patchline-flag`.
    #[serde(default)]
    pub flags: Vec<FlagValue>,
    /// Names of its instances, one each, where they have names. No two instances of the host have one name.
    #[serde(default)]
    pub names: Vec<Token>,
}

impl DesiredArms {
    /// What is desired before anybody has said.
    pub fn nothing() -> DesiredArms {
        DesiredArms {
            revision: 0,
            arms: Vec::new(),
            in_place: false,
            attempt: None,
            traffic: Traffic::ByTurns,
        }
    }

    pub fn check(&self) -> Result<(), Unfit> {
        unless(self.arms.len() <= MAX_ARMS, || format!("more than {MAX_ARMS} arms"))?;
        let versions: BTreeSet<&str> = self.arms.iter().map(|arm| arm.version.as_str()).collect();
        unless(versions.len() == self.arms.len(), || "a version stands twice".to_owned())?;
        let sum: u64 = self.arms.iter().map(|arm| u64::from(arm.share_ppm)).sum();
        unless(self.arms.is_empty() || sum == u64::from(WHOLE_PPM), || {
            format!("the shares make {sum} parts per million, not {WHOLE_PPM}")
        })?;
        fits(&self.traffic, self.arms.len())?;
        let converts = self.arms.len() <= 2 && self.arms.iter().any(|arm| arm.instances > 0);
        unless(!self.in_place || converts, || "a conversion is from one version to another".to_owned())?;
        let names: Vec<&Token> = self.arms.iter().flat_map(|arm| &arm.names).collect();
        let distinct: BTreeSet<&Token> = names.iter().copied().collect();
        unless(distinct.len() == names.len(), || "two instances have one name".to_owned())?;
        unless(!self.in_place || names.is_empty(), || "what is converted has no names".to_owned())?;
        self.arms.iter().try_for_each(DesiredArm::check)
    }
}

/// Whether requests can be told apart so.
fn fits(traffic: &Traffic, arms: usize) -> Result<(), Unfit> {
    let has_both = || unless(arms == 2, || "cohorts and mirrors need a stable arm and a new one".to_owned());
    match traffic {
        Traffic::ByTurns => Ok(()),
        Traffic::ByKey { cohort, .. } => {
            has_both()?;
            let values = cohort.only.as_ref().map_or(&[][..], |only| &only.values);
            let fits = values.len() <= MAX_WORDS && values.iter().all(|value| value.len() <= MAX_NAME_BYTES);
            unless(fits, || "a cohort has too many values, or one that is too long".to_owned())
        }
        Traffic::Mirrored(mirror) => {
            has_both()?;
            let methods = &mirror.methods;
            let fits = methods.len() <= MAX_WORDS
                && mirror.headers.len() <= MAX_WORDS
                && methods.iter().all(|method| method.len() <= MAX_NAME_BYTES);
            unless(fits, || "a mirror has too many methods or headers".to_owned())
        }
    }
}

impl DesiredArm {
    /// What its instances find by their links.
    pub fn artifact(&self) -> &Path {
        self.artifact.as_deref().unwrap_or(&self.executable)
    }

    fn check(&self) -> Result<(), Unfit> {
        name("version", &self.version)?;
        let label = &self.label;
        let is_label = !label.is_empty() && label.len() <= MAX_NAME_BYTES && label.bytes().all(is_printable);
        unless(is_label, || format!("a label must be 1 to {MAX_NAME_BYTES} characters of printable ASCII"))?;
        unless(self.instances <= MAX_INSTANCES_PER_ARM, || format!("too many instances for `{label}`"))?;
        unless(self.instances > 0 || self.share_ppm == 0, || {
            format!("`{label}` has a share and no instance")
        })?;
        unless(self.carriers.is_none_or(|carriers| carriers <= self.instances), || {
            format!("`{label}` needs more instances for its share than are wanted")
        })?;
        let all_named = self.names.is_empty() || self.names.len() == self.instances as usize;
        unless(all_named, || format!("`{label}` has not as many names as instances"))?;
        unless(self.flags.len() <= MAX_WORDS, || format!("too many flags for `{label}`"))?;
        unless(self.executable.is_absolute(), || format!("the executable of `{label}` is not absolute"))?;
        unless(self.artifact().is_absolute(), || format!("the artifact of `{label}` is not absolute"))?;
        let directory_is_absolute = self.directory.as_ref().is_none_or(|directory| directory.is_absolute());
        unless(directory_is_absolute, || format!("the directory of `{label}` is not absolute"))?;
        let texts = self.arguments.len() + self.environment.len();
        unless(texts <= MAX_TEXTS, || format!("too many arguments and variables for `{label}`"))?;
        let paths = self
            .executable
            .to_str()
            .into_iter()
            .chain(self.artifact().to_str())
            .chain(self.directory.as_ref().and_then(|path| path.to_str()));
        let mut texts =
            self.arguments.iter().chain(self.environment.values()).map(String::as_str).chain(paths);
        unless(texts.all(|text| text.len() <= MAX_TEXT_BYTES && !text.contains('\0')), || {
            format!("a text of `{label}` is too long or contains a zero byte")
        })?;
        for variable in self.environment.keys() {
            let is_name =
                !variable.is_empty() && !variable.contains(['=', '\0']) && variable.len() <= MAX_NAME_BYTES;
            unless(is_name, || format!("`{label}` has a variable that is no name"))?;
            let is_free = variable != "PORT" && !variable.starts_with("PATCHLINE_");
            unless(is_free, || format!("the variable `{variable}` is set by the host"))?;
        }
        Ok(())
    }
}

/// What is there. `GET /observed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedArms {
    /// Another one for each process of the host; the counters begin at 0 with it.
    pub epoch: String,
    pub host_pid: u32,
    pub listen: SocketAddr,
    /// The revision in force.
    pub revision: u64,
    /// Every version that this process of the host has known, in the order they came.
    pub arms: Vec<ObservedArm>,
    /// Requests that the proxy answered by itself with 502 or 503, because no instance could take them.
    pub unrouted: u64,
    /// How requests find their arm, in force.
    #[serde(default)]
    pub traffic: Traffic,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedArm {
    pub version: String,
    pub label: String,
    /// The share in force in the balancer.
    pub share_ppm: u32,
    pub wanted: u32,
    pub healthy: u32,
    pub draining: u32,
    /// How often an instance ended, or had to be ended, though it was wanted.
    pub restarts: u64,
    pub instances: Vec<ObservedInstance>,
    /// Requests of users that instances took on and that are over.
    pub requests: u64,
    /// Of these: answered with 5xx, cut off, or not answered before the deadline.
    pub errors: u64,
    /// How long they took; without those that were cut off.
    pub latency: Latency,
    pub in_flight: u64,
    /// What of it can be compared with the other arm, and the answers to mirrored requests.
    #[serde(default)]
    pub compared: Compared,
    #[serde(default)]
    pub mirrored: Mirrored,
}

/// Counts of one arm that chance alone led to it; of mirrored requests, both sides of each pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub requests: u64,
    pub errors: u64,
    pub latency: Latency,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedInstance {
    pub pid: u32,
    /// With the pid it is this process and no other.
    #[serde(default)]
    pub start_time: u64,
    pub port: u16,
    pub state: InstanceState,
    /// The artifact that it said last that it serves.
    #[serde(default)]
    pub serves: Option<String>,
    #[serde(default)]
    pub name: Option<Token>,
    /// `None` when the system did not say.
    #[serde(default)]
    pub used: Option<Used>,
}

/// What a process uses, as `/proc/<pid>/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Clock ticks since boot when it began: with the pid, its identity.
    pub start_time: u64,
    pub memory_bytes: u64,
    pub cpu_millis: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Started or adopted, not yet seen healthy.
    Starting,
    Healthy,
    /// Out of the rotation until it is healthy again, or replaced.
    Unhealthy,
    /// Takes no new request and finishes those it has.
    Draining,
    /// Told to end.
    Stopping,
}

/// The body of an answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub reason: String,
}

/// Why a value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// Reads what a conductor asks for. Never trusts it: the result is within all limits.
pub fn parse_desired(bytes: &[u8]) -> Result<DesiredArms, Unfit> {
    unless(bytes.len() <= MAX_CONTROL_BYTES, || "the request is too long".to_owned())?;
    let desired: DesiredArms = serde_json::from_slice(bytes).map_err(|error| Unfit(error.to_string()))?;
    desired.check()?;
    Ok(desired)
}

fn name(what: &str, text: &str) -> Result<(), Unfit> {
    let fits =
        !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    unless(fits, || {
        format!("the {what} must be 1 to {MAX_NAME_BYTES} characters of plain ASCII without blanks")
    })
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn unless(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Unfit> {
    if holds { Ok(()) } else { Err(Unfit(otherwise())) }
}

fn any_loopback_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn health_path() -> String {
    "/healthz".to_owned()
}

fn default_ms<const MILLISECONDS: u64>() -> u64 {
    MILLISECONDS
}

fn unhealthy_after() -> u32 {
    3
}

fn max_body_bytes() -> u64 {
    64 << 20
}

fn max_concurrent() -> u32 {
    512
}

fn max_mirrors() -> u32 {
    32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn arm(version: &str, share_ppm: u32) -> DesiredArm {
        DesiredArm {
            version: version.to_owned(),
            label: format!("{version} (one)"),
            executable: "/bin/true".into(),
            artifact: None,
            reload_signal: ReloadSignal::default(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            directory: None,
            instances: 1,
            share_ppm,
            carriers: None,
            flags: Vec::new(),
            names: Vec::new(),
        }
    }

    fn check(arms: Vec<DesiredArm>, refused_for: Option<&str>) {
        let desired =
            DesiredArms { revision: 1, arms, in_place: false, attempt: None, traffic: Traffic::ByTurns };
        let bytes = serde_json::to_vec(&desired).expect("it can be written");
        match (parse_desired(&bytes), refused_for) {
            (Ok(parsed), None) => assert_eq!(parsed, desired),
            (Err(Unfit(reason)), Some(part)) => assert!(reason.contains(part), "{reason}"),
            (parsed, _) => panic!("{parsed:?}, expected {refused_for:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse_desired(&bytes);
        }

        #[test]
        fn what_is_read_is_within_the_limits(
            shares in proptest::collection::vec(0u32..=2 * WHOLE_PPM, 0..10),
            instances in 0u32..100,
            text in ".{0,40}",
            revision in any::<u64>(),
        ) {
            let arms: Vec<DesiredArm> = shares
                .iter()
                .enumerate()
                .map(|(n, share)| DesiredArm { instances, label: text.clone(), ..arm(&format!("v{n}"), *share) })
                .collect();
            let bytes = serde_json::to_vec(&DesiredArms { revision, arms, in_place: false, traffic: Traffic::ByTurns, attempt: None })?;
            if let Ok(read) = parse_desired(&bytes) {
                prop_assert_eq!(read.revision, revision);
                let sum: u64 = read.arms.iter().map(|arm| u64::from(arm.share_ppm)).sum();
                prop_assert!(read.arms.is_empty() || sum == u64::from(WHOLE_PPM));
                prop_assert!(read.arms.iter().all(|arm| arm.instances <= MAX_INSTANCES_PER_ARM));
            }
        }

        #[test]
        fn a_request_with_one_byte_changed_is_read_or_refused(at in 0usize..200, byte in any::<u8>()) {
            let desired = DesiredArms { revision: 7, arms: vec![arm("one", 900_000), arm("two", 100_000)], in_place: false, traffic: Traffic::ByTurns, attempt: None };
            let mut bytes = serde_json::to_vec(&desired)?;
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = parse_desired(&bytes);
        }
    }

    #[test]
    fn shares_make_a_whole_or_are_refused() {
        check(vec![arm("one", 990_000), arm("two", 10_000)], None);
        check(Vec::new(), None);
        check(vec![arm("one", 990_000)], Some("990000 parts"));
        check(vec![arm("one", u32::MAX), arm("two", u32::MAX)], Some("parts"));
    }

    #[test]
    fn what_could_do_harm_is_refused() {
        let change = |change: fn(&mut DesiredArm)| {
            let mut arm = arm("one", WHOLE_PPM);
            change(&mut arm);
            vec![arm]
        };
        check(vec![arm("one", 500_000), arm("one", 500_000)], Some("twice"));
        check(change(|arm| arm.instances = 0), Some("no instance"));
        check(change(|arm| arm.instances = 65), Some("too many instances"));
        check(
            change(|arm| arm.names = ["a", "b"].map(|name| name.parse().expect("a name")).to_vec()),
            Some("as many names"),
        );
        check(
            change(|arm| (arm.instances, arm.names) = (2, vec!["a".parse().expect("a name"); 2])),
            Some("one name"),
        );
        check(change(|arm| arm.executable = "true".into()), Some("not absolute"));
        check(change(|arm| arm.label = "a\r\nb".to_owned()), Some("label"));
        check(change(|arm| arm.arguments = vec!["a\0b".to_owned()]), Some("zero byte"));
        check(
            change(|arm| arm.environment = [("PORT".to_owned(), String::new())].into()),
            Some("set by the host"),
        );
        check(change(|arm| arm.environment = [("a=b".to_owned(), String::new())].into()), Some("no name"));
    }

    #[test]
    fn a_host_listens_on_loopback_alone() {
        let mut spec = HostSpec::new("shop", "production");
        assert_eq!(spec.check(), Ok(()));
        spec.listen = ([0, 0, 0, 0], 8080).into();
        assert!(spec.check().is_err_and(|Unfit(reason)| reason.contains("not a loopback address")));
    }

    #[test]
    fn settings_that_are_not_given_have_defaults() {
        let given = r#"{"service":"shop","environment":"production","of_a_later_version":1}"#;
        assert_eq!(serde_json::from_str::<HostSpec>(given).ok(), Some(HostSpec::new("shop", "production")));
    }
}
