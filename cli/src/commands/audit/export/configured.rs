//! An export of audit.yaml, made into one that runs.

use audit::pattern::Pattern;
use audit_export::format::Facility;
use audit_export::secret::SecretReader;
use audit_export::service::Export;
use audit_export::sink::{
    Acknowledgement, Elastic, HttpTarget, Sink, Splunk, SyslogTarget, Target, TlsFiles, Transport, Webhook,
};
use audit_export::{Format, Only};
use manager::audit_settings::{self, Encoding, ExportFormat, HttpExport, Receiver, SyslogExport};
use manager::failure::{Failure, chain};
use manager::layout::Layout;
use manager::secret::SecretSource;

/// What `name` of `exports:` means.
pub(in super::super) fn export(
    name: &str,
    export: &audit_settings::Export,
    layout: &Layout,
) -> Result<Export, Failure> {
    let format = match (&export.to, export.format) {
        (Receiver::Otlp(otlp), None | Some(ExportFormat::Otlp)) => match otlp.encoding {
            Encoding::Protobuf => Format::OtlpProtobuf,
            Encoding::Json => Format::OtlpJson,
        },
        (_, Some(format)) => known(format),
        (Receiver::Syslog(_), None) => Format::Syslog,
        (Receiver::Elasticsearch(_), None) => Format::Ecs,
        (Receiver::File(_) | Receiver::Webhook(_) | Receiver::Splunk(_), None) => Format::Json,
    };
    let sink = Sink::open(target(name, &export.to)?, format).map_err(|error| {
        let remedy = "correct exports in audit.yaml; docs/audit/export.md lists what fits together";
        Failure::new(format_args!("the export '{name}': {}", chain(&error)), remedy)
    })?;
    Ok(Export {
        name: name.to_owned(),
        format,
        sink,
        only: only(export),
        logs: layout.audit(),
        state: super::state(layout, name),
        pace: audit_export::Pace::default(),
    })
}

/// Which records an export is for.
pub(super) fn only(export: &audit_settings::Export) -> Only {
    let patterns = |names: &Vec<String>| names.iter().map(|name| Pattern::from(name.as_str())).collect();
    Only {
        sandboxes: export.sandboxes.as_ref().map(patterns),
        tenants: export.tenants.as_ref().map(patterns),
    }
}

fn known(format: ExportFormat) -> Format {
    match format {
        ExportFormat::Json => Format::Json,
        ExportFormat::Ocsf => Format::Ocsf,
        ExportFormat::Ecs => Format::Ecs,
        ExportFormat::Cef => Format::Cef,
        ExportFormat::Leef => Format::Leef,
        ExportFormat::Syslog => Format::Syslog,
        ExportFormat::Otlp => Format::OtlpJson,
        ExportFormat::SplunkHec => Format::SplunkHec,
        ExportFormat::Feed => Format::Feed,
    }
}

fn target(name: &str, receiver: &Receiver) -> Result<Target, Failure> {
    Ok(match receiver {
        Receiver::File(path) => Target::File(path.clone()),
        Receiver::Syslog(syslog) => Target::Syslog(syslog_target(name, syslog)?),
        Receiver::Webhook(webhook) => Target::Webhook(Webhook {
            http: http_target(&webhook.http),
            secret: webhook.secret.as_ref().map(reader),
        }),
        Receiver::Splunk(splunk) => Target::Splunk(Splunk {
            http: http_target(&splunk.http),
            token: reader(&splunk.token),
            acknowledgement: if splunk.indexer_acknowledgement {
                Acknowledgement::Indexed
            } else {
                Acknowledgement::Request
            },
        }),
        Receiver::Otlp(otlp) => Target::Otlp(http_target(&otlp.http)),
        Receiver::Elasticsearch(elastic) => Target::Elastic(Elastic {
            http: http_target(&elastic.http),
            index: elastic.index.clone(),
            api_key: elastic.api_key.as_ref().map(reader),
        }),
    })
}

fn syslog_target(name: &str, syslog: &SyslogExport) -> Result<SyslogTarget, Failure> {
    let (transport, usual) = match syslog.transport {
        audit_settings::Transport::Tls => (Transport::Tls, 6514),
        audit_settings::Transport::UnprotectedTcp => (Transport::Tcp, 601),
        audit_settings::Transport::UnprotectedUdp => (Transport::Udp, 514),
    };
    let facility = syslog.facility.map_or(Some(Facility::default()), Facility::new).ok_or_else(|| {
        Failure::new(
            format_args!("the export '{name}': the facility of syslog is a number from 0 to 23"),
            "leave it out for 13, log audit",
        )
    })?;
    let (ca, certificate, key) = (syslog.ca.clone(), syslog.certificate.clone(), syslog.key.clone());
    Ok(SyslogTarget {
        transport,
        host: syslog.host.clone(),
        port: syslog.port.unwrap_or(usual),
        facility,
        tls: TlsFiles { ca, certificate, key },
    })
}

pub(in super::super) fn http_target(http: &HttpExport) -> HttpTarget {
    HttpTarget {
        url: http.url.clone(),
        tls: TlsFiles { ca: http.ca.clone(), certificate: http.certificate.clone(), key: http.key.clone() },
        headers: http.headers.iter().map(|(name, source)| (name.clone(), reader(source))).collect(),
        patience: HttpTarget::PATIENCE,
    }
}

/// Reads the secret anew when it is asked for.
pub(super) fn reader(source: &SecretSource) -> SecretReader {
    let source = source.clone();
    SecretReader::new(move || source.read().map_err(|failure| failure.cause))
}
