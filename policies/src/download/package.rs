//! Packages of a registry, by the grammar of its paths: which package, and which version of it, a request is for.
//!
//! A path that ends as a package does and is not as the registry writes it has no answer, and nor has one with two.

use std::fmt;

use crate::answer::Answer;
use crate::message::{About, Finding, Words};

use super::Kind;

/// Whose paths they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// npm: `/NAME/-/NAME-VERSION.tgz`.
    Npm,
    /// The Python package index: wheels and source packages.
    Pypi,
    /// Rust crates: `/crates/NAME/VERSION/download`, `/crates/NAME/NAME-VERSION.crate`.
    Crates,
    /// Debian: `/pool/…/NAME_VERSION_ARCHITECTURE.deb`.
    Debian,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// In the one form in which names are compared.
    pub name: String,
    /// As the file's name has it.
    pub version: String,
    /// The file.
    pub file: String,
}

/// What a rule says of packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PackageLevel {
    pub(crate) registry: Registry,
    /// Without entries that allow, what is not denied is allowed.
    pub(crate) words: Words,
    pub(crate) min_age: Option<MinAge>,
}

/// How old a version has to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MinAge {
    /// Seconds since it was published, at least.
    pub(crate) least: u64,
    /// Host and port where that is asked, if not where the file is.
    pub(crate) metadata: Option<(String, u16)>,
}

/// What a path is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Artifact {
    Package(Package),
    /// What a registry says about packages.
    Index,
    /// A package, as it seems, and it cannot be told which.
    Unclear,
}

/// How files end that are packages somewhere.
const ENDINGS: [&str; 22] = [
    ".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.z", ".tbz", ".txz", ".zip", ".whl",
    ".egg", ".crate", ".deb", ".udeb", ".ddeb", ".exe", ".msi", ".rpm", ".dmg", ".apk", ".7z",
];

impl Registry {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Npm, Self::Pypi, Self::Crates, Self::Debian]
            .into_iter()
            .find(|registry| registry.as_str() == text)
    }

    /// As in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Crates => "crates",
            Self::Debian => "debian",
        }
    }

    /// What a canonical path is for.
    pub(crate) fn artifact(self, path: &str) -> Artifact {
        let Some(path) = decoded(path) else { return Artifact::Unclear };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let found = match (self, segments.as_slice()) {
            (Self::Npm, [.., scope, name, "-", file]) if scope.starts_with('@') => {
                npm(&format!("{scope}/{name}"), name, file)
            }
            (Self::Npm, [.., name, "-", file]) => npm(name, name, file),
            (Self::Pypi, [.., file]) => pypi(file),
            (Self::Crates, [.., "crates", name, version, "download"]) => Some(owned((*name, *version))),
            (Self::Crates, [.., "crates", name, file]) => krate(name, file),
            (Self::Debian, [.., file]) if segments.contains(&"pool") => debian(file),
            _ => None,
        };
        let file = segments.last().copied().unwrap_or_default();
        match found {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Artifact::Package(Package { name: self.normal(&name), version, file: file.to_owned() })
            }
            Some(_empty) => Artifact::Unclear,
            None if ends_as_package(file) || (self == Self::Crates && file == "download") => {
                Artifact::Unclear
            }
            None => Artifact::Index,
        }
    }

    /// The path at which a registry says when a package was published.
    pub(super) fn index(self, path: &str, Package { name, version, .. }: &Package) -> String {
        match self {
            Self::Npm => path.split("/-/").next().unwrap_or_default().to_owned(),
            Self::Pypi => format!("/simple/{name}/"),
            Self::Crates => format!("/api/v1/crates/{name}/{version}"),
            Self::Debian => String::new(),
        }
    }

    /// A name in the one form in which names are compared.
    pub(crate) fn normal(self, name: &str) -> String {
        match self {
            Self::Npm | Self::Debian => name.to_owned(),
            Self::Crates => name.to_ascii_lowercase().replace('_', "-"),
            Self::Pypi => {
                let mut normal = String::with_capacity(name.len());
                for c in name.chars().map(|c| c.to_ascii_lowercase()) {
                    match c {
                        '-' | '_' | '.' if normal.ends_with('-') => {}
                        '-' | '_' | '.' => normal.push('-'),
                        c => normal.push(c),
                    }
                }
                normal
            }
        }
    }

    /// Whether a registry has an archive of this kind that is no package: the lists of Debian's.
    fn is_index(self, path: &str, kind: Kind) -> bool {
        let is_archive = matches!(
            kind,
            Kind::Zip | Kind::Gzip | Kind::Tar | Kind::Xz | Kind::Zstd | Kind::Deb | Kind::Archive
        );
        let is_list = self == Self::Debian && path.split('/').any(|segment| segment == "dists");
        !kind.is_program() && (!is_archive || is_list)
    }
}

