//! A foreign command, how it ended, and why it could not be run at all.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// A command that is not ours, with everything that it may use.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The program and its arguments; never a shell string made from data.
    pub command: Vec<String>,
    /// Where it runs. It can read this folder, and write it only if `writable` names it.
    pub directory: PathBuf,
    /// Folders and files that it may change; they must exist. With namespaces everything else is read-only.
    pub writable: Vec<PathBuf>,
    /// What it needs that lies in a place which is hidden otherwise, as `/tmp`. The directory, the program and the
    /// absolute paths among the arguments need no naming.
    pub readable: Vec<PathBuf>,
    /// A file that it reads as its standard input; none: an empty one. Inside, the file itself need not be visible.
    pub input: Option<PathBuf>,
    /// Added to the clean environment, over its values.
    pub environment: BTreeMap<String, String>,
    pub network: bool,
    /// Runs as nobody in particular, for programs that refuse to be root; what it writes is ours all the same. Only
    /// namespaces can do that: a plain process stays who we are.
    pub unprivileged: bool,
    pub deadline: Duration,
    /// Bytes kept of each stream: the first and the last half when there were more.
    pub output_limit: usize,
    /// Bytes of private memory for each process (`RLIMIT_DATA`).
    pub memory_limit: Option<u64>,
    /// Processes and threads beyond those that the user has already (`RLIMIT_NPROC`; has no force for root).
    pub process_limit: Option<u64>,
}

/// A command that has run.
#[derive(Clone, Debug)]
pub struct Finished {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
    /// Whether the middle of a stream was left out.
    pub truncated: bool,
    pub duration: Duration,
    /// Whether the network was really off, not merely not needed.
    pub network_restricted: bool,
}

/// How a command ended. Inside bubblewrap an exit code of 128 + n is what remains of signal n, and is shown as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    Deadline,
}

/// Why a command could not be run; a command that ran and failed is a [`Finished`].
#[derive(Debug, Error)]
pub enum SandboxError {
    #[error("could not find `{program}`; {hint}")]
    ToolMissing { program: String, hint: String },
    #[error("could not run a command without a program")]
    NoCommand,
    #[error("could not run `{program}`: `{}` does not exist", path.display())]
    PathMissing { program: String, path: PathBuf },
    #[error("could not make a scratch folder")]
    Scratch(#[source] io::Error),
    #[error("could not run `{program}`")]
    Run {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("could not isolate `{program}`: {reason}")]
    Isolation { program: String, reason: String },
}

impl SandboxError {
    /// What a person can do about it.
    pub fn hint(&self) -> &str {
        match self {
            SandboxError::ToolMissing { hint, .. } => hint,
            SandboxError::NoCommand | SandboxError::PathMissing { .. } => {
                "correct the command in `patchline.toml`"
            }
            SandboxError::Scratch(_) => "look at the free space and the rights of the temporary folder",
            SandboxError::Run { .. } => "look at the machine's memory, processes and disk",
            SandboxError::Isolation { .. } => "see whether `bwrap --ro-bind / / true` works for this user",
        }
    }
}

impl Foreign {
    /// Ten minutes, 1 MiB of each stream, 16 GiB for each process, no network, nothing writable.
    pub fn new<S: AsRef<str>>(command: &[S], directory: &Path) -> Self {
        Self {
            command: command.iter().map(|word| word.as_ref().to_owned()).collect(),
            directory: directory.to_owned(),
            writable: Vec::new(),
            readable: Vec::new(),
            input: None,
            environment: BTreeMap::new(),
            network: false,
            unprivileged: false,
            deadline: Duration::from_secs(600),
            output_limit: 1 << 20,
            memory_limit: Some(16 << 30),
            process_limit: Some(4096),
        }
    }
}

impl Finished {
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// What it wrote: first the ordinary stream, then that of errors.
    pub fn combined(&self) -> String {
        match (self.stdout.trim_end(), self.stderr.trim_end()) {
            ("", stderr) => stderr.to_owned(),
            (stdout, "") => stdout.to_owned(),
            (stdout, stderr) => format!("{stdout}\n{stderr}"),
        }
    }

    /// How it ended, with the length of the deadline where that stopped it.
    pub fn ending(&self) -> String {
        match self.exit {
            Exit::Deadline => format!("{} of {} s", self.exit, self.duration.as_secs()),
            Exit::Code(_) | Exit::Signal(_) => self.exit.to_string(),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
            Exit::Deadline => f.write_str("stopped at the deadline"),
        }
    }
}

impl SandboxError {
    /// What a person can do about a missing program.
    pub(crate) fn tool_missing(program: &str) -> Self {
        Self::ToolMissing { program: program.to_owned(), hint: installing(program) }
    }
}

fn installing(program: &str) -> String {
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or(program);
    match name {
        "cargo" | "rustc" => "install Rust with `rustup`, or put its folder on `PATH`".to_owned(),
        "git" => "install git with the system's package manager, as in `apt install git`".to_owned(),
        "npm" | "npx" | "node" => "install Node.js, or put its folder on `PATH`".to_owned(),
        "pnpm" => "install it, as with `npm install --global pnpm`".to_owned(),
        "yarn" => {
            "install it, as with `npm install --global yarn`, or `@yarnpkg/cli-dist` for yarn 2 and later"
                .to_owned()
        }
        "gradle" => "install Gradle 7 or later, and put its `bin` folder on `PATH`; a checkout's own `gradlew` is not \
                     run, as it fetches and runs what the checkout names"
            .to_owned(),
        "python3" | "pip" | "pytest" => "install Python 3, or put its folder on `PATH`".to_owned(),
        _ if program.contains('/') => "the file does not exist or may not be executed".to_owned(),
        _ => format!("install `{name}`, or put its folder on `PATH`"),
    }
}

/// The names of the signals that end a process, by the numbers that Linux gives them.
fn signal_name(signal: i32) -> Option<&'static str> {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Finished, SandboxError};
    use std::time::Duration;

    #[test]
    fn an_ending_reads_as_a_sentence() {
        let finished = |exit| Finished {
            exit,
            stdout: "a\n".to_owned(),
            stderr: "b\n".to_owned(),
            truncated: false,
            duration: Duration::from_millis(60_020),
            network_restricted: false,
        };
        assert_eq!(finished(Exit::Code(1)).ending(), "exit code 1");
        assert_eq!(finished(Exit::Signal(6)).ending(), "killed by signal 6 (SIGABRT)");
        assert_eq!(finished(Exit::Deadline).ending(), "stopped at the deadline of 60 s");
        assert_eq!(finished(Exit::Code(0)).combined(), "a\nb");
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = SandboxError::tool_missing("cargo").to_string();
        assert_eq!(error, "could not find `cargo`; install Rust with `rustup`, or put its folder on `PATH`");
    }
}
