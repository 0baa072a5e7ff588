//! Receivers: each takes a batch of records and says whether it has them.
//!
//! What a receiver says is turned into one of three answers ([`Refusal`]): try again later, these records are at
//! fault, or some record of the batch is.

mod elastic;
mod file;
mod hec;
pub(crate) mod http;
mod otlp;
mod syslog;
mod tls;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use crate::format::{Facility, Format};
use crate::secret::SecretReader;

pub use tls::{TlsError, TlsFiles};
pub(crate) use tls::{certificates, private_key};

/// A receiver as the operator configures it.
#[derive(Debug)]
pub enum Target {
    /// Lines at the end of a file.
    File(PathBuf),
    /// Lines on standard output.
    Output,
    /// Messages of RFC 5424.
    Syslog(SyslogTarget),
    /// Batches to a program of the operator's own.
    Webhook(Webhook),
    /// Splunk's HTTP Event Collector.
    Splunk(Splunk),
    /// A collector of OpenTelemetry.
    Otlp(HttpTarget),
    /// Elasticsearch's bulk interface, or what speaks it.
    Elastic(Elastic),
}

/// How syslog travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 5425: protected, and confirmed by the receiver's close.
    Tls,
    /// RFC 6587 with octet counting: anybody on the way can read and change it.
    Tcp,
    /// RFC 5426: not protected, and nobody says whether it arrived.
    Udp,
}

/// Where syslog goes.
#[derive(Debug)]
pub struct SyslogTarget {
    /// How.
    pub transport: Transport,
    /// Name or address of the receiver.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What kind of message it is.
    pub facility: Facility,
    /// For [`Transport::Tls`].
    pub tls: TlsFiles,
}

/// A receiver behind HTTP.
#[derive(Debug)]
pub struct HttpTarget {
    /// `https://host[:port][/path]`, or `http://…`, which protects nothing.
    pub url: String,
    /// Whom to trust, and who we are.
    pub tls: TlsFiles,
    /// More headers: a name, and where its value is.
    pub headers: Vec<(String, SecretReader)>,
    /// How long a whole request may take, from the connection to the end of the answer.
    pub patience: Duration,
}

impl HttpTarget {
    /// How long a request may take where nobody says otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(30);
}

/// A receiver that checks our signature.
#[derive(Debug)]
pub struct Webhook {
    /// Where.
    pub http: HttpTarget,
    /// The key of the signature.
    pub secret: Option<SecretReader>,
}

/// Splunk's HTTP Event Collector.
#[derive(Debug)]
pub struct Splunk {
    /// Where, without `/services/collector`.
    pub http: HttpTarget,
    /// Its token.
    pub token: SecretReader,
    /// Whether it must say that it has indexed them.
    pub acknowledgement: Acknowledgement,
}

/// When a record counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The receiver has taken the request.
    Request,
    /// The receiver has written the events (the token must have indexer acknowledgement switched on).
    Indexed,
}

/// Elasticsearch.
#[derive(Debug)]
pub struct Elastic {
    /// Where, without `/_bulk`.
    pub http: HttpTarget,
    /// The index or data stream.
    pub index: String,
    /// Its API key.
    pub api_key: Option<SecretReader>,
}

/// One record, as the receiver gets it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The record in the export's format.
    pub content: Vec<u8>,
    /// Its line in the log.
    pub line: Box<[u8]>,
    /// Its number in its log.
    pub sequence: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// Its sandbox.
    pub sandbox: String,
}

/// Why a receiver did not take a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may take it later.
    Later {
        /// What it said, or what failed.
        cause: String,
        /// When, if it said so.
        after: Option<Duration>,
        /// The status of HTTP that it answered with, where that may be about what the request holds: something before the
        /// receiver may dislike a text in it.
        status: Option<u16>,
    },
    /// A record of the batch is at fault; none need be taken.
    Content(String),
    /// These records are at fault, by their place in the batch; the others were taken.
    Records(Vec<(usize, String)>),
}

