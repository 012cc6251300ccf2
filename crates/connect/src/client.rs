//! The client: one pool of connections, a limit of requests for each host, and one try of one request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Failed, FetchError, Kind};
use crate::request::{Get, address, shown};
use crate::settings::Settings;

/// Fetches. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    settings: Arc<Settings>,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Client {
    /// Reads the system's certificate authorities and the proxies of the environment. Nothing is connected yet.
    pub fn new(settings: Settings) -> Result<Self, FetchError> {
        // Another part of the process may have chosen the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let most = settings.redirects;
        let http = reqwest::Client::builder()
            .user_agent(&settings.agent)
            .connect_timeout(settings.connect)
            .read_timeout(settings.silence)
            .redirect(Policy::custom(move |attempt| redirected(attempt, most)))
            .build();
        let http = http
            .map_err(|error| Failed { kind: Kind::Unreachable, ..Failed::from(error) }.of("(any address)"))?;
        Ok(Self { http, settings: Arc::new(settings), hosts: Arc::default() })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One request, as soon as its host has room. The permit is to be held until the body was read.
    pub async fn send(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<(Response, OwnedSemaphorePermit), Failed> {
        self.ask(url, self.http.get(url.clone()).headers(headers)).await
    }

    /// As [`Client::send`], with a body.
    pub(crate) async fn send_body(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(Response, OwnedSemaphorePermit), Failed> {
        self.ask(url, self.http.post(url.clone()).headers(headers).body(body)).await
    }

    async fn ask(
        &self,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<(Response, OwnedSemaphorePermit), Failed> {
        let permit = self.room(url).acquire_owned().await.expect("it is never closed");
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
            | StatusCode::RANGE_NOT_SATISFIABLE => Ok((response, permit)),
            status => Err(refused(status, response.headers())),
        }
    }

    /// What a server wants to know before it answers (`WWW-Authenticate`); none where it wants nothing. One try.
    pub async fn challenge(&self, get: &Get) -> Result<Option<String>, FetchError> {
        let url = address(&get.url)?;
        let _permit = self.room(&url).acquire_owned().await.expect("it is never closed");
        let response = self.http.get(url).headers(get.header_map()?).send().await;
        let response = response.map_err(|error| Failed::from(error).of(&shown(&get.url)))?;
        let asked = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let is_refused = response.status() == StatusCode::UNAUTHORIZED;
        Ok(asked.filter(|_| is_refused).map(str::to_owned))
    }

    fn room(&self, url: &Url) -> Arc<Semaphore> {
        let host = format!("{}:{}", url.host_str().unwrap_or(""), url.port_or_known_default().unwrap_or(0));
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let room =
            hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.settings.per_host.max(1))));
        room.clone()
    }
}

fn redirected(attempt: Attempt<'_>, most: usize) -> reqwest::redirect::Action {
    let from_https = attempt.previous().last().is_some_and(|before| before.scheme() == "https");
    if attempt.previous().len() > most {
        attempt.error(format!("it redirects more than {most} times"))
    } else if from_https && attempt.url().scheme() != "https" {
        attempt.error("it redirects from HTTPS to HTTP")
    } else {
        attempt.follow()
    }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Failed {
    let what = format!("the server answered {status}");
    let ill = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Failed::new(Kind::Missing, what),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Failed::new(Kind::Forbidden, what)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => waiting(what, headers),
        _ if ill => waiting(what, headers),
        _ => Failed::new(Kind::Nonsense, what),
    }
}

fn waiting(what: String, headers: &HeaderMap) -> Failed {
    let seconds = headers.get(RETRY_AFTER).map(HeaderValue::to_str).and_then(Result::ok);
    let wait = seconds.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
    Failed { wait, ..Failed::new(Kind::Unreachable, what) }
}
