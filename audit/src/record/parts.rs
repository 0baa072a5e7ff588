//! The compound fields of an event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::id::PolicyVersion;
use wire::proposal::Wish;
use wire::subject::{Digest, Program};

/// Longest text from the guest in a record, in bytes; longer text is cut and ends in `…`.
pub(super) const MAX_TEXT: usize = 4096;
/// Most query keys, owners and ancestors that are kept.
const MAX_LIST: usize = 32;
/// Longest query key, method or ancestor in a record, in bytes.
pub(super) const MAX_KEY: usize = 128;
/// Longest of each as it is handed to the writer, which takes secrets out before it cuts: of a secret that a cut goes through,
/// half would not be known for one.
pub(super) const RAW_TEXT: usize = 2 * MAX_TEXT;
const RAW_KEY: usize = 8 * MAX_KEY;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The programs that held the socket.
    Owners(Vec<Owner>),
    /// They could not be told, and why.
    Unknown(String),
}

/// One program that held the socket: a claim by the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Resolved path of the executable.
    pub binary: String,
    /// SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Script that it interprets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Process id in the guest.
    pub pid: u32,
    /// User id in the guest.
    pub uid: u32,
    /// Executables of its ancestors, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
}

/// What an action was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// HTTP method, the type of a name query, a system call, or what is done with a file: `read`, `write`, `create`, `remove`,
    /// `rename`, `attributes`, `inspect` or `execute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Canonical path of a request, or the path of a program or a file (of several in a directory, the directory and `/*`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of a file's content, in hexadecimal: one that was executed, or a download that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Keys of the query, in order; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_keys: Vec<String>,
    /// Bytes of body that went upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// Bytes of body that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_received: Option<u64>,
    /// SHA-256, in hexadecimal, of the body that went upstream, as the agent sent it; absent if it is empty, did not go on to its
    /// end, or digests are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_sha256: Option<String>,
    /// SHA-256, in hexadecimal, of the body that came back, as the agent got it; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_sha256: Option<String>,
    /// What a download that was judged is, by its content: `zip`, `gzip`, `elf`, `script`, `text`, …; its digest stands under
    /// `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Bytes of a download that was judged, whether or not they went on to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How often it happened, where one record stands for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// What was found in a prompt, and where it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// Findings by category; never the text that was found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, u32>,
    /// `local`, `cloud` or `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The model that the client named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_asked: Option<String>,
    /// The model that answered, as the server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_served: Option<String>,
    /// Tokens of the prompt, as the server counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_in: Option<u64>,
    /// Tokens of the answer, as the server counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_out: Option<u64>,
    /// Host of the server that serves the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Region in which it serves it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where some data was replaced: findings that went along as they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, u32>,
}

/// A step in a sandbox's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// The state that was reached.
    pub phase: Phase,
    /// Exit code, if the phase has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// More, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The states that are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The sandbox's processes are up; the machine boots.
    Started,
    /// The agent's first instruction is next.
    AgentStarted,
    /// The agent ended, and is to be started again.
    AgentRestarting,
    /// The agent ended by itself, and that was its last end.
    AgentExited,
    /// The virtual processors stand still.
    Paused,
    /// They go on.
    Resumed,
    /// An operator's command is about to run beside the agent.
    CommandStarted,
    /// Whoever is on it is about to leave it running.
    CommandDetached,
    /// It is about to be asked to end, and made to.
    CommandStopped,
    /// It ended.
    CommandEnded,
    /// The sandbox was ended from outside: a signal, a time-out, an operator.
    Stopped,
    /// The sandbox failed.
    Failed,
}

/// A replacement of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// The policy that was to take effect; `None`: what was sent is no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Edition>,
    /// The policy in force until then.
    pub old: Edition,
    /// How the operator calls the new one: its file.
    pub source: String,
    /// The operator's user id on the host.
    pub uid: u32,
}

/// What an agent proposed, and on what terms an operator approved it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The program that is to be allowed: a claim of whoever asked.
    pub binary: String,
    /// From when on nobody needs an answer any more: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What the operator saw: SHA-256, in hexadecimal, over the proposal and the policies before and after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// For how long it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// When an approval for a time ends: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// For how long something is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// For one request.
    Once,
    /// For a time.
    Until,
    /// To the sandbox's end.
    Sandbox,
}

/// What a sandbox was made from. Digests are SHA-256 in hexadecimal: with the file at hand, anybody can tell
/// whether it is the one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The whole description after all files that it names were read, as `vm run --dry-run` prints it.
    pub sha256: String,
    /// The file of it, as the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The user of the host who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The image, as the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The static half of the policy, as the guest was told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement_sha256: Option<String>,
    /// The dynamic half of the policy, as the proxy was told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_sha256: Option<String>,
    /// Version of openshell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openshell: Option<String>,
}

/// Something that was noticed in the records of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Name of the detection, such as `repeated-denials`.
    pub name: String,
    /// How bad it is if it is what it looks like.
    pub severity: Severity,
    /// What was done about it.
    pub response: Response,
    /// Numbers of the records that show it, the last of them at least.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<u64>,
    /// Techniques of MITRE ATT&CK and risks of OWASP that it may be, by their identifiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

