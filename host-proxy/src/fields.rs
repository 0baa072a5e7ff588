//! Header fields that concern one connection only, or that would speak for somebody else: neither goes on.

use http::header::{self, HeaderMap, HeaderName};

/// RFC 9110 section 7.6.1 and what clients and proxies use beside it.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Fields by which a proxy speaks of its client: the guest is no proxy.
const FORWARDING: [&str; 10] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-host",
    "x-client-ip",
    "true-client-ip",
];

/// Fields of a response that would lead the client around the proxy.
const EVASIVE: [&str; 2] = ["alt-svc", "alt-used"];

/// Fields of which no trailer may speak (RFC 9110 section 6.5.1): framing, routing, and what changes how the rest is
/// read.
const HEAD_ONLY: [&str; 9] = [
    "content-length",
    "content-encoding",
    "content-type",
    "content-range",
    "host",
    "set-cookie",
    "location",
    "cache-control",
    "www-authenticate",
];

/// Removes from a request what must not reach the upstream.
pub fn clean_request(fields: &mut HeaderMap) {
    remove_nominated(fields);
    remove(fields, &HOP_BY_HOP);
    remove(fields, &FORWARDING);
    fields.remove(EVASIVE[1]);
    remove_ours(fields);
}

/// Removes from a response what must not reach the client.
pub fn clean_response(fields: &mut HeaderMap) {
    remove_nominated(fields);
    remove(fields, &HOP_BY_HOP);
    remove(fields, &EVASIVE);
    remove_ours(fields);
}

/// Removes from trailers what must not reach the client, and what only a head may say.
pub fn clean_trailers(fields: &mut HeaderMap) {
    clean_response(fields);
    remove(fields, &HEAD_ONLY);
}

/// Whether a request's field of this name never goes on.
pub(crate) fn is_cleaned(name: &HeaderName) -> bool {
    let listed = HOP_BY_HOP.iter().chain(&FORWARDING).chain(&EVASIVE).any(|other| reads_as(name, other));
    listed || name.as_str().starts_with(wire::inference::PREFIX)
}

/// Removes what the `Connection` fields name.
fn remove_nominated(fields: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = fields
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in nominated {
        fields.remove(name);
    }
}

/// Removes every field that a server could take for one of these names.
pub(crate) fn remove(fields: &mut HeaderMap, names: &[&str]) {
    let is_named = |field: &&HeaderName| names.iter().any(|name| reads_as(field, name));
    let found: Vec<HeaderName> = fields.keys().filter(is_named).cloned().collect();
    for name in found {
        fields.remove(name);
    }
}

/// Whether a server could take the field for the one of this name: CGI and its heirs know one mark only.
pub(crate) fn reads_as(field: &HeaderName, name: &str) -> bool {
    let field = field.as_str().as_bytes();
    let same = |(mine, other): (&u8, u8)| *mine == other || (matches!(mine, b'_' | b'.') && other == b'-');
    field.len() == name.len() && field.iter().zip(name.bytes()).all(same)
}

/// Removes fields in our own name: only this process and the router write them.
fn remove_ours(fields: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        fields.keys().filter(|name| name.as_str().starts_with(wire::inference::PREFIX)).cloned().collect();
    for name in ours {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_request_loses_what_is_not_for_the_upstream() {
        let mut map = fields(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("proxy-authorization", "Basic eDp5"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-host", "evil.example"),
            ("x_forwarded_for", "127.0.0.1"),
            ("x_forwarded-host", "evil.example"),
            ("true-client-ip", "127.0.0.1"),
            ("x-openshell-sandbox", "other"),
            ("x-openshell-anything", "1"),
            ("authorization", "Bearer a"),
            ("accept", "a"),
            ("accept", "b"),
        ]);
        clean_request(&mut map);
        assert_eq!(map, fields(&[("authorization", "Bearer a"), ("accept", "a"), ("accept", "b")]));
    }

    #[test]
    fn a_response_loses_what_leads_around_the_proxy() {
        let mut map = fields(&[("alt-svc", "h3=\":443\""), ("x-openshell-request-id", "1"), ("etag", "a")]);
        clean_response(&mut map);
        assert_eq!(map, fields(&[("etag", "a")]));
    }
}
