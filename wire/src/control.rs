//! The control channel between manager and guest-init.
//!
//! ```text
//! guest-init                     manager
//!   Hello        ───────────────►           version, boot timings
//!                ◄───────────────  Setup    once
//!   Ready        ───────────────►           everything is mounted and captured
//!   Started      ───────────────►           the agent's first instruction is next
//!   Output …     ───────────────►
//!   Executed …   ───────────────►           programs that ran or were refused
//!   Accessed …   ───────────────►           files outside the workspace that were used or refused
//!   Called …     ───────────────►           system calls that were refused
//!                ◄───────────────  Input, EndOfInput, Signal, Resize …
//!   Taken …      ───────────────►           room for more input
//!                ◄───────────────  Open     a session for one more process beside the agent's …
//!   Exited       ───────────────►           then the guest powers off
//! ```
//! With [`Setup::restarts`], the agent's end is a question:
//!
//! ```text
//!   Ended        ───────────────►           everything that it had started is gone
//!                ◄───────────────  Again    confined as before; then Started …, or
//!                ◄───────────────  Finish   then Exited
//! ```
//! … has a connection of its own, to [`crate::vsock::SESSIONS`]:
//!
//! ```text
//!   Session      ───────────────►           which one
//!                ◄───────────────  Execute  once, or Copy
//!   Started      ───────────────►           a command has become its program
//!   Taken …      ───────────────►
//!   Output …     ───────────────►           (of a copy: its items, and lines about what is not in it)
//!                ◄───────────────  Input, EndOfInput, Signal, Resize …
//!   Exited       ───────────────►           or Failed
//! ```
//!
//! What is executed for the first time waits for the log, on a connection of its own to [`crate::vsock::EXECUTIONS`]: there it is
//! behind nothing that the agent could fill.
//!
//! ```text
//!   Executed     ───────────────►
//!                ◄───────────────  Recorded then it runs, and the next Executed may come …
//! ```
//!
//! `Failed` may come instead of any guest message after `Hello`; the guest powers off after it.
//! Every guest message is a claim: the manager bounds what it accepts and never acts on its content
//! beyond showing it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::confinement::Confinement;
use crate::copy::Copy;
use crate::flow::FlowKey;
use crate::subject::{Digest, Program};

/// From guest-init to the manager.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromGuest {
    /// The first message.
    Hello {
        /// [`crate::VERSION`] of the guest's build.
        version: u32,
        /// Kernel release, as `uname -r` prints it.
        kernel: String,
        /// Nanoseconds since the kernel started (`CLOCK_MONOTONIC`) at init's first instruction.
        init_started_ns: u64,
    },
    /// Mounts, modules and capture are in place.
    Ready {
        /// Nanoseconds since the kernel started.
        at_ns: u64,
    },
    /// The agent's process exists; on a session's connection, its process has become its program.
    Started {
        /// Its process id in guest-init's namespace.
        pid: u32,
        /// Nanoseconds since the kernel started.
        at_ns: u64,
    },
    /// Bytes that the agent wrote; at most [`MAX_CHUNK`].
    Output {
        /// Where it wrote them.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Files that the agent's processes executed again, or tried to and may not: at most two messages a second. On the connection of
    /// executions: those that wait to be executed for the first time.
    Executed {
        /// What, by whom, how often; at most [`MAX_EXECUTIONS`], and their texts [`MAX_TEXTS`] bytes.
        executions: Vec<Execution>,
        /// Those beyond them.
        unlisted: Unlisted,
    },
    /// What the agent's processes did with files outside the workspace, and what they were refused anywhere.
    Accessed {
        /// What, by whom, how often; their texts are at most [`MAX_TEXTS`] bytes.
        accesses: Vec<Access>,
        /// Those beyond them.
        unlisted: Unlisted,
    },
    /// System calls that the agent's processes made and their profile does not allow.
    Called {
        /// Which, by whom, how often; at most [`MAX_EXECUTIONS`], and their texts [`MAX_TEXTS`] bytes.
        calls: Vec<RefusedCall>,
        /// How many there were beyond them.
        unlisted: u64,
    },
    /// The first message on the connection of a further session.
    Session {
        /// The number that the manager gave it.
        session: u32,
    },
    /// There is room for so many more bytes of input: the process has taken as many, or they are for nobody.
    Taken {
        /// How many.
        bytes: u32,
    },
    /// The agent ended, and nothing of it runs: is it to be started again?
    Ended(Exit),
    /// The agent, or the session's process, ended.
    Exited(Exit),
    /// guest-init could not go on.
    Failed {
        /// What it was doing.
        stage: Stage,
        /// One line of cause.
        cause: String,
    },
}

