//! The policy document as it is written: every accepted key, and nothing that was decided from them.
//!
//! Two forms are read. The *full document* is a mapping that starts with `version: 1`. The *bare rule
//! list* is a list of rules, and means a document that has only a `network` part.

mod download;
mod inbound;
mod inference;
mod message;
mod network;
mod one_or_many;
mod process;
mod rego;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use wire::inference::Conditions;

pub use download::{Downloads, Executables, OnAbsence, Packages};
pub use inbound::{InboundEntry, TokenRule};
pub use inference::{Inference, Provider};
pub use message::{ArgumentEntry, Git, Graphql, Grpc, JsonRpc, Mcp};
pub use network::{Effect, Enforcement, HeaderLists, Lists, Query, RuleEntry, RuleLimits};
pub use one_or_many::OneOrMany;
pub use process::{Limits, Process};
pub use rego::{RegoEntries, RegoEntry, RegoMode};

use crate::place::{At, Place, SourceId};
use crate::yaml::{self, LoadError, LoadErrors};

/// The version that [`Document::parse`] reads.
pub const VERSION: u32 = 1;

/// A policy, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a policy document (a mapping)")]
pub struct Document {
    /// [`VERSION`]. Required in a file of its own; inside `agent.yaml` it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<At<u32>>,
    /// Policies that this one builds on, the later over the earlier; [`crate::compose()`] resolves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<At<OneOrMany>>,
    /// What `${NAME}` stands for in destinations and paths, here and in what is extended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, At<OneOrMany>>,
    /// Rules of extended policies that grant nothing here. What they deny stays denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<At<String>>,
    /// What the agent may do with files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// What the agent's processes may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// What the agent may reach. Nothing, if there is no rule.
    #[serde(default)]
    pub network: Vec<At<RuleEntry>>,
    /// Ports of the agent that are open to the outside. None, if there is no entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Vec<At<InboundEntry>>>,
    /// What is asked of model calls, beside what the operator configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<At<Inference>>,
    /// Rego modules, which narrow or extend what the rules allow.
    #[serde(default, skip_serializing_if = "RegoEntries::is_empty")]
    pub rego: RegoEntries,
    /// How errors call the texts that the document was made of: its own, then those it extends.
    #[serde(skip)]
    pub(crate) sources: Sources,
}

/// Paths beneath which the agent may do something, in addition to the baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "lists of paths under 'read', 'execute', 'write', 'write_execute'")]
pub struct Filesystem {
    /// Whether the baseline of the base image is granted too (`policies/baseline.yaml`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<At<Baseline>>,
    /// Read files and list directories.
    #[serde(default)]
    pub read: Vec<At<String>>,
    /// Read and execute.
    #[serde(default)]
    pub execute: Vec<At<String>>,
    /// Read, write, create and remove; not execute.
    #[serde(default)]
    pub write: Vec<At<String>>,
    /// All of the above.
    #[serde(default)]
    pub write_execute: Vec<At<String>>,
}

/// What a document's `filesystem` starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The paths that programs of the base image need.
    #[default]
    Image,
    /// Nothing: the document names every path.
    None,
}

/// Names of texts, by [`SourceId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sources(Vec<Arc<str>>);

/// Either form of a policy file.
struct EitherForm(Document);

impl Document {
    /// Reads a policy file, in either form. `file` is how errors call it; nothing is opened.
    ///
    /// # Errors
    /// The text is not a policy, or one of a version that is not known.
    pub fn parse(text: &str, file: &str) -> Result<Self, LoadErrors> {
        let EitherForm(document) = yaml::parse(text, file)?;
        let document = document.named(file);
        if document.version.is_none() {
            let remedy = format!("start it with 'version: {VERSION}'");
            let place = Place::at(1, 1);
            return Err(LoadError::new(file, place, "the policy has no version", remedy).into());
        }
        document.check_parts()?;
        Ok(document)
    }

