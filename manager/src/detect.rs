//! `inference.detect`: the operator's own rules for what prompts hold, in agent.yaml or in a file that it names.
//!
//! Read, compiled and tried on their examples before anything starts. A mistake is told with file and line.

use std::fmt;
use std::path::{Path, PathBuf};

use classify::property::Property;
use classify::property::rules::{List, RuleMistake};
use policies::place::{At, Place};
use policies::yaml::{self, LoadError};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::rules::Rules;

use crate::failure::Failure;
use crate::policy_files;

/// The rules, or where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detect {
    /// In a file.
    File(PathBuf),
    /// Here.
    Rules(Rules),
}

/// Where rules stand in their file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Places {
    terms: Vec<At<IgnoredAny>>,
    patterns: Vec<At<IgnoredAny>>,
    fields: Vec<At<IgnoredAny>>,
    paths: Vec<At<IgnoredAny>>,
}

/// The same in an agent.yaml.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Around {
    inference: Inference,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inference {
    detect: Places,
}

/// Rules that stand in a file of their own.
///
/// # Errors
/// The file cannot be read, or a rule cannot be used: the failure names file, line and rule.
pub fn load(path: &Path) -> Result<Rules, Failure> {
    let (text, name) = (policy_files::read(path)?, path.display().to_string());
    let failure = |error: &LoadError| Failure::new(error, error.remedy());
    let rules: Rules = yaml::parse(&text, &name).map_err(|error| failure(&error))?;
    match Property::new(&rules) {
        Ok(_compiled) => Ok(rules),
        Err(mistake) => {
            let places: Places = yaml::parse(&text, &name).unwrap_or_default();
            Err(failure(&places.explain(&name, &mistake)))
        }
    }
}

impl Detect {
    /// The file, if the rules stand in one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Rules(_) => None,
        }
    }

    /// The rules; `text` is the agent.yaml `file` that names them, and `base` its directory.
    pub(crate) fn resolve(self, (text, file): (&str, &str), base: &Path) -> Result<Self, Failure> {
        let rules = match self {
            Self::File(path) => return load(&base.join(path)).map(Self::Rules),
            Self::Rules(rules) => rules,
        };
        match Property::new(&rules) {
            Ok(_compiled) => Ok(Self::Rules(rules)),
            Err(mistake) => {
                let Around { inference } = yaml::parse(text, file).unwrap_or_default();
                let error = inference.detect.explain(file, &mistake);
                Err(Failure::new(&error, error.remedy()))
            }
        }
    }

    /// The rules, once they are read.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        match self {
            Self::File(_unread) => None,
            Self::Rules(rules) => Some(rules),
        }
    }
}

impl Places {
    fn explain(&self, file: &str, mistake: &RuleMistake) -> LoadError {
        let list: &[At<IgnoredAny>] = match mistake.list {
            List::Terms => &self.terms,
            List::Patterns => &self.patterns,
            List::Fields => &self.fields,
            List::Paths => &self.paths,
            // They stand beside the rules.
            List::Documents => &[],
        };
        let place = list.get(mistake.index).map_or_else(Place::default, |rule| rule.place);
        let key = format!("{}[{}]", mistake.list, mistake.index);
        LoadError::new(file, place, &mistake.cause, &mistake.remedy).about(key)
    }
}

impl<'de> Deserialize<'de> for Detect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Detect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file of rules, or rules")
            }

            fn visit_str<E>(self, path: &str) -> Result<Detect, E> {
                Ok(Detect::File(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Detect, A::Error> {
                Rules::deserialize(MapAccessDeserializer::new(map)).map(Detect::Rules)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Detect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(path) => path.serialize(serializer),
            Self::Rules(rules) => rules.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "patterns:\n  - name: project-code\n    pattern: 'PX-[0-9]{6}'\n    examples:\n      match: [PX-004711]\n\
        fields:\n  - {name: study, class: health, labels: [study id]}\npaths:\n  - {name: customer, at: [/metadata/customer]}\n";

    fn loaded(text: &str) -> Result<Rules, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rules.yaml");
        std::fs::write(&path, text).unwrap();
        load(&path).map_err(|failure| Failure {
            cause: failure.cause.replace(&directory.path().display().to_string(), "."),
            ..failure
        })
    }

    #[test]
    fn rules_are_read_and_tried() {
        let rules = loaded(RULES).unwrap();
        assert_eq!((rules.patterns.len(), rules.fields.len(), rules.paths.len()), (1, 1, 1));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (from, to, cause) in [
            (
                "PX-[0-9]{6}",
                "(PX",
                "./rules.yaml:2:5: patterns[0]: the pattern is no regular expression: unclosed group",
            ),
            ("PX-[0-9]{6}", "x*", "./rules.yaml:2:5: patterns[0]: the pattern matches the empty text"),
            (
                "PX-004711",
                "PX-47",
                "./rules.yaml:2:5: patterns[0]: it finds nothing in its example 1 under 'match'",
            ),
            ("[study id]", "[]", "./rules.yaml:7:5: fields[0]: it names no field"),
            (
                "/metadata/customer",
                "metadata",
                "./rules.yaml:9:5: paths[0]: 'metadata' is no pointer into a body",
            ),
        ] {
            let failure = loaded(&RULES.replace(from, to)).unwrap_err();
            assert_eq!(failure.cause, cause);
            assert!(!failure.remedy.is_empty());
        }
        let failure = loaded(&RULES.replace("labels", "lables")).unwrap_err();
        assert!(failure.cause.contains("rules.yaml:7:") && failure.remedy.contains("labels"), "{failure:?}");
        let failure = loaded(&RULES.replace("class: health", "class: helth")).unwrap_err();
        assert!(failure.cause.contains("rules.yaml:7:") && failure.remedy.contains("health"), "{failure:?}");
    }
}
