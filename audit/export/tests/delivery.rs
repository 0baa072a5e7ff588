//! Exports against receivers that record what they get, and that behave badly.
//!
//! Every test has real logs, real connections and a cursor on the disk.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "delivery/cursors.rs"]
mod cursors;
#[path = "delivery/faults.rs"]
mod faults;
#[path = "delivery/http.rs"]
mod http;
#[path = "delivery/logs.rs"]
mod logs;
#[path = "delivery/partly.rs"]
mod partly;
#[path = "delivery/receivers.rs"]
mod receivers;
#[path = "delivery/relay.rs"]
mod relay;
#[path = "delivery/rig.rs"]
mod rig;
#[path = "delivery/rotel.rs"]
mod rotel;
#[path = "delivery/rsyslog.rs"]
mod rsyslog;
#[path = "delivery/sinks.rs"]
mod sinks;
#[path = "delivery/syslog.rs"]
mod syslog;
#[path = "delivery/syslog_ng.rs"]
mod syslog_ng;
#[path = "delivery/tls.rs"]
mod tls;