/// From the manager to guest-init.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGuest {
    /// Everything guest-init needs to know; sent once, after `Hello`.
    Setup(Box<Setup>),
    /// Bytes for the agent's standard input; at most [`MAX_CHUNK`]. To an agent or a command at most [`INPUT_WINDOW`] before
    /// [`FromGuest::Taken`] makes room: what it does not read keeps no other message back.
    Input(Vec<u8>),
    /// The agent's standard input ends here.
    EndOfInput,
    /// A signal for the agent's process group: `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGQUIT`, `SIGUSR1`, `SIGUSR2` or `SIGKILL`.
    Signal(i32),
    /// The terminal's size changed.
    Resize(Size),
    /// Start the agent again.
    Again,
    /// Do not.
    Finish,
    /// Open a session.
    Open {
        /// Its number.
        session: u32,
    },
    /// On a session's connection: start a process, confined as the agent is.
    Execute(Box<Execute>),
    /// On the connection of executions: what was told last may be done.
    Recorded {
        /// It is on the record; if not, the operator wants it done all the same.
        in_log: bool,
    },
    /// On a session's connection: copy, confined as the agent is. Items go over the standard streams.
    Copy(Box<Copy>),
}

/// What the guest is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Host name in the guest.
    pub hostname: String,
    /// Wall clock: nanoseconds since the Unix epoch.
    pub wall_clock_ns: u64,
    /// Root image and writable layer.
    pub root: Root,
    /// Files placed in the guest before the agent starts.
    pub files: Vec<File>,
    /// Host directories.
    pub mounts: Vec<Mount>,
    /// The agent's command.
    pub agent: Agent,
    /// What is done to the agent.
    pub confinement: Confinement,
    /// PEM of the sandbox's certificate authority, added to every trust store of the guest. `None`: the
    /// sandbox has no egress at all, and no capture is set up.
    pub authority_pem: Option<String>,
    /// Seals every flow.
    pub flow_key: FlowKey,
    /// Ports of the agent that are open to the outside ([`crate::inbound`]).
    pub inbound: Vec<u16>,
    /// Whether the agent's end is told by [`FromGuest::Ended`], and the manager says what follows.
    pub restarts: bool,
}

/// Root file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Block device of the read-only EROFS image, for example `/dev/vda`.
    pub image: String,
    /// By what every block of it is checked when it is read.
    pub verity: Verity,
    /// Where writes go.
    pub scratch: Scratch,
}

/// The hash tree of a root image (dm-verity, format 1, SHA-256, blocks of 4096 bytes; the tree begins at block 1 of its
/// device). It comes from the host with the setup: no disk of the guest says what its own content should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verity {
    /// Block device of the tree.
    pub tree: String,
    /// The root hash.
    pub root: [u8; 32],
    /// What is hashed before every block.
    pub salt: [u8; 32],
    /// Blocks of the image.
    pub data_blocks: u64,
}

/// The writable layer above the root image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scratch {
    /// Guest memory, at most this many MiB.
    Memory {
        /// Size limit in MiB.
        mib: u32,
    },
    /// An ext4 file system on this block device.
    Disk(String),
}

/// A small file, for example a credential placeholder or a certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Content.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Whether the agent's user owns it (else root).
    pub owned_by_agent: bool,
}

/// A host directory that appears in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the guest.
    pub target: String,
    /// Read-only EROFS block device with the directory's content, for example `/dev/vdc`; for a live mount the tag of its
    /// virtio file system.
    pub device: String,
    /// How writes are treated.
    pub access: MountAccess,
}

/// What the agent may do in a [`Mount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountAccess {
    /// Nothing but read.
    ReadOnly,
    /// Write to a private layer that is thrown away with the sandbox.
    Copy,
    /// Write to the host's directory itself.
    Live,
}

