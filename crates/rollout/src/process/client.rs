//! The conductor's side of a host: starts it if it is not there, tells it what is desired, sees what is.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use patchline_model::stage::budget::History;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::process::failure::{HostError, in_file};
use crate::process::history::Minutes;
use crate::process::log::append;
use crate::process::saved::{Files, control_socket, read_json, write_json};
use crate::process::spec::{DesiredArms, HostSpec, ObservedArms, Refusal};

const CALL_DEADLINE: Duration = Duration::from_secs(30);
const START_DEADLINE: Duration = Duration::from_secs(60);
const MAX_STARTS: u32 = 20;
const PAUSE_BETWEEN_STARTS: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MAX_ANSWER_BYTES: usize = 16 << 20;
const MAX_START_ERROR_BYTES: usize = 4 << 10;

/// A host that has been reached. It keeps no connection: each call makes its own, so a restarted host is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostClient {
    directory: PathBuf,
}

/// The host of a directory: the one that runs, or a new one, started as `binary process-host --directory DIR` in a
/// session of its own. If one runs already with other limits, `spec` takes effect when it is started the next time.
pub async fn ensure_host(binary: &Path, directory: &Path, spec: &HostSpec) -> Result<HostClient, HostError> {
    spec.check().map_err(|source| HostError::Spec { path: Files::new(directory).spec(), source })?;
    create_private(directory).map_err(in_file("create", directory))?;
    let directory = fs::canonicalize(directory).map_err(in_file("find", directory))?;
    let files = Files::new(&directory);
    write_spec(&files, spec)?;
    let client = HostClient { directory };
    match client.observe().await {
        Ok(_) => Ok(client),
        Err(error) if error.is_absence() => {
            start(binary, &files, &client).await?;
            Ok(client)
        }
        Err(other) => Err(other),
    }
}

impl HostClient {
    /// The client of a host that is running; nothing is started.
    pub async fn connect(directory: &Path) -> Result<HostClient, HostError> {
        let client = HostClient { directory: directory.to_owned() };
        client.observe().await.map(|_| client)
    }

    /// Returns when it is accepted and durable. Shares that were taken away are gone by then; the rest follows.
    pub async fn apply(&self, desired: &DesiredArms) -> Result<(), HostError> {
        let what = "apply the desired state";
        let body =
            serde_json::to_vec(desired).map_err(|error| HostError::Answer { reason: error.to_string() })?;
        self.call(what, Method::PUT, "/desired", body).await.map(drop)
    }

    pub async fn observe(&self) -> Result<ObservedArms, HostError> {
        let bytes = self.call("observe", Method::GET, "/observed", Vec::new()).await?;
        serde_json::from_slice(&bytes).map_err(|error| HostError::Answer { reason: error.to_string() })
    }

