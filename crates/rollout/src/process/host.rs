//! The host: one process for a service in an environment, with its instances and the proxy in front of them.
//!
//! It is started by a conductor and outlives it. Should it be killed itself, the instances go on, and the next host of
//! the same directory takes them over. It ends when asked (`POST /stop`, which also forgets what was desired) or by
//! SIGTERM (which does not); either way requests in flight are finished and all instances stopped first.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::process::control::{self, Control};
use crate::process::ending::{End, Reason};
use crate::process::failure::{HostError, in_file};
use crate::process::listen;
use crate::process::log::{Log, append};
use crate::process::order::Order;
use crate::process::proxy::Proxy;
use crate::process::routes::Routes;
use crate::process::saved::{Files, Saved, control_socket, read_json};
use crate::process::spec::{HostSpec, Unfit};
use crate::process::supervise::{Host, Supervisor};

const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const MAX_WAITING_ORDERS: usize = 64;

/// Runs the host of a directory as this process: detached from the terminal, until it is told to end.
pub async fn run(directory: &Path) -> Result<(), HostError> {
    // It fails only for a leader of a group, as when started from a shell: then the shell's user wants it attached.
    let _ = setsid();
    let interrupt = signal(SignalKind::interrupt()).map_err(in_file("watch for signals of", directory))?;
    let hangup = signal(SignalKind::hangup()).map_err(in_file("watch for signals of", directory))?;
    let result = serve(directory).await;
    drop((interrupt, hangup));
    result
}

/// The same without detaching: for a host within another process.
pub async fn serve(directory: &Path) -> Result<(), HostError> {
    let directory = fs::canonicalize(directory).map_err(in_file("find", directory))?;
    let files = Files::new(&directory);
    let _lock = lock(&files).await?;
    let served = serve_locked(files.clone()).await;
    if let Err(error) = &served {
        // For the conductor that waits for this host. If even this cannot be written, it will say so less precisely.
        let _ = fs::write(files.start_error(), error.in_full());
    }
    served
}

async fn serve_locked(files: Files) -> Result<(), HostError> {
    let directory = &files.directory;
    let owner_only = fs::Permissions::from_mode(0o700);
    fs::set_permissions(directory, owner_only).map_err(in_file("protect", directory))?;
    fs::create_dir_all(files.logs()).map_err(in_file("create", files.logs()))?;
    let log = Arc::new(Log::open(files.host_log()).map_err(in_file("open", files.host_log()))?);
    let spec = read_spec(&files)?;
    let saved = read_state(&files, &log);
    raise_descriptor_limit();
    let terminate = signal(SignalKind::terminate()).map_err(in_file("watch for signals of", directory))?;

    // The door is taken before anything is started, and opened after everything has been taken over.
    let door = bind(&spec, saved.port).await?;
    let port = door.local_addr().map_err(in_file("ask for the port of", directory))?.port();
    let random = random_bytes().map_err(in_file("read", "/dev/urandom"))?;
    let routes = Arc::new(Routes::new(u64::from_le_bytes(random)));
    let host = Host {
        epoch: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        spec: spec.clone(),
        name: directory.to_string_lossy().into_owned(),
        files: files.clone(),
    };
    log.line(&format!("host of {} in {} listens on port {port}", spec.service, spec.environment));
    let mut supervisor = Supervisor::take_over(host, saved, Arc::clone(&routes), Arc::clone(&log)).await;
    supervisor.listens_on(port);

    let (socket, _open) = control_socket(directory).map_err(in_file("open", directory))?;
    let control_listener = bind_control(&socket).map_err(in_file("listen in", directory))?;
    let (orders, received) = mpsc::channel(MAX_WAITING_ORDERS);
    let (end, mut ending) = watch::channel(None);
    let end = Arc::new(end);
    let control = Control { orders: orders.clone(), end: Arc::clone(&end) };
    let control = tokio::spawn(control::serve(control_listener, control));
    let mut supervisor = tokio::spawn(supervisor.run(received));
    let by_signal = tokio::spawn(end_on(terminate, end));
    let _ = fs::remove_file(files.start_error());

    let proxy = Arc::new(Proxy::new(routes, &spec));
    let supervisor_failed =
        |error| HostError::NotStarted { reason: format!("its supervisor failed: {error}") };
    tokio::select! {
        () = listen::serve(door, proxy, &spec, ending.clone()) => {}
        // Without its supervisor the proxy could not be told anything any more. The next host takes the instances over.
        Err(error) = &mut supervisor => return Err(supervisor_failed(error)),
    }
    let reason = *ending.borrow_and_update();
    log.line(&format!("told to end: {reason:?}"));
    let _ = orders.send(Order::End { forget: reason == Some(Reason::Asked) }).await;
    let ended = supervisor.await;
    by_signal.abort();
    control.abort();
    let _ = fs::remove_file(&socket);
    log.line("ended");
    ended.map_err(supervisor_failed)
}

async fn end_on(mut terminate: Signal, end: Arc<End>) {
    terminate.recv().await;
    end.send_replace(Some(Reason::Signalled));
}

/// Waits a little for a host that was killed a moment ago, and still holds the lock while the system clears it away; not
/// for one that answers, or it would come back after it has been stopped.
async fn lock(files: &Files) -> Result<File, HostError> {
    let path = files.lock();
    let file = append(&path).map_err(in_file("open", &path))?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(in_file("lock", path)(error.into())),
        }
        if Instant::now() >= until || is_answered(&files.directory).await {
            return Err(HostError::Locked { directory: files.directory.clone() });
        }
        sleep(LOCK_PATIENCE / 50).await;
    }
}

async fn is_answered(directory: &Path) -> bool {
    let Ok((socket, _open)) = control_socket(directory) else { return false };
    UnixStream::connect(&socket).await.is_ok()
}

fn read_spec(files: &Files) -> Result<HostSpec, HostError> {
    let path = files.spec();
    let spec: Option<HostSpec> = read_json(&path).map_err(in_file("read", &path))?;
    let spec = spec.ok_or_else(|| in_file("find", &path)(io::Error::from(io::ErrorKind::NotFound)))?;
    spec.check().map_err(|source: Unfit| HostError::Spec { path, source })?;
    Ok(spec)
}

/// A damaged state is set aside: a host with nothing to do is of more use than none, for its conductor tells it again.
fn read_state(files: &Files, log: &Log) -> Saved {
    let path = files.state();
    let read = read_json::<Saved>(&path).map_err(|error| error.to_string());
    let checked = read.and_then(|saved| {
        let saved = saved.unwrap_or_default();
        saved.check().map(|()| saved).map_err(|unfit| unfit.to_string())
    });
    checked.unwrap_or_else(|reason| {
        log.line(&format!("could not use the state, which is set aside: {reason}"));
        let _ = fs::rename(&path, path.with_extension("json.damaged"));
        Saved { is_lost: true, ..Saved::default() }
    })
}

async fn bind(spec: &HostSpec, saved_port: Option<u16>) -> Result<TcpListener, HostError> {
    let address = spec.listen.ip();
    let (port, hint) = match (spec.listen.port(), saved_port) {
        (0, Some(port)) => (port, "it had this port before, and clients may rely on it"),
        (port, _) => (port, "another program may be using it"),
    };
    let listener = TcpListener::bind(SocketAddr::new(address, port)).await;
    listener.map_err(|source| HostError::Listen { address, port, hint, source })
}

fn bind_control(socket: &PathBuf) -> io::Result<UnixListener> {
    // Whoever holds the lock owns the name: what is there is left over from a host that was killed.
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Each request takes two descriptors, and the usual soft limit is 1024.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn random_bytes() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
