//! What a rule says about bodies that come back.

use wire::subject::Digest;

use super::{Compiler, PATH};
use crate::canonical::{Authority, Scheme};
use crate::document::{Downloads, Executables, Lists, OnAbsence, Packages, RuleEntry};
use crate::download::{
    Digests, DownloadLevel, Kind, LONGEST, MinAge, PackageLevel, Registry, ScannerLevel, USUAL,
};
use crate::message::{Word, Words, is_hash};
use crate::pattern::{PatternError, Side};
use crate::place::At;
use crate::quantity;

/// Longest name of a scanner.
const LONGEST_NAME: usize = 64;

impl Compiler<'_> {
    /// `Some(None)`: the rule does not look at what comes back.
    pub(super) fn downloads(&mut self, entry: &RuleEntry) -> Option<Option<Box<DownloadLevel>>> {
        let Some(At { value, place }) = &entry.downloads else { return Some(None) };
        if *value == Downloads::default() {
            let remedy =
                "write 'max_bytes', 'types', 'executables', 'sha256', 'packages' or 'scanner', or remove it";
            self.refuse(*place, "downloads", "it asks for nothing", remedy);
            return None;
        }
        if let Some(mcp) = &entry.mcp {
            let remedy = "keep one of the two; write another rule for the other path";
            self.refuse(mcp.place, "mcp", "what its server answers is no download", remedy);
        }
        let executables = value.executables.as_ref().map_or_else(Executables::default, |at| at.value);
        let types = self.types(value.types.as_ref());
        let sha256 = self.digests(value.sha256.as_ref());
        let packages = value.packages.as_ref().map(|packages| self.packages(packages));
        let scanner = self.scanner(value);
        let holds = executables == Executables::Deny || value.sha256.is_some() || value.scanner.is_some();
        let most = self.longest(value.max_bytes.as_ref(), holds);
        let paths = entry.path.iter().flat_map(|lists| &lists.value.allow);
        // A path that is no pattern was reported with its level.
        let guarded = paths.filter_map(|path| (PATH.parse)(&path.value, Side::Deny).ok()).flatten().collect();
        let packages = match packages {
            Some(packages) => Some(packages?),
            None => None,
        };
        let level = DownloadLevel {
            guarded,
            most: most?,
            types: types?,
            executables,
            sha256: sha256?,
            packages,
            scanner: scanner?,
        };
        Some(Some(Box::new(level)))
    }

    /// `Some(None)`: nobody is asked.
    fn scanner(&mut self, Downloads { scanner, on_absence, .. }: &Downloads) -> Option<Option<ScannerLevel>> {
        let Some(At { value: name, place }) = scanner else {
            if let Some(At { place, .. }) = on_absence {
                let remedy = "add 'scanner: NAME', or remove it";
                self.refuse(
                    *place,
                    "downloads.on_absence",
                    "there is no scanner that could be absent",
                    remedy,
                );
                return None;
            }
            return Some(None);
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            let reason =
                format!("a scanner has a name of 1 to {LONGEST_NAME} letters, digits, '-', '_' and '.'");
            let remedy = "write the name that 'egress.scanners' in agent.yaml gives it";
            self.refuse(*place, "downloads.scanner", reason, remedy);
            return None;
        }
        let on_absence = on_absence.as_ref().map_or_else(OnAbsence::default, |at| at.value);
        Some(Some(ScannerLevel { name: name.clone(), on_absence }))
    }

    /// A body that is held back has an end.
    fn longest(&mut self, written: Option<&At<String>>, holds: bool) -> Option<Option<u64>> {
        let Some(written) = written else { return Some(holds.then_some(USUAL)) };
        self.checked("downloads.max_bytes", written, |text| match quantity::size(text) {
            Some(bytes) if bytes > LONGEST && holds => {
                let reason = format!("'{text}' is more than is held back until it was judged");
                let remedy = "write at most 256MiB, or leave out 'sha256', 'scanner' and 'executables: deny'";
                Err(PatternError::new(reason, remedy))
            }
            Some(bytes) if bytes > 0 => Ok(Some(bytes)),
            _ => {
                let reason = format!("'{text}' is not a size");
                Err(PatternError::new(reason, "write a whole number and KiB, MiB or GiB, for example 64MiB"))
            }
        })
    }

    fn types(&mut self, written: Option<&At<Vec<At<String>>>>) -> Option<Option<Vec<Kind>>> {
        let Some(At { value, place }) = written else { return Some(None) };
        if value.is_empty() {
            let remedy = "list what may be downloaded, or remove it";
            self.refuse(*place, "downloads.types", "the list names nothing", remedy);
            return None;
        }
        let read = |entry: &At<String>| {
            self.checked("downloads.types", entry, |text| {
                Kind::parse(text).ok_or_else(|| {
                    let all: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
                    let remedy = format!("write one of {}", all.join(", "));
                    PatternError::new(format!("'{text}' is not a type of content"), remedy)
                })
            })
        };
        value.iter().map(read).collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Some)
    }

    fn digests(&mut self, written: Option<&At<Lists>>) -> Option<Digests> {
        let Some(At { value: Lists { allow, deny }, place }) = written else {
            return Some(Digests::default());
        };
        if allow.is_empty() && deny.is_empty() {
            let remedy = "list digests under 'allow' or 'deny', or remove it";
            self.refuse(*place, "downloads.sha256", "the lists name nothing", remedy);
            return None;
        }
        let mut list = |key: &str, entries: &[At<String>]| -> Option<Vec<Digest>> {
            let read = |entry: &At<String>| self.checked(key, entry, digest);
            entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
        };
        let (allow, deny) = (list("downloads.sha256.allow", allow), list("downloads.sha256.deny", deny));
        Some(Digests { allow: Some(allow?).filter(|list| !list.is_empty()), deny: deny? })
    }
}

