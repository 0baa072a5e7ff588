//! Who asks: what the proxy says about a call. Only the proxy can connect to the router's socket, so its
//! headers are believed; the guest cannot set them, because the proxy removes every header that begins
//! with [`wire::inference::PREFIX`]. They end here and are never forwarded.

use http::HeaderMap;
use wire::id::{RequestId, SandboxId};
use wire::inference::{self, Conditions};

/// The call's origin.
#[derive(Clone, Debug)]
pub struct Context {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The proxy's number for the request.
    pub request: RequestId,
    /// The program that asked, as the guest's kernel claims.
    pub binary: String,
    /// The host that the agent spoke to, without a port.
    pub host: String,
    /// What the policy asks of the call.
    pub conditions: Conditions,
}

/// The name of HTTP's header for it.
const HOST: &str = "host";

/// A header is absent, twice there, or no text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("header {0} must be there once, and well formed")]
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
        let conditions = one(headers, inference::CONDITIONS)?.parse();
        let Ok(conditions) = conditions else { return Err(ContextError(inference::CONDITIONS)) };
        let host = one(headers, HOST)?;
        let host = host.rsplit_once(':').map_or(host.as_str(), |(name, _port)| name).to_owned();
        Ok(Self {
            sandbox,
            host,
            conditions,
            request: RequestId(one(headers, inference::REQUEST)?),
            binary: one(headers, inference::BINARY)?,
        })
    }
}

/// A path may hold any character; what is no text is replaced.
fn one(headers: &HeaderMap, name: &'static str) -> Result<String, ContextError> {
    const LONGEST: usize = 4096;
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(ContextError(name)) };
    if value.is_empty() || value.len() > LONGEST {
        return Err(ContextError(name));
    }
    Ok(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn each_header_must_be_there_once() {
        let all = [
            ("x-openshell-sandbox", "box-1"),
            ("x-openshell-request", "r-1"),
            ("x-openshell-binary", "/opt/ü"),
            ("x-openshell-conditions", "sensitive=block providers=local"),
            ("host", "api.example.com:8443"),
        ];
        let context = Context::read(&headers(&all)).unwrap();
        assert_eq!((context.sandbox.as_str(), context.binary.as_str()), ("box-1", "/opt/ü"));
        assert_eq!(context.conditions.to_string(), all[3].1);
        assert_eq!(context.host, "api.example.com");
        for left_out in 0..5 {
            let rest: Vec<_> =
                all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, pair)| *pair).collect();
            assert_eq!(Context::read(&headers(&rest)).unwrap_err(), ContextError(all[left_out].0));
        }
        let twice = [all[0], all[1], all[2], all[3], all[4], ("x-openshell-request", "r-2")];
        assert!(Context::read(&headers(&twice)).is_err());
        assert!(
            Context::read(&headers(&[("x-openshell-sandbox", "Not A Label"), all[1], all[2], all[3]]))
                .is_err()
        );
        let odd = ("x-openshell-conditions", "sensitive=allow");
        assert!(Context::read(&headers(&[all[0], all[1], all[2], odd])).is_err());
        assert!(Context::read(&headers(&[all[0], ("x-openshell-request", ""), all[2], all[3]])).is_err());
    }
}
