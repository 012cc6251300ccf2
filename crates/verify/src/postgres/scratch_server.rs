//! A throw-away PostgreSQL server in the sandbox: a data folder of its own, a socket in a folder, no network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use patchline_sandbox::foreign::Foreign;
use patchline_sandbox::sandbox::Sandbox;
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::postgres::client::Client;

/// How long the server may take to answer.
const START: Duration = Duration::from_secs(60);
const INITIALISE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Larger schemas are not compared.
const MAX_DUMP_BYTES: usize = 32 * 1024 * 1024;
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_dump"];
/// Where distributions put the server's programs, a folder for each version.
const PLACES: [(&str, &str); 2] = [("/usr/lib/postgresql", "bin"), ("/usr", "bin")];

/// An initialised data folder, and the programs that it was made with.
#[derive(Debug)]
pub(crate) struct ScratchServer {
    folder: TempDir,
    programs: PathBuf,
    sandbox: Sandbox,
}

/// The folder of the newest server here: on the path, or where distributions put it.
pub(crate) fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_all = |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
    std::env::split_paths(&path).find(has_all).or_else(|| {
        let versions = PLACES.iter().flat_map(|(place, within)| {
            let entries = fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
            entries.filter_map(move |entry| {
                let name = entry.file_name().into_string().ok()?;
                let version: u32 = name.trim_start_matches("pgsql-").parse().ok()?;
                Some((version, entry.path().join(within)))
            })
        });
        versions.filter(|(_, folder)| has_all(folder)).max().map(|(_, folder)| folder)
    })
}

impl ScratchServer {
    /// Makes the data folder; in words why it can't be made.
    pub(crate) async fn initialised(programs: PathBuf, sandbox: &Sandbox) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().map_err(|error| error.to_string())?;
        let server = Self { folder, programs, sandbox: sandbox.clone() };
        let words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D", "data"];
        let initialise = Foreign { deadline: INITIALISE, ..server.foreign("initdb", &words) };
        let finished = sandbox.run(&initialise).await.map_err(|error| error.to_string())?;
        match finished.succeeded() {
            true => Ok(server),
            false => Err(format!("`initdb`: {}: {}", finished.ending(), last_line(&finished.stderr))),
        }
    }

    /// Serves until it is dropped; when it ends before, in words how.
    pub(crate) async fn serve(&self, deadline: Duration) -> String {
        let settings = [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=10",
            // What it does of its own accord would be seen among what a migration does.
            "autovacuum=off",
            "jit=off",
        ];
        let folder = self.folder.path().display().to_string();
        let mut words = vec!["-D", "data", "-k", &folder];
        words.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        let serving = Foreign { deadline, ..self.foreign("postgres", &words) };
        match self.sandbox.run(&serving).await {
            Ok(finished) => {
                format!("the server ended: {}: {}", finished.ending(), last_line(&finished.stderr))
            }
            Err(error) => error.to_string(),
        }
    }

    /// A session, once the server is ready for one. To be opened before anything foreign runs in the server: what that puts in
    /// the socket's place is never spoken to.
    pub(crate) async fn connect(&self) -> Result<Client<UnixStream>, String> {
        let begun = Instant::now();
        let socket = self.folder.path().join(".s.PGSQL.5432");
        loop {
            let why = match session(&socket).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(refusal)) => refusal.message,
                Err(error) => error.to_string(),
            };
            if begun.elapsed() > START {
                return Err(format!("the server does not answer: {why}"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The whole schema as SQL.
    pub(crate) async fn schema(&self) -> Result<String, String> {
        let folder = self.folder.path().display().to_string();
        let words = ["--schema-only", "-h", &folder, "-U", "postgres", "postgres"];
        let dump = Foreign { output_limit: MAX_DUMP_BYTES, ..self.foreign("pg_dump", &words) };
        let finished = self.sandbox.run(&dump).await.map_err(|error| error.to_string())?;
        match (finished.succeeded(), finished.truncated) {
            (true, false) => Ok(finished.stdout),
            (true, true) => Err("the schema is too long to be compared".to_owned()),
            (false, _) => Err(format!("`pg_dump`: {}: {}", finished.ending(), last_line(&finished.stderr))),
        }
    }

    fn foreign(&self, program: &str, words: &[&str]) -> Foreign {
        let program = self.programs.join(program).display().to_string();
        let command: Vec<&str> = std::iter::once(program.as_str()).chain(words.iter().copied()).collect();
        Foreign {
            writable: vec![self.folder.path().to_owned()],
            unprivileged: true,
            output_limit: OUTPUT_LIMIT,
            ..Foreign::new(&command, self.folder.path())
        }
    }
}

async fn session(socket: &Path) -> io::Result<Result<Client<UnixStream>, crate::postgres::client::Refusal>> {
    Client::start(UnixStream::connect(socket).await?).await
}

fn last_line(text: &str) -> String {
    text.trim_end().lines().last().unwrap_or_default().chars().take(300).collect()
}
