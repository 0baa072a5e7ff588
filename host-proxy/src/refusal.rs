//! What a client is told when its request does not go through: one JSON body for every cause.

use http::{Response, StatusCode};
use policies::Message;
use serde::Serialize;

use crate::dial::DialError;
use crate::quota::Spent;

/// Where a denial sends its reader.
const DENIALS: &str = "http://policy.local/v1/denials";

/// The field that carries the request's id on every answer that the proxy itself gives.
pub const REQUEST_ID: &str = "x-openshell-request-id";

/// Who stopped a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// The policy's first level.
    Binary,
    /// The policy's second level, the address check, or names that disagree.
    Destination,
    /// The policy's third level.
    Method,
    /// The policy's fourth level.
    Path,
    /// The policy's conditions on query and header fields.
    Condition,
    /// What the policy says about messages in bodies.
    Message,
    /// What the policy says about what comes back.
    Download,
    /// A limit of the rule that allows it.
    Limit,
    /// A credential's placeholder stands where it is not used, or a credential cannot go out.
    Credential,
    /// The request is malformed, ambiguous or late.
    Request,
    /// The request was allowed, but the upstream failed.
    Upstream,
    /// The proxy itself could not go on: nothing goes out unrecorded.
    Proxy,
}

/// Why a request did not go through.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The response's status.
    pub status: StatusCode,
    /// Who stopped it.
    pub level: Stopped,
    /// The rule that denied it or came nearest.
    pub rule: Option<Blamed>,
    /// The cause in one line.
    pub error: String,
    /// What could be done about it, in one line.
    pub hint: String,
}

/// A rule that something did not go through by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    /// Its name.
    pub name: String,
    /// Whether it said no itself, and did not merely come nearest to saying yes.
    pub denies: bool,
}

/// The body that a client sees.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: &'a str,
    level: Stopped,
    rule: Option<&'a str>,
    binary: &'a str,
    request_id: &'a str,
    hint: &'a str,
    /// Where the agent reads more, and asks for it.
    see: &'static str,
}

impl Blamed {
    fn denying(rule: &str) -> Self {
        Self { name: rule.to_owned(), denies: true }
    }
}

