//! Builds in the sandbox: fetch once with the network, then compile without it, in two folders at the same time.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use patchline_model::failure::{Failure, FailureClass};
use patchline_model::service::CommandLine;
use patchline_sandbox::foreign::{Finished, Foreign};
use patchline_sandbox::git::Git;
use patchline_sandbox::rust::{only_rusts_own_programs, rust_environment, rust_writable};
use patchline_sandbox::sandbox::Sandbox;

use crate::artifacts::{self, Left, NoArtifact};
use crate::builder::{Builder, Built, Made, Request};
use crate::command;
use crate::listed::Listed;
use crate::log::Log;
use crate::marker::{self, Place};
use crate::stop::{Stop, disk, disk_failure, ended, not_exported, not_run};
use crate::tree;
use crate::trouble::Network;

const PREPARE_DEADLINE: Duration = Duration::from_secs(15 * 60);
const BUILD_DEADLINE: Duration = Duration::from_secs(45 * 60);
const ASK_DEADLINE: Duration = Duration::from_secs(60);
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;
/// How long another build of the same commit is waited for.
const LOCK_DEADLINE: Duration = Duration::from_secs(60 * 60);
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Builds on this machine, each command in the sandbox.
#[derive(Clone, Debug)]
pub struct SandboxBuilder {
    sandbox: Sandbox,
}

/// What one build needs, found out before it begins.
struct Kit {
    plain: BTreeMap<String, String>,
    cargo_home: Option<PathBuf>,
    /// The variable that adds compiler flags.
    rust_flags: String,
    toolchain: String,
    listed: Listed,
}

