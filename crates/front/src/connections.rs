//! Connections: taken while there is a place, served by HTTP/1.1, ended when told to.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::places::{Answered, Connection, Place, Places};
use crate::stream::Impatient;

/// Wait after a connection could not be accepted: most likely we are out of file handles.
const RETRY: Duration = Duration::from_millis(50);

/// What strangers may cost. Memory is bounded by `connections × (body_bytes + head_bytes)`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; more wait in the system's queue, and one that has had no request under way
    /// for [`IDLE_LEAST`](crate::IDLE_LEAST) is closed for the next.
    pub connections: usize,
    /// Until the head of a request is complete, idle time between two requests included.
    pub head: Duration,
    /// Until its body is complete.
    pub body: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a head.
    pub head_bytes: usize,
    /// How long the other side may take nothing of what is written to it.
    pub write: Duration,
    /// Until the last request is done after shutdown began.
    pub drain: Duration,
}

/// While one of these is held, shutdown waits, at most [`Limits::drain`].
#[derive(Clone, Debug)]
pub struct Alive(watch::Receiver<()>);

/// Serves until `shutdown` ends; then no new connection, and started requests finish.
///
/// `answer` gets each request with an [`Alive`], for work that outlives its connection.
pub async fn serve<A, F, B>(
    listener: TcpListener,
    limits: Limits,
    answer: A,
    shutdown: impl Future<Output = ()>,
) where
    A: Fn(Request<Incoming>, Alive) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn core::error::Error + Send + Sync>>> + Send + 'static,
{
    let places = Places::new(limits.connections);
    let (stop, stopped) = watch::channel(());
    let mut shutdown = core::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, place)) = accepted {
            let alive = Alive(stopped.clone());
            tokio::spawn(connection(stream, limits, answer.clone(), alive, place));
        }
    }
    drop(listener);
    drop(stopped);
    // Connections and running handlers hold a receiver each: `closed` is when all are gone.
    let _ = stop.send(());
    if tokio::time::timeout(limits.drain, stop.closed()).await.is_err() {
        tracing::warn!("requests still ran when the time to drain ended");
    }
}

async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, Place)> {
    let place = places.take().await?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(RETRY).await;
            None
        }
    }
}

async fn connection<A, F, B>(
    stream: TcpStream,
    limits: Limits,
    answer: A,
    mut alive: Alive,
    place: Place,
) where
    A: Fn(Request<Incoming>, Alive) -> F + Send,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn core::error::Error + Send + Sync>>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let (held, seat) = (alive.clone(), Arc::clone(place.seat()));
    let service = service_fn(move |mut request| {
        let under_way = seat.under_way();
        request.extensions_mut().insert(Connection(Arc::clone(&seat)));
        let answered = answer(request, held.clone());
        async move {
            let answered = answered.await;
            Ok::<_, Infallible>(answered.map(|body| Answered::new(body, under_way)))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(Impatient::new(stream, limits.write)), service);
    let mut serving = core::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = alive.0.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        // Nothing is under way, and others wait.
        () = place.wanted() => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
