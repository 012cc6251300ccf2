//! Requests sent a second time to the new version: its answer is compared with what the user got, and thrown away.
//!
//! The copy leaves when the user's answer has ended, so no user waits for it, in a task of its own. As many as `max_mirrors`
//! are under way at once; what comes beyond is counted and not mirrored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use patchline_model::stage::traffic::{Mirror, Mirrored};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};

use crate::process::compare::{Difference, Seeing, Seen, difference};
use crate::process::counters::{Counters, Ended};
use crate::process::headers::MIRROR_HEADER;
use crate::process::routes::{Pick, Routes};

/// Characters of a path that are told.
const LONGEST_PATH: usize = 120;

/// Sends copies and compares.
#[derive(Debug)]
pub struct Mirrors {
    routes: Arc<Routes>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

/// A request that is to be mirrored once the user's answer has ended.
#[derive(Debug)]
pub struct Copy {
    mirrors: Arc<Mirrors>,
    mirror: Mirror,
    head: Parts,
    body: Bytes,
    is_controlled: bool,
}

/// The user's answer on its way, seen for the comparison.
#[derive(Debug)]
pub struct Watched {
    copy: Copy,
    seeing: Seeing,
    stable: Arc<Counters>,
    took: Duration,
}

/// What an instance answered to a copy.
struct Answered {
    /// None: it broke off, or was late.
    seen: Option<Seen>,
    ended: Ended,
    took: Duration,
    counters: Arc<Counters>,
}

impl Mirrors {
    pub fn new(routes: Arc<Routes>, most: u32, deadline: Duration) -> Arc<Mirrors> {
        Arc::new(Mirrors { routes, permits: Arc::new(Semaphore::new(most as usize)), deadline })
    }

    /// A copy of this request, if its turn is to be mirrored.
    pub fn copy(self: &Arc<Self>, mirror: &Mirror, head: &Parts, body: &Bytes) -> Option<Copy> {
        let is_meant = mirror.methods.iter().any(|method| method == head.method.as_str());
        if !is_meant || !self.routes.is_drawn(mirror.share) {
            return None;
        }
        Some(Copy {
            mirrors: Arc::clone(self),
            mirror: mirror.clone(),
            head: head.clone(),
            body: body.clone(),
            is_controlled: self.routes.is_drawn(mirror.control),
        })
    }

    async fn compare(&self, watched: Watched) {
        let Watched { copy, seeing, stable, took } = watched;
        let status = seeing.status();
        let user = seeing.whole();
        let Some(pick) = self.routes.of_mirror() else { return };
        // Both at the same time, so that nothing tells the control from the copy but the version.
        let control = async {
            match self.routes.of_stable().filter(|_| copy.is_controlled) {
                Some(pick) => self.ask(&copy, pick).await,
                None => None,
            }
        };
        let (answered, control) = tokio::join!(self.ask(&copy, pick), control);
        let Some(Answered { seen, ended, took: copied_in, counters }) = answered else { return };
        let differs = |seen: Option<&Seen>| difference(&user, seen, &copy.mirror.headers);
        let difference = differs(seen.as_ref());
        let noise = control.map(|control| differs(control.seen.as_ref()).is_some());
        stable.count_pair(Ended::Answered { server_error: status.is_server_error() }, took);
        counters.count_pair(ended, copied_in);
        counters.mirrored(|mirrored| note(mirrored, &copy.head, difference.as_ref(), noise));
    }

    /// Sends the copy; none if nothing of it could be sent.
    async fn ask(&self, copy: &Copy, pick: Pick) -> Option<Answered> {
        let mut connection = pick.upstream.connection().await.ok()?;
        let started = Instant::now();
        let end = tokio::time::Instant::now() + self.deadline;
        let over =
            |seen, ended, took| Some(Answered { seen, ended, took, counters: Arc::clone(&pick.counters) });
        let mut tried = timeout_at(end, connection.sender.try_send_request(copy.request(&pick))).await;
        if let Ok(Err(error)) = &mut tried
            && error.take_message().is_some()
        {
            // The instance had just closed an idle connection.
            connection = pick.upstream.new_connection().await.ok()?;
            tried = timeout_at(end, connection.sender.try_send_request(copy.request(&pick))).await;
        }
        let answer = match tried {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return over(None, Ended::Broken, started.elapsed()),
            Err(_) => return over(None, Ended::Late, started.elapsed()),
        };
        let took = started.elapsed();
        pick.upstream.keep_when_ready(connection.sender);
        let server_error = answer.status().is_server_error();
        match timeout(self.deadline, see(answer, copy)).await {
            Ok(Some(seen)) => over(Some(seen), Ended::Answered { server_error }, took),
            Ok(None) => over(None, Ended::Broken, took),
            Err(_) => over(None, Ended::Late, took),
        }
    }
}

/// Reads what is compared of an answer; none if it breaks off before.
async fn see(answer: Response<Incoming>, copy: &Copy) -> Option<Seen> {
    let (head, mut body) = answer.into_parts();
    let mut seeing = Seeing::new(head.status, &head.headers, &copy.mirror.headers);
    while !seeing.is_full()
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.ok()?.into_data() {
            seeing.take_in(&data);
        }
    }
    Some(seeing.whole())
}

impl Copy {
    fn request(&self, pick: &Pick) -> Request<crate::process::upstream::Outgoing> {
        let mut head = self.head.clone();
        head.headers.insert(MIRROR_HEADER, HeaderValue::from_static("1"));
        if !head.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&pick.upstream.address.to_string())
        {
            head.headers.insert(HOST, host);
        }
        Request::from_parts(head, Either::Left(Full::from(self.body.clone())))
    }

    /// The user's answer begins.
    pub fn watch(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        stable: &Arc<Counters>,
        took: Duration,
    ) -> Watched {
        let seeing = Seeing::new(status, headers, &self.mirror.headers);
        Watched { copy: self, seeing, stable: Arc::clone(stable), took }
    }
}

impl Watched {
    pub fn take_in(&mut self, bytes: &[u8]) {
        self.seeing.take_in(bytes);
    }

    /// The user has the whole answer: now the copy may go.
    pub fn ended(self) {
        let mirrors = Arc::clone(&self.copy.mirrors);
        match Arc::clone(&mirrors.permits).try_acquire_owned() {
            Ok(permit) => {
                tokio::spawn(async move {
                    mirrors.compare(self).await;
                    drop(permit);
                });
            }
            Err(_) => mirrors.routes.count_over_limit(),
        }
    }
}

fn note(mirrored: &mut Mirrored, head: &Parts, difference: Option<&Difference>, noise: Option<bool>) {
    mirrored.pairs += 1;
    if let Some(difference) = difference {
        let kind = match difference {
            Difference::Unanswered => &mut mirrored.unanswered,
            Difference::Class(..) => &mut mirrored.class,
            Difference::Status(..) => &mut mirrored.status,
            Difference::Header(_) => &mut mirrored.header,
            Difference::Body => &mut mirrored.body,
        };
        *kind += 1;
    }
    if let Some(noise) = noise {
        mirrored.controlled += 1;
        mirrored.worse += u64::from(difference.is_some() && !noise);
        mirrored.noise += u64::from(difference.is_none() && noise);
    }
    // What stable does itself is no example.
    if let Some(difference) = difference.filter(|_| noise != Some(true)) {
        let path: String = head.uri.path().chars().filter(|c| !c.is_control()).take(LONGEST_PATH).collect();
        mirrored.example = Some(format!("{} {path}: {difference}", head.method));
    }
}