impl Compiler<'_> {
    fn packages(&mut self, At { value, place }: &At<Packages>) -> Option<PackageLevel> {
        let Packages { registry, allow, deny, min_age, metadata } = value;
        let written = registry.as_ref().map_or("", |registry| &registry.value);
        let Some(registry) = Registry::parse(written) else {
            let place = registry.as_ref().map_or(*place, |registry| registry.place);
            let reason = format!("'{written}' is not a registry whose paths are known");
            let remedy = "write 'registry: npm', 'pypi', 'crates' or 'debian'";
            self.refuse(place, "downloads.packages.registry", reason, remedy);
            return None;
        };
        if allow.is_empty() && deny.is_empty() && min_age.is_none() {
            let remedy = "write 'allow', 'deny' or 'min_age', or remove it";
            self.refuse(*place, "downloads.packages", "it asks for nothing", remedy);
            return None;
        }
        let mut list = |key: &str, entries: &[At<String>], side| -> Option<Vec<Word>> {
            let read = |entry: &At<String>| {
                self.checked(key, entry, |text| Word::name(&package_of(text, registry), side))
            };
            entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
        };
        let allow = list("downloads.packages.allow", allow, Side::Allow);
        let deny = list("downloads.packages.deny", deny, Side::Deny);
        let words = Words { allow: allow?, deny: deny? };
        let min_age = self.age(registry, min_age.as_ref(), metadata.as_ref())?;
        Some(PackageLevel { registry, words, min_age })
    }

    /// `Some(None)`: a version may be of any age.
    fn age(
        &mut self,
        registry: Registry,
        min_age: Option<&At<String>>,
        metadata: Option<&At<String>>,
    ) -> Option<Option<MinAge>> {
        let Some(written) = min_age else {
            if let Some(metadata) = metadata {
                let remedy = "add 'min_age', or remove it";
                self.refuse(metadata.place, "downloads.packages.metadata", "nothing is asked there", remedy);
            }
            return metadata.is_none().then_some(None);
        };
        if registry == Registry::Debian {
            let remedy = "remove it: an archive of Debian says of no package when it was published";
            self.refuse(written.place, "downloads.packages.min_age", "the age cannot be known", remedy);
            return None;
        }
        let least = self.checked("downloads.packages.min_age", written, |text| {
            quantity::age(text).filter(|age| *age > 0).ok_or_else(|| {
                let reason = format!("'{text}' is not a span of time");
                PatternError::new(reason, "write a whole number and d, h or m, for example 7d")
            })
        });
        let metadata = match metadata {
            Some(written) => Some(self.checked("downloads.packages.metadata", written, authority)?),
            None => None,
        };
        Some(Some(MinAge { least: least?, metadata }))
    }
}

/// One host, and its port.
fn authority(text: &str) -> Result<(String, u16), PatternError> {
    let parsed = Authority::parse(text, Scheme::Https).map_err(|_odd| {
        let reason = format!("'{text}' is not a host with or without a port");
        PatternError::new(reason, "write HOST, or HOST:PORT where it is not 443")
    })?;
    Ok((parsed.host.to_string(), parsed.port))
}

/// An entry as packages are compared: `NAME@VERSION`.
fn package_of(text: &str, registry: Registry) -> String {
    match text.rsplit_once('@').filter(|(name, _version)| !name.is_empty()) {
        Some((name, version)) => format!("{}@{version}", registry.normal(name)),
        None => format!("{}@*", registry.normal(text)),
    }
}

fn digest(text: &str) -> Result<Digest, PatternError> {
    let wrong = || {
        let reason = format!("'{text}' is not a SHA-256 in lower-case hexadecimal");
        PatternError::new(reason, "write the 64 digits that 'sha256sum FILE' prints")
    };
    if !is_hash(text) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_never| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_never| wrong())?;
    }
    Ok(Digest(digest))
}
