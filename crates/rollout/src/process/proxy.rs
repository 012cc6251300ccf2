//! One request through the proxy: choose an instance, send, try once more elsewhere where that is safe, pass the answer on.
//!
//! A try is repeated once, on another instance, when the connection could not be made, or when the instance broke it
//! before answering and the request may be sent twice (RFC 9110, section 9.2.2) and is held whole. Where there is no other
//! instance, the request waits for the successor of one that has died. Protocol upgrades and
//! `CONNECT` are not passed on.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use patchline_model::stage::traffic::Traffic;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout, timeout_at};

use crate::process::answer::{Answer, Attempt, Counted, own_answer};
use crate::process::cohort::{Placement, placement};
use crate::process::counters::Ended;
use crate::process::headers::{FLAG_HEADER, towards_client, towards_instance};
use crate::process::mirror::{Copy, Mirrors};
use crate::process::routes::{Failed, Pick, Routes};
use crate::process::spec::HostSpec;
use crate::process::upload::{Progress, Upload, Waiting};
use crate::process::upstream::{Connection, Outgoing, Upstream, blames_instance};

/// A body up to this length is held whole, so that it can be sent again.
const HELD_BYTES: u64 = 64 * 1024;

/// How often an instance may be taken out of the routes between being chosen and being sent to.
const MAX_CHOICES: u32 = 16;

const LOOKS_AT_THE_DEAD: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Proxy {
    service: String,
    routes: Arc<Routes>,
    mirrors: Arc<Mirrors>,
    requests: Arc<Semaphore>,
    max_body_bytes: u64,
    request_deadline: Duration,
    hold_deadline: Duration,
}

/// A client's request, ready to be sent as often as its body allows.
struct Forwarded {
    head: Parts,
    body: Payload,
    progress: Progress,
    /// How requests found their arm when this one came, and where it belongs by that.
    traffic: Arc<Traffic>,
    place: Placement,
}

enum Payload {
    Held(Bytes),
    Streamed(Box<Upload>),
    Spent,
}

/// What one try came to.
enum Tried {
    Answered(Response<Incoming>, Attempt),
    /// Nothing of it was taken on: it may be sent to another instance.
    NotSent,
    /// The instance broke the connection before it answered.
    Broken,
    /// The instance left the routes between being chosen and being sent to.
    TakenOut,
    /// Not to be tried again.
    Final(Answer),
}

impl Proxy {
    pub fn new(routes: Arc<Routes>, spec: &HostSpec) -> Proxy {
        let deadline = Duration::from_millis(spec.request_deadline_ms);
        Proxy {
            service: spec.service.clone(),
            mirrors: Mirrors::new(Arc::clone(&routes), spec.max_mirrors, deadline),
            routes,
            requests: Arc::new(Semaphore::new(spec.max_requests as usize)),
            max_body_bytes: spec.max_body_bytes,
            request_deadline: deadline,
            hold_deadline: Duration::from_millis(spec.hold_deadline_ms),
        }
    }