impl SandboxBuilder {
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }

    /// Makes the trees, fetches, builds, compares.
    async fn make(&self, request: &Request, place: &Place, log: &mut Log) -> Result<Made, Stop> {
        let started_epoch_ms = now();
        self.lay_out(request, place).await?;
        let kit = self.kit(request, place).await?;
        self.prepare(request, place, &kit, log).await?;
        if request.service.build.is_source() {
            return self.archive(request, place, kit, log, started_epoch_ms).await;
        }
        let command = command::build(&request.service.build);
        let build = |tree: PathBuf| self.compile(request, &kit, &command, tree);
        let (first, second) = if request.twice {
            let (from, to) = (place.first.clone(), place.second.clone());
            blocking(move || tree::copy(&from, &to)).await?.map_err(|error| disk("copy the tree", &error))?;
            let (first, second) = tokio::join!(build(place.first.clone()), build(place.second.clone()));
            (first, Some(second))
        } else {
            (build(place.first.clone()).await, None)
        };
        let machine = command::discovers(&request.service.build);
        let first = judged("build", &command, first?, machine, log)?;
        let second = match second {
            Some(second) => Some(judged("second build", &command, second?, machine, log).map_err(of_second)?),
            None => None,
        };
        if let Some(second) = &second {
            compare(&first, second, place, log).await?;
        }
        Ok(Made {
            artifact: first.path,
            name: first.name,
            digest: first.digest,
            bytes: first.bytes,
            second: second.map(|second| second.digest),
            tree: place.first.clone(),
            log: String::new(),
            command,
            isolation: isolation(&self.sandbox),
            toolchain: kit.toolchain.clone(),
            started_epoch_ms,
            finished_epoch_ms: now(),
            epoch_seconds: request.epoch_seconds,
            environment: kit.for_build(&place.first, request.epoch_seconds),
            listed: kit.listed,
        })
    }

    /// What is shipped is the source: one archive, made by git and therefore the same each time it is made.
    async fn archive(
        &self,
        request: &Request,
        place: &Place,
        kit: Kit,
        log: &mut Log,
        started_epoch_ms: i64,
    ) -> Result<Made, Stop> {
        let git = Git::at(&request.repository);
        let mut made = Vec::with_capacity(2);
        for _ in 0..if request.twice { 2 } else { 1 } {
            let path = place.first.join(artifacts::SOURCE);
            let archived = git.archive(request.commit.as_str(), &request.service.folder, &path).await;
            archived.map_err(|error| not_exported(&error))?;
            let left = blocking(move || artifacts::measured(path)).await?;
            made.push(left.map_err(|error| Stop::Broken(error.to_string()))?);
        }
        let second = made.get(1).map(|second| second.digest.clone());
        let first = made.swap_remove(0);
        log.line(&format!("== archived the source: {} bytes, {}", first.bytes, first.digest));
        Ok(Made {
            artifact: first.path,
            name: format!("{}.tar", request.service.name),
            digest: first.digest,
            bytes: first.bytes,
            second,
            tree: place.first.clone(),
            log: String::new(),
            command: CommandLine(["git", "archive", request.commit.as_str()].map(str::to_owned).to_vec()),
            isolation: isolation(&self.sandbox),
            toolchain: "git archive".to_owned(),
            started_epoch_ms,
            finished_epoch_ms: now(),
            epoch_seconds: request.epoch_seconds,
            environment: kit.for_build(&place.first, request.epoch_seconds),
            listed: kit.listed,
        })
    }

    async fn lay_out(&self, request: &Request, place: &Place) -> Result<(), Stop> {
        let clean = place.clone();
        let cleared = blocking(move || {
            marker::forget(&clean)?;
            marker::clear(&clean.first)?;
            marker::clear(&clean.second)
        });
        cleared.await?.map_err(|error| disk("clear the place of the build", &error))?;
        let exported = Git::at(&request.repository).export(request.commit.as_str(), &place.first).await;
        exported.map_err(|error| not_exported(&error))?;
        let (tree, epoch_seconds) = (place.first.clone(), request.epoch_seconds);
        let timed = blocking(move || tree::set_times(&tree, epoch_seconds)).await?;
        timed.map_err(|error| disk("set the times of the tree", &error))?;
        let folder = &request.service.folder;
        if !place.first.join(folder).is_dir() {
            return Err(Stop::Broken(format!("the commit has no folder `{folder}`")));
        }
        Ok(())
    }

    async fn kit(&self, request: &Request, place: &Place) -> Result<Kit, Stop> {
        let service = &request.service;
        let (tree, build, folder) = (place.first.clone(), service.build.clone(), service.folder.clone());
        let listed = blocking(move || Listed::of(&tree, &build, &folder)).await?;
        let plain = rust_environment();
        let cargo_home = plain.get("CARGO_HOME").map(PathBuf::from);
        let mut kit = Kit {
            plain,
            cargo_home,
            rust_flags: String::new(),
            toolchain: service.build.command.0.first().cloned().unwrap_or_default(),
            listed,
        };
        let mut host = String::new();
        if command::is_cargo(&service.build.command) {
            let compiler = self.ask(&["rustc", "-vV"], request, place, &kit).await?;
            let cargo = self.ask(&["cargo", "-V"], request, place, &kit).await?;
            host =
                compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
            kit.toolchain = format!("{}, {}", first_line(&compiler), first_line(&cargo));
        }
        let configurations =
            tree::cargo_configurations(&place.first, &service.folder, kit.cargo_home.as_deref());
        kit.rust_flags = command::rust_flags(&configurations, &host);
        Ok(kit)
    }

    async fn ask(&self, words: &[&str], request: &Request, place: &Place, kit: &Kit) -> Result<String, Stop> {
        let foreign = Foreign {
            // A file that names the toolchain may lie above the service's folder.
            readable: vec![place.first.clone()],
            environment: kit.plain.clone(),
            deadline: ASK_DEADLINE,
            ..Foreign::new(words, &place.first.join(&request.service.folder))
        };
        let finished = self.sandbox.run(&foreign).await.map_err(not_run)?;
        if finished.succeeded() {
            return Ok(finished.stdout);
        }
        let text =
            format!("could not ask `{}` for its version: {}", words[0], first_line(&finished.combined()));
        let failure = Failure::permanent(text).with_hint("install the toolchain that the repository names");
        Err(Stop::World(failure.of(FailureClass::Tool)))
    }

    /// Fetches what the build needs. Only cargo itself may write to what all builds share.
    async fn prepare(&self, request: &Request, place: &Place, kit: &Kit, log: &mut Log) -> Result<(), Stop> {
        let Some(command) = command::prepare(&request.service.build) else { return Ok(()) };
        let shared = if command::is_cargo(&command) { rust_writable() } else { Vec::new() };
        let mut environment = kit.plain.clone();
        environment.extend(only_rusts_own_programs());
        let foreign = Foreign {
            writable: shared.into_iter().chain([place.first.clone()]).collect(),
            environment,
            network: true,
            deadline: PREPARE_DEADLINE,
            output_limit: OUTPUT_LIMIT,
            ..Foreign::new(&command.0, &place.first.join(&request.service.folder))
        };
        let finished = self.sandbox.run(&foreign).await.map_err(not_run)?;
        log.command("prepare", &command, &finished, false);
        ended(&command, &finished, Network::Allowed)
    }

    /// Compiles in one tree, without the network, and finds the artifact.
    async fn compile(
        &self,
        request: &Request,
        kit: &Kit,
        command: &CommandLine,
        tree: PathBuf,
    ) -> Result<(Finished, Result<Left, NoArtifact>), Stop> {
        let service = request.service.clone();
        let mut environment = kit.plain.clone();
        environment.extend(kit.for_build(&tree, request.epoch_seconds));
        let foreign = Foreign {
            writable: vec![tree.clone()],
            environment,
            deadline: BUILD_DEADLINE,
            output_limit: OUTPUT_LIMIT,
            ..Foreign::new(&command.0, &tree.join(&service.folder))
        };
        let finished = self.sandbox.run(&foreign).await.map_err(not_run)?;
        if !finished.succeeded() {
            return Ok((finished, Err(NoArtifact::Missing(String::new()))));
        }
        let discovers = command::discovers(&service.build);
        if discovers && finished.truncated {
            let text =
                format!("the build wrote more than {OUTPUT_LIMIT} bytes, so its artifacts are not known");
            return Err(Stop::World(Failure::permanent(text).with_hint("name the artifact in `[build]`")));
        }
        blocking(move || {
            let left = match discovers {
                true => artifacts::discovered(&tree, &finished.stdout),
                false => artifacts::named(&tree, &service.folder, &service.build.artifact),
            };
            (finished, left)
        })
        .await
        .map_err(Stop::World)
    }
}

