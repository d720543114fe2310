//! Bodies are read whole, within a size and a time.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use crate::Limits;

/// How many times the largest body is read and thrown away, so that a client that sends too much
/// still gets to read why. Whoever sends more than that finds the connection closed.
const PATIENCE: usize = 4;

/// Why a body was not taken. Nothing was done, and the connection has to be closed: what is left
/// of the body cannot be told from a next request.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// It is longer than [`Limits::body_bytes`].
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// It did not come within [`Limits::body`].
    #[error("the body did not come within {within:?}")]
    Late {
        /// Time allowed.
        within: core::time::Duration,
    },
    /// It broke off, or its framing is wrong.
    #[error("the body broke off: {0}")]
    Broken(String),
}

/// Reads a body whole.
///
/// A body that is too large is read on for a while before the answer: a client that writes all of
/// it before it reads would otherwise lose our answer, because closing a TCP connection with
/// unread bytes resets it (RFC 1122, section 4.2.2.13, and RFC 9112, section 9.6).
///
/// # Errors
/// [`BodyFault`].
pub async fn read_body(mut body: Incoming, limits: &Limits) -> Result<Bytes, BodyFault> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let end = Instant::now() + limits.body;
    let read = match tokio::time::timeout_at(end, within(&mut body, limits.body_bytes)).await {
        Ok(read) => read,
        Err(_) => Err(BodyFault::Late { within: limits.body }),
    };
    if let Err(BodyFault::TooLarge { limit }) = read {
        // Whether its end came or not, it is too large.
        let _ = tokio::time::timeout_at(end, swallow(&mut body, limit)).await;
    }
    read
}

async fn within(body: &mut Incoming, limit: usize) -> Result<Bytes, BodyFault> {
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(BodyFault::TooLarge { limit });
    }
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge { limit }),
        Err(error) => Err(BodyFault::Broken(error.to_string())),
    }
}

/// Reads on, keeps nothing, and gives up quietly.
async fn swallow(body: &mut Incoming, limit: usize) {
    let most = limit.saturating_mul(PATIENCE);
    let mut read = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if read > most {
            return;
        }
    }
}
