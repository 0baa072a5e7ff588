//! Reading a client's body: bounded in size and time, plain JSON only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Largest body. A context of a million tokens is about 4 MiB of text.
pub const LARGEST: usize = 8 << 20;

const LARGEST_BYTES: u64 = LARGEST as u64;

/// Memory for bodies that wait or are looked at, all connections together, in [`UNIT`]s.
const ROOM: usize = 8192;
const UNIT: u64 = 64 * 1024;

/// How long a body may take to arrive.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// Memory that bodies share. A body gets its room before it is read, by its announced length.
#[derive(Debug)]
pub struct Room(Arc<Semaphore>);

/// Room that one body has; given back on drop.
#[derive(Debug)]
pub struct Held {
    _units: OwnedSemaphorePermit,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Another type.
    #[error("the content type must be application/json")]
    Type,
    /// Compressed: what is inside cannot be trusted to be what it seems.
    #[error("the body must not be encoded")]
    Encoding,
    /// Too large.
    #[error("the body is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// Too slow.
    #[error("the body did not arrive within {} s", READ_LIMIT.as_secs())]
    TooSlow,
    /// A body where none belongs.
    #[error("this call takes no body")]
    Unexpected,
    /// The connection broke.
    #[error("the body broke off")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads the JSON body of a call.
///
/// # Errors
/// [`BodyError`].
pub async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, BodyError> {
    check_headers(headers)?;
    if hyper::body::Body::size_hint(&body).lower() > LARGEST_BYTES {
        return Err(BodyError::TooLarge);
    }
    let body = Limited::new(body, LARGEST).collect();
    let read = tokio::time::timeout(READ_LIMIT, body).await.unwrap_or(Err(Box::new(BodyError::TooSlow)));
    match read {
        Ok(body) if body.trailers().is_some_and(|trailers| !trailers.is_empty()) => {
            Err(BodyError::Unexpected)
        }
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => Err(error.downcast::<BodyError>().map_or_else(BodyError::Read, |error| *error)),
    }
}

impl Room {
    /// Room for all of the largest bodies that may come at once, and more of the usual ones.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }

    /// Waits for room for `body`.
    pub async fn hold(&self, body: &Incoming) -> Held {
        let size = hyper::body::Body::size_hint(body).upper().unwrap_or(LARGEST_BYTES).min(LARGEST_BYTES);
        let units = u32::try_from(size.div_ceil(UNIT).max(1)).expect("the largest body has 128 units");
        let units = Arc::clone(&self.0).acquire_many_owned(units).await;
        Held { _units: units.expect("the semaphore is never closed") }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes sure that a call without a body has none.
///
/// # Errors
/// [`BodyError::Unexpected`].
pub fn refuse(body: &Incoming) -> Result<(), BodyError> {
    if hyper::body::Body::is_end_stream(body) { Ok(()) } else { Err(BodyError::Unexpected) }
}

fn check_headers(headers: &HeaderMap) -> Result<(), BodyError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(BodyError::Encoding);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(BodyError::Type) };
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts.next() == Some("application/json");
    // Another charset would make other text of the same bytes.
    let is_utf8 = parts.all(|part| matches!(part, "" | "charset=utf-8" | "charset=\"utf-8\""));
    if is_json && is_utf8 { Ok(()) } else { Err(BodyError::Type) }
}