#[async_trait::async_trait]
impl Builder for SandboxBuilder {
    async fn build(&self, request: &Request) -> Result<Built, Failure> {
        check(request)?;
        let request = &rooted(request)?;
        let place = Place::of(request);
        let _held = hold(&place).await?;
        let (known_place, known_request) = (place.clone(), request.clone());
        if let Some(made) = blocking(move || marker::read(&known_place, &known_request)).await? {
            return Ok(Built::Artifact(Box::new(made)));
        }
        let mut log = Log::default();
        match self.make(request, &place, &mut log).await {
            Ok(mut made) => {
                made.log = log.into_text();
                let written = marker::write(&place, request, &made);
                written.map_err(|error| disk_failure("remember the build", &error))?;
                Ok(Built::Artifact(Box::new(made)))
            }
            Err(Stop::Broken(why)) => Ok(Built::Broken { why, log: log.into_text() }),
            Err(Stop::World(failure)) => Err(failure),
        }
    }
}

impl Kit {
    fn for_build(&self, tree: &Path, epoch_seconds: i64) -> BTreeMap<String, String> {
        command::environment(tree, self.cargo_home.as_deref(), epoch_seconds, &self.rust_flags)
    }
}

fn check(request: &Request) -> Result<(), Failure> {
    let build = &request.service.build;
    if !artifacts::is_inside(Path::new(&request.service.folder)) {
        let text = format!("the service's folder `{}` leads out of the repository", request.service.folder);
        return Err(Failure::permanent(text));
    }
    if !build.is_source() && command::discovers(build) && !command::can_discover(build) {
        let text = format!("which artifact `{}` leaves is not known", build.command);
        return Err(
            Failure::permanent(text).with_hint("name it in `patchline.toml`: `artifact` in `[build]`")
        );
    }
    Ok(())
}

/// The same request with the real path of the work folder: what the compiler sees is what it is told to hide.
fn rooted(request: &Request) -> Result<Request, Failure> {
    let real = fs::create_dir_all(&request.work).and_then(|()| request.work.canonicalize());
    let work = real.map_err(|error| disk_failure("make the folder for builds", &error))?;
    Ok(Request { work, ..request.clone() })
}

/// Two builds of one commit would write over each other, so one waits. The lock goes with the file.
async fn hold(place: &Place) -> Result<File, Failure> {
    let opened = fs::create_dir_all(&place.root)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(place.lock()));
    let file = opened.map_err(|error| disk_failure("make the place of the build", &error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(disk_failure("lock the place of the build", &error));
            }
            Err(TryLockError::WouldBlock) if begun.elapsed() > LOCK_DEADLINE => {
                return Err(Failure::transient("another build of the same commit does not end"));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
        }
    }
}

/// Puts a build into the log and says what it left.
fn judged(
    label: &str,
    command: &CommandLine,
    (finished, left): (Finished, Result<Left, NoArtifact>),
    machine: bool,
    log: &mut Log,
) -> Result<Left, Stop> {
    log.command(label, command, &finished, machine);
    ended(command, &finished, Network::Denied)?;
    left.map_err(|error| match error {
        NoArtifact::Missing(why) => Stop::Broken(why),
        NoArtifact::Disk { source, .. } => disk("read the artifact", &source),
    })
}

fn of_second(stop: Stop) -> Stop {
    match stop {
        Stop::Broken(why) => Stop::Broken(format!("a second build of the same commit failed: {why}")),
        Stop::World(failure) => Stop::World(failure),
    }
}

/// Says in the log whether both builds are equal; the second tree is kept only where they differ.
async fn compare(first: &Left, second: &Left, place: &Place, log: &mut Log) -> Result<(), Stop> {
    if first.digest == second.digest {
        log.line("== both builds gave the same bytes");
        let tree = place.second.clone();
        return blocking(move || marker::clear(&tree))
            .await?
            .map_err(|error| disk("remove the second tree", &error));
    }
    let (one, other) = (first.path.clone(), second.path.clone());
    let difference = blocking(move || tree::difference(&one, &other)).await?;
    let place = difference.unwrap_or_else(|error| format!("where is not known: {error}"));
    log.line(&format!("== the builds differ: {} and {}; {place}", first.digest, second.digest));
    Ok(())
}

fn isolation(sandbox: &Sandbox) -> String {
    match sandbox.isolation().split([' ', ':']).next() {
        Some("bubblewrap") => "bubblewrap".to_owned(),
        Some(_) | None => "process".to_owned(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Runs what waits for the disk on a thread that may wait.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Failure>> {
    let task = tokio::task::spawn_blocking(work);
    async { task.await.map_err(|_| Failure::transient("the work on the disk was broken off")) }
}
