//! The Rego modules of a document, as they are written.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::place::At;

/// One module, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegoEntries(pub Vec<At<RegoEntry>>);

/// One module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a module: name, mode, within, file or text")]
pub struct RegoEntry {
    /// How denials and the audit log call it, with `rego/` before it; unique in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<At<String>>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<At<RegoMode>>,
    /// Destinations at which a module that extends may allow something; it can do nothing beyond them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<At<String>>,
    /// The file that holds the module; [`crate::compose()`] reads it.
    #[serde(default, skip_serializing)]
    pub file: Option<At<String>>,
    /// The module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<At<String>>,
}

/// What a module may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegoMode {
    /// It must agree to what the rules allow.
    Narrow,
    /// It may allow requests at its destinations that no rule allows. What a deny list denies stays denied.
    Extend,
}

impl RegoEntries {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for RegoEntries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RegoEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RegoEntries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a module (a mapping) or a list of modules")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RegoEntries, A::Error> {
                let entry = RegoEntry::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RegoEntries(vec![At::nowhere(entry)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RegoEntries, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RegoEntries)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
