//! One child process: armed before it starts, drained, stopped at its deadline, and never left behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeWriter, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getpid, getppid, getrlimit, getuid,
    kill_process_group, set_parent_process_death_signal, setrlimit, setsid, waitid,
};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::capture::Capture;
use crate::foreign::Exit;

/// How long the streams are read on after everything was killed: someone who fled may hold them open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often the child is looked at even when no signal says that it ended.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Reads the group of the child, then waits for its standard input to close, which only our end can do; then kills the
/// group and removes the folder that it is given.
const WATCHER: &str =
    "read -r group && { read -r line; kill -s KILL -- \"-$group\"; }; exec rm -rf -- \"$1\"";

/// What is to be run, and how much of everything it may take.
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) directory: PathBuf,
    pub(crate) input: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) deadline: Duration,
    pub(crate) output_limit: usize,
    /// With a scratch folder, a watcher outlives us, kills the whole group and removes the folder. Without one only the
    /// child itself is sure to die with us.
    pub(crate) scratch: Option<PathBuf>,
}

/// Limits that the kernel keeps.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) memory: Option<u64>,
    pub(crate) processes: Option<u64>,
    pub(crate) file_size: u64,
    /// Killed when we are. Not for what is short and would leave a lock behind.
    pub(crate) dies_with_us: bool,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    pub(crate) duration: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: None, processes: None, file_size: 16 << 30, dies_with_us: true }
    }
}

/// Runs it to its end or its deadline. Dropping the future kills it.
pub(crate) async fn execute(invocation: Invocation) -> io::Result<Ended> {
    let (deadline, output_limit) = (invocation.deadline, invocation.output_limit);
    let begun = Instant::now();
    let mut running = spawn(invocation).await?;
    let (mut stdout, mut stderr) = (Capture::new(output_limit), Capture::new(output_limit));
    let (mut from_stdout, mut from_stderr) = running.streams()?;
    let exit = {
        let mut drained = false;
        let draining = async { tokio::join!(stdout.fill(&mut from_stdout), stderr.fill(&mut from_stderr)) };
        tokio::pin!(draining);
        let ending = async {
            let exited = running.exited();
            tokio::pin!(exited);
            loop {
                tokio::select! {
                    ended = &mut exited => break ended,
                    _ = &mut draining, if !drained => drained = true,
                }
            }
        };
        let ended = timeout(deadline, ending).await;
        let status = running.finish()?;
        if !drained {
            // Nobody is left to wait for but those who left the group: what they still hold open is given up.
            drop(timeout(LAST_WORDS, &mut draining).await);
        }
        match ended {
            Ok(Ok(())) => exit(status),
            Ok(Err(error)) => return Err(error),
            Err(_) => Exit::Deadline,
        }
    };
    Ok(Ended { exit, stdout, stderr, duration: begun.elapsed() })
}

/// A child that leads its own group. Dropping it kills the group.
struct Running {
    child: Option<Child>,
    group: Pid,
    watcher: Option<(Child, PipeWriter)>,
}

impl Running {
    fn streams(&mut self) -> io::Result<(pipe::Receiver, pipe::Receiver)> {
        let child = self.child.as_mut().expect("the child is there until it is finished");
        let stdout = child.stdout.take().map(OwnedFd::from).expect("the stream was piped");
        let stderr = child.stderr.take().map(OwnedFd::from).expect("the stream was piped");
        Ok((pipe::Receiver::from_owned_fd(stdout)?, pipe::Receiver::from_owned_fd(stderr)?))
    }

    /// Waits until the child has ended, and leaves it to be reaped: until then nobody else can get its number.
    async fn exited(&self) -> io::Result<()> {
        let mut changes = signal(SignalKind::child())?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(self.group), options)?.is_none() {
            drop(timeout(LOOK_AGAIN, changes.recv()).await);
        }
        Ok(())
    }

    /// Kills what is left of the group and reaps the child.
    fn finish(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.child.take().expect("a child is finished once").wait()
    }

    fn kill(&mut self) {
        // The watcher goes first: it must not outlive the number of the group that it is to kill.
        self.watcher.take().into_iter().for_each(dismiss);
        // It may have ended already.
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        self.kill();
        // A killed child can stay in the kernel for a while; whoever dropped us does not wait for it.
        drop(thread::Builder::new().name("patchline-reaper".to_owned()).spawn(move || child.wait()));
    }
}

type Errand = Box<dyn FnOnce() + Send>;