impl PackageLevel {
    /// What is said of a request before anything comes back.
    pub(crate) fn find(&self, path: &str) -> Finding {
        let key = "downloads.packages";
        match self.registry.artifact(path) {
            Artifact::Index => Finding::Allowed,
            Artifact::Unclear => {
                let what =
                    format!("a path that is not as '{}' writes those of packages", self.registry.as_str());
                Finding::Denied(About { what, key, entry: None })
            }
            Artifact::Package(package) => {
                let about = || {
                    let (what, entry) = (format!("package '{package}'"), Some(package.to_string()));
                    About { what, key, entry }
                };
                match self.words.answer(&package.to_string()) {
                    Answer::Denied => Finding::Denied(about()),
                    Answer::NotAllowed if !self.words.allow.is_empty() => Finding::NotAllowed(about()),
                    Answer::NotAllowed | Answer::Allowed => Finding::Allowed,
                }
            }
        }
    }

    pub(super) fn summary(&self) -> String {
        let listed = if self.words.allow.is_empty() { "" } else { " that are listed" };
        let age = self.min_age.as_ref().map(|age| format!(", published {} s ago or earlier", age.least));
        let age = age.unwrap_or_default();
        format!("packages of '{}'{listed}{age}", self.registry.as_str())
    }

    /// Whether what comes back for a path that is no package's may be of this kind: by whatever path a registry gives a
    /// package, it is one by its content.
    pub(crate) fn is_index(&self, path: &str, kind: Kind) -> bool {
        self.registry.artifact(path) != Artifact::Index || self.registry.is_index(path, kind)
    }
}

/// `NAME@VERSION`, as entries are written.
impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

fn owned((name, version): (&str, &str)) -> (String, String) {
    (name.to_owned(), version.to_owned())
}

fn ends_as_package(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| file.ends_with(ending))
}

/// The file is called after the package, without its scope.
fn npm(package: &str, name: &str, file: &str) -> Option<(String, String)> {
    let version = file.strip_suffix(".tgz")?.strip_prefix(name)?.strip_prefix('-')?;
    Some((package.to_owned(), version.to_owned()))
}

fn krate(name: &str, file: &str) -> Option<(String, String)> {
    npm(name, name, &file.strip_suffix(".crate").map(|file| format!("{file}.tgz"))?)
}

/// A wheel (`NAME-VERSION-…-…-….whl`), or a source package (`NAME-VERSION.tar.gz`), in whose name older tools leave hyphens.
fn pypi(file: &str) -> Option<(String, String)> {
    if let Some(wheel) = file.strip_suffix(".whl") {
        let parts: Vec<&str> = wheel.split('-').collect();
        return match parts.as_slice() {
            [name, version, _, _, _] | [name, version, _, _, _, _] => Some(owned((name, version))),
            _ => None,
        };
    }
    let source = file.strip_suffix(".tar.gz").or(file.strip_suffix(".zip"))?;
    let (name, version) = source.rsplit_once('-')?;
    let begins_as_version = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    // Where a hyphen could be before another version, it is not known which of the two is meant.
    let is_clear = begins_as_version(version) && !name.split('-').skip(1).any(begins_as_version);
    is_clear.then(|| owned((name, version)))
}

/// A package, or a part of a source package.
fn debian(file: &str) -> Option<(String, String)> {
    let (name, rest) = file.split_once('_')?;
    match [".deb", ".udeb", ".ddeb"].iter().find_map(|ending| rest.strip_suffix(ending)) {
        Some(rest) => {
            let (version, architecture) = rest.split_once('_')?;
            (!architecture.contains('_')).then(|| owned((name, version)))
        }
        None => Some(owned((name, rest))),
    }
}

