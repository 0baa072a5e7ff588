//! What comes back, and may or may not reach the agent: its length, what it is by its content, its digest, and whether there is
//! a program in it.
//!
//! A rule with such a level guards its endpoint: every answer to a request of its programs to its destinations on its paths,
//! with whatever method, is judged by it, whichever rule allowed the request. Of several such rules all must agree: none
//! loosens what another asks.
//!
//! Who judges learns what a body is while it passes; a level says nothing about what is not known yet.

mod package;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use wire::subject::Digest;

use crate::Request;
use crate::answer::Answer;
use crate::canonical::WEBSOCKET;
use crate::document::{Effect, Enforcement, Executables, OnAbsence};
use crate::message::{About, Finding};
use crate::pattern::path::PathPattern;
use crate::rule::Rule;

use package::Artifact;
pub(crate) use package::{MinAge, PackageLevel};
pub use package::{Package, Registry};

/// The longest body that is held back until it was judged, of a rule that does not say, and the longest that one can ask for.
pub(crate) const USUAL: u64 = 64 << 20;
pub(crate) const LONGEST: u64 = 256 << 20;

/// What a body is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A zip archive: also a wheel, a jar, an office document.
    Zip,
    /// Compressed by gzip: also a `.crate`, an npm package, a source package of Python.
    Gzip,
    /// A tar archive that is not compressed.
    Tar,
    /// Compressed by xz.
    Xz,
    /// Compressed by Zstandard.
    Zstd,
    /// A package of Debian, or another archive of `ar`.
    Deb,
    /// An archive of another kind, which nobody here looks into: bzip2, 7z, rar, cpio, rpm, cab, lz4, squashfs.
    Archive,
    /// A program or a library of Linux.
    Elf,
    /// A program or a library of Windows.
    Pe,
    /// A program or a library of macOS.
    MachO,
    /// A text whose first line names its interpreter.
    Script,
    /// A PDF document.
    Pdf,
    /// Text in UTF-8, as far as its beginning shows.
    Text,
    /// Anything else.
    Other,
}

/// The level of one rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DownloadLevel {
    /// The rule's paths, read as deny lists are: in no other spelling of one does another rule allow what is not judged.
    pub(crate) guarded: Vec<PathPattern>,
    /// `None`: any length.
    pub(crate) most: Option<u64>,
    /// `None`: any kind.
    pub(crate) types: Option<Vec<Kind>>,
    pub(crate) executables: Executables,
    pub(crate) sha256: Digests,
    pub(crate) packages: Option<PackageLevel>,
    pub(crate) scanner: Option<ScannerLevel>,
}

/// Who looks into bodies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScannerLevel {
    pub(crate) name: String,
    pub(crate) on_absence: OnAbsence,
}

/// Digests of bodies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests {
    /// `None`: any that is not denied.
    pub(crate) allow: Option<Vec<Digest>>,
    pub(crate) deny: Vec<Digest>,
}

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

/// What is known of a body so far.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes: those that were announced, or came.
    pub bytes: u64,
    /// Its digest, once it came to its end.
    pub sha256: Option<Digest>,
    /// What is in it, once that was looked for.
    pub inside: Option<&'a Inside>,
    /// What scanners said of it, by their names.
    pub scans: &'a [(String, Scan)],
}

/// What a scanner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// There is nothing in it.
    Clean,
    /// There is, and what.
    Found(String),
    /// It could not be asked, or has no answer, and why.
    Absent(String),
}

/// What was found in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// No program.
    Nothing,
    /// A program, and in what.
    Program(String),
    /// It could not be looked into, and why.
    Unreadable(String),
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

/// An objection before it has its rule.
struct Against {
    what: String,
    key: &'static str,
    is_listed: bool,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Zip,
        Self::Gzip,
        Self::Tar,
        Self::Xz,
        Self::Zstd,
        Self::Deb,
        Self::Archive,
        Self::Elf,
        Self::Pe,
        Self::MachO,
        Self::Script,
        Self::Pdf,
        Self::Text,
        Self::Other,
    ];

    /// As in rules and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Gzip => "gzip",
            Self::Tar => "tar",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Deb => "deb",
            Self::Archive => "archive",
            Self::Elf => "elf",
            Self::Pe => "pe",
            Self::MachO => "macho",
            Self::Script => "script",
            Self::Pdf => "pdf",
            Self::Text => "text",
            Self::Other => "other",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it runs as it is.
    #[must_use]
    pub fn is_program(self) -> bool {
        self.is_native() || self == Self::Script
    }

    /// Whether a processor runs it as it is.
    #[must_use]
    pub fn is_native(self) -> bool {
        matches!(self, Self::Elf | Self::Pe | Self::MachO)
    }
}

