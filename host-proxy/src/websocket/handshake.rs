//! The handshake, towards both sides: what a client may ask for, and what a server must answer.
//!
//! Each side has a handshake of its own: the server gets a key of ours, the client the answer to its key. Extensions
//! are not passed on: what a compressed message says could only be judged after it was unpacked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::writer::NoRandomness;

/// What is hashed behind a key (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The one version there is.
const VERSION: &str = "13";

/// What a client asked for, and what the server is asked for in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The client's key.
    theirs: String,
    /// The key for the server.
    ours: String,
    /// The subprotocols that the client offers.
    protocols: Vec<String>,
}

/// Why a client's handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The connection would become something else as well.
    #[error("an upgrade to several protocols")]
    Several,
    /// Another version.
    #[error("the only WebSocket version is 13")]
    Version,
    /// No key, several keys, or one that is not 16 bytes in base64.
    #[error("a WebSocket handshake has one key, 16 bytes in base64")]
    Key,
    /// Subprotocols that are no tokens.
    #[error("Sec-WebSocket-Protocol lists tokens")]
    Protocol,
    /// The handshake is not a `GET` of HTTP/1.1 without a body.
    #[error("a WebSocket handshake is a GET of HTTP/1.1 without a body")]
    Request,
    /// There is something behind the handshake, before it was answered.
    #[error("bytes behind a WebSocket handshake that is not answered yet")]
    Behind,
    /// No key could be made.
    #[error("no random numbers")]
    Random,
}

/// Why a server's answer does not switch the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// It answers the `GET` that the handshake is to it.
    #[error("the upstream answered as to a GET instead of switching")]
    Answered,
    /// It switches to something else.
    #[error("the upstream switched to another protocol than WebSocket")]
    Other,
    /// It does not answer our key.
    #[error("the upstream's Sec-WebSocket-Accept is wrong")]
    Accept,
    /// It uses an extension that it was not offered.
    #[error("the upstream uses an extension that it was not offered")]
    Extension,
    /// It speaks a subprotocol that it was not offered.
    #[error("the upstream chose a subprotocol that it was not offered")]
    Protocol,
}

const KEY: HeaderName = header::SEC_WEBSOCKET_KEY;
const PROTOCOL: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;

impl Offer {
    /// Whether the fields of a request ask for a WebSocket: both `Connection` and `Upgrade` say so.
    #[must_use]
    pub fn is_in(fields: &HeaderMap) -> bool {
        lists(fields, &header::CONNECTION, "upgrade") && lists(fields, &header::UPGRADE, "websocket")
    }

