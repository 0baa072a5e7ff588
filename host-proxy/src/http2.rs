//! HTTP/2 as the guest speaks it: the limits of a connection, and the head of a stream in the one form that all heads
//! have.
//!
//! The `h2` crate frames, and refuses what RFC 9113 calls malformed; what it lets through and servers read differently
//! is refused here, before anything is judged. This module knows syntax; it knows no policy and no upstream.

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;

use crate::http1::{Head, HeadError, LONGEST_HEAD, Length, MOST_FIELDS};

/// Most streams at once on one connection.
const MOST_STREAMS: u32 = 100;

/// How much a client may send of one body before the upstream took any of it. The connection's window is that of all
/// streams together: one that its upstream does not take starves no other.
const WINDOW: u32 = 64 * 1024;

/// Most bytes of an answer that wait for the client, per stream.
const MOST_WAITING: usize = 64 * 1024;

/// Most streams that a client may open and reset before they were looked at, and most that may go wrong by its fault:
/// then the connection ends with `ENHANCE_YOUR_CALM` (rapid reset and its kin).
const MOST_RESETS: usize = 20;
const MOST_FAULTS: usize = 64;

/// The limits of a guest's connection. Ping and settings frames need none: the next is read when the last was answered.
#[must_use]
pub fn limits() -> h2::server::Builder {
    let mut limits = h2::server::Builder::new();
    limits
        .max_concurrent_streams(MOST_STREAMS)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * MOST_STREAMS)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX))
        .max_send_buffer_size(MOST_WAITING)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(Some(MOST_FAULTS))
        .max_concurrent_reset_streams(MOST_RESETS);
    limits
}

/// The head of a stream. `ended`: no body follows.
///
/// # Errors
/// It is not one that every server reads alike, in HTTP/2 and after it became HTTP/1.1.
pub fn head_of(parts: Parts, ended: bool) -> Result<Head, HeadError> {
    let Parts { method, uri, headers: mut fields, .. } = parts;
    if uri.scheme_str() != Some("https") {
        return Err(HeadError::Pseudo(":scheme is not https, or there is none"));
    }
    let authority = uri.authority().ok_or(HeadError::Pseudo("there is no :authority"))?.as_str();
    let target = uri.path_and_query().ok_or(HeadError::Pseudo("there is no :path"))?.as_str();
    if fields.len() > MOST_FIELDS {
        return Err(HeadError::Syntax("too many fields".to_owned()));
    }
    // A Host field may repeat the authority; what is forwarded has one name.
    if fields.get_all(header::HOST).iter().any(|host| host.as_bytes() != authority.as_bytes()) {
        return Err(HeadError::Host);
    }
    fields.insert(header::HOST, text(authority)?);
    join_cookies(&mut fields)?;
    let trailers = fields.get_all(header::TE).iter().any(|value| value == "trailers");
    let announced = fields.contains_key(header::CONTENT_LENGTH);
    let mut head = Head::from_fields((method.as_str(), target), true, fields)?;
    head.accepts_trailers = trailers;
    match (ended, announced) {
        (true, _) if head.length != Length::Exact(0) => return Err(HeadError::ContentLength),
        (false, false) => head.length = Length::Chunked,
        _ => {}
    }
    head.checked()
}

/// Cookies come in crumbs (RFC 9113 section 8.2.3), and are one field everywhere else.
fn join_cookies(fields: &mut HeaderMap) -> Result<(), HeadError> {
    let crumbs: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return Ok(());
    }
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    let joined = joined.map_err(|_invalid| HeadError::Syntax("cookie".to_owned()))?;
    fields.insert(header::COOKIE, joined);
    Ok(())
}

fn text(value: &str) -> Result<HeaderValue, HeadError> {
    HeaderValue::from_str(value).map_err(|_invalid| HeadError::Host)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, uri: &str, fields: &[(&str, &str)], ended: bool) -> Result<Head, HeadError> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        head_of(request.body(()).unwrap().into_parts().0, ended)
    }

    #[test]
    fn a_head_is_the_same_as_in_http_1() {
        let fields = [("host", "a.example"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
        let head = head("GET", "https://a.example/x?y", &fields, true).unwrap();
        assert_eq!((head.target.as_str(), head.host.as_deref()), ("/x?y", Some("a.example")));
        assert_eq!(head.fields.get("cookie").unwrap(), "a=1; b=2");
        assert_eq!((head.length, head.accepts_trailers), (Length::Exact(0), true));
    }

    #[test]
    fn a_body_has_one_length() {
        let length = |fields: &[(&str, &str)], ended| head("POST", "https://a.example/", fields, ended);
        assert_eq!(length(&[], false).unwrap().length, Length::Chunked);
        assert_eq!(length(&[], true).unwrap().length, Length::Exact(0));
        assert_eq!(length(&[("content-length", "3")], false).unwrap().length, Length::Exact(3));
        assert_eq!(length(&[("content-length", "3")], true).err(), Some(HeadError::ContentLength));
        let twice = [("content-length", "3"), ("content-length", "3")];
        assert_eq!(length(&twice, false).err(), Some(HeadError::ContentLength));
    }

    #[test]
    fn heads_with_two_readings_are_refused() {
        let good = "https://a.example/";
        for (method, uri, fields, ended) in [
            ("GET", "http://a.example/", &[][..], true),
            ("GET", "ftp://a.example/", &[], true),
            ("GET", "/", &[], true),
            ("CONNECT", "a.example:443", &[], false),
            ("GET", good, &[("host", "b.example")], true),
            ("GET", good, &[("host", "a.example"), ("host", "b.example")], true),
            ("GET", good, &[("host", "a.example:443")], true),
            ("GET", good, &[], false),
            ("HEAD", good, &[("content-length", "1")], false),
            ("POST", good, &[("x-http-method-override", "DELETE")], true),
            ("GET", good, &[("x-original-url", "/admin")], true),
            ("POST", good, &[("transfer-encoding", "gzip")], false),
            ("POST", good, &[("content-length", "1"), ("transfer-encoding", "chunked")], false),
        ] {
            assert!(head(method, uri, fields, ended).is_err(), "{method} {uri} {fields:?}");
        }
        let many: Vec<(&str, &str)> = (0..101).map(|_nth| ("x-a", "1")).collect();
        assert!(head("GET", good, &many, true).is_err());
    }
}
