//! Who looks into downloads on the operator's word: an address outside of every sandbox, and what is spoken there.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// How rules call it.
    pub name: String,
    /// What it speaks.
    pub protocol: ScannerProtocol,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path there, for the protocols that have one.
    #[serde(default = "root")]
    pub path: String,
}

/// What a scanner speaks, over plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScannerProtocol {
    /// The daemon of ClamAV: `INSTREAM`.
    Clamd,
    /// ICAP (RFC 3507): `RESPMOD`.
    Icap,
    /// A file is posted, and the answer is JSON with a verdict.
    Http,
}

fn root() -> String {
    "/".to_owned()
}
