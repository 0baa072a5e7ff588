//! What an operator's command says to the manager of a running sandbox, on [`SOCKET`] in the sandbox's run
//! directory: one [`Request`] as one line of JSON, then one [`Response`] as one line of JSON. After
//! [`Answer::Executing`] and [`Answer::Attached`] the connection carries frames: `Input`, `EndOfInput`, `Signal`, `Resize` of
//! [`ToGuest`](crate::control::ToGuest), and back [`FromCommand`]; for a copy and for the agent `Output`, `Exited`, `Failed` of
//! [`FromGuest`](crate::control::FromGuest).
//!
//! The two ends may be of different builds, as a sandbox outlives an upgrade: the version is read before
//! anything else of a line, and a change of these types changes [`VERSION`] and the golden file.

use serde::{Deserialize, Serialize};

use crate::control::{Exit, Size, Stream};
use crate::copy::Copy;
use crate::id::{PolicyVersion, RequestId};
use crate::proposal::{Proposal, Standing as ProposalStanding, Terms};

/// Version of this protocol.
pub const VERSION: u32 = 9;

/// Name of the socket in a sandbox's run directory.
pub const SOCKET: &str = "control.sock";

/// Longest line, in bytes.
pub const MAX_LINE: u64 = 32 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// The question.
    pub ask: Ask,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Replace the policy in force.
    SetPolicy {
        /// The resolved policy document: nothing in it is still to be looked up.
        policy: String,
        /// How errors and the audit log call it: the file's name.
        name: String,
    },
    /// Which policy is in force?
    PolicyInForce,
    /// Read the sources of all credentials again.
    RefreshCredentials,
    /// Let the machine stand still, with its memory.
    Pause,
    /// Let it go on.
    Resume,
    /// Cut the sandbox off: nothing goes out or comes in until a policy is set.
    Quarantine,
    /// How is it?
    Standing,
    /// Start one more process in the guest, confined as the agent is.
    Execute(Command),
    /// Copy files out of the guest or into it, as the agent could.
    Copy(Copying),
    /// Join the agent's standard input, and hear of its end.
    Attach {
        /// [`crate::VERSION`] of who asks: frames follow it.
        frames: u32,
    },
    /// Ask the agent to end, as `SIGTERM` would; a second time, end its machine.
    Stop,
    /// Join a command, beside whoever is on it already; what it wrote last comes first.
    Join {
        /// [`crate::VERSION`] of who asks: frames follow it.
        frames: u32,
        /// The command's number.
        session: u32,
    },
    /// Let a command go on without whoever started it.
    Detach {
        /// Its number.
        session: u32,
    },
    /// Ask a command to end, and wait until it has; 10 s later, or a second time, it is killed.
    StopCommand {
        /// Its number.
        session: u32,
    },
    /// Which commands run, and which detached ones have ended?
    Sessions,
    /// What does its agent propose?
    Proposals,
    /// These were seen: what could not be shown is not among them.
    Seen {
        /// [`Shown::digest`] of each.
        digests: Vec<String>,
    },
    /// Is this one of its proposals?
    HasProposal {
        /// The proposal.
        id: RequestId,
    },
    /// Allow what is proposed.
    Approve {
        /// The proposal.
        id: RequestId,
        /// For how long.
        terms: AskedTerms,
        /// What was seen: [`Shown::digest`]. `None`: what was seen last.
        digest: Option<String>,
    },
    /// Do not.
    Reject {
        /// The proposal.
        id: RequestId,
        /// Why, for the agent to read.
        reason: String,
    },
}

/// A process to start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// [`crate::VERSION`] of who asks: frames follow it.
    pub frames: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What is added to the agent's environment, or takes its place.
    pub env: Vec<(String, String)>,
    /// Working directory; without one it is the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// The terminal's size, if it is to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Size>,
    /// Whether it goes on without who asks: of its frames he gets one, that it has started, or why not.
    pub detached: bool,
}

/// A copy to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copying {
    /// [`crate::VERSION`] of who asks: frames follow it.
    pub frames: u32,
    /// What, and which way.
    pub copy: Copy,
    /// The end of it on the host, as the record names it.
    pub host: String,
}

impl std::fmt::Debug for Command {
    /// Without the environment, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Command {{ {:?}, env: <redacted> }}", self.command)
    }
}

