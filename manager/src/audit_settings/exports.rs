//! `exports:` of `audit.yaml`: which receivers get the records, and in what form.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::SecretSource;

/// Exports by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Exports(pub BTreeMap<String, Export>);

/// One export: records in one form to one receiver; without a list, every record of every log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The form; without it, the receiver's own.
    #[serde(default)]
    pub format: Option<ExportFormat>,
    /// The receiver.
    pub to: Receiver,
    /// Ids of the sandboxes that it is for; `*` is any text.
    #[serde(default)]
    pub sandboxes: Option<Vec<String>>,
    /// The tenants that it is for, in the same way.
    #[serde(default)]
    pub tenants: Option<Vec<String>>,
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// As in the log.
    Json,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Elastic Common Schema.
    Ecs,
    /// Common Event Format.
    Cef,
    /// Log Event Extended Format.
    Leef,
    /// RFC 5424.
    Syslog,
    /// OpenTelemetry.
    Otlp,
    /// An event of Splunk's collector.
    SplunkHec,
    /// The live feed.
    Feed,
}

/// Who gets the records.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Receiver {
    /// Lines at the end of a file.
    File(PathBuf),
    /// A receiver of RFC 5424.
    Syslog(SyslogExport),
    /// A program of the operator's own.
    Webhook(WebhookExport),
    /// Splunk's HTTP Event Collector.
    Splunk(SplunkExport),
    /// A collector of OpenTelemetry.
    Otlp(OtlpExport),
    /// Elasticsearch, or what speaks its bulk interface.
    Elasticsearch(ElasticExport),
}

/// A receiver of syslog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogExport {
    /// Name or address.
    pub host: String,
    /// Port; 6514 over TLS, 601 over TCP, 514 over UDP.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it travels.
    #[serde(default)]
    pub transport: Transport,
    /// Number of the facility, 0 to 23; 13 is log audit.
    #[serde(default)]
    pub facility: Option<u8>,
    /// Certificate authorities to trust beside the system's: a file in PEM.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Our certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// How syslog travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Protected and confirmed.
    #[default]
    Tls,
    /// Confirmed; anybody on the way can read and change it.
    UnprotectedTcp,
    /// Neither.
    UnprotectedUdp,
}

/// A receiver behind HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpExport {
    /// `https://host[:port][/path]`; `http://` protects nothing.
    pub url: String,
    /// More headers, such as one with an API key.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretSource>,
    /// Certificate authorities to trust beside the system's: a file in PEM.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Our certificate.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// A program of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookExport {
    /// Where.
    pub http: HttpExport,
    /// The key of the signature.
    #[serde(default)]
    pub secret: Option<SecretSource>,
}

/// Splunk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplunkExport {
    /// Where, without `/services/collector`.
    pub http: HttpExport,
    /// The token.
    pub token: SecretSource,
    /// Whether Splunk must say that it has indexed the events.
    #[serde(default)]
    pub indexer_acknowledgement: bool,
}

/// A collector of OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpExport {
    /// Where, without `/v1/logs`.
    pub http: HttpExport,
    /// How requests are written.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How OpenTelemetry's requests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Small.
    #[default]
    Protobuf,
    /// Readable.
    Json,
}

/// Elasticsearch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticExport {
    /// Where, without the index.
    pub http: HttpExport,
    /// The index or data stream.
    pub index: String,
    /// An API key, as Elasticsearch encodes it.
    #[serde(default)]
    pub api_key: Option<SecretSource>,
}