    pub async fn answer(&self, client: IpAddr, request: Request<Incoming>) -> Answer {
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            return self.unrouted(StatusCode::SERVICE_UNAVAILABLE, "too many requests at the same time\n");
        };
        match self.take_in(client, request).await {
            Err(refused) => refused,
            Ok(forwarded) => self.forward(forwarded, permit).await,
        }
    }

    /// Reads what can be held and refuses what cannot be passed on.
    async fn take_in(&self, client: IpAddr, request: Request<Incoming>) -> Result<Forwarded, Answer> {
        if request.method() == Method::CONNECT {
            return Err(own_answer(StatusCode::NOT_IMPLEMENTED, "no tunnels here\n"));
        }
        let (mut head, body) = request.into_parts();
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length > self.max_body_bytes) {
            return Err(own_answer(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n"));
        }
        let traffic = self.routes.traffic();
        let place = placement(&traffic, &self.service, &head.headers);
        towards_instance(&mut head.headers, client);
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::from(path);
        head.version = Version::HTTP_11;
        if length.is_some_and(|length| length <= HELD_BYTES) {
            let held = Limited::new(body, HELD_BYTES as usize).collect();
            return match timeout(self.request_deadline, held).await {
                Ok(Ok(held)) => {
                    let body = Payload::Held(held.to_bytes());
                    Ok(Forwarded { head, body, progress: Progress::default(), traffic, place })
                }
                Ok(Err(_)) => Err(own_answer(StatusCode::BAD_REQUEST, "the request could not be read\n")),
                Err(_) => Err(own_answer(StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n")),
            };
        }
        let (upload, progress) = Upload::new(body, self.max_body_bytes);
        Ok(Forwarded { head, body: Payload::Streamed(Box::new(upload)), progress, traffic, place })
    }

    async fn forward(&self, mut forwarded: Forwarded, permit: OwnedSemaphorePermit) -> Answer {
        let hold_until = Instant::now() + self.hold_deadline;
        let mut failed: Option<Failed> = None;
        let mut may_repeat = true;
        let mut next: Option<Pick> = None;
        for _ in 0..MAX_CHOICES {
            let chosen = match next.take() {
                Some(pick) => Some(pick),
                None => self.routes.take(forwarded.place, failed.as_ref(), hold_until).await,
            };
            let Some(pick) = chosen else {
                return self.unrouted(StatusCode::SERVICE_UNAVAILABLE, "no instance is there to answer\n");
            };
            let at = Failed {
                version: pick.counters.version.clone(),
                instance: pick.upstream.instance,
                is_compared: pick.is_compared,
            };
            let upstream = Arc::clone(&pick.upstream);
            match self.send(pick, &mut forwarded).await {
                Tried::Answered(answer, attempt) => {
                    return self.pass_on(answer, attempt, forwarded, permit);
                }
                Tried::Final(answer) => return answer,
                Tried::TakenOut => continue,
                // Nothing of it has left: it may be tried wherever there is one.
                Tried::NotSent => {
                    failed = Some(at);
                    continue;
                }
                Tried::Broken if may_repeat && forwarded.may_be_sent_twice() => {
                    next = self.routes.elsewhere(&at);
                    // If it has died and there is no other, its successor will do.
                    if next.is_none() && !self.has_died(&upstream).await {
                        return own_answer(StatusCode::BAD_GATEWAY, "the instance broke off\n");
                    }
                    failed = Some(at);
                }
                Tried::Broken => return own_answer(StatusCode::BAD_GATEWAY, "the instance broke off\n"),
            }
            may_repeat = false;
        }
        self.unrouted(StatusCode::SERVICE_UNAVAILABLE, "no instance stays long enough to answer\n")
    }

    async fn send(&self, pick: Pick, forwarded: &mut Forwarded) -> Tried {
        let pick = Arc::new(pick);
        let mut connected = pick.upstream.connection().await;
        loop {
            let connection = match connected {
                Ok(connection) => connection,
                Err(error) => {
                    self.blame(&pick.upstream, &error);
                    return Tried::NotSent;
                }
            };
            if !pick.upstream.is_open() {
                return Tried::TakenOut;
            }
            let is_reused = connection.is_reused;
            let tried = self.send_on(connection, Arc::clone(&pick), forwarded).await;
            if !(is_reused && matches!(tried, Tried::NotSent)) {
                return tried;
            }
            // The instance had just closed an idle connection. That says nothing about it: a new one, then.
            connected = pick.upstream.new_connection().await;
        }
    }

    async fn send_on(&self, mut connection: Connection, pick: Arc<Pick>, forwarded: &mut Forwarded) -> Tried {
        let request = forwarded.request(&pick);
        let deadline = Instant::now() + self.request_deadline;
        let mut attempt = Attempt::begin(pick);
        match timeout_at(deadline.into(), connection.sender.try_send_request(request)).await {
            Ok(Ok(answer)) => {
                attempt.pick().upstream.keep_when_ready(connection.sender);
                Tried::Answered(answer, attempt)
            }
            Ok(Err(mut error)) => match error.take_message() {
                Some(unsent) => {
                    attempt.forget();
                    forwarded.put_back(unsent.into_body());
                    Tried::NotSent
                }
                None => broken(&forwarded.progress, attempt),
            },
            Err(_) => late(&forwarded.progress, attempt),
        }
    }

    /// The system closes what a dead process had open in no certain order: its door may stay open a moment longer.
    async fn has_died(&self, upstream: &Upstream) -> bool {
        for _ in 0..LOOKS_AT_THE_DEAD {
            if let Err(error) = upstream.new_connection().await {
                return self.blame(upstream, &error);
            }
            sleep(BETWEEN_LOOKS).await;
        }
        false
    }

    /// Takes an instance out of the routes if it is to blame that it could not be connected to.
    fn blame(&self, upstream: &Upstream, error: &io::Error) -> bool {
        let is_to_blame = blames_instance(error);
        if is_to_blame {
            self.routes.suspect(upstream);
        }
        is_to_blame
    }

    fn pass_on(
        &self,
        answer: Response<Incoming>,
        mut attempt: Attempt,
        forwarded: Forwarded,
        permit: OwnedSemaphorePermit,
    ) -> Answer {
        let (mut head, body) = answer.into_parts();
        attempt.answered_with(head.status);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            attempt.end(Ended::Broken);
            return own_answer(StatusCode::BAD_GATEWAY, "the instance answered what nobody asked\n");
        }
        head.version = Version::HTTP_11;
        let pick = attempt.pick();
        let copy = forwarded.copy(&self.mirrors).filter(|_| pick.is_stable);
        let watched =
            copy.map(|copy| copy.watch(head.status, &head.headers, &pick.counters, attempt.elapsed()));
        towards_client(&mut head.headers, &pick.counters.label);
        let body = Counted::new(
            body,
            attempt,
            forwarded.progress,
            self.request_deadline,
            watched.map(Box::new),
            permit,
        );
        Response::from_parts(head, Either::Left(body))
    }

    fn unrouted(&self, status: StatusCode, text: &'static str) -> Answer {
        self.routes.count_unrouted();
        own_answer(status, text)
    }
}

fn broken(progress: &Progress, mut attempt: Attempt) -> Tried {
    match progress.waiting() {
        Waiting::TooLarge => {
            attempt.forget();
            Tried::Final(own_answer(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n"))
        }
        Waiting::ClientGone => {
            attempt.forget();
            Tried::Final(own_answer(StatusCode::BAD_REQUEST, "the request could not be read\n"))
        }
        Waiting::ForInstance | Waiting::ForClient => {
            attempt.end(Ended::Broken);
            Tried::Broken
        }
    }
}

fn late(progress: &Progress, mut attempt: Attempt) -> Tried {
    if progress.waiting() == Waiting::ForClient {
        attempt.forget();
        return Tried::Final(own_answer(StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n"));
    }
    attempt.end(Ended::Late);
    Tried::Final(own_answer(StatusCode::GATEWAY_TIMEOUT, "the instance did not answer in time\n"))
}

impl Forwarded {
    fn request(&mut self, pick: &Pick) -> Request<Outgoing> {
        let body = match std::mem::replace(&mut self.body, Payload::Spent) {
            Payload::Held(bytes) => {
                self.body = Payload::Held(bytes.clone());
                Either::Left(Full::from(bytes))
            }
            Payload::Streamed(upload) => Either::Right(*upload),
            Payload::Spent => Either::Left(Full::default()),
        };
        let mut head = self.head.clone();
        // By itself hyper sends no body of unknown length with `GET` and `HEAD`.
        if let Either::Right(upload) = &body
            && upload.size_hint().exact().is_none()
        {
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if !head.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&pick.upstream.address.to_string())
        {
            head.headers.insert(HOST, host);
        }
        if let Some(flags) = &pick.flags {
            head.headers.insert(FLAG_HEADER, flags.clone());
        }
        Request::from_parts(head, body)
    }

    /// To be sent a second time, where requests are mirrored and this one was held whole.
    fn copy(&self, mirrors: &Arc<Mirrors>) -> Option<Copy> {
        match (&*self.traffic, &self.body) {
            (Traffic::Mirrored(mirror), Payload::Held(body)) => mirrors.copy(mirror, &self.head, body),
            (Traffic::Mirrored(_), Payload::Streamed(_) | Payload::Spent)
            | (Traffic::ByTurns | Traffic::ByKey { .. }, _) => None,
        }
    }

    fn put_back(&mut self, body: Outgoing) {
        if let Either::Right(upload) = body {
            self.body = Payload::Streamed(Box::new(upload));
        }
    }

    fn may_be_sent_twice(&self) -> bool {
        self.head.method.is_idempotent() && matches!(self.body, Payload::Held(_))
    }
}