impl Refusal {
    /// A request that has no or more than one reading.
    #[must_use]
    pub fn malformed(error: &dyn std::error::Error) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            level: Stopped::Request,
            rule: None,
            error: chain(error),
            hint: "send the request in its plain form; nothing was forwarded".to_owned(),
        }
    }

    /// A connection that carries nothing that could be judged; the client learns it by the connection's end.
    #[must_use]
    pub fn unreadable(error: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            level: Stopped::Request,
            rule: None,
            error,
            hint: "only HTTP, plain or over TLS, can be judged".to_owned(),
        }
    }

    /// A name that is not answered.
    #[must_use]
    pub fn unnamed(error: String) -> Self {
        let hint = "the operator can add a network rule for it".to_owned();
        Self { status: StatusCode::FORBIDDEN, level: Stopped::Destination, rule: None, error, hint }
    }

    /// The policy's denial.
    #[must_use]
    pub fn denied(denial: &policies::Denial) -> Self {
        let level = match denial.level() {
            policies::Level::Binary => Stopped::Binary,
            policies::Level::Destination => Stopped::Destination,
            policies::Level::Method => Stopped::Method,
            policies::Level::Path => Stopped::Path,
            policies::Level::Condition => Stopped::Condition,
            policies::Level::Message => Stopped::Message,
            policies::Level::Download => Stopped::Download,
        };
        Self {
            status: StatusCode::FORBIDDEN,
            level,
            rule: denial
                .rule()
                .map(|rule| Blamed { name: rule.to_owned(), denies: denial.is_by_deny_list() }),
            error: denial.reason(),
            hint: denial.hint(),
        }
    }

    /// A message that is longer than the rule that looks into it takes.
    #[must_use]
    pub fn too_long(most: u64) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            level: Stopped::Message,
            rule: None,
            error: format!("the message has more than {most} bytes, and must be read before it is forwarded"),
            hint: "send less at once, or ask the operator to raise 'max_message' of the rule".to_owned(),
        }
    }

    /// A session of the Model Context Protocol with a server that no rule names.
    #[must_use]
    pub fn unregistered(rule: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            level: Stopped::Message,
            rule: Some(Blamed { name: rule.to_owned(), denies: false }),
            error: format!("rule '{rule}' allows the request, and no rule registers an MCP server there"),
            hint: "the operator can add 'mcp: {server: NAME, tools: {allow: […]}}' to a rule for it"
                .to_owned(),
        }
    }

    /// A message of a call that is longer than the rule takes.
    #[must_use]
    pub fn long_call(rule: &str, why: &dyn std::error::Error) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            level: Stopped::Message,
            rule: Some(Blamed::denying(rule)),
            error: why.to_string(),
            hint: "send less at once, or ask the operator to raise 'grpc.max_message' of the rule".to_owned(),
        }
    }

    /// A body that may not reach the client.
    #[must_use]
    pub fn download(rule: &str, error: String, hint: String) -> Self {
        let (status, rule) = (StatusCode::FORBIDDEN, Some(Blamed::denying(rule)));
        Self { status, level: Stopped::Download, rule, error, hint }
    }

    /// A body of unknown length, for a client that would take what is broken off for the whole.
    #[must_use]
    pub fn unending() -> Self {
        let error = "a download of unknown length, which HTTP/1.0 cannot show the end of".to_owned();
        let hint = "ask by HTTP/1.1".to_owned();
        Self { status: StatusCode::BAD_GATEWAY, level: Stopped::Download, rule: None, error, hint }
    }

    /// A body that would have to be held back until it was judged, for which no room is left.
    #[must_use]
    pub fn held_back(rule: &str) -> Self {
        let (status, rule) = (StatusCode::SERVICE_UNAVAILABLE, Some(Blamed::denying(rule)));
        let error = "too many downloads of the sandbox are held back until they were judged".to_owned();
        let hint = "try again when others are over, or ask for fewer at once".to_owned();
        Self { status, level: Stopped::Download, rule, error, hint }
    }

    /// A server's message that may not reach the client.
    #[must_use]
    pub fn foreign(rule: &str, why: &policies::Foreign) -> Self {
        let hint = match why {
            policies::Foreign::Asks(..) => "the operator can add it to 'mcp.server_requests' of the rule",
            policies::Foreign::Unreadable(_) => {
                "the server must answer in plain JSON or an event stream of it"
            }
        };
        Self {
            status: StatusCode::BAD_GATEWAY,
            level: Stopped::Message,
            rule: Some(Blamed::denying(rule)),
            error: chain(why),
            hint: hint.to_owned(),
        }
    }

    /// A limit of the rule is reached.
    #[must_use]
    pub fn spent(rule: &str, spent: Spent) -> Self {
        let hint = "wait, or ask the operator to raise the limits of the rule".to_owned();
        let (status, rule) = (StatusCode::TOO_MANY_REQUESTS, Some(Blamed::denying(rule)));
        Self { status, level: Stopped::Limit, rule, error: spent.to_string(), hint }
    }

    /// A denial after the request was allowed, or the connection opened: by a policy that took effect since, or because
    /// a rule ceased to be in force.
    #[must_use]
    pub fn revoked(denial: &policies::Denial) -> Self {
        let refusal = Self::denied(denial);
        Self { error: format!("no longer allowed: {}", refusal.error), ..refusal }
    }

    /// A request for another authority than its connection's.
    #[must_use]
    pub fn misdirected(asked: &str, connected: &str) -> Self {
        Self::misnamed(format!("a request for {asked} on a connection to {connected}"))
    }

    /// Something that names another destination than its connection does.
    #[must_use]
    pub fn misnamed(error: String) -> Self {
        let hint = "open a connection to the host that the request names".to_owned();
        Self { status: StatusCode::FORBIDDEN, level: Stopped::Destination, rule: None, error, hint }
    }

    /// The audit log does not take the record.
    #[must_use]
    pub fn unrecorded() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            level: Stopped::Proxy,
            rule: None,
            error: "the decision could not be recorded".to_owned(),
            hint: "nothing goes out unrecorded; the operator must look at the audit log".to_owned(),
        }
    }

    /// The upstream could not be reached.
    #[must_use]
    pub fn unreachable(error: &DialError) -> Self {
        let (status, level, hint) = match error {
            DialError::Refused { .. } => (
                StatusCode::FORBIDDEN,
                Stopped::Destination,
                "the operator can open the address with 'allow_addresses'",
            ),
            DialError::Certificate { .. } => (
                StatusCode::BAD_GATEWAY,
                Stopped::Upstream,
                "the upstream must present a valid certificate; the operator can add its root",
            ),
            DialError::Connect { source, .. } | DialError::Tls { source, .. }
                if source.kind() == std::io::ErrorKind::TimedOut =>
            {
                (
                    StatusCode::GATEWAY_TIMEOUT,
                    Stopped::Upstream,
                    "the upstream does not answer; try again later",
                )
            }
            DialError::Router(_) => (
                StatusCode::BAD_GATEWAY,
                Stopped::Upstream,
                "the operator can start the router or configure inference",
            ),
            DialError::Host(_)
            | DialError::Resolve(_)
            | DialError::Connect { .. }
            | DialError::Tls { .. } => {
                (StatusCode::BAD_GATEWAY, Stopped::Upstream, "check the name and whether the upstream is up")
            }
        };
        Self { status, level, rule: None, error: chain(error), hint: hint.to_owned() }
    }

    /// The upstream was reached and failed.
    #[must_use]
    pub fn broken_upstream(status: StatusCode, error: String) -> Self {
        let hint = "the request was forwarded, but no valid response came back".to_owned();
        Self { status, level: Stopped::Upstream, rule: None, error, hint }
    }

    /// What came from the upstream is not what it should speak.
    #[must_use]
    pub fn unspoken(error: &dyn std::error::Error) -> Self {
        let error = format!("the upstream's answer is not valid: {}", chain(error));
        Self::broken_upstream(StatusCode::BAD_GATEWAY, error)
    }

    /// The response for the client.
    #[must_use]
    pub fn response(&self, binary: &str, request_id: &str) -> Response<Vec<u8>> {
        let body = Body {
            error: &self.error,
            level: self.level,
            rule: self.rule.as_ref().map(|rule| rule.name.as_str()),
            binary,
            request_id,
            hint: &self.hint,
            see: DENIALS,
        };
        let mut text = serde_json::to_vec(&body).expect("strings and names serialise");
        text.push(b'\n');
        Response::builder()
            .status(self.status)
            .header("content-type", "application/json")
            .header("cache-control", "no-store")
            .header(REQUEST_ID, request_id)
            .body(text)
            .expect("a request id is hexadecimal")
    }
}

