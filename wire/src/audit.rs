//! What the manager tells `openshell-audit`, and what it hears back. The record itself and the protocol
//! of appending belong to the `audit` crate.

use serde::{Deserialize, Serialize};

use crate::id::{SandboxId, TenantId};
use crate::secret::Secret;
use crate::spawn::{Fd, JailUser};

/// One sandbox's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Whose log; stamped on every record by the writer.
    pub sandbox: SandboxId,
    /// Whose sandbox; stamped likewise.
    pub tenant: TenantId,
    /// What its agent is called in agent.yaml; stamped likewise.
    pub agent: String,
    /// The log's present segment, opened for reading and appending by the manager.
    pub log: Fd,
    /// What stands before the present segment, of a log that is gone on with; `None`: the log begins with it.
    pub resumed: Option<LogResumed>,
    /// A Unix stream socket on which the manager sends the next segment after [`AuditEvent::SegmentFull`]: eight bytes, which say
    /// how many the log's files take beside the present segment (little-endian), with a descriptor; without one: there is none
    /// now. `None`: the log stays one file.
    pub segments: Option<Fd>,
    /// Bytes from which on a segment is full. One of the day before is full as well.
    pub segment_bytes: u64,
    /// When a record must be on the disk.
    pub sync: AuditSync,
    /// What becomes of actions while the disk has no room for their records.
    pub on_full: OnFull,
    /// From when on the log takes no more, and the disk counts as full.
    pub limits: Limits,
    /// The signer's socket: it gets the tree's leaf of every record, 32 bytes each, in order, and answers after each checkpoint with
    /// the number of records that are dealt with, eight bytes (little-endian). `None`: nothing is signed.
    pub signer: Option<Fd>,
    /// Milliseconds that a record may wait for that answer before the writer ends; `None`: any number.
    pub signed_within_ms: Option<u64>,
    /// Connected Unix stream sockets, one per client, each with the name under which it writes
    /// (`manager`, `proxy`, `router`): a client cannot choose its name.
    pub clients: Vec<AuditClient>,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// What of the disk is a log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes that its segments and checkpoints may take; `None`: any number.
    pub most: Option<u64>,
    /// Bytes that stay free for others; `None`: 64 MiB, or a sixteenth of a disk where that is less.
    pub reserve: Option<u64>,
}

impl Limits {
    /// All of it.
    pub const NONE: Self = Self { most: None, reserve: Some(0) };
}

/// Where a log stands whose writer ended untimely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogResumed {
    /// Number of the last record before the present segment; 0: there is none.
    pub records: u64,
    /// Its hash, in hexadecimal.
    pub last_hash: String,
    /// Records that the newest checkpoint covers.
    pub signed: u64,
    /// Whether the last record ends the log.
    pub has_end: bool,
}

/// When a record must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuditSync {
    /// By a sync that begins at most these milliseconds after it is acknowledged.
    Interval(u32),
    /// Before it is acknowledged.
    Always,
}

/// What becomes of actions while the disk has no room for their records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OnFull {
    /// Nothing goes on.
    #[default]
    Deny,
    /// They go on, and are counted: the first record that fits again says how many have none.
    Degrade,
}

/// What the manager tells `openshell-sign`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Whose log it signs.
    pub sandbox: SandboxId,
    /// What the key is called in signatures.
    pub name: String,
    /// The key.
    pub key: SigningKey,
    /// The writer's leaves, see [`AuditConfig::signer`].
    pub leaves: Fd,
    /// What was signed before, of a log that is gone on with; `None`: the log is new.
    pub resumed: Option<SignResumed>,
    /// Files that every checkpoint is appended to, the log's own first.
    pub checkpoints: Vec<Fd>,
    /// Milliseconds between checkpoints while the log grows.
    pub interval_ms: u32,
    /// Whether the log goes on while the disk has no room for a checkpoint; the next one covers the same.
    pub on_full: OnFull,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// Where the tree of a log stands that is gone on with. The leaves since then come first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignResumed {
    /// The newest checkpoint, which the signer's key must have signed; `None`: nothing was signed yet.
    pub note: Option<String>,
    /// The tree under it, as the `audit` crate writes one in JSON.
    pub tree: String,
}

/// Where a signing key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SigningKey {
    /// An Ed25519 key: PKCS #8 in PEM.
    Pem(Secret),
    /// A key that stays in a token.
    Pkcs11 {
        /// Path of the library.
        module: String,
        /// Label of the token.
        token: String,
        /// Label of the key, and of its public half.
        key: String,
        /// The user's PIN.
        pin: Secret,
    },
}

/// What `openshell-sign` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SignEvent {
    /// It has the key.
    Ready {
        /// Its public half, as signed notes write it.
        key: String,
    },
    /// Could not start, or cannot sign any more.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}

/// A process that may append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditClient {
    /// Stamped on its records.
    pub name: String,
    /// The writer's end of its socket.
    pub socket: Fd,
}

/// What `openshell-audit` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuditEvent {
    /// Jailed, the log verified up to its end, accepting records.
    Ready {
        /// Records already in the log.
        records: u64,
    },
    /// The present segment is full: the next one is wanted. Until it comes the present one grows.
    SegmentFull,
    /// The writer has gone on to the segment that was sent last; those before it are closed.
    SegmentClosed,
    /// The disk is full and [`OnFull::Degrade`] holds: actions go on without a record from here on.
    Degraded {
        /// One line of cause.
        cause: String,
    },
    /// There is a record again, and one of how many there are not.
    Restored {
        /// Events without a record since the start.
        lost: u64,
    },
    /// Could not start, or could not write: nothing more is acknowledged.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}
