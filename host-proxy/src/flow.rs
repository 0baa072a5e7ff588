//! One captured flow as the proxy knows it: who opened it, and whom its client wanted.

mod replay;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use wire::flow::{FlowKey, SealError, SealedFlow};
use wire::frame::{self, FrameError};
use wire::id::FlowId;
use wire::subject::Subject;

use replay::Window;

/// How long guest-init may take to say what a flow is.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);

/// Opens the seals of flows. Each seal opens once.
#[derive(Debug)]
pub struct Seals {
    key: FlowKey,
    seen: Mutex<Window>,
}

/// Whom a decision is about.
#[derive(Debug)]
pub struct Asker {
    /// The flow.
    pub flow: FlowId,
    /// Who opened it.
    pub subject: Subject,
    /// The programs of `subject`, for people.
    pub binary: String,
}

/// Why a flow is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The header did not come in time.
    #[error("no flow header within 5 seconds")]
    Slow,
    /// The header is not a frame.
    #[error("malformed flow header")]
    Frame(#[from] FrameError),
    /// The seal does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The flow's number was used before.
    #[error("flow {} was opened before", .0.0)]
    Replayed(FlowId),
}

impl Seals {
    /// Opens seals made with `key`.
    #[must_use]
    pub fn new(key: FlowKey) -> Self {
        Self { key, seen: Mutex::default() }
    }

    /// Reads and opens the header of a flow.
    ///
    /// # Errors
    /// There is no header, it is forged, or it was used before.
    pub async fn open(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<wire::flow::Flow, FlowError> {
        let sealed: SealedFlow = match timeout(HEADER_PATIENCE, read_frame(stream, frame::SMALL)).await {
            Ok(read) => read?,
            Err(_elapsed) => return Err(FlowError::Slow),
        };
        let flow = sealed.open(&self.key)?;
        let fresh = self.seen.lock().unwrap_or_else(PoisonError::into_inner).admit(flow.id.0);
        if fresh { Ok(flow) } else { Err(FlowError::Replayed(flow.id)) }
    }
}

impl Asker {
    /// Whom the flow belongs to.
    #[must_use]
    pub fn new(flow: FlowId, subject: Subject) -> Self {
        Self { flow, binary: binary_of(&subject), subject }
    }
}

/// Reads one frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::Closed`] at a clean end between frames; otherwise what was wrong.
pub async fn read_frame<T: serde::de::DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<T, FrameError> {
    let mut prefix = [0; 4];
    if stream.read(&mut prefix[..1]).await? == 0 {
        return Err(FrameError::Closed);
    }
    stream.read_exact(&mut prefix[1..]).await?;
    let mut body = vec![0; frame::body_length(prefix, limit)?];
    stream.read_exact(&mut body).await?;
    frame::decode(&body)
}

/// The programs behind a flow, as a denial shows them.
#[must_use]
pub fn binary_of(subject: &Subject) -> String {
    match subject {
        Subject::Owners(owners) => {
            let mut paths: Vec<&str> = owners.iter().map(|owner| owner.path.as_str()).collect();
            paths.dedup();
            paths.join(", ")
        }
        Subject::Unknown(_) => "unknown".to_owned(),
    }
}
