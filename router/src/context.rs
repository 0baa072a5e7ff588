//! Who asks: what the proxy says about a call. Only the proxy can connect to the router's socket, so its
//! headers are believed; the guest cannot set them, because the proxy removes every header that begins
//! with [`wire::inference::PREFIX`]. They end here and are never forwarded.

use audit::Subject;
use http::HeaderMap;
use wire::id::{FlowId, PolicyVersion, RequestId, SandboxId};
use wire::inference::{self, Conditions};

/// The call's origin.
#[derive(Clone, Debug)]
pub struct Context {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The proxy's number for the request.
    pub request: RequestId,
    /// Who asked, as the guest's kernel claims.
    pub subject: Subject,
    /// The flow that the call came on.
    pub flow: FlowId,
    /// The policy that allowed the call.
    pub policy: PolicyVersion,
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
        let subject = within(headers, inference::SUBJECT, inference::LONGEST_SUBJECT)?;
        let Ok(subject) = serde_json::from_str(&subject) else {
            return Err(ContextError(inference::SUBJECT));
        };
        let host = one(headers, HOST)?;
        let host = host.rsplit_once(':').map_or(host.as_str(), |(name, _port)| name).to_owned();
        Ok(Self {
            sandbox,
            host,
            conditions,
            subject,
            request: RequestId(one(headers, inference::REQUEST)?),
            flow: FlowId(number(headers, inference::FLOW)?),
            policy: PolicyVersion(number(headers, inference::POLICY)?),
        })
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, ContextError> {
    one(headers, name)?.parse().map_err(|_no_number| ContextError(name))
}

fn one(headers: &HeaderMap, name: &'static str) -> Result<String, ContextError> {
    const LONGEST: usize = 4096;
    within(headers, name, LONGEST)
}

/// What is no text is replaced.
fn within(headers: &HeaderMap, name: &'static str, longest: usize) -> Result<String, ContextError> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(ContextError(name)) };
    if value.is_empty() || value.len() > longest {
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
            (
                "x-openshell-subject",
                r#"{"owners":[{"binary":"/opt/ü","script":"/work/\u007f.py","pid":7,"uid":1000}]}"#,
            ),
            ("x-openshell-flow", "12"),
            ("x-openshell-policy", "3"),
            ("x-openshell-conditions", "sensitive=block providers=local"),
            ("host", "api.example.com:8443"),
        ];
        let context = Context::read(&headers(&all)).unwrap();
        assert_eq!((context.sandbox.as_str(), context.flow.0, context.policy.0), ("box-1", 12, 3));
        let Subject::Owners(owners) = &context.subject else { panic!("{context:?}") };
        assert_eq!(
            (owners[0].binary.as_str(), owners[0].script.as_deref()),
            ("/opt/ü", Some("/work/\u{7f}.py"))
        );
        assert_eq!(context.conditions.to_string(), all[5].1);
        assert_eq!(context.host, "api.example.com");
        for left_out in 0..all.len() {
            let rest: Vec<_> =
                all.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, pair)| *pair).collect();
            assert_eq!(Context::read(&headers(&rest)).unwrap_err(), ContextError(all[left_out].0));
        }
        let twice: Vec<_> = all.iter().copied().chain([("x-openshell-request", "r-2")]).collect();
        assert_eq!(Context::read(&headers(&twice)).unwrap_err(), ContextError("x-openshell-request"));
        for bad in [
            ("x-openshell-sandbox", "Not A Label"),
            ("x-openshell-conditions", "sensitive=allow"),
            ("x-openshell-request", ""),
            ("x-openshell-flow", "-1"),
            ("x-openshell-policy", "new"),
            ("x-openshell-subject", "/usr/bin/curl"),
        ] {
            let others = all.iter().map(|pair| if pair.0 == bad.0 { bad } else { *pair });
            let read = Context::read(&headers(&others.collect::<Vec<_>>()));
            assert_eq!(read.unwrap_err(), ContextError(bad.0));
        }
    }
}
