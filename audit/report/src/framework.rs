//! Whom a report is for, and which of their requirements the log is evidence for.

use std::str::FromStr;

/// Whom a report is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// AICPA Trust Services Criteria (2017, points of focus of 2022).
    Soc2,
    /// HIPAA Security Rule, 45 CFR 164.312.
    Hipaa,
    /// Regulation (EU) 2024/1689.
    EuAiAct,
    /// Regulation (EU) 2016/679.
    Gdpr,
    /// OWASP Top 10 for Agentic Applications 2026.
    OwaspAsi,
    /// Who may reach what, for the one who has to confirm it.
    AccessReview,
}

/// Why a text names no framework.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no report for '{0}'")]
pub struct NoFramework(String);

/// What of a report is evidence for a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// What the sandboxes were made from, and the policies in force.
    Controls,
    /// What was allowed and refused.
    Decisions,
    /// Changes.
    Changes,
    /// What was noticed.
    Detections,
    /// Where prompts with classified data went.
    Processing,
    /// In which regions cloud models served prompts.
    Transfers,
    /// Where prompts with health data went.
    HealthData,
    /// The log itself: chain and signatures.
    Integrity,
    /// Which credentials were used.
    Credentials,
}

/// A requirement: its number, what it is about in our words, what is evidence for it.
pub(crate) type Requirement = (&'static str, &'static str, &'static [Evidence]);

use Evidence::{
    Changes, Controls, Credentials, Decisions, Detections, HealthData, Integrity, Processing, Transfers,
};

const SOC2: &[Requirement] = &[
    ("CC6.1", "Logical access to protected assets is restricted", &[Controls, Decisions, Credentials]),
    ("CC6.6", "Protection against threats from outside the boundary", &[Controls, Decisions]),
    ("CC6.7", "Transmission of information is restricted to authorised parties", &[Decisions, Processing]),
    ("CC6.8", "Unauthorised software is prevented or found", &[Controls, Detections]),
    ("CC7.2", "System components are monitored for anomalies", &[Detections, Integrity]),
    ("CC7.3", "Security events are evaluated", &[Detections, Changes]),
    ("CC8.1", "Changes are authorised and recorded", &[Changes]),
];
const HIPAA: &[Requirement] = &[
    ("164.312(a)(1)", "Access control", &[Controls, Decisions, Credentials]),
    ("164.312(b)", "Audit controls: activity is recorded and examined", &[Integrity, Decisions]),
    ("164.312(c)(1)", "Integrity: improper alteration is prevented or found", &[Integrity]),
    ("164.312(d)", "Person or entity authentication", &[Credentials]),
    ("164.312(e)(1)", "Transmission security", &[Decisions, Processing, HealthData]),
];
const EU_AI_ACT: &[Requirement] = &[
    ("Art. 12", "Record-keeping: events are logged automatically over the lifetime", &[Integrity, Decisions]),
    ("Art. 14", "Human oversight: interventions and the means for them", &[Changes, Detections]),
    ("Art. 15", "Accuracy, robustness and cybersecurity", &[Controls, Detections]),
    ("Art. 19", "Logs that were generated automatically are kept", &[Integrity]),
    (
        "Art. 26",
        "Deployers monitor operation and keep logs for at least six months",
        &[Integrity, Detections],
    ),
];
const GDPR: &[Requirement] = &[
    ("Art. 5(1)(c)", "Data minimisation: what is classified goes no further than it must", &[Processing]),
    ("Art. 5(2)", "Accountability", &[Integrity]),
    ("Art. 25", "Data protection by design and by default", &[Controls, Processing]),
    ("Art. 30", "Records of processing activities", &[Processing]),
    ("Art. 32", "Security of processing", &[Controls, Decisions, Detections]),
    ("Art. 44", "Transfers: which data went to a cloud model, in which region", &[Transfers]),
];
const ACCESS_REVIEW: &[Requirement] = &[
    (
        "Access",
        "Which destinations and credentials were reached, and by which programs",
        &[Decisions, Credentials],
    ),
    ("Grants", "What the policies in force were, and which rules nobody used", &[Controls, Changes]),
];

impl Framework {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Soc2, Self::Hipaa, Self::EuAiAct, Self::Gdpr, Self::OwaspAsi, Self::AccessReview];

    /// As it is typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soc2 => "soc2",
            Self::Hipaa => "hipaa",
            Self::EuAiAct => "eu-ai-act",
            Self::Gdpr => "gdpr",
            Self::OwaspAsi => "owasp-asi",
            Self::AccessReview => "access-review",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2 (Trust Services Criteria)",
            Self::Hipaa => "HIPAA Security Rule",
            Self::EuAiAct => "EU AI Act, Regulation (EU) 2024/1689",
            Self::Gdpr => "GDPR, Regulation (EU) 2016/679",
            Self::OwaspAsi => "OWASP Top 10 for Agentic Applications 2026",
            Self::AccessReview => "Access review",
        }
    }

    /// What the log is evidence for.
    pub(crate) fn requirements(self) -> &'static [Requirement] {
        match self {
            Self::Soc2 => SOC2,
            Self::Hipaa => HIPAA,
            Self::EuAiAct => EU_AI_ACT,
            Self::Gdpr => GDPR,
            Self::OwaspAsi => &[],
            Self::AccessReview => ACCESS_REVIEW,
        }
    }

    /// What this log cannot be evidence for.
    pub(crate) fn not_shown(self) -> &'static [&'static str] {
        match self {
            Self::Soc2 => &["The criteria about people, contracts, physical access and availability."],
            Self::Hipaa => &[
                "Health data that the classifier did not recognise, or that left by another way than a model call.",
                "Administrative and physical safeguards (164.308, 164.310), and encryption at rest of the host's disks.",
            ],
            Self::EuAiAct => &[
                "Whether a system is high-risk, its risk management (Art. 9), data governance (Art. 10) and technical documentation (Art. 11).",
                "Whether a person understood what was overseen; only what was done is recorded.",
            ],
            Self::Gdpr => &[
                "Legal bases, consent, requests of data subjects, and contracts with processors.",
                "In which country a cloud model computed, beyond the region that the operator or the server's name says.",
                "Data that the classifier did not recognise.",
            ],
            Self::OwaspAsi => &[
                "Input validation, output filtering and a person's approval inside the agent: they stay with the deployer.",
            ],
            Self::AccessReview => {
                &["Access of persons to the host, and what a credential may do at its service."]
            }
        }
    }
}

impl FromStr for Framework {
    type Err = NoFramework;

    fn from_str(text: &str) -> Result<Self, NoFramework> {
        let known = Self::ALL.into_iter().find(|framework| framework.as_str() == text);
        known.ok_or_else(|| NoFramework(text.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}
