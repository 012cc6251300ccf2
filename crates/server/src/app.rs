//! Routes: which path leads to which handler, and how the server starts and stops.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::api::{actions, blobs, line, ofrep, patches, stream};
use crate::guard::{self, MOST_BODY_BYTES};
use crate::listener::{Limited, MOST_CONNECTIONS};
use crate::pages::show;
use crate::state::{App, Shared};
use crate::{assets, health};

/// How long open requests may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// All routes over this app.
pub fn router(app: Arc<App>) -> Router {
    routes(Shared::new(app))
}

/// Serves until `stop` is done; then live streams end, and open requests get a few seconds.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let shared = Shared::new(app);
    let stopping = Arc::clone(&shared.stop);
    let mut stopped = shared.stop.subscribe();
    let signal = async move {
        stop.await;
        stopping.send_replace(true);
    };
    let drained = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(DRAIN).await;
    };
    let listener = Limited::new(listener, MOST_CONNECTIONS);
    let server = axum::serve(listener, routes(shared)).with_graceful_shutdown(signal);
    tokio::select! {
        done = server.into_future() => done,
        () = drained => Ok(()),
    }
}

fn routes(shared: Shared) -> Router {
    let streams = Router::new()
        .route("/api/v1/stream", get(stream::board))
        .route("/api/v1/patches/{id}/stream", get(stream::patch));
    let answers = Router::new()
        .route("/", get(show::board))
        .route("/patches/{id}", get(show::story))
        .route("/assets/app.css", get(assets::css))
        .route("/assets/app.js", get(assets::js))
        .route("/api/v1/patches", get(patches::list))
        .route("/api/v1/patches/{id}", get(patches::one))
        .route("/api/v1/patches/{id}/events", get(patches::events))
        .route("/api/v1/patches/{id}/{action}", post(actions::act))
        .route("/api/v1/line", get(line::line))
        .route("/api/v1/line/{action}", post(line::act))
        .route("/api/v1/blobs/{digest}", get(blobs::blob))
        .route("/ofrep/v1/evaluate/flags", post(ofrep::all))
        .route("/ofrep/v1/evaluate/flags/{key}", post(ofrep::one))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(show::nothing_here)
        .layer(from_fn(guard::deadline));
    answers
        .merge(streams)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(from_fn(guard::guard))
        .with_state(shared)
}