    /// Sets how errors call the file in which this document stands, for a document that was read as a
    /// part of another file.
    #[must_use]
    pub fn named(mut self, file: &str) -> Self {
        self.sources = Sources(vec![file.into()]);
        self
    }

    /// How errors call the file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.sources.name(SourceId::OWN)
    }

    /// How errors call the text in which a value of this document stands.
    #[must_use]
    pub fn source_name(&self, place: Place) -> &str {
        self.sources.name(place.source)
    }

    /// A mistake at `place`.
    pub(crate) fn mistake(
        &self,
        place: Place,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> LoadError {
        LoadError::new(self.source_name(place), place, reason, remedy)
    }

    /// The dynamic half as a policy file, for the process that decides requests.
    ///
    /// # Errors
    /// The rules cannot be written as YAML; a bug.
    pub fn dynamic_text(&self) -> Result<String, serde_saphyr::SerializeError> {
        let version = Some(At::nowhere(VERSION));
        let Self { network, rego, inference, .. } = self.clone();
        let network = Self { version, network, rego, inference, ..Self::default() };
        serde_saphyr::to_string(&network)
    }

    /// Refuses a document that stands on others which were not read.
    pub(crate) fn check_resolved(&self) -> Result<(), LoadErrors> {
        let Some(extends) = &self.extends else { return Ok(()) };
        let reason = "what this policy extends was not read";
        Err(self.mistake(extends.place, reason, "resolve it first: 'openshell policy show FILE'").into())
    }

    /// The whole document as a policy file, for a process that cannot look anything up.
    ///
    /// # Errors
    /// The document cannot be written as YAML; a bug.
    pub fn text(&self) -> Result<String, serde_saphyr::SerializeError> {
        let version = Some(At::nowhere(VERSION));
        serde_saphyr::to_string(&Self { version, ..self.clone() })
    }

    /// What the document asks of model calls.
    ///
    /// # Errors
    /// No provider is left that a call could go to.
    pub(crate) fn conditions(&self) -> Result<Conditions, LoadError> {
        let Some(At { value, place }) = &self.inference else { return Ok(Conditions::default()) };
        value.conditions().ok_or_else(|| {
            let reason = "no provider is left that a model call could go to";
            let remedy =
                "name 'local', 'cloud' or both; to allow no call, remove the rules for inference.local";
            self.mistake(*place, reason, remedy).about("inference")
        })
    }

    /// Refuses an unknown version, and conditions that no call could meet.
    pub(crate) fn check_parts(&self) -> Result<(), LoadErrors> {
        let mut found = Vec::new();
        if let Some(version) = self.version.as_ref().filter(|version| version.value != VERSION) {
            let reason = format!("version {} is not known", version.value);
            let remedy = format!("write 'version: {VERSION}'");
            found.push(self.mistake(version.place, reason, remedy).about("version"));
        }
        found.extend(self.conditions().err());
        LoadErrors::from_found(found).map_or(Ok(()), Err)
    }
}

impl Sources {
    /// Adds a text and gives its id, or `None` if there are too many.
    pub(crate) fn add(&mut self, name: &str) -> Option<SourceId> {
        let id = u16::try_from(self.0.len()).ok()?;
        self.0.push(name.into());
        Some(SourceId(id))
    }

    pub(crate) fn name(&self, source: SourceId) -> &str {
        self.0.get(usize::from(source.0)).map_or("policy", |name| name)
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self(vec!["policy".into()])
    }
}

impl<'de> Deserialize<'de> for EitherForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = EitherForm;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a policy document (a mapping) or a list of rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EitherForm, A::Error> {
                Document::deserialize(MapAccessDeserializer::new(map)).map(EitherForm)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, rules: A) -> Result<EitherForm, A::Error> {
                let network = Vec::deserialize(SeqAccessDeserializer::new(rules))?;
                let version = Some(At::nowhere(VERSION));
                Ok(EitherForm(Document { version, network, ..Document::default() }))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
