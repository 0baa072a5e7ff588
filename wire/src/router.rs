//! What the manager tells `openshell-router`, and what it hears back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::SandboxId;
use crate::region::Region;
use crate::rules::Rules;
use crate::secret::Secret;
use crate::spawn::{Fd, JailUser};

/// The router of a sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Listening Unix socket that the proxies connect to.
    pub listener: Fd,
    /// Connected Unix socket to the audit writer.
    pub audit: Fd,
    /// What happens to prompts that hold classified data.
    pub directive: Directive,
    /// What is found beside what is found anyway.
    pub rules: Rules,
    /// Texts of which no piece may leave.
    pub documents: Vec<Document>,
    /// The server for prompts that must not leave the host.
    pub local: Option<LocalServer>,
    /// The server for everything else.
    pub cloud: Option<ModelServer>,
    /// Who is asked when these do not answer.
    pub fallback: Fallback,
    /// Servers of somebody else's in place of `cloud`, for calls that the agent makes to these hosts.
    pub providers: BTreeMap<String, ModelServer>,
    /// Where calls may be served; `None`: anywhere, known or not.
    pub regions: Option<Vec<Region>>,
    /// What may be spent.
    pub limits: ZoneLimits,
    /// PEM certificates trusted beside the system's roots.
    pub extra_roots_pem: String,
    /// Names that are answered from here instead of by DNS.
    pub hosts: BTreeMap<String, std::net::IpAddr>,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// A text of the operator's, by what is kept of it: `classify` recognises pieces of it, and nobody reads it out of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The kind of the category: `property/NAME`.
    pub name: String,
    /// The hashes that are kept, each once.
    pub prints: Vec<u64>,
}

/// The operator's word on prompts that hold classified data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// For what `rules` does not name. `None`: as [`CLASSES`] has it.
    pub sensitive: Option<Sensitive>,
    /// By class (`personal`) or category (`personal/email-address`); the category's word goes before its class's.
    pub rules: BTreeMap<String, Sensitive>,
    /// What happens to the session's other prompts once one went to the local server for what it held.
    pub after_local: AfterLocal,
}

impl Directive {
    /// A rule whose word says nothing of what it names: where a prompt is read does not change what an injected
    /// instruction does, and there is nothing in it to put back.
    #[must_use]
    pub fn misplaced(&self) -> Option<&str> {
        let is_mark = |name: &str| name.split('/').next() == Some(INJECTION);
        let is_wrong = |word: Sensitive| matches!(word, Sensitive::Redact | Sensitive::Local);
        self.rules
            .iter()
            .find(|(name, word)| is_mark(name) && is_wrong(**word))
            .map(|(name, _)| name.as_str())
    }
}

/// What happens to prompts in which nothing was found, once sensitive data is in the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterLocal {
    /// They stay local too: an answer may repeat in other words what the prompt held.
    #[default]
    Local,
    /// Each is judged by itself.
    Judge,
}

/// What happens to a prompt that holds classified data.
/// The later, the stricter: of two, the greater holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitive {
    /// It goes where a prompt goes in which nothing was found.
    #[default]
    Pass,
    /// The data is replaced before the prompt goes to the cloud, and put back into the answer.
    Redact,
    /// It goes to the local server; without one it is refused.
    Local,
    /// It is refused.
    Block,
}

/// The class of marks of injected instructions. They are no data: only a rule for them holds, and it passes or blocks.
pub const INJECTION: &str = "prompt-injection";

/// The classes of what is found, each with what happens to it unless the operator says otherwise. What is of no class of
/// these is local.
pub const CLASSES: [(&str, Sensitive); 7] = [
    ("credential", Sensitive::Redact),
    ("personal", Sensitive::Redact),
    ("financial", Sensitive::Local),
    ("health", Sensitive::Local),
    ("property", Sensitive::Local),
    ("unclassifiable", Sensitive::Local),
    (INJECTION, Sensitive::Pass),
];

/// What a model server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Chat completions, completions, embeddings, responses.
    #[default]
    OpenAi,
    /// Messages.
    Anthropic,
}

/// A server for prompts that must not leave the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum LocalServer {
    /// One at an address.
    At(ModelServer),
    /// One that [`crate::serving`] manages; it speaks OpenAI's API.
    Managed(Managed),
}

/// A managed server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Managed {
    /// The directory in which [`crate::serving::SOCKET`] is, or will be; it becomes the process's root.
    pub directory: Fd,
    /// The server's name there.
    pub server: String,
    /// Whose turns are asked for.
    pub sandbox: SandboxId,
    /// Where it computes, by the operator's word.
    pub region: Option<Region>,
}

/// A model server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelServer {
    /// Base URL, for example `https://models.example.com/v1`.
    pub url: String,
    /// What it speaks.
    pub api: Api,
    /// Sent as `Authorization: Bearer …`, or as `x-api-key` to who speaks Anthropic's API; never shown to the guest.
    pub api_key: Option<Secret>,
    /// Replaces the model that the client named.
    pub model: Option<String>,
    /// Models by the names that clients have for them; another name goes as it is.
    pub models: BTreeMap<String, String>,
    /// Where it computes, by the operator's word.
    pub region: Option<Region>,
}

/// Servers that are asked one after the other when the first one of their zone gives no answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fallback {
    /// For prompts that must not leave the host.
    pub local: Vec<ModelServer>,
    /// For everything else.
    pub cloud: Vec<ModelServer>,
}

/// Most servers that are asked after the first one of a zone.
pub const MOST_FALLBACKS: usize = 4;

/// What may be spent with the servers of each zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZoneLimits {
    /// With the server on this host.
    pub local: Limits,
    /// With all others.
    pub cloud: Limits,
}

/// Limits of one sandbox; what is not named is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls in any minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens of prompts and answers in a day of the host's clock (UTC).
    pub tokens_per_day: Option<u64>,
    /// Tokens in the sandbox's life.
    pub tokens: Option<u64>,
}

/// Most calls a minute that a limit may name: so many times are remembered.
pub const MOST_PER_MINUTE: u32 = 60_000;

/// What `openshell-router` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RouterEvent {
    /// Jailed and accepting requests.
    Ready,
    /// Could not start.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}
