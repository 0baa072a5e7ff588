//! One request to a receiver behind HTTP, and what its answer means.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{HttpTarget, Refusal, TargetError, tls};
use crate::secret::SecretReader;

/// Most of an answer that is read: what Elasticsearch says of the largest batch.
const MOST: usize = 1024 * 1024;
/// Longest wait that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A receiver behind HTTP.
pub(crate) struct Receiver {
    client: Client<Connector, Full<Bytes>>,
    base: String,
    secrets: Vec<SecretHeader>,
    patience: Duration,
}

/// A header whose value is secret: a prefix, and what its source gives.
struct SecretHeader {
    name: HeaderName,
    prefix: &'static str,
    source: SecretReader,
    value: Option<HeaderValue>,
}

/// What a receiver answered with success.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
}

/// What is asked.
pub(crate) struct Question {
    /// Added to the base URL.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Receiver {
    pub(crate) fn new(target: HttpTarget) -> Result<Self, TargetError> {
        let url = target.url.trim_end_matches('/').to_owned();
        let parsed: Option<Uri> = url.parse().ok();
        let is_ours = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        if !parsed.is_some_and(|uri| is_ours(&uri)) {
            return Err(TargetError::Url(target.url));
        }
        let connector = Connector { tls: tls::config(&target.tls)? };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(1)
            .build(connector);
        let mut receiver = Self { client, base: url, secrets: Vec::new(), patience: target.patience };
        for (name, source) in target.headers {
            let header = HeaderName::try_from(name.as_str());
            let Ok(header) = header else { return Err(TargetError::Header(name)) };
            receiver.add_secret(header, "", source);
        }
        Ok(receiver)
    }

    pub(super) fn add_secret(&mut self, name: HeaderName, prefix: &'static str, source: SecretReader) {
        self.secrets.push(SecretHeader { name, prefix, source, value: None });
    }

    /// Posts, and sorts the answer: 400, 413 and 422 are about the content; any other than success is for later.
    pub(crate) async fn post(&mut self, question: Question) -> Result<Answer, Refusal> {
        let request = self.request(question)?;
        let exchange = self.exchange(request);
        let late = || Refusal::later(format_args!("no answer within {} s", self.patience.as_secs()));
        let (status, headers, body) =
            tokio::time::timeout(self.patience, exchange).await.unwrap_or_else(|_elapsed| Err(late()))?;
        if status.is_success() {
            return Ok(Answer { body });
        }
        let said = format!("{status}: {}", excerpt(&body));
        match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Refusal::Content(said))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                // The secret may be an old one: it is read again for the next attempt.
                self.secrets.iter_mut().for_each(|header| header.value = None);
                let about_content = (status == StatusCode::FORBIDDEN).then_some(status.as_u16());
                Err(Refusal::Later { cause: said, after: None, status: about_content })
            }
            _ => {
                let after = retry_after(&headers);
                // Whoever says when is busy, and so is whoever counts requests.
                let is_busy = after.is_some() || status == StatusCode::TOO_MANY_REQUESTS;
                Err(Refusal::Later { cause: said, after, status: (!is_busy).then_some(status.as_u16()) })
            }
        }
    }

    fn request(&mut self, question: Question) -> Result<Request<Full<Bytes>>, Refusal> {
        let uri = format!("{}{}", self.base, question.path);
        let mut request = Request::new(Full::new(question.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.parse().map_err(|_bad| Refusal::later("the url is none"))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(question.content_type));
        headers.extend(question.headers);
        for secret in &mut self.secrets {
            headers.insert(secret.name.clone(), secret.value()?);
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Refusal> {
        let answer = self.client.request(request).await.map_err(|error| Refusal::later(causes(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST).collect().await;
        let body = body.map_err(|error| Refusal::later(format_args!("the answer broke off: {error}")))?;
        Ok((head.status, head.headers, body.to_bytes()))
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("base", &self.base).finish_non_exhaustive()
    }
}

impl SecretHeader {
    fn value(&mut self) -> Result<HeaderValue, Refusal> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let secret = self.source.read().map_err(Refusal::later)?;
        let text = zeroize::Zeroizing::new(format!("{}{}", self.prefix, secret.expose()));
        let mut value = HeaderValue::from_str(&text).map_err(|_bad| {
            Refusal::later(format_args!("the secret for {} cannot stand in a header", self.name))
        })?;
        value.set_sensitive(true);
        self.value = Some(value.clone());
        Ok(value)
    }
}

/// An error and its causes in one line.
fn causes(error: &hyper_util::client::legacy::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// The start of what a receiver said, in one printable line.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    text.replace(char::is_control, " ")
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_no_number) => date(value)?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: what RFC 2822 reads, under another name of its zone.
fn date(text: &str) -> Option<SystemTime> {
    let text = text.trim().strip_suffix("GMT")?.to_owned() + "+0000";
    let date = time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc2822).ok()?;
    Some(date.into())
}

/// Opens connections: address, TCP, TLS.
#[derive(Clone)]
struct Connector {
    tls: Arc<rustls::ClientConfig>,
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<Link> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        if !is_secure {
            return Ok(Link::Plain(TokioIo::new(stream)));
        }
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let stream = TlsConnector::from(self.tls).connect(name, stream).await?;
        Ok(Link::Tls(TokioIo::new(Box::new(stream))))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Link;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// An open connection.
enum Link {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Box<tokio_rustls::client::TlsStream<TcpStream>>>),
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl hyper::rt::Write for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_can_ask_for_a_wait_in_two_ways() {
        let wait = |value: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]))
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Fri, 06 Nov 2093 08:49:37 GMT"), Some(LONGEST_WAIT));
        assert_eq!(wait("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn what_a_receiver_says_does_not_drive_a_terminal() {
        assert_eq!(excerpt(b"no\x1b[2J\r\n\xff!"), "no [2J  \u{fffd}!");
        assert_eq!(excerpt(&[b'x'; 5000]).len(), 200);
    }
}