impl DownloadLevel {
    /// Whether what comes back for a request is judged, by the rule's answer on the path: also on a path that is not as the
    /// rule writes it, and with a method that the rule does not have.
    pub(crate) fn guards(&self, request: &Request<'_>, path: Answer) -> bool {
        path == Answer::Allowed || self.guarded.iter().any(|pattern| pattern.matches(request.path))
    }

    /// What the level says before anything comes back: which package it is, and that nobody judges what a WebSocket carries.
    pub(crate) fn find(&self, request: &Request<'_>) -> Finding {
        if request.method == WEBSOCKET {
            let what = "a WebSocket, in which no download can be judged,".to_owned();
            return Finding::Denied(About { what, key: "downloads", entry: None });
        }
        self.packages.as_ref().map_or(Finding::Allowed, |packages| packages.find(request.path))
    }

    fn objection(&self, seen: &Seen<'_>, path: Option<&str>) -> Option<Against> {
        let against = |what: String, key, is_listed| Some(Against { what, key, is_listed });
        if let (Some(packages), Some(path)) = (&self.packages, path)
            && !packages.is_index(path, seen.kind)
        {
            let what = format!("its path is no package's, and it is of type '{}'", seen.kind.as_str());
            return against(what, "packages", true);
        }
        if let Some(most) = self.most.filter(|most| seen.bytes > *most) {
            return against(format!("it has more than {most} bytes"), "max_bytes", true);
        }
        if self.types.as_ref().is_some_and(|types| !types.contains(&seen.kind)) {
            return against(format!("it is of type '{}'", seen.kind.as_str()), "types", false);
        }
        if self.executables == Executables::Deny
            && let Some(what) = program(seen)
        {
            return against(what, "executables", true);
        }
        if let Some(what) = self.scanner.as_ref().and_then(|scanner| scanner.objection(seen)) {
            return against(what, "scanner", true);
        }
        let sha256 = seen.sha256?;
        let hex = sha256.to_hex();
        if self.sha256.deny.contains(&sha256) {
            return against(format!("its SHA-256 {hex} is denied"), "sha256.deny", true);
        }
        if self.sha256.allow.as_ref().is_some_and(|allow| !allow.contains(&sha256)) {
            return against(format!("its SHA-256 {hex} is not listed"), "sha256.allow", false);
        }
        None
    }

    /// What it asks, in a line.
    fn summary(&self) -> String {
        let kinds = |kinds: &Vec<Kind>| {
            format!("of type {}", kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" "))
        };
        let executables = match self.executables {
            Executables::Allow => None,
            Executables::Audit => Some("programs are noted".to_owned()),
            Executables::Deny => Some("no programs".to_owned()),
        };
        let parts = [
            self.most.map(|most| format!("at most {most} bytes")),
            self.types.as_ref().map(kinds),
            executables,
            self.sha256.allow.as_ref().map(|allow| format!("one of {} digests", allow.len())),
            (!self.sha256.deny.is_empty()).then(|| format!("none of {} digests", self.sha256.deny.len())),
            self.packages.as_ref().map(PackageLevel::summary),
            self.scanner.as_ref().map(|scanner| format!("scanned by '{}'", scanner.name)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether its answer depends on the whole body.
    fn holds(&self) -> bool {
        self.executables == Executables::Deny
            || self.sha256.allow.is_some()
            || !self.sha256.deny.is_empty()
            || self.scanner.is_some()
    }
}

impl ScannerLevel {
    fn said<'a>(&self, seen: &Seen<'a>) -> Option<&'a Scan> {
        seen.scans.iter().find(|(name, _scan)| *name == self.name).map(|(_name, scan)| scan)
    }

    fn objection(&self, seen: &Seen<'_>) -> Option<String> {
        match (self.said(seen)?, self.on_absence) {
            (Scan::Found(what), _) => Some(format!("scanner '{}' found {what}", self.name)),
            (Scan::Absent(why), OnAbsence::Deny) => Some(format!("scanner '{}' {why}", self.name)),
            (Scan::Absent(_), OnAbsence::Allow) | (Scan::Clean, _) => None,
        }
    }

    /// What the record is to say of a body that goes on unscanned.
    fn note(&self, seen: &Seen<'_>) -> Option<String> {
        match self.said(seen)? {
            Scan::Absent(why) => Some(format!("scanner '{}' {why}", self.name)),
            Scan::Found(_) | Scan::Clean => None,
        }
    }
}

/// What of a body is a program, or may be one.
fn program(seen: &Seen<'_>) -> Option<String> {
    if seen.kind.is_program() {
        return Some(format!("it is a program ({})", seen.kind.as_str()));
    }
    match seen.inside? {
        Inside::Nothing => None,
        Inside::Program(what) => Some(format!("there is a program in it ({what})")),
        Inside::Unreadable(why) => Some(format!("it cannot be looked into for programs: {why}")),
    }
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
