//! Who did something in the guest: the program behind a flow, as guest-init resolved it.
//!
//! Everything here is a *claim by the guest kernel*. The host may use it only to narrow what it allows.

use serde::{Deserialize, Serialize};

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

/// One program that holds the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Resolved path of the executable in the agent's mount namespace.
    pub path: String,
    /// Digest of the executable's content, if it could be read.
    pub sha256: Option<Digest>,
    /// The script that an interpreter runs: its resolved path.
    pub script: Option<String>,
    /// Process id in guest-init's namespace.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Executable paths of the ancestors, nearest first, up to the agent's first process.
    pub parents: Vec<String>,
}

/// Every program that holds the socket of a flow. All of them must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// The owners, at least one.
    Owners(Vec<Program>),
    /// guest-init could not tell, and why; no rule that names a binary can match.
    Unknown(String),
}

impl Digest {
    /// Lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String does not fail");
            text
        })
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}
