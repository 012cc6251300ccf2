//! The control socket: reads what a conductor asks, hands it to the supervisor, answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::process::ending::{End, Reason};
use crate::process::order::{Applied, Order};
use crate::process::spec::{MAX_CONTROL_BYTES, Refusal, parse_desired};

const MAX_CONNECTIONS: usize = 32;
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// What the control socket speaks to.
#[derive(Clone, Debug)]
pub struct Control {
    pub orders: mpsc::Sender<Order>,
    /// Set by `POST /stop`.
    pub end: Arc<End>,
}

pub async fn serve(listener: UnixListener, control: Control) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&connections).acquire_owned().await.expect("nobody closes the semaphore");
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let control = control.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let control = control.clone();
                async move { Ok::<_, Infallible>(answer(&control, request).await) }
            });
            let mut builder = Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(DEADLINE);
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(control: &Control, request: Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::PUT, "/desired") => put_desired(control, request).await,
        (&Method::GET, "/observed") => tell(control, Order::Observe).await,
        (&Method::GET, "/history") => tell(control, Order::History).await,
        (&Method::GET, "/desired") => tell(control, Order::Desired).await,
        (&Method::POST, "/stop") => {
            control.end.send_replace(Some(Reason::Asked));
            json(StatusCode::ACCEPTED, &serde_json::json!({}))
        }
        (_, "/desired" | "/observed" | "/history" | "/stop") => {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "not that way")
        }
        (_, _) => refuse(StatusCode::NOT_FOUND, "there is no such thing here"),
    }
}

async fn put_desired(control: &Control, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), MAX_CONTROL_BYTES).collect();
    let Ok(Ok(body)) = timeout(DEADLINE, body).await else {
        return refuse(StatusCode::BAD_REQUEST, "the request could not be read");
    };
    let desired = match parse_desired(&body.to_bytes()) {
        Ok(desired) => desired,
        Err(unfit) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, &unfit.to_string()),
    };
    let (reply, replied) = oneshot::channel();
    let is_sent = control.orders.send(Order::Apply(desired, reply)).await.is_ok();
    match (is_sent, replied.await) {
        (true, Ok(Applied::Accepted)) => json(StatusCode::OK, &serde_json::json!({})),
        (true, Ok(Applied::Stale { seen })) => {
            refuse(StatusCode::CONFLICT, &format!("revision {seen} has been seen, with other contents"))
        }
        (true, Ok(Applied::Overtaken)) => refuse(
            StatusCode::PRECONDITION_FAILED,
            "a later attempt of the same patch, or another patch, has been obeyed since",
        ),
        (true, Ok(Applied::NotStored { reason })) => refuse(
            StatusCode::INSUFFICIENT_STORAGE,
            &format!("it is in force but could not be stored: {reason}"),
        ),
        (true, Ok(Applied::Ending)) | (false, _) | (true, Err(_)) => ending(),
    }
}

async fn tell<T: Serialize>(control: &Control, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Answer {
    let (reply, replied) = oneshot::channel();
    if control.orders.send(order(reply)).await.is_err() {
        return ending();
    }
    match replied.await {
        Ok(value) => json(StatusCode::OK, &value),
        Err(_) => ending(),
    }
}

fn ending() -> Answer {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the host is ending")
}

fn refuse(status: StatusCode, reason: &str) -> Answer {
    json(status, &Refusal { reason: reason.to_owned() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).expect("values of the protocol can be written as JSON");
    let mut answer = Response::new(Full::from(bytes));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
