//! The proxy from outside: the real binary between a hostile guest and servers that remember every byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod bench;
mod upstream;

mod addresses;
mod bodies;
mod clients;
mod credentials;
mod digests;
mod downloads;
mod explicit;
mod flows;
mod forwarding;
mod http2;
mod inbound;
mod inference;
mod messages;
mod names;
mod outcomes;
mod packages;
mod policy_local;
mod refused;
mod reload;
mod responses;
mod rules;
mod scanners;
mod signing;
mod tls;
mod websocket;