/// How bad something is; the names are those of OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Informational,
    /// Nobody has to act.
    Low,
    /// Somebody should look.
    Medium,
    /// Somebody has to act.
    High,
    /// Somebody has to act at once.
    Critical,
}

/// What is done about a detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// It is recorded, no more.
    #[default]
    Record,
    /// The virtual processors stand still until an operator lets them go on.
    Pause,
    /// The sandbox reaches nothing any more; it runs on with its memory.
    Quarantine,
    /// The sandbox is ended.
    Stop,
}

/// One policy of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// Its number.
    pub version: PolicyVersion,
    /// SHA-256 of its network part, in hexadecimal.
    pub sha256: String,
}

impl From<&wire::subject::Subject> for Subject {
    fn from(subject: &wire::subject::Subject) -> Self {
        match subject {
            wire::subject::Subject::Owners(owners) => {
                Self::Owners(owners.iter().take(MAX_LIST).map(Owner::from).collect())
            }
            wire::subject::Subject::Unknown(why) => Self::Unknown(cut(why, RAW_TEXT)),
        }
    }
}

impl From<&Program> for Owner {
    fn from(program: &Program) -> Self {
        Self {
            binary: cut(&program.path, RAW_TEXT),
            sha256: program.sha256.map(Digest::to_hex),
            script: program.script.as_deref().map(|script| cut(script, RAW_TEXT)),
            pid: program.pid,
            uid: program.uid,
            parents: program.parents.iter().take(MAX_LIST).map(|parent| cut(parent, RAW_KEY)).collect(),
        }
    }
}

impl Proposal {
    /// What is wished for beside its [`Object::wished`].
    #[must_use]
    pub fn of(wish: &Wish) -> Self {
        Self { binary: cut(&wish.binary, RAW_TEXT), ..Self::default() }
    }
}

impl Terms {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Until => "until",
            Self::Sandbox => "sandbox",
        }
    }
}

impl Object {
    /// The request that is wished for; of its query the keys that it may have.
    #[must_use]
    pub fn wished(wish: &Wish) -> Self {
        let keys = wish.query.iter().take(MAX_LIST).map(|key| cut(key, RAW_KEY)).collect();
        let object = Self::destination(&wish.host, wish.port).with_request(&wish.method, &wish.path, None);
        Self { query_keys: keys, ..object }
    }

    /// A file that was to be executed, and how often.
    #[must_use]
    pub fn program(path: &str, times: u64) -> Self {
        Self { path: Some(cut(path, RAW_TEXT)), times: Some(times), ..Self::default() }
    }

    /// A file, what was done with it, and how often.
    #[must_use]
    pub fn file(path: &str, verb: &str, times: u64) -> Self {
        Self { method: Some(cut(verb, RAW_KEY)), ..Self::program(path, times) }
    }

    /// A system call, and how often it was made.
    #[must_use]
    pub fn call(name: &str, times: u64) -> Self {
        Self { method: Some(cut(name, RAW_KEY)), times: Some(times), ..Self::default() }
    }

    /// A destination.
    #[must_use]
    pub fn destination(host: &str, port: u16) -> Self {
        Self { host: Some(cut(host, RAW_TEXT)), port: Some(port), ..Self::default() }
    }

    /// A name that was asked for, and the type of its record.
    #[must_use]
    pub fn name(name: &str, record_type: &str) -> Self {
        Self { host: Some(cut(name, RAW_TEXT)), method: Some(cut(record_type, RAW_KEY)), ..Self::default() }
    }

    /// Adds the request line: method, canonical path, and of the query (what follows `?`) the keys.
    #[must_use]
    pub fn with_request(mut self, method: &str, path: &str, query: Option<&str>) -> Self {
        self.method = Some(cut(method, RAW_KEY));
        self.path = Some(cut(path, RAW_TEXT));
        self.query_keys = query.map(keys).unwrap_or_default();
        self
    }

    /// Adds what went over the wire.
    #[must_use]
    pub fn with_bytes(mut self, sent: u64, received: u64) -> Self {
        self.bytes_sent = Some(sent);
        self.bytes_received = Some(received);
        self
    }

    /// Adds the digests of what went over the wire.
    #[must_use]
    pub fn with_digests(mut self, sent: Option<Digest>, received: Option<Digest>) -> Self {
        self.sent_sha256 = sent.map(Digest::to_hex);
        self.received_sha256 = received.map(Digest::to_hex);
        self
    }

    /// Adds what a download was found to be.
    #[must_use]
    pub fn with_download(mut self, kind: &str, bytes: u64, sha256: Option<Digest>) -> Self {
        self.kind = Some(cut(kind, RAW_KEY));
        self.size = Some(bytes);
        self.sha256 = sha256.map(Digest::to_hex);
        self
    }

    /// Digests of files and bodies that it is about, in hexadecimal.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        [&self.sha256, &self.sent_sha256, &self.received_sha256].into_iter().flatten().map(String::as_str)
    }
}

/// Text without `=` may be a value of its own: it is recorded as an empty key.
fn keys(query: &str) -> Vec<String> {
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty()).take(MAX_LIST);
    pairs.map(|pair| pair.split_once('=').map_or(String::new(), |(key, _value)| cut(key, RAW_KEY))).collect()
}

pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