impl Refusal {
    /// The response for a client that sent this message. git shows why a push is refused in the words of its own protocol
    /// only.
    #[must_use]
    pub fn response_to(
        &self,
        message: Option<&Message>,
        binary: &str,
        request_id: &str,
    ) -> Response<Vec<u8>> {
        let why = || format!("{}; {}", self.error, self.hint);
        let Some(report) = message.and_then(|message| message.refused(&why())) else {
            return self.response(binary, request_id);
        };
        Response::builder()
            .header("content-type", "application/x-git-receive-pack-result")
            .header("cache-control", "no-store")
            .header(REQUEST_ID, request_id)
            .body(report)
            .expect("a request id is hexadecimal")
    }

    /// The response for a client of gRPC, which reads the status of a call in the head of an answer without a body.
    #[must_use]
    pub fn of_call(&self, request_id: &str) -> Response<()> {
        let status = match self.status {
            StatusCode::BAD_REQUEST => 3,
            StatusCode::GATEWAY_TIMEOUT => 4,
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => 7,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8,
            _ => 14,
        };
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status)
            .header("grpc-message", percent_encoded(&format!("{}; {}", self.error, self.hint)))
            .header(REQUEST_ID, request_id)
            .body(())
            .expect("escaped text and a hexadecimal id are plain ASCII")
    }
}

/// As gRPC writes messages: printable ASCII without the percent sign is itself.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

impl Stopped {
    /// As in the JSON body and in audit records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Destination => "destination",
            Self::Method => "method",
            Self::Path => "path",
            Self::Condition => "condition",
            Self::Message => "message",
            Self::Download => "download",
            Self::Limit => "limit",
            Self::Credential => "credential",
            Self::Request => "request",
            Self::Upstream => "upstream",
            Self::Proxy => "proxy",
        }
    }
}

/// An error and its sources in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}
