//! The limits of a client. Everything that can grow has one.

use std::path::PathBuf;
use std::time::Duration;

/// How a client behaves. The defaults suit public servers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Until a connection stands, its TLS handshake included.
    pub connect: Duration,
    /// The longest silence: without a byte for so long, a try has failed.
    pub silence: Duration,
    /// One fetch with all its tries and waits.
    pub deadline: Duration,
    /// How often a fetch is tried when a try fails in a way that may pass.
    pub tries: u32,
    /// The wait before the second try; it doubles with each further one. A server's `Retry-After` may make it longer.
    pub wait: Duration,
    /// Redirects that one try follows; none leads from HTTPS to HTTP.
    pub redirects: usize,
    /// Requests under way at one host.
    pub per_host: usize,
    /// Where answers are kept for the next time; none for nowhere.
    pub cache: Option<PathBuf>,
    /// Bytes that the cache may take; when they are exceeded, what was used longest ago goes first.
    pub cache_bytes: u64,
    /// What the client calls itself.
    pub agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            deadline: Duration::from_secs(600),
            tries: 4,
            wait: Duration::from_millis(500),
            redirects: 5,
            per_host: 8,
            cache: None,
            cache_bytes: 256 << 20,
            agent: concat!("patchline/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
