//! What apt on this machine knows: the sources of Debian's own archive, with their keys, and how to reach them.
//! Which hosts those are is read, never written here. Sources of anybody else are left out: an image holds only
//! what Debian signed.

use std::fs;
use std::path::Path;

use crate::destination::destination;
use crate::tool::{self, ToolError};

/// The archive area whose packages are free software, self-contained and supported.
const COMPONENT: &str = "main";
/// How Debian's archive calls itself in its signed Release files.
const ORIGIN: &str = "Debian";
/// How the file with Debian's keys is called when Release files were not fetched yet.
const KEYRING: &str = "debian-archive-keyring";

/// Debian's archive as this machine sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    /// Code name of the release, e.g. `bookworm`.
    pub(crate) release: String,
    /// The sources, in apt's deb822 format.
    pub(crate) sources: String,
    /// The hosts in them, with the port where it is not 443, for the manifest.
    pub(crate) hosts: Vec<String>,
    /// How to reach them: apt's `Acquire` options (proxies, certificates), as an apt configuration file. May
    /// hold passwords.
    pub(crate) options: String,
}

/// Why the archive is not known.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// apt is missing or failed.
    #[error("cannot ask apt for its sources")]
    Ask(#[source] ToolError),
    /// No source of Debian's archive among apt's sources.
    #[error("apt on this machine has no source of Debian's archive")]
    NoSource,
}

impl AptError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Ask(source) => source.remedy(),
            Self::NoSource => {
                "add Debian's archive with its keyring to /etc/apt/sources.list.d and run apt-get update"
                    .into()
            }
        }
    }
}

/// One source, as `apt-get indextargets` describes it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Source {
    uri: String,
    /// What stands in the source's list, e.g. `bookworm-security`.
    suite: String,
    /// Empty when the Release file was not fetched yet.
    origin: String,
    component: String,
    architecture: String,
    /// `file:number`: the stanza (deb822) or line that the source comes from.
    entry: String,
}

/// Reads apt's sources and options.
pub(crate) fn archive() -> Result<Archive, AptError> {
    let ask = |tool: tool::Tool, argument| {
        let text = tool.run([argument]).map_err(AptError::Ask)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let mut sources = parse_targets(&ask(tool::APT_GET, "indextargets")?);
    sources.retain(is_debian);
    let release = release(&sources, &fs::read_to_string("/etc/os-release").unwrap_or_default());
    let release = release.ok_or(AptError::NoSource)?;
    sources.retain(|source| belongs(&source.suite, &release));
    Ok(Archive {
        sources: sources.iter().map(stanza).collect::<Vec<_>>().join("\n"),
        hosts: hosts(&sources),
        release,
        options: acquire(&ask(tool::APT_CONFIG, "dump")?),
    })
}

/// The package sources among the index targets, which are stanzas of `Key: value` lines.
fn parse_targets(text: &str) -> Vec<Source> {
    text.split("\n\n").filter(|stanza| stanza.contains("Created-By: Packages\n")).map(parse_target).collect()
}

fn parse_target(stanza: &str) -> Source {
    let field = |name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().trim().to_owned()
    };
    Source {
        uri: field("Repo-URI"),
        suite: field("Release"),
        origin: field("Origin"),
        component: field("Component"),
        architecture: field("Architecture"),
        entry: field("Sourcesentry"),
    }
}

fn is_debian(source: &Source) -> bool {
    let signed_by_debian = || signed_by(&source.entry).is_some_and(|key| key.contains(KEYRING));
    source.component == COMPONENT
        && source.architecture == "amd64"
        && (source.origin == ORIGIN || (source.origin.is_empty() && signed_by_debian()))
}

/// The release whose packages are installed: this machine's own when its archive is among the sources.
fn release(sources: &[Source], os_release: &str) -> Option<String> {
    let own = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let own = own
        .map(|name| name.trim_matches('"'))
        .filter(|name| sources.iter().any(|source| source.suite == *name));
    let plain = || sources.iter().map(|source| source.suite.as_str()).find(|suite| !suite.contains('-'));
    own.or_else(plain).map(str::to_owned)
}

/// A release, its updates and its security fixes; not its backports or proposals.
fn belongs(suite: &str, release: &str) -> bool {
    matches!(suite.strip_prefix(release), Some("" | "-updates" | "-security" | "/updates"))
}

fn stanza(source: &Source) -> String {
    let Source { uri, suite, component, entry, .. } = source;
    let key = signed_by(entry).map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
    format!("Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: {component}\n{key}")
}

/// The `Signed-By` of the list entry that a source comes from; apt does not print it.
fn signed_by(entry: &str) -> Option<String> {
    let (file, number) = entry.rsplit_once(':')?;
    let number = number.parse::<usize>().ok()?.checked_sub(1)?;
    let text = fs::read_to_string(file).ok()?;
    if Path::new(file).extension().is_some_and(|extension| extension == "sources") {
        signed_by_in_stanza(&text, number)
    } else {
        signed_by_in_line(text.lines().nth(number)?)
    }
}

