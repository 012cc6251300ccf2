//! Runs foreign commands: no secrets, limits, a deadline, a killed process group.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::foreign::{Exit, Finished, Foreign, SandboxError};
use crate::isolation::{self, View};
use crate::process::{self, Invocation, Limits};
use crate::rust::find_program;

/// How long the trial run of an isolation may take.
const TRIAL: Duration = Duration::from_secs(10);

/// What names certificates and proxies: needed on the network, and no secret.
const NETWORK_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Where foreign commands run. The isolation is chosen once and kept.
#[derive(Clone, Debug)]
pub struct Sandbox {
    kind: Kind,
    isolation: Arc<str>,
    hidden: Arc<[PathBuf]>,
}

#[derive(Clone, Debug)]
enum Kind {
    Bubblewrap(PathBuf),
    Process,
}

impl Sandbox {
    /// Picks the strongest isolation that works here, by trying it.
    pub fn probe() -> Self {
        let Some(program) = find_program("bwrap", std::env::var_os("PATH").as_deref()) else {
            return Self::process("");
        };
        match bubblewrap_works(&program) {
            Ok(version) => Self {
                isolation: format!("{version}: own namespaces, network off unless named").into(),
                kind: Kind::Bubblewrap(program),
                hidden: Arc::new([]),
            },
            Err(reason) => Self::process(&format!(" (bubblewrap does not work here: {reason})")),
        }
    }

    /// A plain process, with no namespaces even where they would work.
    pub fn plain() -> Self {
        Self::process("")
    }

    /// Hides one more folder or file, as that of our own signing key, from every command. Only what [`Foreign`] says to be
    /// its directory, readable or writable is seen in it; to name it in an argument does not help.
    pub fn hiding(mut self, path: impl Into<PathBuf>) -> Self {
        self.hidden = self.hidden.iter().cloned().chain([path.into()]).collect();
        self
    }

    /// One line for the evidence: what really stood between the command and this machine.
    pub fn isolation(&self) -> &str {
        &self.isolation
    }

    /// Whether commands are held by namespaces: without, nothing but their own good will keeps them off the network and off
    /// other folders.
    pub fn is_isolated(&self) -> bool {
        matches!(self.kind, Kind::Bubblewrap(_))
    }

    /// Runs the command to its end or to its deadline. When the future is dropped, or this process dies, the command
    /// and what it started die too.
    pub async fn run(&self, foreign: &Foreign) -> Result<Finished, SandboxError> {
        let name = foreign.command.first().ok_or(SandboxError::NoCommand)?;
        let missing =
            std::iter::once(&foreign.directory).chain(&foreign.writable).find(|path| !path.exists());
        if let Some(path) = missing {
            return Err(SandboxError::PathMissing { program: name.clone(), path: path.clone() });
        }
        let scratch =
            tempfile::Builder::new().prefix("patchline-scratch-").tempdir().map_err(SandboxError::Scratch)?;
        fs::create_dir(scratch.path().join("home")).map_err(SandboxError::Scratch)?;
        let mut invocation = self.invocation(foreign, name, scratch.path())?;
        invocation.limits =
            Limits { memory: foreign.memory_limit, processes: foreign.process_limit, ..Limits::default() };
        let ended = process::execute(invocation)
            .await
            .map_err(|source| SandboxError::Run { program: name.clone(), source })?;
        // A large scratch folder takes its time to remove: not on a thread of the runtime.
        drop(tokio::task::spawn_blocking(move || drop(scratch)));

        let truncated = ended.stdout.truncated() || ended.stderr.truncated();
        let (stdout, stderr) = (ended.stdout.into_text(), ended.stderr.into_text());
        let inside = matches!(self.kind, Kind::Bubblewrap(_));
        let refused = inside && ended.exit == Exit::Code(1);
        if refused && let Some(reason) = stderr.lines().next().and_then(|line| line.strip_prefix("bwrap: ")) {
            return Err(SandboxError::Isolation { program: name.clone(), reason: reason.to_owned() });
        }
        let exit = match ended.exit {
            Exit::Code(code @ 129..=159) if inside => Exit::Signal(code - 128),
            exit @ (Exit::Code(_) | Exit::Signal(_) | Exit::Deadline) => exit,
        };
        let network_restricted = inside && !foreign.network;
        Ok(Finished { exit, stdout, stderr, truncated, duration: ended.duration, network_restricted })
    }

