//! `openshell-mount`: serves one host directory to one guest, and is one process for each.
//!
//! ```text
//! guest's FUSE request ─► VMM ─lane─► message (parse) ─► session ─► directory (nodes, names) ─► the host's files
//!                                                           └─► handles (what is open)
//! ```
//! The process is jailed before it reads its first request: its root is the directory, Landlock lets it reach nothing else,
//! and its list of system calls has neither devices nor set-user-id bits. What a guest names is resolved one component at a
//! time, beneath a directory that is open, and no link is followed.

#![forbid(unsafe_code)]

pub mod answer;
pub mod directory;
pub mod handles;
pub mod kept;
pub mod message;
pub mod nodes;
pub mod process;
pub mod session;
