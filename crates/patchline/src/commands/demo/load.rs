//! Ordinary requests over loopback, bounded in rate, in number and in time; every answer is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::exit::Trouble;

/// Users at once, and how long each waits between two requests: about 480 requests a second in all.
const USERS: usize = 12;
const PAUSE: Duration = Duration::from_millis(25);

/// The load ends by itself after this many requests of each user.
const MOST_REQUESTS_EACH: u64 = 200_000;

/// A request that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Deserialize)]
struct Kind {
    method: String,
    path: String,
    body: String,
    weight: u64,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Answers that were no success, and requests that got no answer.
    pub failed: AtomicU64,
}

/// Load that goes on until it is stopped.
pub struct Load {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    users: JoinSet<()>,
}

impl Load {
    /// Starts the users; each walks through the same mix from another place.
    pub fn start(address: SocketAddr, mix: &str) -> Result<Self, Trouble> {
        let kinds: Vec<Kind> = serde_json::from_str(mix)
            .map_err(|error| Trouble::input(format!("could not read the load: {error}")))?;
        let order = Arc::new(spread(&kinds));
        let counts = Arc::new(Counts::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut users = JoinSet::new();
        for user in 0..USERS {
            let (order, counts, stop) = (Arc::clone(&order), Arc::clone(&counts), Arc::clone(&stop));
            let first = order.len() * user / USERS;
            users.spawn(async move {
                let client: Client<HttpConnector, Full<Bytes>> =
                    Client::builder(TokioExecutor::new()).build_http();
                for number in 0..MOST_REQUESTS_EACH {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let at = (first as u64 + number) % order.len() as u64;
                    let kind = &order[usize::try_from(at).unwrap_or(0)];
                    let good =
                        tokio::time::timeout(DEADLINE, send(&client, address, kind)).await.unwrap_or(false);
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    counts.failed.fetch_add(u64::from(!good), Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Ok(Self { counts, stop, users })
    }

    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// Lets every user finish the request under way.
    pub async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.users.join_next().await.is_some() {}
    }
}

/// Every kind as often as its weight says, spread evenly over the round.
fn spread(kinds: &[Kind]) -> Vec<Kind> {
    let total: u64 = kinds.iter().map(|kind| kind.weight).sum();
    let mut due: Vec<i64> = vec![0; kinds.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        for (due, kind) in due.iter_mut().zip(kinds) {
            *due += i64::try_from(kind.weight).unwrap_or(0);
        }
        let Some(next) = (0..kinds.len()).max_by_key(|index| due[*index]) else { break };
        due[next] -= i64::try_from(total).unwrap_or(0);
        order.push(kinds[next].clone());
    }
    order
}

async fn send(client: &Client<HttpConnector, Full<Bytes>>, address: SocketAddr, kind: &Kind) -> bool {
    let uri = Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query(kind.path.as_str())
        .build();
    let (Ok(uri), Ok(method)) = (uri, Method::from_bytes(kind.method.as_bytes())) else { return false };
    let body = Full::new(Bytes::from(kind.body.clone()));
    let Ok(request) = Request::builder().method(method).uri(uri).body(body) else { return false };
    match client.request(request).await {
        Ok(answer) => {
            let good = answer.status().is_success();
            answer.into_body().collect().await.is_ok() && good
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, spread};

    #[test]
    fn each_kind_comes_as_often_as_its_weight_says() {
        let kind = |path: &str, weight| Kind {
            method: "GET".into(),
            path: path.into(),
            body: String::new(),
            weight,
        };
        let order = spread(&[kind("/a", 3), kind("/b", 1)]);
        let count = |path: &str| order.iter().filter(|kind| kind.path == path).count();
        assert_eq!((order.len(), count("/a"), count("/b")), (4, 3, 1));
    }
}
