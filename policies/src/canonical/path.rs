//! Paths and queries in their only written form.

use super::NotCanonical;
use crate::parameter::{folded, parameters};

/// Longest path or query in bytes. Upstreams commonly stop at 8 KiB; above this nothing legitimate is known.
const LONGEST: usize = 16 * 1024;

/// A slash that does not part segments, in its only written form.
const ESCAPED_SLASH: &str = "%2F";

/// A canonical path, and the query as it was sent: the request target in origin form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathAndQuery(http::uri::PathAndQuery);

impl PathAndQuery {
    /// Parses `/path` or `/path?query`.
    ///
    /// # Errors
    /// It has another reading, or none.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let mut target = path_of(path).map_err(NotCanonical::Path)?;
        if let Some(query) = query {
            check_query(query).map_err(NotCanonical::Query)?;
            target.push('?');
            target.push_str(query);
        }
        let unescaped = NotCanonical::Query("a character that a URL must escape");
        http::uri::PathAndQuery::try_from(target).map(Self).map_err(|_invalid| unescaped)
    }

    /// The path: unreserved characters plain, everything else escaped in upper case, no dot segments, neither as it
    /// stands nor with its escaped slashes taken for plain ones.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The query without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// The request target in origin form.
    #[must_use]
    pub fn as_target(&self) -> &http::uri::PathAndQuery {
        &self.0
    }
}

fn path_of(raw: &str) -> Result<String, &'static str> {
    if !raw.starts_with('/') {
        return Err("it does not start with '/'");
    }
    if raw.len() > LONGEST {
        return Err("it is longer than 16 KiB");
    }
    let mut written = String::with_capacity(raw.len());
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, escaped) = match byte {
            b'%' => (escape(bytes.next(), bytes.next()).ok_or("a broken percent escape")?, true),
            plain => (plain, false),
        };
        write_byte(&mut written, byte, escaped)?;
        decoded.push(byte);
    }
    check_decoded(&decoded)?;
    check_written(&written)?;
    with_plain_slashes(&written).map_or(Ok(()), |plain| check_written(&plain))?;
    Ok(written)
}

/// What a server may take a path or a pattern of paths for, if it has escaped slashes: the same with plain ones.
pub(crate) fn with_plain_slashes(path: &str) -> Option<String> {
    // Looking for one byte is much the faster, and most paths have none.
    let escaped = path.bytes().any(|byte| byte == b'%') && path.contains(ESCAPED_SLASH);
    escaped.then(|| path.replace(ESCAPED_SLASH, "/"))
}

/// Writes one byte of a path in its only form, or says why it has none.
fn write_byte(written: &mut String, byte: u8, escaped: bool) -> Result<(), &'static str> {
    match byte {
        0x00..=0x1f | 0x7f => Err("a control character"),
        b'\\' => Err("a backslash"),
        // Servers differ on it; what is judged is both what it says and what it may be taken for.
        b'/' if escaped => {
            written.push_str(ESCAPED_SLASH);
            Ok(())
        }
        b';' => Err("a path parameter (';')"),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            written.push(char::from(byte));
            Ok(())
        }
        b'/' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
            if !escaped =>
        {
            written.push(char::from(byte));
            Ok(())
        }
        b'#' if !escaped => Err("a fragment"),
        _ if !escaped => Err("a character that a URL must escape"),
        _ => {
            written.push_str(&format!("%{byte:02X}"));
            Ok(())
        }
    }
}

fn check_decoded(decoded: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(decoded).map_err(|_invalid| "escapes that are not UTF-8")?;
    // Characters that some servers fold into '.', '/' or '\' after the rules were applied.
    let folded =
        ['\u{ff0e}', '\u{2024}', '\u{fe52}', '\u{ff0f}', '\u{2215}', '\u{2044}', '\u{29f8}', '\u{ff3c}'];
    if text.contains(folded) {
        return Err("a look-alike of '.', '/' or '\\'");
    }
    if text.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c)) {
        return Err("a control character");
    }
    Ok(())
}

fn check_written(written: &str) -> Result<(), &'static str> {
    let inner = written.strip_prefix('/').unwrap_or(written);
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err("an empty segment ('//')");
        }
        if matches!(segment, "." | "..") {
            return Err("a dot segment");
        }
    }
    let twice = written.match_indices("%25").any(|(at, _)| {
        let mut rest = written[at + 3..].bytes();
        escape(rest.next(), rest.next()).is_some()
    });
    if twice { Err("an escape that is escaped again") } else { Ok(()) }
}

fn check_query(query: &str) -> Result<(), &'static str> {
    if query.len() > LONGEST {
        return Err("it is longer than 16 KiB");
    }
    let mut bytes = query.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'#' => return Err("a fragment"),
            0x00..=0x20 | 0x7f.. => return Err("a character that a URL must escape"),
            b'%' => {
                escape(bytes.next(), bytes.next()).ok_or("a broken percent escape")?;
            }
            _plain => {}
        }
    }
    // Frameworks take the method from this parameter: the rule would judge one method and the server do another.
    for (name, _value) in parameters(query) {
        // A server of C strings reads no further than a NUL.
        if name.iter().any(u8::is_ascii_control) {
            return Err("a control character in a parameter's name");
        }
        if folded(&name) == b"_method" {
            return Err("a '_method' parameter");
        }
    }
    Ok(())
}

fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high?)? * 16 + digit(low?)?)
}