    /// Takes the handshake out of the fields of a request for which [`Offer::is_in`]; what stays is for the policy
    /// to judge and for the server to read.
    ///
    /// # Errors
    /// It is not a handshake that every server understands alike.
    pub fn take(fields: &mut HeaderMap) -> Result<Self, HandshakeError> {
        if one(fields, &header::UPGRADE).is_none_or(|name| !name.eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::Several);
        }
        if one(fields, &header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
            return Err(HandshakeError::Version);
        }
        let theirs = one(fields, &KEY).ok_or(HandshakeError::Key)?.to_owned();
        let bytes = STANDARD.decode(&theirs).map_err(|_invalid| HandshakeError::Key)?;
        if bytes.len() != 16 {
            return Err(HandshakeError::Key);
        }
        let protocols = listed(fields, &PROTOCOL).ok_or(HandshakeError::Protocol)?;
        if !protocols.iter().all(|name| is_token(name)) {
            return Err(HandshakeError::Protocol);
        }
        let ours = key().map_err(|NoRandomness| HandshakeError::Random)?;
        fields.remove(KEY);
        fields.remove(header::SEC_WEBSOCKET_EXTENSIONS);
        Ok(Self { theirs, ours, protocols })
    }

    /// Asks a server, beside the fields that were judged.
    ///
    /// # Panics
    /// Never: keys are plain ASCII.
    pub fn ask(&self, fields: &mut HeaderMap) {
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(KEY, HeaderValue::try_from(&self.ours).expect("base64 is plain ASCII"));
    }

    /// Checks that a server's 101 answers what it was asked.
    ///
    /// # Errors
    /// It does not: nothing that follows is a WebSocket.
    pub fn check<B>(&self, response: &Response<B>) -> Result<(), SwitchError> {
        let fields = response.headers();
        let to = one(fields, &header::UPGRADE).unwrap_or_default();
        let switches = to.eq_ignore_ascii_case("websocket") && lists(fields, &header::CONNECTION, "upgrade");
        if response.status() != StatusCode::SWITCHING_PROTOCOLS || !switches {
            return Err(SwitchError::Other);
        }
        if one(fields, &header::SEC_WEBSOCKET_ACCEPT) != Some(accept_of(&self.ours).as_str()) {
            return Err(SwitchError::Accept);
        }
        if fields.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Err(SwitchError::Extension);
        }
        let chosen = one(fields, &PROTOCOL);
        let offered = chosen.is_some_and(|name| self.protocols.iter().any(|offered| offered == name));
        if fields.contains_key(PROTOCOL) && !offered { Err(SwitchError::Protocol) } else { Ok(()) }
    }

    /// Answers the client, beside what the server's answer says otherwise.
    ///
    /// # Panics
    /// Never: what answers a key is plain ASCII.
    pub fn answer(&self, fields: &mut HeaderMap) {
        let accept = HeaderValue::try_from(accept_of(&self.theirs)).expect("base64 is plain ASCII");
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// What answers a key.
#[must_use]
pub fn accept_of(key: &str) -> String {
    // The protocol's own choice; it proves that a server read the key, and protects nothing.
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

fn key() -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
    Ok(STANDARD.encode(bytes))
}

/// The value of a field that is there once.
fn one<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The members of all values of a list field; `None`: one is not text.
fn listed(fields: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut members = Vec::new();
    for value in fields.get_all(name) {
        members.extend(value.to_str().ok()?.split(',').map(|member| member.trim().to_owned()));
    }
    Some(members)
}

fn lists(fields: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    listed(fields, name).is_some_and(|members| members.iter().any(|each| each.eq_ignore_ascii_case(member)))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let marks = b"!#$%&'*+-.^_`|~";
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_answer_of_the_standard() {
        assert_eq!(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_both_fields_are_a_handshake() {
        assert!(Offer::is_in(&fields(&GOOD)));
        for without in [0, 1] {
            let mut pairs = GOOD.to_vec();
            pairs.remove(without);
            assert!(!Offer::is_in(&fields(&pairs)));
        }
        assert!(!Offer::is_in(&fields(&[("connection", "upgrade"), ("upgrade", "h2c")])));
    }

    #[test]
    fn handshakes_with_two_readings_are_refused() {
        let cases = [
            (&[("upgrade", "h2c")][..], HandshakeError::Several),
            (&[("sec-websocket-version", "13")], HandshakeError::Version),
            (&[("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")], HandshakeError::Key),
            (&[("sec-websocket-protocol", "a, b c")], HandshakeError::Protocol),
            (&[("sec-websocket-protocol", "a,,b")], HandshakeError::Protocol),
        ];
        for (more, error) in cases {
            let pairs = [&GOOD[..], more].concat();
            assert_eq!(Offer::take(&mut fields(&pairs)), Err(error), "{more:?}");
        }
        let replaced = [
            (1, ("upgrade", "h2c, websocket"), HandshakeError::Several),
            (2, ("sec-websocket-version", "8"), HandshakeError::Version),
            (3, ("sec-websocket-key", "AAAA"), HandshakeError::Key),
            (3, ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAB=="), HandshakeError::Key),
            (3, ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"), HandshakeError::Key),
            (3, ("x-other", "1"), HandshakeError::Key),
        ];
        for (at, pair, error) in replaced {
            let mut pairs = GOOD;
            pairs[at] = pair;
            assert_eq!(Offer::take(&mut fields(&pairs)), Err(error), "{pair:?}");
        }
    }

    #[test]
    fn the_server_gets_a_key_of_ours_and_no_extension() {
        let more = [("sec-websocket-extensions", "permessage-deflate"), ("sec-websocket-protocol", "a, b")];
        let mut map = fields(&[&GOOD[..], &more].concat());
        let offer = Offer::take(&mut map).unwrap();
        offer.ask(&mut map);
        assert!(!map.contains_key("sec-websocket-extensions"));
        let sent = map.get("sec-websocket-key").unwrap();
        assert_ne!(sent, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(sent, offer.ours.as_str());
        assert_eq!(map.get("sec-websocket-protocol").unwrap(), "a, b");
    }

    #[test]
    fn only_the_right_answer_switches() {
        let mut asked = fields(&[&GOOD[..], &[("sec-websocket-protocol", "a")]].concat());
        let offer = Offer::take(&mut asked).unwrap();
        let right = accept_of(&offer.ours);
        let check = |status: u16, pairs: &[(&'static str, &str)]| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.headers_mut() = fields(pairs);
            offer.check(&response)
        };
        let good =
            [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", right.as_str())];
        assert_eq!(check(101, &good), Ok(()));
        assert_eq!(check(101, &[&good[..], &[("sec-websocket-protocol", "a")]].concat()), Ok(()));
        assert_eq!(check(200, &good), Err(SwitchError::Other));
        assert_eq!(check(101, &good[1..]), Err(SwitchError::Other));
        assert_eq!(check(101, &good[..2]), Err(SwitchError::Accept));
        let of_theirs = accept_of("dGhlIHNhbXBsZSBub25jZQ==");
        let echoed = [good[0], good[1], ("sec-websocket-accept", of_theirs.as_str())];
        assert_eq!(check(101, &echoed), Err(SwitchError::Accept));
        let more = |pair| check(101, &[&good[..], &[pair]].concat());
        assert_eq!(more(("sec-websocket-accept", right.as_str())), Err(SwitchError::Accept));
        assert_eq!(more(("sec-websocket-extensions", "permessage-deflate")), Err(SwitchError::Extension));
        assert_eq!(more(("sec-websocket-protocol", "b")), Err(SwitchError::Protocol));
    }
}