/// The agent's command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Program and arguments; the program is looked up in the environment's `PATH`.
    pub command: Vec<String>,
    /// Environment, whole: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Working directory; created if missing.
    pub workdir: String,
    /// Terminal, if the agent gets one; else three pipes.
    pub terminal: Option<Size>,
}

/// One more process beside the agent's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// Program and arguments; the program is looked up in the environment's `PATH`.
    pub command: Vec<String>,
    /// What is added to the agent's environment, or takes its place.
    pub env: Vec<(String, String)>,
    /// Working directory; `None`: the agent's.
    pub workdir: Option<String>,
    /// Terminal, if it gets one; else three pipes.
    pub terminal: Option<Size>,
}

/// Terminal size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// An output stream of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output (and, with a terminal, everything).
    Stdout,
    /// Standard error.
    Stderr,
}

/// One file was executed, or was to be, by processes of one executable and one script of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The file's path in the agent's tree, cut at [`MAX_PATH`] bytes.
    pub program: String,
    /// The process that did or tried, as it was before; the first of them. See [`Access::by`].
    pub caller: Program,
    /// The file's content when it was executed first; `None` if it could not be read, or was too long.
    pub sha256: Option<Digest>,
    /// Why not; `None` if it was executed.
    pub refused: Option<RefusalReason>,
    /// How often.
    pub times: u64,
}

/// What there was no room to tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// How often something was done; [`u64::MAX`] if the kernel lost count.
    pub allowed: u64,
    /// How often something was refused.
    pub refused: u64,
}

/// Processes of one executable did one thing with a file, or were refused it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The file's path in the agent's tree, or a directory's and `/*` for files in it, cut at [`MAX_PATH`] bytes. What was refused
    /// is named as it was asked for: links in it were not followed.
    pub path: String,
    /// What was done.
    pub what: FileUse,
    /// The process; the first of them. Its path is cut likewise, and empty if it was gone before anybody looked; its digest is
    /// there if it is known because the file was executed before, its script and its ancestors (at most [`MAX_PARENTS`]) if it
    /// still ran when somebody looked.
    pub by: Program,
    /// Why not; `None` if it was done.
    pub refused: Option<AccessRefusal>,
    /// How often.
    pub times: u64,
    /// Milliseconds since the first of them.
    pub first_ms_ago: u32,
}

/// Processes of one executable made a system call that they may not make.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCall {
    /// The call's number in the processor's own table.
    pub number: u32,
    /// The process; the first of them. See [`Access::by`].
    pub by: Program,
    /// Whether that ended it: a call of another table.
    pub killed: bool,
    /// How often.
    pub times: u64,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileUse {
    /// It is opened, and not written then; or a directory is listed or entered.
    Read,
    /// It is written, cut or opened for that.
    Write,
    /// It, a directory, a link or a node is made.
    Create,
    /// It is removed.
    Remove,
    /// It gets another name.
    Rename,
    /// Its mode, owner, times or extended attributes are set.
    Attributes,
    /// Its metadata are looked at, or where a link leads.
    Inspect,
    /// It is executed. What is executed comes as [`FromGuest::Executed`]; here only what the file system refused.
    Execute,
}

/// Why the guest's kernel refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRefusal {
    /// `EACCES`: no rule of the policy, or no permission of the file, lets the agent's user.
    Denied,
    /// `EPERM`: only the owner or the system may.
    NotPermitted,
    /// `EROFS`: nobody writes there.
    ReadOnly,
}

/// Why a file may not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// No entry of the allow list names it.
    NotAllowed,
    /// An entry of the deny list names it.
    Denied,
    /// It is the dynamic loader, which would execute any other file.
    Loader,
    /// It could not be looked at.
    Unreadable,
}

/// How the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It returned this status.
    Code(u8),
    /// A signal ended it.
    Signal(i32),
    /// Its command was not found.
    NotFound,
    /// Its command could not be executed.
    NotExecutable,
    /// The guest ran out of memory and the kernel ended it.
    OutOfMemory,
}

/// What guest-init was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Loading kernel modules.
    Modules,
    /// Making the device that checks the root image, and mounting it.
    Image,
    /// Mounting the writable layer or a mount.
    Mounts,
    /// Writing files.
    Files,
    /// Building the capture: network namespace, routes, nftables, listeners.
    Capture,
    /// Confining or starting the agent.
    Agent,
}

/// Longest chunk of standard input or output in one message, in bytes.
pub const MAX_CHUNK: usize = 32 * 1024;