impl Exports {
    /// What the types cannot tell.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !self.0.keys().all(|name| wire::id::is_label(name)) {
            return Err((
                "the name of an export in exports is not 1 to 63 of a-z, 0-9 and '-'",
                "its state is kept under this name; write one like 'siem'",
            ));
        }
        if self.paths().any(|path| path.is_relative()) {
            return Err(("exports names a relative path", "write it from '/' on"));
        }
        Ok(())
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.values().flat_map(|export| {
            let secrets = export.to.secrets().into_iter().flat_map(SecretSource::files);
            let own = match &export.to {
                Receiver::File(path) => vec![path],
                Receiver::Syslog(SyslogExport { ca, certificate, key, .. }) => {
                    [ca, certificate, key].into_iter().flatten().collect()
                }
                behind_http => behind_http.http().into_iter().flat_map(HttpExport::files).collect(),
            };
            own.into_iter().chain(secrets)
        })
    }
}

impl Receiver {
    /// What it is told by, where it is behind HTTP.
    #[must_use]
    pub fn http(&self) -> Option<&HttpExport> {
        match self {
            Self::File(_) | Self::Syslog(_) => None,
            Self::Webhook(WebhookExport { http, .. })
            | Self::Splunk(SplunkExport { http, .. })
            | Self::Otlp(OtlpExport { http, .. })
            | Self::Elasticsearch(ElasticExport { http, .. }) => Some(http),
        }
    }

    /// Where the secrets come from that it is shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretSource> {
        let own = match self {
            Self::File(_) | Self::Syslog(_) | Self::Otlp(_) => None,
            Self::Webhook(webhook) => webhook.secret.as_ref(),
            Self::Splunk(splunk) => Some(&splunk.token),
            Self::Elasticsearch(elastic) => elastic.api_key.as_ref(),
        };
        self.http().into_iter().flat_map(|http| http.headers.values()).chain(own).collect()
    }
}

impl HttpExport {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca, &self.certificate, &self.key].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Exports, String> {
        let exports: Exports =
            policies::yaml::parse(text, "audit.yaml").map_err(|error| error.to_string())?;
        exports.check().map_err(|(cause, _remedy)| cause.to_owned())?;
        Ok(exports)
    }

    #[test]
    fn every_receiver_can_be_written() {
        let text = "
file: {to: {file: /var/log/openshell.jsonl}}
siem: {format: cef, to: {syslog: {host: siem.example.com, ca: /etc/ca.pem, certificate: /etc/c.pem, key: /etc/k.pem}}}
near: {to: {syslog: {host: '::1', port: 514, transport: unprotected-udp, facility: 10}}}
hook: {format: ocsf, to: {webhook: {http: {url: https://a/b, headers: {DD-API-KEY: {env: KEY}}}, secret: {file: /etc/key}}}}
splunk: {to: {splunk: {http: {url: https://a:8088}, token: {command: [pass, show, splunk]}, indexer_acknowledgement: true}}}
otel: {to: {otlp: {http: {url: http://localhost:4318}, encoding: json}}}
feed: {format: feed, to: {webhook: {http: {url: https://a/b}, secret: {env: KEY}}}}
elastic: {format: ecs, to: {elasticsearch: {http: {url: https://a:9200}, index: logs-openshell-default, api_key: {env: K}}}}
";
        let exports = parse(text).unwrap();
        assert_eq!(exports.0.len(), 8);
        assert_eq!(exports.0["hook"].format, Some(ExportFormat::Ocsf));
        let Receiver::Syslog(near) = &exports.0["near"].to else { panic!() };
        assert_eq!((near.transport, near.facility), (Transport::UnprotectedUdp, Some(10)));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, cause) in [
            ("'../x': {to: {file: /a}}", "name of an export"),
            ("a: {to: {file: here}}", "relative"),
            ("a: {to: {webhook: {http: {url: u, headers: {H: {file: here}}}}}}", "relative"),
            ("a: {to: {file: /a, syslog: {host: b}}}", ""),
            ("a: {to: {syslog: {host: b, verify: false}}}", "verify"),
            ("a: {to: {syslog: {host: b, transport: tcp}}}", "tcp"),
            ("a: {format: xml, to: {file: /a}}", "xml"),
            ("a: {format: json}", "to"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
