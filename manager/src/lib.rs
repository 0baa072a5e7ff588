//! The life of a sandbox: from `agent.yaml` to the agent's exit code.
//!
//! Reading path: [`sandbox`] tells the whole life; [`spec`] is what the user wrote; [`process`] starts the
//! jailed processes; [`control`] talks to guest-init; [`operator`] is how a command reaches a running
//! sandbox. The manager links none of the processes that it starts: a bug in TLS or in a virtio device is
//! not a bug in here.

pub mod audit_log;
pub mod audit_settings;
pub mod control;
pub mod credentials;
mod credit;
pub mod detached;
pub mod detect;
pub mod doctor;
pub mod documents;
mod event;
mod executions;
pub mod failure;
pub mod harmless;
pub mod image;
mod inbound;
pub mod interruption;
pub mod kvm;
pub mod layout;
mod live;
mod model_servers;
mod mounts;
pub mod operator;
pub mod options;
pub mod output;
mod pause;
pub mod policy;
mod policy_files;
pub mod prepare;
pub mod process;
mod processes;
pub mod proposals;
mod randomness;
mod record;
mod refresh;
mod reload;
pub mod restart;
pub mod rundir;
pub mod sandbox;
pub mod secret;
pub mod serial;
pub mod serving;
mod sessions;
pub mod signals;
pub mod spec;
pub mod terminal;
mod timeline;
pub mod unit;
pub mod variables;
mod watching;
