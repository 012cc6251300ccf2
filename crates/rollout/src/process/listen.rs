//! The proxy's door: accepts connections, so many at a time, and closes them gently when the host ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::process::ending::Ending;
use crate::process::proxy::Proxy;
use crate::process::spec::HostSpec;
use crate::process::stalled::Stalled;

const MAX_HEADERS: usize = 128;
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// After an error of `accept`, which mostly means that descriptors have run out.
const PAUSE: Duration = Duration::from_millis(20);

/// Accepts until `ending`, then waits for the requests in flight, but not longer than the drain deadline.
pub async fn serve(listener: TcpListener, proxy: Arc<Proxy>, spec: &HostSpec, mut ending: Ending) {
    let write_deadline = Duration::from_millis(spec.write_deadline_ms);
    let told = ending.clone();
    let connections = Arc::new(Semaphore::new(spec.max_connections as usize));
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(spec.header_deadline_ms))
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    let accepting = async {
        loop {
            let permit = Arc::clone(&connections).acquire_owned().await.expect("nobody closes the semaphore");
            match listener.accept().await {
                Ok((stream, client)) => {
                    let (builder, proxy, ending) = (builder.clone(), Arc::clone(&proxy), told.clone());
                    tokio::spawn(async move {
                        let _ = stream.set_nodelay(true);
                        let stream = Stalled::new(stream, write_deadline);
                        serve_connection(stream, client, builder, proxy, ending).await;
                        drop(permit);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = ending.wait_for(Option::is_some) => {}
    }
    drop(listener);
    let all_closed = connections.acquire_many(spec.max_connections);
    let _ = timeout(Duration::from_millis(spec.drain_deadline_ms), all_closed).await;
}

async fn serve_connection(
    stream: Stalled<TcpStream>,
    client: SocketAddr,
    builder: Builder,
    proxy: Arc<Proxy>,
    mut ending: Ending,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let proxy = Arc::clone(&proxy);
        async move { Ok::<_, Infallible>(proxy.answer(client.ip(), request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(Option::is_some) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
