//! What there is to get: the test puts it there, the attempts go for it.

/// What nobody behind the walls may read.
pub const SECRET: &str = "kept-from-the-agent-4f1c";
/// Root's file in root's directory.
pub const ROOTS: &str = "/root/secret";
/// Everybody's file, outside the agent's tree and beneath no rule.
pub const OUTSIDE: &str = "/srv/outside";
/// A socket with a path there.
pub const SOCKET: &str = "/srv/socket";
/// A program of root's, beneath a rule that lets execute.
pub const TOOL: &str = "/opt/tool";
/// The attacker's program.
pub const ATTACKER: &str = "/tmp/attacker";
/// The same, as a program that makes who starts it root.
pub const RAISING: &str = "/tmp/raising";
/// The argument with which it only says whether it is root.
pub const ASK: &str = "--am-i-root";
/// A file of root's in a directory that everybody may enter.
pub const VAULT: &str = "/tmp/vault/file";
/// The handle of that file: its kind, then its bytes.
pub const HANDLE: &str = "/tmp/handle";
/// The name of a socket without a path.
pub const ABSTRACT: &str = "isolation-victim";
/// The victim's TCP port on loopback.
pub const PORT: u16 = 4711;
/// The key of its shared memory.
pub const MEMORY_KEY: i32 = 0x4711;
/// The variable that has the victim's process id.
pub const VICTIM: &str = "VICTIM";
/// The variable that has the address of the secret in its memory.
pub const ADDRESS: &str = "ADDRESS";
/// Most processes of the agent; few, so that a crowd is soon one too many.
pub const PROCESSES: u64 = 48;
/// Most open files of a process.
pub const FILES: u64 = 128;
/// The agent's user.
pub const USER: u32 = 1000;