    fn process(why: &str) -> Self {
        let isolation = format!(
            "process: clean environment, resource limits; no namespaces, network not restricted{why}"
        );
        Self { kind: Kind::Process, isolation: isolation.into(), hidden: Arc::new([]) }
    }

    fn invocation(&self, foreign: &Foreign, name: &str, scratch: &Path) -> Result<Invocation, SandboxError> {
        let inside = match self.kind {
            Kind::Bubblewrap(_) => Path::new("/tmp"),
            Kind::Process => scratch,
        };
        let environment = environment(foreign, inside);
        let path = environment.get("PATH").map(AsRef::as_ref);
        let program = if name.contains('/') {
            Some(foreign.directory.join(name)).filter(|path| path.is_file())
        } else {
            find_program(name, path)
        };
        let program = program.ok_or_else(|| SandboxError::tool_missing(name))?;
        let (program, arguments) = match &self.kind {
            Kind::Process => (program, foreign.command[1..].iter().map(Into::into).collect()),
            Kind::Bubblewrap(bubblewrap) => {
                let view = View { foreign, program: &program, scratch, hidden: &self.hidden };
                (bubblewrap.clone(), isolation::arguments(&view))
            }
        };
        Ok(Invocation {
            program,
            arguments,
            directory: foreign.directory.clone(),
            input: foreign.input.clone(),
            environment,
            limits: Limits::default(),
            deadline: foreign.deadline,
            output_limit: foreign.output_limit,
            scratch: Some(scratch.to_owned()),
        })
    }
}

fn environment(foreign: &Foreign, scratch: &Path) -> BTreeMap<String, String> {
    let scratch = scratch.to_string_lossy();
    let mut environment = BTreeMap::from([
        (
            "PATH".to_owned(),
            std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ),
        ("HOME".to_owned(), format!("{scratch}/home")),
        ("TMPDIR".to_owned(), scratch.into_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ]);
    if foreign.network {
        // A proxy's address can hold a password, and then it is a secret.
        let known = NETWORK_VARIABLES.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
        environment.extend(
            known.filter(|(_, value)| !value.contains('@')).map(|(name, value)| (name.to_owned(), value)),
        );
    }
    environment.extend(foreign.environment.clone());
    environment
}

/// Runs `true` exactly as a foreign command would be run; the version on success, else the first line of the reason.
fn bubblewrap_works(program: &Path) -> Result<String, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let inner = find_program("true", std::env::var_os("PATH").as_deref()).ok_or("`true` is missing")?;
    let foreign = Foreign::new(&["true"], Path::new("/"));
    let view = View { foreign: &foreign, program: &inner, scratch: scratch.path(), hidden: &[] };
    attempt(Command::new(program).args(isolation::arguments(&view)))?;
    attempt(Command::new(program).arg("--version"))
}

fn attempt(command: &mut Command) -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    let begun = Instant::now();
    while child.try_wait().map_err(text)?.is_none() {
        if begun.elapsed() > TRIAL {
            child.kill().and_then(|()| child.wait()).map_err(text)?;
            return Err(format!("it did not answer within {} s", TRIAL.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().map_err(text)?;
    let stream = if output.status.success() { &output.stdout } else { &output.stderr };
    let line = String::from_utf8_lossy(stream).lines().next().unwrap_or_default().chars().take(200).collect();
    if output.status.success() { Ok(line) } else { Err(line) }
}