/// Most bytes of input on their way to the agent or a command.
pub const INPUT_WINDOW: usize = 256 * 1024;

/// Most entries of one [`FromGuest::Executed`].
pub const MAX_EXECUTIONS: usize = 24;

/// Longest path in an [`Execution`] or an [`Access`], in bytes.
pub const MAX_PATH: usize = 1024;

/// Most ancestors of a process in an [`Execution`], an [`Access`] or a [`RefusedCall`].
pub const MAX_PARENTS: usize = 16;

/// Longest path of one of them, in bytes.
pub const MAX_PARENT: usize = 256;

/// Most bytes of paths, programs, scripts and ancestors in one [`FromGuest::Executed`], [`FromGuest::Accessed`] or
/// [`FromGuest::Called`].
pub const MAX_TEXTS: usize = 32 * 1024;

/// Most entries of one [`FromGuest::Accessed`].
pub const MAX_ACCESSES: usize = 256;

impl FromGuest {
    /// Whether it tells of what the guest saw, as much of it as happens: whoever takes such messages bounds their number.
    #[must_use]
    pub fn is_observation(&self) -> bool {
        matches!(self, Self::Executed { .. } | Self::Accessed { .. } | Self::Called { .. })
    }
}

macro_rules! redacted_debug {
    ($type:ty, $($pattern:pat => $text:expr),+ $(,)?) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($pattern => f.write_str($text.as_ref())),+ }
            }
        }
    };
}

// Guest bytes and the agent's environment may hold secrets: they do not print.
redacted_debug!(FromGuest,
    Self::Hello { version, kernel, .. } => format!("Hello {{ version: {version}, kernel: {kernel:?} }}"),
    Self::Ready { at_ns } => format!("Ready {{ at_ns: {at_ns} }}"),
    Self::Started { pid, at_ns } => format!("Started {{ pid: {pid}, at_ns: {at_ns} }}"),
    Self::Output { stream, bytes } => format!("Output {{ {stream:?}, <{} bytes> }}", bytes.len()),
    Self::Executed { executions, unlisted } => format!("Executed {{ {}, {unlisted:?} }}", executions.len()),
    Self::Accessed { accesses, unlisted } => format!("Accessed {{ {}, {unlisted:?} }}", accesses.len()),
    Self::Called { calls, unlisted } => format!("Called {{ {}, {unlisted} }}", calls.len()),
    Self::Session { session } => format!("Session {{ {session} }}"),
    Self::Taken { bytes } => format!("Taken {{ {bytes} }}"),
    Self::Ended(exit) => format!("Ended({exit:?})"),
    Self::Exited(exit) => format!("Exited({exit:?})"),
    Self::Failed { stage, cause } => format!("Failed {{ {stage:?}, {cause:?} }}"),
);
redacted_debug!(ToGuest,
    Self::Setup(setup) => format!("Setup({setup:?})"),
    Self::Input(bytes) => format!("Input(<{} bytes>)", bytes.len()),
    Self::EndOfInput => "EndOfInput",
    Self::Signal(number) => format!("Signal({number})"),
    Self::Resize(size) => format!("Resize({size:?})"),
    Self::Again => "Again",
    Self::Finish => "Finish",
    Self::Open { session } => format!("Open {{ {session} }}"),
    Self::Execute(execute) => format!("{execute:?}"),
    Self::Copy(copy) => format!("{copy:?}"),
    Self::Recorded { in_log } => format!("Recorded {{ {in_log} }}"),
);
redacted_debug!(Execution, done => format!("Execution {{ refused: {:?}, {} times }}", done.refused, done.times));
redacted_debug!(Access, done => format!("Access {{ {:?}, refused: {:?}, {} times }}", done.what, done.refused, done.times));
redacted_debug!(RefusedCall, call => format!("RefusedCall {{ {}, {} times }}", call.number, call.times));
redacted_debug!(File, file => format!("File {{ {:?}, <{} bytes> }}", file.path, file.content.len()));
redacted_debug!(Execute, execute => format!("Execute {{ command: {:?}, env: <redacted> }}", execute.command));
redacted_debug!(Agent, agent => format!("Agent {{ command: {:?}, env: <redacted>, workdir: {:?} }}", agent.command, agent.workdir));
