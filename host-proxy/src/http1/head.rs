//! The head of one request: bytes up to and including the empty line, parsed or refused.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::fields::reads_as;

/// Most header fields in one message.
pub(crate) const MOST_FIELDS: usize = 100;

/// One request's head. Framing and the host were taken out of `fields`: they are values here, written anew
/// when the request is forwarded.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method as sent.
    pub method: String,
    /// The request target as sent.
    pub target: String,
    /// The one `Host` field as sent. Only a `CONNECT` may do without: its target names the authority, and
    /// clients of HTTP/1.0 leave the field out.
    pub host: Option<String>,
    /// All other fields, without framing.
    pub fields: HeaderMap,
    /// How long the body is.
    pub length: Length,
    /// Whether the client would send another request on this connection.
    pub persistent: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether the client understands chunked responses (HTTP/1.1).
    pub chunked_responses: bool,
    /// Whether the client reads trailers of a response.
    pub accepts_trailers: bool,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many bytes; 0 is no body.
    Exact(u64),
    /// Chunks.
    Chunked,
}

/// Why a head is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// CR, LF or NUL where it has no place.
    #[error("a bare CR, a bare LF, a NUL or an empty line before the request")]
    LineEnds,
    /// Not HTTP/1 syntax.
    #[error("malformed request head: {0}")]
    Syntax(String),
    /// HTTP/2 without having agreed on it.
    #[error("HTTP/2 without TLS, or without having agreed on it in TLS, is not spoken here")]
    PriorKnowledge,
    /// The pseudo-header fields of HTTP/2 name nothing.
    #[error("{0}")]
    Pseudo(&'static str),
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the request is not HTTP/1.1")]
    Version,
    /// No `Host` field, or several.
    #[error("a request has exactly one Host field")]
    Host,
    /// Several or unreadable `Content-Length` fields.
    #[error("a request has at most one Content-Length, a plain decimal number")]
    ContentLength,
    /// A `Transfer-Encoding` other than `chunked` alone.
    #[error("the only accepted Transfer-Encoding is 'chunked'")]
    TransferEncoding,
    /// Both framings.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// A body where servers disagree whether there is one.
    #[error("a {0} request with a body")]
    UnexpectedBody(String),
    /// A `Connection` field that names a field it must not.
    #[error("the Connection field names '{0}'")]
    ConnectionOption(String),
    /// An `Expect` other than `100-continue`.
    #[error("the only accepted Expect is '100-continue'")]
    Expect,
    /// A field by which some servers replace the method or the path.
    #[error("the field {0} would replace what was judged")]
    Override(&'static str),
}

/// Fields by which some servers replace the request's method or path.
const OVERRIDES: [&str; 8] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-override-url",
];

impl Head {
    /// Parses a complete head.
    ///
    /// # Errors
    /// The head is not one that every server frames and reads alike.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        check_line_ends(bytes)?;
        if bytes.starts_with(b"PRI * HTTP/2") {
            return Err(HeadError::PriorKnowledge);
        }
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(HeadError::Syntax("incomplete".to_owned())),
            Err(httparse::Error::Version) => return Err(HeadError::Version),
            Err(error) => return Err(HeadError::Syntax(error.to_string())),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
        else {
            return Err(HeadError::Syntax("incomplete".to_owned()));
        };
        let mut all = HeaderMap::with_capacity(request.headers.len());
        for field in request.headers.iter() {
            let (name, value) = field_of(field)?;
            all.append(name, value);
        }
        Self::from_fields((method, target), minor == 1, all)
    }

    /// Takes framing and host out of the fields.
    pub(crate) fn from_fields(
        line: (&str, &str),
        eleven: bool,
        mut fields: HeaderMap,
    ) -> Result<Self, HeadError> {
        let (method, target) = line;
        let host = host_of(&mut fields)?;
        if host.is_none() && method != "CONNECT" {
            return Err(HeadError::Host);
        }
        let length = length_of(&mut fields, eleven)?;
        if let Some(name) =
            OVERRIDES.into_iter().find(|name| fields.keys().any(|field| reads_as(field, name)))
        {
            return Err(HeadError::Override(name));
        }
        let options = connection_options(&fields)?;
        let close = options.iter().any(|option| option == "close");
        let keep = options.iter().any(|option| option == "keep-alive");
        let head = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host,
            expects_continue: expects_continue(&mut fields, eleven)?,
            fields,
            length,
            persistent: !close && (eleven || keep),
            chunked_responses: eleven,
            accepts_trailers: false,
        };
        head.checked()
    }

    /// The head, unless it announces a body where servers disagree whether there is one.
    pub(crate) fn checked(self) -> Result<Self, HeadError> {
        let bodiless = matches!(self.method.as_str(), "GET" | "HEAD" | "TRACE" | "CONNECT");
        match bodiless && self.length != Length::Exact(0) {
            true => Err(HeadError::UnexpectedBody(self.method)),
            false => Ok(self),
        }
    }
}

