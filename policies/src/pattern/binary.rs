//! Programs: the resolved path of the executable that opened a connection.
//!
//! | text | in an allow list | in a deny list |
//! |---|---|---|
//! | `curl` | a file of that name in a directory for programs | a file of that name anywhere |
//! | `python3` | also `python3.11`: the name and a version | the same |
//! | `git` | also the program's own helpers (see [`HELPERS`]) | the same |
//! | `/opt/tool/bin/*` | path pattern, see [`super::path`] | the same |
//!
//! The directories for programs ([`DIRECTORIES`]) belong to the image and the agent's user cannot write
//! them; a `/tmp/curl` is not `curl`. A version is digits with dots between them; after a name that
//! ends in a digit it starts with a dot, so that `python3` is `python3.11` but not `python31`.

use super::path::{Kind, PathPattern};
use super::{PatternError, Side};

/// Where a program that is named without a path lives.
pub(crate) const DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/usr/local/sbin"];

/// Programs that open their connections from another executable, and where those are.
pub(crate) const HELPERS: [(&str, &str); 3] =
    [("git", "/usr/lib/git-core/"), ("git", "/usr/libexec/git-core/"), ("apt", "/usr/lib/apt/methods/")];

/// One entry of a binary list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BinaryPattern {
    Name { name: Box<str>, side: Side },
    Path(PathPattern),
}

impl BinaryPattern {
    pub(crate) fn parse(text: &str, side: Side) -> Result<Self, PatternError> {
        if text.starts_with('/') {
            return PathPattern::parse(text, Kind::File, side).map(Self::Path);
        }
        if text.contains('/') {
            let reason = format!("'{text}' is neither a name nor an absolute path");
            return Err(PatternError::new(reason, "write the name alone, or the whole path from '/'"));
        }
        if text.contains('*') {
            let reason = format!("'{text}' has a wildcard in a program's name");
            return Err(PatternError::new(reason, "write a path pattern, such as '/usr/bin/*'"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        if text.is_empty() || text.starts_with(['.', '-']) || !text.chars().all(plain) {
            let remedy = "write the file name of the program, such as 'curl'";
            return Err(PatternError::new(format!("'{text}' is not the name of a program"), remedy));
        }
        Ok(Self::Name { name: text.into(), side })
    }

    /// `path` is the resolved path of an executable.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Path(pattern) => pattern.matches(path),
            Self::Name { name, side } => name_matches(name, *side, path),
        }
    }
}

fn name_matches(name: &str, side: Side, path: &str) -> bool {
    let Some(slash) = path.bytes().rposition(|byte| byte == b'/') else { return false };
    let (directory, file) = (&path[..slash], &path[slash + 1..]);
    if is_version_of(name, file) && (side == Side::Deny || DIRECTORIES.contains(&directory)) {
        return true;
    }
    HELPERS.iter().any(|(program, directory)| {
        *program == name && path.strip_prefix(directory).is_some_and(|file| !file.contains('/'))
    })
}

fn is_version_of(name: &str, file: &str) -> bool {
    let Some(version) = file.strip_prefix(name) else { return false };
    if version.is_empty() {
        return true;
    }
    let dotted = version.strip_prefix('.');
    if dotted.is_none() && name.ends_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let numbers = dotted.unwrap_or(version);
    numbers.split('.').all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Every name that, in an allow list, would match the executable at `path`.
pub(crate) fn program_name_candidates(path: &str) -> impl Iterator<Item = &str> {
    let (directory, file) = path.rsplit_once('/').unwrap_or_default();
    let listed = DIRECTORIES.contains(&directory);
    let version = file.len() - file.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let lengths = file.len() - version..=file.len();
    let names = lengths.map(|length| &file[..length]).filter(move |name| listed && is_version_of(name, file));
    let helped = HELPERS.iter().filter(move |(program, _)| name_matches(program, Side::Allow, path));
    names.chain(helped.map(|(program, _directory)| *program))
}
