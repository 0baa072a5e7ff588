//! The named lints of an import: each is one way in which the two languages differ.

use std::fmt;

/// Why something does not mean exactly what it meant to OpenShell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lint {
    /// `enforcement: audit`, or none: refused here, only logged there.
    AuditEnforced,
    /// A program that a listed program started: counted there, not here.
    AncestorsNotCounted,
    /// A binary path that is left out.
    BinaryLeftOut,
    /// A policy without binaries: nothing matches it there.
    NoBinaries,
    /// A host that is left out.
    HostLeftOut,
    /// An endpoint without a port: nothing matches it there.
    NoPort,
    /// A destination that OpenShell itself never lets through.
    NeverReached,
    /// `allowed_ips`: the endpoint is left out.
    AllowedIpsLeftOut,
    /// A private address: to be opened in `agent.yaml` too.
    PrivateAddress,
    /// Traffic that is not HTTP passes there, not here.
    HttpOnly,
    /// `tls: skip`: TLS is always terminated here.
    TlsTerminated,
    /// `rules` or `access` without `protocol`: ignored there, in force here.
    RulesWithoutProtocol,
    /// A protocol whose content this version does not inspect: the endpoint is left out.
    ProtocolLeftOut,
    /// A WebSocket endpoint: its plain requests are imported, upgrades are not.
    WebsocketNotImported,
    /// A method that is left out.
    MethodLeftOut,
    /// A path that is left out.
    PathLeftOut,
    /// An allow rule with a condition on the query: left out.
    QueryLeftOut,
    /// A deny rule that here denies more than it did.
    DenyWidened,
    /// The deny lists of this language also match other spellings and the directory itself.
    DenySpellings,
    /// An endpoint whose `path` overlaps with that of another endpoint.
    PathOverlap,
    /// An endpoint without inspection beside one with inspection: adds nothing there, left out here.
    InspectedElsewhere,
    /// Nothing is left of an endpoint.
    NothingLeft,
    /// `allow_encoded_slash`: such paths are refused here.
    EncodedSlashRefused,
    /// Keys about credentials: not part of a policy here.
    CredentialsLeftOut,
    /// A key that has no effect here.
    KeyIgnored,
    /// `landlock.compatibility: best_effort`: here confinement is always required.
    LandlockRequired,
    /// `process.run_as_user` and `run_as_group`: the agent has its own user here.
    RunAsUser,
    /// A file system path that is left out.
    FilesystemLeftOut,
    /// Paths that OpenShell adds to every policy with network rules.
    BaselineAdded,
    /// The working directory of `agent.yaml`, which is always granted.
    WorkdirGranted,
    /// `inference`: left out.
    InferenceLeftOut,
}

impl Lint {
    /// The name, as reports and the documentation write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AuditEnforced => "audit-enforced",
            Self::AncestorsNotCounted => "ancestors-not-counted",
            Self::BinaryLeftOut => "binary-left-out",
            Self::NoBinaries => "no-binaries",
            Self::HostLeftOut => "host-left-out",
            Self::NoPort => "no-port",
            Self::NeverReached => "never-reached",
            Self::AllowedIpsLeftOut => "allowed-ips-left-out",
            Self::PrivateAddress => "private-address",
            Self::HttpOnly => "http-only",
            Self::TlsTerminated => "tls-terminated",
            Self::RulesWithoutProtocol => "rules-without-protocol",
            Self::ProtocolLeftOut => "protocol-left-out",
            Self::WebsocketNotImported => "websocket-not-imported",
            Self::MethodLeftOut => "method-left-out",
            Self::PathLeftOut => "path-left-out",
            Self::QueryLeftOut => "query-left-out",
            Self::DenyWidened => "deny-widened",
            Self::DenySpellings => "deny-spellings",
            Self::PathOverlap => "path-overlap",
            Self::InspectedElsewhere => "inspected-elsewhere",
            Self::NothingLeft => "nothing-left",
            Self::EncodedSlashRefused => "encoded-slash-refused",
            Self::CredentialsLeftOut => "credentials-left-out",
            Self::KeyIgnored => "key-ignored",
            Self::LandlockRequired => "landlock-required",
            Self::RunAsUser => "run-as-user",
            Self::FilesystemLeftOut => "filesystem-left-out",
            Self::BaselineAdded => "baseline-added",
            Self::WorkdirGranted => "workdir-granted",
            Self::InferenceLeftOut => "inference-left-out",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
