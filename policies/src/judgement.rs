//! What the rules of an endpoint say together of what comes back from it: all of them must agree.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::{Effect, Enforcement, Executables};
use crate::download::{Against, Artifact, DownloadLevel, Package, Registry, Seen, program};
use crate::rule::Rule;

/// What the rules of an endpoint ask of what comes back from it.
#[derive(Clone, Debug)]
pub struct DownloadRules(Vec<Judge>);

/// One rule.
#[derive(Clone, Debug)]
struct Judge {
    rule: Arc<Rule>,
    /// Whether it only says what it would refuse.
    on_trial: bool,
    /// What was asked for, where the rule is one for packages.
    path: Option<Box<str>>,
}

/// A package that has to be of an age.
#[derive(Clone, Debug)]
pub struct Age<'a> {
    /// The rule that says so.
    pub rule: &'a str,
    /// Whether it only says what it would refuse.
    pub on_trial: bool,
    /// Whose package it is.
    pub registry: Registry,
    /// Which.
    pub package: Package,
    /// Seconds since it was published, at least.
    pub least: u64,
    /// Host and port where that is asked, if not where the file is.
    pub metadata: Option<(&'a str, u16)>,
    /// The path there.
    pub index: String,
}

/// What the rules say of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Why it may not go on.
    pub refused: Option<Objection>,
    /// What the record is to say of it.
    pub notes: Vec<String>,
}

/// What a rule has against a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Objection {
    /// The rule.
    pub rule: String,
    /// In one line.
    pub reason: String,
    /// What could be done, in one line.
    pub hint: String,
    /// Whether a list names it; otherwise none does.
    pub is_listed: bool,
}

impl DownloadRules {
    pub(crate) fn new(rules: Vec<Arc<Rule>>, path: &str) -> Option<Box<Self>> {
        let judge = |rule: Arc<Rule>| {
            let on_trial = rule.enforcement == Enforcement::Audit && rule.effect == Effect::Grant;
            let is_registry = rule.download.as_ref().is_some_and(|level| level.packages.is_some());
            Judge { rule, on_trial, path: is_registry.then(|| path.into()) }
        };
        (!rules.is_empty()).then(|| Box::new(Self(rules.into_iter().map(judge).collect())))
    }

    /// What both ask.
    pub(crate) fn and(mut self: Box<Self>, other: Self) -> Box<Self> {
        let is_new = |judge: &Judge| {
            let same = |mine: &Judge| Arc::ptr_eq(&mine.rule, &judge.rule) && mine.path == judge.path;
            !self.0.iter().any(same)
        };
        let more: Vec<Judge> = other.0.into_iter().filter(is_new).collect();
        self.0.extend(more);
        self
    }

    /// Whether both ask the same, in the same order.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(one, other)| {
                one.on_trial == other.on_trial && one.rule.download == other.rule.download
            })
    }

    /// Names of the rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|judge| &*judge.rule.name)
    }

    fn levels(&self) -> impl Iterator<Item = (&Judge, &DownloadLevel)> {
        self.0.iter().filter_map(|judge| Some((judge, judge.rule.download.as_deref()?)))
    }

    fn enforced(&self) -> impl Iterator<Item = &DownloadLevel> {
        self.levels().filter(|(judge, _level)| !judge.on_trial).map(|(_judge, level)| level)
    }

    /// Names of the scanners that are to look into a body, each once.
    #[must_use]
    pub fn scanners(&self) -> BTreeSet<&str> {
        self.levels().filter_map(|(_judge, level)| Some(level.scanner.as_ref()?.name.as_str())).collect()
    }

    /// Packages that have to be of an age, and how old.
    pub fn ages(&self) -> impl Iterator<Item = Age<'_>> {
        self.levels().filter_map(|(judge, level)| {
            let packages = level.packages.as_ref()?;
            let (age, path) = (packages.min_age.as_ref()?, judge.path.as_deref()?);
            let Artifact::Package(package) = packages.registry.artifact(path) else { return None };
            let index = packages.registry.index(path, &package);
            let metadata = age.metadata.as_ref().map(|(host, port)| (host.as_str(), *port));
            let least = age.least;
            let (rule, on_trial) = (&*judge.rule.name, judge.on_trial);
            Some(Age { rule, on_trial, registry: packages.registry, package, least, metadata, index })
        })
    }

    /// What each rule asks, in a line.
    pub fn summaries(&self) -> impl Iterator<Item = String> {
        self.levels().map(|(judge, level)| {
            let trial = if judge.on_trial { " (on trial)" } else { "" };
            format!("rule {}{trial}: {}", judge.rule.name, level.summary())
        })
    }

    /// Whether all of a body has to be there before any of it may go on.
    #[must_use]
    pub fn hold(&self) -> bool {
        self.enforced().any(DownloadLevel::holds)
    }

    /// Whether somebody asks what is in a body.
    #[must_use]
    pub fn look_inside(&self) -> bool {
        self.levels().any(|(_judge, level)| level.executables != Executables::Allow)
    }

    /// Most bytes that may go on. `None`: any number.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        self.enforced().filter_map(|level| level.most).min()
    }

    /// What they say of a body, as far as it is known.
    #[must_use]
    pub fn judge(&self, seen: &Seen<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for (judge, level) in self.levels() {
            let name = &judge.rule.name;
            if level.executables == Executables::Audit
                && let Some(what) = program(seen)
            {
                judgement.notes.push(format!("rule '{name}' audits: {what}"));
            }
            if let Some(note) = level.scanner.as_ref().and_then(|scanner| scanner.note(seen)) {
                judgement.notes.push(note);
            }
            match level.objection(seen, judge.path.as_deref()) {
                Some(against) if judge.on_trial => {
                    judgement
                        .notes
                        .push(format!("on trial, rule '{name}' would refuse it: {}", against.what));
                }
                // A list that names it goes before lists that do not.
                Some(against)
                    if judgement
                        .refused
                        .as_ref()
                        .is_none_or(|first| !first.is_listed && against.is_listed) =>
                {
                    judgement.refused = Some(against.by(name));
                }
                _ => {}
            }
        }
        judgement
    }
}

impl Against {
    fn by(self, rule: &str) -> Objection {
        Objection {
            rule: rule.to_owned(),
            reason: format!("rule '{rule}' refuses the download: {}", self.what),
            hint: format!("the operator can change 'downloads.{}' of rule '{rule}'", self.key),
            is_listed: self.is_listed,
        }
    }
}
