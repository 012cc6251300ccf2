//! One instance: started with a clean environment in a group of its own, checked, told to end.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use patchline_model::cohort::Token;
use patchline_model::service::ReloadSignal;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::process::identity::{Held, Identity, MARKER_VARIABLE, NAME_VARIABLE, VERSION_VARIABLE};
use crate::process::links::ARTIFACT_VARIABLE;
use crate::process::spec::DesiredArm;

/// Stands in the arguments for the link.
pub const ARTIFACT_WORD: &str = "{artifact}";

/// The header of a health answer in which an instance says which artifact it serves.
const ARTIFACT_HEADER: &str = "x-patchline-artifact";

const MAX_SAID_BYTES: usize = 200;

/// Tries to draw a port that no other instance was given.
const PORT_TRIES: u32 = 64;

/// Tries to start a program whose file is busy, and the pause between them.
const SPAWN_TRIES: u32 = 10;
const SPAWN_PAUSE: Duration = Duration::from_millis(20);

/// A process that runs, and our hold on it.
#[derive(Debug)]
pub struct Started {
    pub held: Held,
    /// To take its exit status; an adopted instance is nobody's child here.
    pub child: Child,
}

/// Starts an instance of an arm, which finds its artifact by a link. It inherits nothing but its log, and outlives this
/// process.
pub fn start(
    arm: &DesiredArm,
    name: Option<&Token>,
    port: u16,
    marker: &str,
    link: &Path,
    log: File,
) -> io::Result<Started> {
    let mut command = Command::new(&arm.executable);
    let link_text = link.to_string_lossy();
    command
        .args(arm.arguments.iter().map(|argument| argument.replace(ARTIFACT_WORD, &link_text)))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(&arm.environment)
        .envs(name.map(|name| (NAME_VARIABLE, name.as_str())))
        .env("PORT", port.to_string())
        .env(VERSION_VARIABLE, &arm.version)
        .env(ARTIFACT_VARIABLE, link)
        .env(MARKER_VARIABLE, marker)
        .current_dir(arm.directory.as_deref().unwrap_or(Path::new("/")))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(false);
    let child = spawn(&mut command)?;
    let pid = child.id().ok_or_else(|| io::Error::other("it has no pid"))?;
    // Until its status is taken the pid belongs to this child, even if it has ended already.
    let identity = Identity::of(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
    Ok(Started { held: Held::open(identity)?, child })
}

/// A port that nobody uses at this moment, and that was given to no other instance: one that is just starting does not
/// listen yet. Should someone else be faster, the instance fails to start and is started again.
pub fn free_port(given: &[u16]) -> io::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if !given.contains(&port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "every free port is given to another instance"))
}

/// Starts the program. One that was written a moment ago may still be open for writing in a child that another thread is
/// starting: the system then says that the file is busy, and is asked again.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 1..SPAWN_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(SPAWN_PAUSE)
            }
            other => return other,
        }
    }
    command.spawn()
}

/// What tells an instance of this version to take its artifact over.
pub fn signal_of(signal: ReloadSignal) -> Signal {
    match signal {
        ReloadSignal::SigHup => Signal::HUP,
        ReloadSignal::SigUsr1 => Signal::USR1,
        ReloadSignal::SigUsr2 => Signal::USR2,
    }
}

/// What a health check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// It answered with 2xx, in time.
    pub is_good: bool,
    /// The artifact that it said it serves.
    pub serves: Option<String>,
}

/// Asks an instance how it is and what it serves.
pub async fn check_health(address: SocketAddr, path: &str, deadline: Duration) -> Health {
    match timeout(deadline, probe(address, path)).await {
        Ok(Ok(health)) => health,
        Ok(Err(_)) | Err(_) => Health::default(),
    }
}

async fn probe(address: SocketAddr, path: &str) -> io::Result<Health> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .header("user-agent", "patchline-health")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other);
    connection.abort();
    let answer = answer?;
    let said = answer.headers().get(ARTIFACT_HEADER).and_then(|value| value.to_str().ok());
    let serves = said.filter(|said| said.len() <= MAX_SAID_BYTES).map(str::to_owned);
    Ok(Health { is_good: answer.status().is_success(), serves })
}
