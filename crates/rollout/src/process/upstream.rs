//! The connections to one instance: kept alive between requests, closed when it leaves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::upload::Upload;

/// What is sent to an instance: a body that is held whole and can be sent again, or one that streams through.
pub type Outgoing = Either<Full<Bytes>, Upload>;

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Shorter than any usual server's own limit, so that the instance hardly ever closes first.
const IDLE_FOR: Duration = Duration::from_secs(3);
const MAX_IDLE: usize = 64;

/// One instance as the proxy sees it.
#[derive(Debug)]
pub struct Upstream {
    pub instance: u64,
    pub address: SocketAddr,
    is_open: AtomicBool,
    is_suspect: AtomicBool,
    in_flight: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outgoing>,
    since: Instant,
}

/// A connection that can take a request now.
#[derive(Debug)]
pub struct Connection {
    pub sender: SendRequest<Outgoing>,
    /// It has carried a request before, so its other end may just be closing it.
    pub is_reused: bool,
}

impl Upstream {
    pub fn new(instance: u64, port: u16) -> Arc<Upstream> {
        Arc::new(Upstream {
            instance,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            is_open: AtomicBool::new(false),
            is_suspect: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Whether it may still be sent requests; looked at once more right before sending.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Release);
        if !is_open {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The proxy could not connect: to be checked before it gets another request.
    pub fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Release);
    }

    pub fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Acquire)
    }

    pub fn clear_suspicion(&self) {
        self.is_suspect.store(false, Ordering::Release);
    }

    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// An idle connection if there is one that still lives, else a new one.
    pub async fn connection(&self) -> io::Result<Connection> {
        match self.idle_connection() {
            Some(sender) => Ok(Connection { sender, is_reused: true }),
            None => self.new_connection().await,
        }
    }

    pub async fn new_connection(&self) -> io::Result<Connection> {
        let stream = timeout(CONNECT_DEADLINE, TcpStream::connect(self.address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection { sender, is_reused: false })
    }

    /// Takes a connection back as soon as its answer has been read; one that broke is dropped.
    pub fn keep_when_ready(self: &Arc<Upstream>, mut sender: SendRequest<Outgoing>) {
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok() && upstream.is_open() {
                let mut idle = upstream.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < MAX_IDLE {
                    idle.push(Idle { sender, since: Instant::now() });
                }
            }
        });
    }

    /// Closes what has been idle for too long.
    pub fn prune(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR && !idle.sender.is_closed());
    }

    fn idle_connection(&self) -> Option<SendRequest<Outgoing>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Idle { sender, since }) = idle.pop() {
            if since.elapsed() < IDLE_FOR && sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }
}

/// Whether a failed connection says something about the instance, rather than about this process's own limits.
pub fn blames_instance(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut
    )
}
