//! host-proxy → router: HTTP/1.1 over a Unix socket. The proxy forwards the canonical request and adds
//! these headers; it strips any that the guest sent.

/// The name under which the guest reaches the router.
pub const HOST: &str = "inference.local";

/// The sandbox.
pub const SANDBOX: &str = "x-openshell-sandbox";

/// The proxy's request id, under which both processes write audit records.
pub const REQUEST: &str = "x-openshell-request";

/// Resolved path of the program that asked.
pub const BINARY: &str = "x-openshell-binary";

/// Prefix of every header above: a guest header that starts so is removed.
pub const PREFIX: &str = "x-openshell-";