    /// What was served, minute by minute; nothing from a host that is older than this question.
    pub async fn history(&self) -> Result<Option<History>, HostError> {
        match self.call("ask for the history", Method::GET, "/history", Vec::new()).await {
            Ok(bytes) => {
                let minutes = serde_json::from_slice::<Minutes>(&bytes);
                let minutes = minutes.map_err(|error| HostError::Answer { reason: error.to_string() })?;
                Ok(minutes.are_sound().then(|| minutes.summary()))
            }
            Err(HostError::Refused { status: 404, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// What the host has accepted last; revision 0 with no arms if nothing yet.
    pub async fn desired(&self) -> Result<DesiredArms, HostError> {
        let bytes = self.call("ask what is desired", Method::GET, "/desired", Vec::new()).await?;
        serde_json::from_slice(&bytes).map_err(|error| HostError::Answer { reason: error.to_string() })
    }

    /// Tells the host to stop everything and to end, and returns when it has. It has also ended if it is not there.
    pub async fn stop(&self, deadline: Duration) -> Result<(), HostError> {
        match self.call("stop", Method::POST, "/stop", Vec::new()).await {
            Ok(_) => {}
            Err(HostError::Unreachable { .. }) => return Ok(()),
            Err(other) => return Err(other),
        }
        within("stop the host", deadline, || async {
            let is_gone = matches!(self.observe().await, Err(HostError::Unreachable { .. }));
            Ok(is_gone.then_some(()))
        })
        .await
    }

    /// Observes until `holds`, and returns what held.
    pub async fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        holds: impl Fn(&ObservedArms) -> bool,
    ) -> Result<ObservedArms, HostError> {
        within(what, deadline, || async {
            Ok(Some(self.observe().await?).filter(|observed| holds(observed)))
        })
        .await
    }

    async fn call(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, HostError> {
        let late = || HostError::Late { what: what.to_owned(), milliseconds: CALL_DEADLINE.as_millis() };
        let (status, bytes) =
            timeout(CALL_DEADLINE, self.exchange(method, path, body)).await.map_err(|_| late())??;
        if status.is_success() {
            return Ok(bytes);
        }
        let reason = serde_json::from_slice(&bytes)
            .map_or_else(|_| "no reason given".to_owned(), |r: Refusal| r.reason);
        Err(HostError::Refused { what, status: status.as_u16(), reason })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), HostError> {
        let unreachable =
            |source: io::Error| HostError::Unreachable { directory: self.directory.clone(), source };
        let (socket, _open) = control_socket(&self.directory).map_err(unreachable)?;
        let stream = UnixStream::connect(&socket).await.map_err(unreachable)?;
        let broken = |error: hyper::Error| unreachable(io::Error::other(error));
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "host")
            .body(Full::<Bytes>::from(body))
            .map_err(|error| HostError::Answer { reason: error.to_string() })?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| HostError::Answer { reason: error.to_string() })?;
        Ok((status, bytes.to_bytes()))
    }
}

/// Looks again and again until there is something or the time is over.
async fn within<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Result<T, HostError>
where
    F: Future<Output = Result<Option<T>, HostError>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(HostError::Late { what: what.to_owned(), milliseconds: deadline.as_millis() });
        }
        sleep(LOOK_EVERY).await;
    }
}

fn create_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// One directory, one service: the settings may change, whom they are for may not.
fn write_spec(files: &Files, spec: &HostSpec) -> Result<(), HostError> {
    let path = files.spec();
    let name = |spec: &HostSpec| format!("{} in {}", spec.service, spec.environment);
    match read_json::<HostSpec>(&path).map_err(in_file("read", &path))? {
        Some(found) if name(&found) != name(spec) => {
            let directory = files.directory.clone();
            Err(HostError::OtherService { directory, wanted: name(spec), found: name(&found) })
        }
        Some(found) if found == *spec => Ok(()),
        Some(_) | None => write_json(&path, spec).map_err(in_file("write", &path)),
    }
}

/// Starts a host and waits until one answers. A host that ends without a reason made way for another one, which is
/// starting too, or was just ending: then once more.
async fn start(binary: &Path, files: &Files, client: &HostClient) -> Result<(), HostError> {
    let _ = fs::remove_file(files.start_error());
    let mut ended_with = None;
    for _ in 0..MAX_STARTS {
        let mut child = spawn(binary, files)?;
        let ended = within("start the host", START_DEADLINE, || {
            let ended = child.try_wait().ok().flatten();
            async move {
                match client.observe().await {
                    Ok(_) => Ok(Some(None)),
                    Err(error) if error.is_absence() => match (ended, start_error(files)) {
                        (Some(_), Some(reason)) => Err(HostError::NotStarted { reason }),
                        (Some(status), None) => Ok(Some(Some(status))),
                        (None, _) => Ok(None),
                    },
                    Err(other) => Err(other),
                }
            }
        });
        ended_with = ended.await?;
        if ended_with.is_none() {
            return Ok(());
        }
        sleep(PAUSE_BETWEEN_STARTS).await;
    }
    let status = ended_with.map(|status| status.to_string()).unwrap_or_default();
    let reason = format!("it ended with {status}; see `{}`", files.host_log().display());
    Err(HostError::NotStarted { reason })
}

fn spawn(binary: &Path, files: &Files) -> Result<Child, HostError> {
    let log = append(&files.host_log()).map_err(in_file("open", files.host_log()))?;
    let errors = log.try_clone().map_err(in_file("open", files.host_log()))?;
    Command::new(binary)
        .arg("process-host")
        .arg("--directory")
        .arg(&files.directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .kill_on_drop(false)
        .spawn()
        .map_err(in_file("start", binary))
}

fn start_error(files: &Files) -> Option<String> {
    let text = fs::read(files.start_error()).ok()?;
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_START_ERROR_BYTES)]).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