/// For how long something is to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AskedTerms {
    /// For one request.
    Once,
    /// For so many seconds from now.
    For(u32),
    /// To the sandbox's end.
    Sandbox,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// [`VERSION`].
    pub version: u32,
    /// The answer.
    pub answer: Answer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The policy that was sent is in force, and nothing goes on that it does not allow.
    PolicySet(PolicySet),
    /// The policy in force.
    PolicyInForce(PolicyInForce),
    /// Every request carries what the sources gave.
    CredentialsRefreshed {
        /// Names of the credentials.
        names: Vec<String>,
    },
    /// How the sandbox stands now.
    Standing(Standing),
    /// The process is being started, or the copy; frames follow.
    Executing {
        /// Its session's number, as the log has it.
        session: u32,
    },
    /// Frames follow: `Input` and `Resize` in; out, of the agent `Exited`, of a command [`FromCommand`].
    Attached {
        /// Whether it has a terminal.
        terminal: bool,
        /// Whether it has ended, and what follows is only what is kept.
        ended: bool,
    },
    /// The agent was asked to end.
    Stopping,
    /// The command goes on, whoever leaves it.
    Detached,
    /// The command has ended.
    CommandStopped,
    /// The commands, by their numbers.
    Sessions(Vec<Session>),
    /// What its agent proposes.
    Proposals(Proposals),
    /// It is noted what was seen.
    Seen,
    /// Whether a proposal is one of the sandbox's.
    HasProposal(bool),
    /// What was proposed is allowed.
    Approved(Approved),
    /// It is not; nothing else has changed.
    Rejected,
    /// Nothing was done.
    Refused {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
    /// It took too long: it may or may not be done yet.
    Unconfirmed,
}

/// A command that runs beside an agent, or a detached one that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its number.
    pub session: u32,
    /// Who started it: a user of the host.
    pub uid: u32,
    /// Its program. What its arguments say may be a password.
    pub program: String,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// When it was started, in seconds since the Unix epoch.
    pub since: u64,
    /// How many are on it.
    pub attached: u32,
    /// How it stands.
    pub state: SessionState,
}

/// How a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SessionState {
    /// It is hung up on when whoever started it leaves.
    Held,
    /// It goes on, whoever leaves it.
    Detached,
    /// It ended; with this exit code, if it ended by itself.
    Ended(Option<u8>),
}

/// A frame from a command to whoever is on it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromCommand {
    /// It has become its program. Only who started it detached hears of it.
    Started,
    /// Bytes that it wrote; at most [`crate::control::MAX_CHUNK`].
    Output {
        /// Where it wrote them.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// So many bytes of it are left out: they were not read in time.
    Skipped {
        /// How many.
        bytes: u64,
    },
    /// There is room for so many more bytes of this one's input.
    Taken {
        /// How many.
        bytes: u32,
    },
    /// It ended.
    Exited(Exit),
    /// It did not start.
    Failed {
        /// One line of cause.
        cause: String,
    },
}

impl std::fmt::Debug for FromCommand {
    /// Without what it wrote, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::Output { stream, bytes } => write!(f, "Output {{ {stream:?}, <{} bytes> }}", bytes.len()),
            Self::Skipped { bytes } => write!(f, "Skipped {{ {bytes} }}"),
            Self::Taken { bytes } => write!(f, "Taken {{ {bytes} }}"),
            Self::Exited(exit) => write!(f, "Exited({exit:?})"),
            Self::Failed { cause } => write!(f, "Failed {{ {cause:?} }}"),
        }
    }
}

/// How a running sandbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Whether its virtual processors stand still.
    pub paused: bool,
    /// Whether it is cut off.
    pub quarantined: bool,
    /// How often its agent was started again.
    pub restarts: u32,
    /// Whether its agent has ended, and is to be started again.
    pub restarting: bool,
}

/// A policy that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// Its number.
    pub version: PolicyVersion,
    /// SHA-256 of its network part, in hexadecimal.
    pub digest: String,
    /// Open flows that it closed.
    pub closed: u64,
    /// The approvals that it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<RequestId>,
}

/// What an agent proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposals {
    /// The policy in force.
    pub policy: PolicyInForce,
    /// All that are kept, the oldest first.
    pub proposals: Vec<Shown>,
}

/// One proposal, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// What, who and why.
    pub proposal: Proposal,
    /// How it stands.
    pub standing: ProposalStanding,
    /// SHA-256, in hexadecimal, over the sandbox, the proposal, the policy in force and the one that an approval would make of
    /// it: whoever names it means exactly this.
    pub digest: String,
}

/// An approval that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// The policy that it made.
    pub policy: PolicySet,
    /// For how long it holds.
    pub terms: Terms,
    /// The rule, as YAML of a list of rules.
    pub rule: String,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyInForce {
    /// Its number.
    pub version: PolicyVersion,
    /// SHA-256 of its network part, in hexadecimal.
    pub digest: String,
    /// Its network part, as YAML of the full policy document.
    pub policy: String,
}

/// The version alone, of a line whose other contents may be another version's.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Versioned {
    /// The version.
    pub version: u32,
}
