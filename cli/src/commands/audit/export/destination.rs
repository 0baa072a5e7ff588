//! `--to`: a destination on the command line.

use std::path::{Path, PathBuf};

use audit_export::Format;
use audit_export::format::Facility;
use audit_export::sink::{
    Acknowledgement, Elastic, HttpTarget, Splunk, SyslogTarget, Target, TlsFiles, Transport, Webhook,
};
use manager::failure::Failure;
use manager::secret::SecretSource;

use super::configured::reader;
use crate::arguments::Export;

/// The destination, and the form in which it usually takes records.
pub(super) fn parse(export: &Export) -> Result<(Target, Format), Failure> {
    let to = export.to.as_str();
    if to == "-" {
        return Ok((Target::Output, Format::Json));
    }
    let Some((scheme, rest)) = to.split_once("://") else {
        return Ok((Target::File(PathBuf::from(to)), Format::Json));
    };
    let secret =
        || export.secret_file.as_deref().map(Path::to_owned).map(SecretSource::File).as_ref().map(reader);
    let http = |scheme: &str, rest: &str| HttpTarget {
        url: format!("{scheme}://{rest}"),
        tls: files(export),
        headers: Vec::new(),
        patience: HttpTarget::PATIENCE,
    };
    let (kind, scheme) = scheme.split_once('+').unwrap_or(("webhook", scheme));
    Ok(match (kind, scheme) {
        ("syslog", transport) => (Target::Syslog(syslog(export, transport, rest)?), Format::Syslog),
        ("webhook", "http" | "https") => {
            (Target::Webhook(Webhook { http: http(scheme, rest), secret: secret() }), Format::Json)
        }
        ("otlp", "http" | "https") => (Target::Otlp(http(scheme, rest)), Format::OtlpProtobuf),
        ("splunk", "http" | "https") => {
            let token = secret().ok_or_else(|| {
                Failure::new("Splunk takes nothing without a token", "name its file with --secret-file")
            })?;
            let acknowledgement = Acknowledgement::Request;
            (Target::Splunk(Splunk { http: http(scheme, rest), token, acknowledgement }), Format::Json)
        }
        ("elasticsearch", "http" | "https") => {
            let (rest, index) = rest.trim_end_matches('/').rsplit_once('/').ok_or_else(|| unknown(to))?;
            let index = index.to_owned();
            (Target::Elastic(Elastic { http: http(scheme, rest), index, api_key: secret() }), Format::Ecs)
        }
        _ => return Err(unknown(to)),
    })
}

fn syslog(export: &Export, transport: &str, rest: &str) -> Result<SyslogTarget, Failure> {
    let transport = match transport {
        "tls" => Transport::Tls,
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return Err(unknown(&export.to)),
    };
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(|| unknown(&export.to))?;
    let port = port.parse().map_err(|_no_port| unknown(&export.to))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(SyslogTarget { transport, host, port, facility: Facility::default(), tls: files(export) })
}

fn files(export: &Export) -> TlsFiles {
    TlsFiles { ca: export.ca.clone(), ..TlsFiles::default() }
}

fn unknown(to: &str) -> Failure {
    Failure::new(
        format_args!("'{to}' is no destination"),
        "write '-', a path, https://…, syslog+tls://HOST:PORT, otlp+https://…, splunk+https://… or elasticsearch+https://HOST/INDEX",
    )
}
