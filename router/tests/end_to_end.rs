//! Calls through the whole router: a client on the Unix socket, real servers on loopback, a real socket
//! to an audit writer. What the servers saw is the witness.

#![expect(clippy::unwrap_used, reason = "a step that fails ends the test")]

#[path = "end_to_end/answers.rs"]
mod answers;
#[path = "end_to_end/anthropic.rs"]
mod anthropic;
#[path = "end_to_end/canary.rs"]
mod canary;
#[path = "end_to_end/documents.rs"]
mod documents;
#[path = "end_to_end/echo.rs"]
mod echo;
#[path = "end_to_end/fallback.rs"]
mod fallback;
#[path = "end_to_end/injection.rs"]
mod injection;
#[path = "end_to_end/limits.rs"]
mod limits;
#[path = "end_to_end/redaction.rs"]
mod redaction;
#[path = "end_to_end/regions.rs"]
mod regions;
#[path = "end_to_end/rig.rs"]
mod rig;
#[path = "end_to_end/routes.rs"]
mod routes;
#[path = "end_to_end/rules.rs"]
mod rules;
#[path = "end_to_end/tls.rs"]
mod tls;