/// In deb822 the value may be a key itself, over several lines; it is taken as it stands.
fn signed_by_in_stanza(text: &str, number: usize) -> Option<String> {
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let stanza = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()).nth(number)?;
    let mut lines = stanza.lines().skip_while(|line| !line.to_ascii_lowercase().starts_with("signed-by:"));
    let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push('\n');
        value.push_str(line);
    }
    Some(value)
}

/// `deb [signed-by=/path other=option] uri suite component`
fn signed_by_in_line(line: &str) -> Option<String> {
    let (_, options) = line.split_once('[')?;
    let (options, _) = options.split_once(']')?;
    options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).map(str::to_owned)
}

fn hosts(sources: &[Source]) -> Vec<String> {
    let mut hosts: Vec<String> = sources.iter().filter_map(|source| destination(&source.uri)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The options that say how to reach a source. Left out is what says which lists to fetch and how to keep them.
fn acquire(dump: &str) -> String {
    const OTHER: [&str; 6] =
        ["IndexTargets", "Changelogs", "CompressionTypes", "Languages", "GzipIndexes", "cdrom"];
    let wanted = |line: &&str| {
        let name = line.strip_prefix("Acquire::");
        name.is_some_and(|name| OTHER.iter().all(|other| !name.starts_with(other)))
    };
    dump.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(origin: &str, suite: &str, created_by: &str) -> String {
        format!(
            "MetaKey: main/binary-amd64/Packages\nOrigin: {origin}\nArchitecture: amd64\nComponent: main\n\
             Created-By: {created_by}\nRelease: {suite}\nRepo-URI: https://mirror.example/{origin}/\n\
             Sourcesentry: /nowhere.sources:1\n"
        )
    }

    #[test]
    fn only_debians_package_lists_are_taken() {
        let text = [
            target("Debian", "bookworm", "Packages"),
            target("Debian", "bookworm", "DEP-11"),
            target("Somebody", "nodistro", "Packages"),
        ]
        .join("\n");
        let mut sources = parse_targets(&text);
        assert_eq!(sources.len(), 2);
        sources.retain(is_debian);
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uri, "https://mirror.example/Debian/");
        assert_eq!(hosts(&sources), ["mirror.example"]);
    }

    #[test]
    fn the_machines_own_release_is_taken_with_its_fixes_only() {
        let sources: Vec<Source> = ["trixie", "bookworm", "bookworm-security"]
            .map(|suite| Source { suite: suite.into(), ..Source::default() })
            .into();
        assert_eq!(release(&sources, "ID=debian\nVERSION_CODENAME=bookworm\n").unwrap(), "bookworm");
        assert_eq!(release(&sources, "VERSION_CODENAME=noble\n").unwrap(), "trixie");
        assert_eq!(release(&[], ""), None);
        for (suite, expected) in
            [("bookworm-updates", true), ("bookworm-backports", false), ("trixie", false)]
        {
            assert_eq!(belongs(suite, "bookworm"), expected, "{suite}");
        }
    }

    #[test]
    fn keys_are_found_in_both_formats() {
        let text = "Types: deb\nURIs: a\nSigned-By: /one.gpg\n\n# comment\nTypes: deb\nsigned-by:\n  KEY\n  MORE\nURIs: b\n";
        assert_eq!(signed_by_in_stanza(text, 0).unwrap(), "/one.gpg");
        assert_eq!(signed_by_in_stanza(text, 1).unwrap(), "\n  KEY\n  MORE");
        assert_eq!(signed_by_in_stanza(text, 2), None);
        assert_eq!(signed_by_in_line("deb [arch=amd64 signed-by=/k.gpg] uri suite main").unwrap(), "/k.gpg");
        assert_eq!(signed_by_in_line("deb uri suite main"), None);
    }

    #[test]
    fn the_way_to_the_archive_is_kept_and_the_choice_of_lists_is_not() {
        let dump = "APT::Architecture \"amd64\";\nAcquire \"\";\nAcquire::http::Proxy \"http://proxy.example:3128\";\n\
                    Acquire::Languages:: \"none\";\nAcquire::IndexTargets::deb::Packages \"\";\n";
        assert_eq!(acquire(dump), "Acquire::http::Proxy \"http://proxy.example:3128\";\n");
    }

    #[test]
    fn this_machine_has_debians_archive() {
        let archive = archive().unwrap();
        assert!(archive.sources.contains(&format!("Suites: {}\n", archive.release)), "{}", archive.sources);
        assert!(!archive.hosts.is_empty());
    }
}