impl Refusal {
    pub(crate) fn later(cause: impl std::fmt::Display) -> Self {
        Self::Later { cause: cause.to_string(), after: None, status: None }
    }
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The format is not one that the receiver takes.
    #[error("this receiver takes no {0} format")]
    Format(&'static str),
    /// The URL is none.
    #[error("'{0}' is not https://host[:port][/path] or http://host[:port][/path]")]
    Url(String),
    /// A header's name is none.
    #[error("'{0}' is no name of a header")]
    Header(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
}

/// An open receiver.
#[derive(Debug)]
pub struct Sink(Kind);

#[derive(Debug)]
enum Kind {
    File(file::File),
    Output,
    Syslog(syslog::Syslog),
    Webhook(webhook::Webhook),
    Splunk(hec::Collector),
    Otlp(otlp::Collector),
    Elastic(elastic::Bulk),
}

impl Sink {
    /// Sets a receiver up; it is connected to when there is something to send.
    ///
    /// # Errors
    /// Format and receiver do not fit, or the target is not one.
    pub fn open(target: Target, format: Format) -> Result<Self, TargetError> {
        let fits = match &target {
            Target::File(_) | Target::Output => format != Format::OtlpProtobuf,
            Target::Syslog(_) => {
                !matches!(format, Format::OtlpJson | Format::OtlpProtobuf | Format::SplunkHec)
            }
            Target::Webhook(_) => format != Format::OtlpProtobuf,
            Target::Splunk(_) | Target::Elastic(_) => {
                matches!(format, Format::Json | Format::Ocsf | Format::Ecs)
            }
            Target::Otlp(_) => matches!(format, Format::OtlpJson | Format::OtlpProtobuf),
        };
        if !fits {
            return Err(TargetError::Format(name(format)));
        }
        Ok(Self(match target {
            Target::File(path) => Kind::File(file::File::new(path)),
            Target::Output => Kind::Output,
            Target::Syslog(target) => Kind::Syslog(syslog::Syslog::new(target)?),
            Target::Webhook(target) => Kind::Webhook(webhook::Webhook::new(target, format)?),
            Target::Splunk(target) => Kind::Splunk(hec::Collector::new(target)?),
            Target::Otlp(target) => Kind::Otlp(otlp::Collector::new(target, format)?),
            Target::Elastic(target) => Kind::Elastic(elastic::Bulk::new(target)?),
        }))
    }

    /// Adds a record to `out` as this receiver gets it.
    pub fn render(&self, record: &audit::Record, line: &[u8], format: Format, out: &mut Vec<u8>) {
        match &self.0 {
            Kind::Splunk(_) => crate::format::splunk_event(record, format, out),
            Kind::Syslog(syslog) => syslog.render(record, line, format, out),
            // The log's own bytes: an old record, written again, would not match its hash.
            _ if format == Format::Json => out.extend_from_slice(line),
            _ => format.render(record, out),
        }
    }

    /// Hands a batch over, and returns once the receiver has it.
    ///
    /// # Errors
    /// It has not taken all of it.
    pub async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        match &mut self.0 {
            Kind::File(file) => file.append(batch),
            Kind::Output => file::print(batch),
            Kind::Syslog(syslog) => syslog.send(batch).await,
            Kind::Webhook(webhook) => webhook.send(batch).await,
            Kind::Splunk(collector) => collector.send(batch).await,
            Kind::Otlp(collector) => collector.send(batch).await,
            Kind::Elastic(bulk) => bulk.send(batch).await,
        }
    }

    /// Opens a file again, which may have been moved away.
    pub fn reopen(&mut self) {
        if let Kind::File(file) = &mut self.0 {
            file.reopen();
        }
    }
}

fn name(format: Format) -> &'static str {
    Format::BY_NAME.iter().find(|(_name, known)| *known == format).map_or("otlp", |(name, _format)| name)
}
