//! What the operator wants found in prompts beside what is found anyway, as it is written. What of it makes sense, the crate
//! `classify` says.

use serde::{Deserialize, Serialize};

/// The operator's own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Whole words, in any case (`property/term`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    /// Values by how they are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<PatternRule>,
    /// Values by what stands before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRule>,
    /// Values by where they stand in the body of a call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathRule>,
}

impl Rules {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Values that a regular expression describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternRule {
    /// The kind of the category: `CLASS/NAME`.
    pub name: String,
    /// The class of the category.
    #[serde(default)]
    pub class: DataClass,
    /// The expression; with a group, the value is what the first one holds.
    pub pattern: String,
    /// Words of which one must stand near the value; none: it is one wherever it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// How near, in bytes on either side; without it, [`DISTANCE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<u16>,
    /// What proves the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What it must find and what not.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
}

/// How near a word must stand unless the rule says otherwise.
pub const DISTANCE: u16 = 64;

/// Values behind the name of a field: `study_id: 42`, `"studyId": "42"`, `study-id=42`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The kind of the category: `CLASS/NAME`.
    pub name: String,
    /// The class of the category.
    #[serde(default)]
    pub class: DataClass,
    /// Names of the field, each in any spelling.
    pub labels: Vec<String>,
    /// What it must find and what not.
    #[serde(default, skip_serializing_if = "Examples::is_empty")]
    pub examples: Examples,
}

/// Values at places of a call's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// The kind of the category: `CLASS/NAME`.
    pub name: String,
    /// The class of the category.
    #[serde(default)]
    pub class: DataClass,
    /// JSON pointers (RFC 6901); `*` is any member or element. All texts and numbers below them are values.
    pub at: Vec<String>,
}

/// The classes that data of the operator's may be of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataClass {
    /// Keys, tokens, passwords.
    Credential,
    /// Cards and accounts.
    Financial,
    /// What a provider of care knows about a patient.
    Health,
    /// Data that identifies a person.
    Personal,
    /// What is the operator's and nobody else's.
    #[default]
    Property,
}

/// What proves a value: over its letters and digits, whatever stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// ISO/IEC 7812-1, of cards.
    Luhn,
    /// ISO 7064 mod 97-10: the whole leaves one.
    Mod97,
    /// The same with its first four characters moved to the end, as ISO 13616 has it.
    Iban,
    /// ISO 7064 mod 11,10: the last digit checks the others.
    Mod11_10,
    /// Verhoeff's check digit.
    Verhoeff,
}

/// Texts by which a rule is tried before it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Examples {
    /// In each of these it must find something.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matching: Vec<String>,
    /// In each of these it must find nothing.
    #[serde(rename = "pass", skip_serializing_if = "Vec::is_empty")]
    pub passing: Vec<String>,
}

impl Examples {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.matching.is_empty() && self.passing.is_empty()
    }
}
