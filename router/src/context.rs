//! Who asks: what the proxy says about a call. Only the proxy can connect to the router's socket, so its
//! headers are believed; the guest cannot set them, because the proxy removes every header that begins
//! with [`wire::inference::PREFIX`]. They end here and are never forwarded.

use http::HeaderMap;
use wire::id::{RequestId, SandboxId};
use wire::inference;

/// The call's origin.
#[derive(Clone, Debug)]
pub struct Context {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The proxy's number for the request.
    pub request: RequestId,
    /// The program that asked, as the guest's kernel claims.
    pub binary: String,
}

/// A header is absent, twice there, or no text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("header {0} must be there once")]
pub struct ContextError(&'static str);

impl Context {
    /// Reads the proxy's headers.
    ///
    /// # Errors
    /// One of them is not there exactly once, or malformed.
    pub fn read(headers: &HeaderMap) -> Result<Self, ContextError> {
        let sandbox = one(headers, inference::SANDBOX)?;
        let sandbox = SandboxId::try_from(sandbox);
        let Ok(sandbox) = sandbox else { return Err(ContextError(inference::SANDBOX)) };
        Ok(Self {
            sandbox,
            request: RequestId(one(headers, inference::REQUEST)?),
            binary: one(headers, inference::BINARY)?,
        })
    }
}

fn one(headers: &HeaderMap, name: &'static str) -> Result<String, ContextError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or(ContextError(name))?;
    if values.next().is_some() || value.is_empty() || value.len() > 4096 {
        return Err(ContextError(name));
    }
    Ok(value.to_owned())
}
