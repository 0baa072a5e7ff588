//! `openshell audit watch --grpc`: the live feed of all logs for whoever asks, until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;

use audit::pattern::Pattern;
use audit_export::Only;
use audit_export::serve::{Address, Server, ServerTls};
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use crate::arguments::Watch;
use crate::commands::audit::export::runtime;

pub(super) fn serve(address: &str, typed: &Watch, layout: &Layout) -> Result<u8, Failure> {
    let address = parse(address, typed)?;
    let named = |names: &[String]| {
        (!names.is_empty()).then(|| names.iter().map(|name| Pattern::from(name.as_str())).collect())
    };
    let only = Only { sandboxes: named(&typed.sandboxes), tenants: named(&typed.tenants) };
    let failure =
        |error| Failure::new(chain(&error), "docs/audit/detections.md shows how the feed is served");
    let end = runtime()?.block_on(async {
        let server = Server::bind(address, &layout.audit(), only).await?;
        let port = server.port().map(|port| format!(" on port {port}")).unwrap_or_default();
        eprintln!("openshell: the feed is served{port}");
        server.run().await
    });
    match end {
        Err(error) => Err(failure(error)),
    }
}

fn parse(address: &str, typed: &Watch) -> Result<Address, Failure> {
    let files = (&typed.certificate, &typed.key, &typed.client_ca);
    match (address.strip_prefix("unix:"), files) {
        (Some(path), (None, None, None)) => Ok(Address::Unix(PathBuf::from(path))),
        (Some(_path), _files) => {
            Err(Failure::new("a Unix socket has no TLS", "leave --certificate, --key and --client-ca out"))
        }
        (None, (Some(certificate), Some(key), Some(client_ca))) => {
            let address: SocketAddr = address.parse().map_err(|_other| unknown(address))?;
            let files = ServerTls {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: client_ca.clone(),
            };
            Ok(Address::Tls(address, files))
        }
        (None, _some) => Err(Failure::new(
            "a port without TLS would serve every process of this machine, and more",
            "name --certificate, --key and --client-ca, or use unix:PATH",
        )),
    }
}

fn unknown(address: &str) -> Failure {
    Failure::new(
        format_args!("'{address}' is no address to listen on"),
        "write unix:PATH, 127.0.0.1:PORT or another address of this machine with a port",
    )
}