/// Every line ends in CRLF, and neither CR nor LF nor NUL is anywhere else.
fn check_line_ends(bytes: &[u8]) -> Result<(), HeadError> {
    if bytes.first().is_none_or(|first| matches!(first, b'\r' | b'\n')) {
        return Err(HeadError::LineEnds);
    }
    let mut after_cr = false;
    for &byte in bytes {
        // A CR is followed by LF, and an LF follows a CR.
        if byte == 0 || (byte == b'\n') != after_cr {
            return Err(HeadError::LineEnds);
        }
        after_cr = byte == b'\r';
    }
    Ok(())
}

fn field_of(field: &httparse::Header<'_>) -> Result<(HeaderName, HeaderValue), HeadError> {
    let name = HeaderName::from_bytes(field.name.as_bytes())
        .map_err(|_invalid| HeadError::Syntax("field name".to_owned()))?;
    let value = HeaderValue::from_bytes(field.value)
        .map_err(|_invalid| HeadError::Syntax("field value".to_owned()))?;
    Ok((name, value))
}

fn host_of(fields: &mut HeaderMap) -> Result<Option<String>, HeadError> {
    let mut values = fields.get_all(header::HOST).iter();
    let host = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(host), None) => host.to_str().map_err(|_invalid| HeadError::Host)?.to_owned(),
        (Some(_), Some(_)) => return Err(HeadError::Host),
    };
    fields.remove(header::HOST);
    Ok(Some(host))
}

/// RFC 9112 section 6, without any of its leniency.
fn length_of(fields: &mut HeaderMap, eleven: bool) -> Result<Length, HeadError> {
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let coding = (codings.next().cloned(), codings.next().is_some());
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    let length = (lengths.next().cloned(), lengths.next().is_some());
    fields.remove(header::TRANSFER_ENCODING);
    fields.remove(header::CONTENT_LENGTH);
    match (coding, length) {
        ((_, true), _) => Err(HeadError::TransferEncoding),
        (_, (_, true)) => Err(HeadError::ContentLength),
        ((Some(_), _), (Some(_), _)) => Err(HeadError::TwoFramings),
        ((Some(coding), _), _) if eleven && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Length::Chunked)
        }
        ((Some(_), _), _) => Err(HeadError::TransferEncoding),
        (_, (Some(length), _)) => {
            plain_number(length.as_bytes()).map(Length::Exact).ok_or(HeadError::ContentLength)
        }
        _ => Ok(Length::Exact(0)),
    }
}

/// Digits only, no sign, no space, no leading zero, less than 10^18.
fn plain_number(digits: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let padded = digits.len() > 1 && digits.first() == Some(&b'0');
    if plain && !padded { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// The options of `Connection`, in lower case.
fn connection_options(fields: &HeaderMap) -> Result<Vec<String>, HeadError> {
    let mut options = Vec::new();
    for value in fields.get_all(header::CONNECTION) {
        let text = value.to_str().map_err(|_invalid| HeadError::Syntax("Connection".to_owned()))?;
        options.extend(text.split(',').map(|option| option.trim().to_ascii_lowercase()));
    }
    let needed = ["host", "content-length", "transfer-encoding", "authorization", "cookie", "content-type"];
    match options.iter().find(|option| needed.contains(&option.as_str())) {
        Some(option) => Err(HeadError::ConnectionOption(option.clone())),
        None => Ok(options),
    }
}

fn expects_continue(fields: &mut HeaderMap, eleven: bool) -> Result<bool, HeadError> {
    let mut values = fields.get_all(header::EXPECT).iter();
    let first = values.next().map(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let expects = match (first, values.next()) {
        (None, _) => false,
        (Some(true), None) => eleven,
        _ => return Err(HeadError::Expect),
    };
    fields.remove(header::EXPECT);
    Ok(expects)
}

#[cfg(test)]
mod tests;
