//! Users: a bounded number of clients that send one request after the other and remember every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use tokio::task::JoinHandle;

use crate::setting::http_client;

#[derive(Clone, Debug)]
pub struct Answered {
    pub sent: Instant,
    /// 0 for none.
    pub status: u16,
    pub label: String,
    pub trouble: String,
}

pub struct Load {
    stop: Arc<AtomicBool>,
    users: Vec<JoinHandle<Vec<Answered>>>,
}

impl Load {
    pub fn start(url: &str, users: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let user = |number: usize| {
            let (stop, url) = (Arc::clone(&stop), url.to_owned());
            tokio::spawn(async move {
                let client = http_client();
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let method = if number.is_multiple_of(2) { Method::GET } else { Method::POST };
                    answers.push(ask(&client, method, &url).await);
                }
                answers
            })
        };
        Load { users: (0..users).map(user).collect(), stop }
    }

    pub async fn stop(self) -> Vec<Answered> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for user in self.users {
            answers.extend(user.await.expect("a user does not panic"));
        }
        answers
    }
}

pub type Client =
    hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

pub async fn ask(client: &Client, method: Method, url: &str) -> Answered {
    let sent = Instant::now();
    let body = if method == Method::POST { Full::from("some words") } else { Full::default() };
    let request = Request::builder().method(method).uri(url).body(body).expect("a request");
    let failed = |trouble: String| Answered { sent, status: 0, label: String::new(), trouble };
    let answer = match client.request(request).await {
        Ok(answer) => answer,
        Err(error) => return failed(format!("{error:?}")),
    };
    let status = answer.status().as_u16();
    let label =
        answer.headers().get("x-patchline-version").and_then(|label| label.to_str().ok()).unwrap_or_default();
    let label = label.to_owned();
    match answer.into_body().collect().await {
        Ok(body) => {
            let trouble = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Answered { sent, status, label, trouble }
        }
        Err(error) => failed(format!("{error:?}")),
    }
}

pub fn failures(answers: &[Answered]) -> Vec<&Answered> {
    answers.iter().filter(|answer| answer.status != 200).collect()
}

pub fn count(answers: &[Answered], label: &str) -> u64 {
    answers.iter().filter(|answer| answer.label == label).count() as u64
}
