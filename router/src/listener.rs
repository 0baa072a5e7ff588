//! Accepts the proxies' connections and serves HTTP/1.1 on them.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::service::Service;

/// Connections at a time.
const CONNECTIONS: usize = 8192;

/// Bytes of a request's head: what the guest sent, and who asks.
const HEAD: usize = 64 * 1024 + wire::inference::LONGEST_SUBJECT;

/// How long a request's head may take.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long open calls may go on after the end is announced. The manager waits two seconds before it kills, and what came
/// of those that are cut off has to be recorded after that.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `stop` changes or its sender is gone, then lets open calls end for a moment.
pub async fn run(listener: UnixListener, service: Arc<Service>, mut stop: watch::Receiver<()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|(stream, _address)| (stream, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            _ended = stop.changed() => break,
            Some(_done) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, slot)) => {
                let service = Arc::clone(&service);
                let stop = stop.clone();
                connections.spawn(async move {
                    serve(stream, service, stop).await;
                    drop(slot);
                });
            }
            // Out of descriptors: the connections that end will free some.
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                connections.join_next().await;
            }
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("open calls are cut off");
    }
}

async fn serve(stream: UnixStream, service: Arc<Service>, mut stop: watch::Receiver<()>) {
    let handler = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.serve(request).await }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_headers(64).max_buf_size(HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), handler));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ended = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
