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

use wire::subject::Digest;

use crate::Request;
use crate::answer::Answer;
use crate::canonical::WEBSOCKET;
use crate::document::{Executables, OnAbsence};
use crate::message::{About, Finding};
use crate::pattern::path::PathPattern;

pub(crate) use package::{Artifact, MinAge, PackageLevel};
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

/// An objection before it has its rule.
pub(crate) struct Against {
    pub(crate) what: String,
    pub(crate) key: &'static str,
    pub(crate) is_listed: bool,
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

    pub(crate) fn objection(&self, seen: &Seen<'_>, path: Option<&str>) -> Option<Against> {
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
    pub(crate) fn summary(&self) -> String {
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
    pub(crate) fn holds(&self) -> bool {
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
    pub(crate) fn note(&self, seen: &Seen<'_>) -> Option<String> {
        match self.said(seen)? {
            Scan::Absent(why) => Some(format!("scanner '{}' {why}", self.name)),
            Scan::Found(_) | Scan::Clean => None,
        }
    }
}

/// What of a body is a program, or may be one.
pub(crate) fn program(seen: &Seen<'_>) -> Option<String> {
    if seen.kind.is_program() {
        return Some(format!("it is a program ({})", seen.kind.as_str()));
    }
    match seen.inside? {
        Inside::Nothing => None,
        Inside::Program(what) => Some(format!("there is a program in it ({what})")),
        Inside::Unreadable(why) => Some(format!("it cannot be looked into for programs: {why}")),
    }
}
