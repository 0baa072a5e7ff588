//! What was noticed, and how sure that is.

use audit::{Action, Detection, Event, Record, Response, Severity};
use serde::{Deserialize, Serialize};

/// The detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The same program is refused the same thing again and again, or much is refused at all.
    RepeatedDenials,
    /// A placeholder of a credential was sent where the credential is not used.
    CredentialMisuse,
    /// Names that are asked for carry data.
    DnsTunnelling,
    /// A program that was not there before.
    NewBinary,
    /// A program in a directory that the agent can write, after a download.
    DownloadedProgram,
    /// Much more goes out than before.
    SuddenVolume,
    /// The router found marks of an injected instruction in a prompt.
    PromptInjection,
    /// The policy or a credential was changed outside the operator's hours.
    OutOfHoursChange,
}

/// How likely it is what it looks like; the names are those of OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// There are many harmless reasons.
    Low,
    /// There are some.
    Medium,
    /// There is hardly any.
    High,
}

/// Something that was noticed in the records of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// What it was, in one line, with the figures.
    pub reason: String,
    /// What the operator wants done.
    pub response: Response,
    /// Numbers of the records that show it, in order, at most [`MAX_EVIDENCE`].
    pub evidence: Vec<u64>,
}

/// Most records that a finding names.
pub const MAX_EVIDENCE: usize = 32;

/// Longest reason, in bytes.
const MAX_REASON: usize = 512;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::RepeatedDenials,
        Self::CredentialMisuse,
        Self::DnsTunnelling,
        Self::NewBinary,
        Self::DownloadedProgram,
        Self::SuddenVolume,
        Self::PromptInjection,
        Self::OutOfHoursChange,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RepeatedDenials => "repeated-denials",
            Self::CredentialMisuse => "credential-misuse",
            Self::DnsTunnelling => "dns-tunnelling",
            Self::NewBinary => "new-binary",
            Self::DownloadedProgram => "downloaded-program",
            Self::SuddenVolume => "sudden-volume",
            Self::PromptInjection => "prompt-injection",
            Self::OutOfHoursChange => "out-of-hours-change",
        }
    }

    /// The detection of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// How bad it is if it is what it looks like.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::NewBinary | Self::OutOfHoursChange => Severity::Low,
            Self::RepeatedDenials | Self::SuddenVolume => Severity::Medium,
            Self::CredentialMisuse
            | Self::DnsTunnelling
            | Self::DownloadedProgram
            | Self::PromptInjection => Severity::High,
        }
    }

    /// How likely it is that.
    #[must_use]
    pub fn confidence(self) -> Confidence {
        match self {
            Self::NewBinary | Self::SuddenVolume | Self::PromptInjection => Confidence::Low,
            Self::RepeatedDenials | Self::DnsTunnelling | Self::DownloadedProgram => Confidence::Medium,
            Self::CredentialMisuse | Self::OutOfHoursChange => Confidence::High,
        }
    }

    /// Techniques of MITRE ATT&CK (`T…`) and ATLAS (`AML.…`), and risks of the OWASP Top 10 for Agentic Applications 2026
    /// (`ASI…`).
    #[must_use]
    pub fn references(self) -> &'static [&'static str] {
        match self {
            Self::RepeatedDenials => &["T1046", "ASI02", "ASI10"],
            Self::CredentialMisuse => &["T1552", "T1078", "ASI03"],
            Self::DnsTunnelling => &["T1071.004", "T1048", "ASI02"],
            Self::NewBinary => &["T1059", "ASI05"],
            Self::DownloadedProgram => &["T1105", "T1204.002", "ASI04", "ASI05"],
            Self::SuddenVolume => &["T1567", "T1048", "ASI02", "ASI10"],
            Self::PromptInjection => &["AML.T0051", "ASI01"],
            Self::OutOfHoursChange => &["T1562", "ASI03"],
        }
    }
}

impl Finding {
    pub(crate) fn new(kind: Kind, reason: String, mut evidence: Vec<u64>) -> Self {
        // The last records are those that made it one.
        let surplus = evidence.len().saturating_sub(MAX_EVIDENCE);
        evidence.drain(..surplus);
        Self { kind, reason: bounded(reason), response: Response::Record, evidence }
    }

    /// As it is recorded.
    #[must_use]
    pub fn event(&self) -> Event {
        Event {
            reason: Some(self.reason.clone()),
            detection: Some(Detection {
                name: self.kind.as_str().to_owned(),
                severity: self.kind.severity(),
                response: self.response,
                evidence: self.evidence.clone(),
                references: self.kind.references().iter().map(|id| (*id).to_owned()).collect(),
            }),
            ..Event::new(Action::Detection)
        }
    }

    /// As if it had been recorded beside `record`, the last that shows it: for whoever looks at a log afterwards.
    #[must_use]
    pub fn beside(&self, record: &Record) -> Record {
        Record { client: "watch".to_owned(), event: self.event(), ..record.clone() }
    }
}

/// Names in a reason come from the guest.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_REASON {
        text.truncate(text.floor_char_boundary(MAX_REASON));
        text.push('…');
    }
    text.replace(|c: char| c.is_control(), "?")
}