/// The path with what is escaped as it is; nothing, if that is no visible ASCII.
fn decoded(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path.split('%');
    text.push_str(rest.next()?);
    for part in rest {
        let (digits, plain) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii_graphic)?;
        text.push(char::from(byte));
        text.push_str(plain);
    }
    Some(text)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn told(registry: Registry, path: &str) -> String {
        match registry.artifact(path) {
            Artifact::Package(package) => package.to_string(),
            Artifact::Index => "index".to_owned(),
            Artifact::Unclear => "unclear".to_owned(),
        }
    }

    #[test]
    fn a_package_is_told_by_its_path() {
        for (registry, path, package) in [
            (Registry::Npm, "/left-pad/-/left-pad-1.3.0.tgz", "left-pad@1.3.0"),
            (Registry::Npm, "/@babel/core/-/core-7.0.0-beta.1.tgz", "@babel/core@7.0.0-beta.1"),
            (Registry::Npm, "/@babel%2Fcore/-/core-7.0.0.tgz", "@babel/core@7.0.0"),
            (Registry::Npm, "/mirror/npm/left-pad/-/left-pad-1.3.0.tgz", "left-pad@1.3.0"),
            (Registry::Npm, "/left-pad/-/right-pad-1.3.0.tgz", "unclear"),
            (Registry::Npm, "/left-pad/-/left-pad-.tgz", "unclear"),
            (Registry::Npm, "/left-pad/download/left-pad-1.3.0.TGZ", "unclear"),
            (Registry::Npm, "/left-pad", "index"),
            (Registry::Npm, "/@babel%2Fcore", "index"),
            (Registry::Npm, "/-/npm/v1/security/advisories/bulk", "index"),
            (
                Registry::Pypi,
                "/packages/ab/cd/ef/Zope.Interface-6.0-cp311-cp311-linux_x86_64.whl",
                "zope-interface@6.0",
            ),
            (Registry::Pypi, "/packages/a-1.0-1-py3-none-any.whl", "a@1.0"),
            (Registry::Pypi, "/packages/my__pkg-1.0.tar.gz", "my-pkg@1.0"),
            (Registry::Pypi, "/packages/old-style-name-1.0.zip", "old-style-name@1.0"),
            (Registry::Pypi, "/packages/a-1.0-1.tar.gz", "unclear"),
            (Registry::Pypi, "/packages/a-latest.tar.gz", "unclear"),
            (Registry::Pypi, "/packages/a-1.0.whl", "unclear"),
            (Registry::Pypi, "/packages/a-1.0.win32.exe", "unclear"),
            (Registry::Pypi, "/packages/a-1.0-py3-none-any.whl.metadata", "index"),
            (Registry::Pypi, "/simple/a/", "index"),
            (Registry::Crates, "/api/v1/crates/Serde_JSON/1.0.1/download", "serde-json@1.0.1"),
            (Registry::Crates, "/crates/serde/serde-1.0.1+a.crate", "serde@1.0.1+a"),
            (Registry::Crates, "/crates/serde/other-1.0.1.crate", "unclear"),
            (Registry::Crates, "/serde/1.0.1/download", "unclear"),
            (Registry::Crates, "/se/rd/serde", "index"),
            (
                Registry::Debian,
                "/debian/pool/main/g/g%2B%2B/g%2B%2B_4%3A12.2.0-3_amd64.deb",
                "g++@4:12.2.0-3",
            ),
            (Registry::Debian, "/pool/main/a/a/a_1.0.orig.tar.xz", "a@1.0.orig.tar.xz"),
            (Registry::Debian, "/pool/main/a/a/a.deb", "unclear"),
            (Registry::Debian, "/debian/dists/stable/main/binary-amd64/Packages.xz", "index"),
            (Registry::Debian, "/other/a_1.0_amd64.deb", "unclear"),
            (Registry::Debian, "/pool/main/a/%00/a_1.0_amd64.deb", "unclear"),
        ] {
            assert_eq!(told(registry, path), package, "{path}");
        }
    }
}
