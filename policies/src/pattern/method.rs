//! HTTP methods: registered names in capital letters, compared exactly. `WEBSOCKET` is the handshake of one, which no
//! `GET` stands for. `*` is any method.

use super::PatternError;
use crate::yaml::nearest;

/// The registered methods, less `CONNECT` (a tunnel is decided by destination) and `PRI` (not a request), and the
/// handshake of a WebSocket.
const REGISTERED: [&str; 39] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "WEBSOCKET",
];

/// One entry of a method list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodPattern {
    Any,
    Exactly(&'static str),
}

impl MethodPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(known) = REGISTERED.iter().find(|known| **known == text) {
            return Ok(Self::Exactly(known));
        }
        if text.eq_ignore_ascii_case("CONNECT") {
            let reason = "CONNECT is not a method that a rule can name";
            return Err(PatternError::new(reason, "remove it: a tunnel is decided by its destination"));
        }
        let remedy = match nearest(text, REGISTERED) {
            Some(close) => format!("did you mean '{close}'?"),
            None => "write a registered method in capital letters, for example GET".to_owned(),
        };
        Err(PatternError::new(format!("'{text}' is not an HTTP method"), remedy))
    }

    pub(crate) fn matches(self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => name == method,
        }
    }
}