/// The one thread that starts children. The kernel kills a child with the *thread* that started it, and threads of
/// a runtime come and go; this one lives as long as the process.
static SPAWNER: LazyLock<mpsc::Sender<Errand>> = LazyLock::new(|| {
    let (sender, errands) = mpsc::channel::<Errand>();
    let work = move || errands.into_iter().for_each(|errand| errand());
    // Without the thread the errands are refused, which the caller sees as an error.
    drop(thread::Builder::new().name("patchline-spawner".to_owned()).spawn(work));
    sender
});

async fn spawn(invocation: Invocation) -> io::Result<Running> {
    let (answer, spawned) = oneshot::channel();
    // If nobody waits for the answer any more, it is dropped, and the child with it.
    let errand = move || drop(answer.send(start(&invocation)));
    let gone = || io::Error::other("the thread that starts processes is gone");
    SPAWNER.send(Box::new(errand)).map_err(|_| gone())?;
    spawned.await.map_err(|_| gone())?
}

fn start(invocation: &Invocation) -> io::Result<Running> {
    let input = invocation.input.as_ref().map(File::open).transpose()?;
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.arguments)
        .current_dir(&invocation.directory)
        .env_clear()
        .envs(&invocation.environment)
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let processes = invocation.limits.processes.map(|more| more.saturating_add(tasks_of_this_user()));
    let limits = Limits { processes, ..invocation.limits };
    // The watcher first: at no moment is there a child that nobody would kill if we were gone. That the kernel kills the
    // child with us is not enough, for the child may have children that have not asked for the same yet.
    let mut watcher = invocation.scratch.as_deref().map(watch).transpose()?;
    let spawned = watcher.as_ref().map(|(_, hold)| hold.try_clone()).transpose().and_then(|told| {
        arm(&mut command, Some(limits), told);
        command.spawn()
    });
    match spawned {
        Ok(child) => {
            let group = Pid::from_child(&child);
            Ok(Running { child: Some(child), group, watcher })
        }
        Err(error) => {
            watcher.take().into_iter().for_each(dismiss);
            Err(error)
        }
    }
}

fn watch(scratch: &Path) -> io::Result<(Child, PipeWriter)> {
    let (reader, hold) = io::pipe()?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WATCHER, "watcher"]).arg(scratch);
    command
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // The watcher lives on when we die: that is what it is for.
    arm(&mut command, None, None);
    Ok((command.spawn()?, hold))
}

/// Ends a watcher that has nothing to watch any more.
fn dismiss((mut watcher, hold): (Child, PipeWriter)) {
    drop(watcher.kill().and_then(|()| watcher.wait()));
    drop(hold);
}

/// Gives the child its own session, of which its watcher is told, and, with limits, these and a death with ours.
#[allow(unsafe_code)] // There is no safe way to act in a child between fork and exec.
fn arm(command: &mut Command, limits: Option<Limits>, mut watcher: Option<PipeWriter>) {
    let parent = getpid();
    let prepare = move || {
        setsid()?;
        if let Some(watcher) = &mut watcher {
            tell(watcher, getpid())?;
        }
        let Some(limits) = limits else { return Ok(()) };
        if limits.dies_with_us {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() != Some(parent) {
                // We died before the kernel knew that the child must die with us.
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        lower(Resource::Core, Some(0))?;
        lower(Resource::Fsize, Some(limits.file_size))?;
        lower(Resource::Data, limits.memory)?;
        lower(Resource::Nproc, limits.processes)
    };
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(prepare) };
}

/// One line, in one write, with no memory but the stack's.
fn tell(watcher: &mut PipeWriter, group: Pid) -> io::Result<()> {
    let mut line = [0; 16];
    let mut room = &mut line[..];
    writeln!(room, "{group}")?;
    let written = 16 - room.len();
    watcher.write_all(&line[..written])
}

/// Limits are only ever lowered: nobody gets more than we have.
fn lower(resource: Resource, limit: Option<u64>) -> io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let now = getrlimit(resource);
    let least = |present: Option<u64>| Some(present.map_or(limit, |present| present.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: least(now.current), maximum: least(now.maximum) })?)
}

/// The kernel counts all tasks of a user against the limit, so those that run already come on top.
fn tasks_of_this_user() -> u64 {
    let user = getuid().as_raw();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let of_user = entries.flatten().filter(|entry| {
        let number = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        number && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    // The link count of the folder is two more than the number of tasks in it.
    of_user
        .filter_map(|entry| Some(entry.path().join("task").metadata().ok()?.nlink().saturating_sub(2)))
        .sum()
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}
