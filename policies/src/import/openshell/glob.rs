//! OpenShell's globs → our patterns.
//!
//! Verified in its policy (`crates/openshell-supervisor-network/data/sandbox-policy.rego`: `path_matches`,
//! `binary_allowed`) and in the engine that evaluates it (regorus, `builtins/glob.rs`, which builds a
//! `globset` glob with `literal_separator`):
//!
//! * `*` and `?` do not match the separator, `*` may match nothing;
//! * `**` crosses separators only as a whole segment, and beside other characters is a `*`;
//! * a last `/**` needs the slash before it, `/**/` may stand for `/`, a first `**/` for nothing;
//! * `[…]`, `{…}` and `\` mean something. We have no word for them;
//! * a path rule of `**` alone is every path; a binary without `*` is compared as text;
//! * paths are compared decoded and without parameters.
//!
//! What we cannot say is left out of an allow list and widened in a deny list.

use crate::pattern::path::{Kind, PathPattern};
use crate::pattern::{PatternError, Side};

/// What an allow glob becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// The same, except that a `*` that is a whole segment does not match an empty one.
    Pattern(String),
    /// It matches nothing there.
    Never,
    /// It has no equivalent, for this reason.
    Unsayable(String),
}

/// What a deny glob becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The same.
    Pattern(String),
    /// A pattern that denies more.
    Wider(String),
    /// It matches nothing there.
    Never,
}

/// Every path.
pub(super) const EVERYTHING: &str = "/**";

const SPECIAL: [char; 6] = ['?', '[', ']', '{', '}', '\\'];

/// A request path in an allow rule.
pub(super) fn allowed_path(glob: &str) -> Allowed {
    let Some(rooted) = rooted(glob) else { return Allowed::Never };
    match path_text(&rooted) {
        Ok(text) => checked(text, Kind::Request),
        Err(why) => why,
    }
}

/// A request path in a deny rule. `**` and `*` at the end cover more in our deny lists (see the report's
/// `deny-spellings`); that is not counted as wider.
pub(super) fn denied_path(glob: &str) -> Denied {
    let Some(rooted) = rooted(glob) else { return Denied::Never };
    let text = match path_text(&rooted) {
        Ok(text) => text,
        Err(Allowed::Never) => return Denied::Never,
        Err(_unsayable) => return Denied::Wider(widened(&rooted)),
    };
    match PathPattern::parse(&text, Kind::Request, Side::Deny) {
        // A single last `*` denies one segment there and the whole subtree here.
        Ok(_pattern) if text.ends_with("/*") => Denied::Wider(text),
        Ok(_pattern) => Denied::Pattern(text),
        Err(_unsayable) => Denied::Wider(widened(&rooted)),
    }
}

/// The path of a program.
pub(super) fn binary(path: &str) -> Allowed {
    if !path.contains('*') {
        // Compared as text there: what is special in a glob is an ordinary character.
        return if path.starts_with('/') { checked(path.to_owned(), Kind::File) } else { Allowed::Never };
    }
    let Some(rooted) = rooted(path) else { return Allowed::Never };
    match rooted.find(SPECIAL) {
        Some(at) => Allowed::Unsayable(cannot_say(&rooted[at..])),
        None => checked(collapse(&rooted), Kind::File),
    }
}

/// The segments before the first that has a wildcard, with a slash before each: what everything that the
/// pattern matches starts with.
pub(super) fn literal_prefix(pattern: &str) -> &str {
    let Some(wild) = pattern.find(['*', '?', '[', '{', '\\']) else { return pattern };
    let end = pattern[..wild].rfind('/').unwrap_or(0);
    &pattern[..end]
}

/// Whether no path can match both patterns, as far as their literal beginnings tell.
pub(super) fn disjoint(left: &str, right: &str) -> bool {
    let beneath = |path: &str, folder: &str| {
        let path = path.to_ascii_lowercase();
        let folder = folder.trim_end_matches('/').to_ascii_lowercase();
        path.strip_prefix(&folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (left, right) = (literal_prefix(left), literal_prefix(right));
    !beneath(left, right) && !beneath(right, left)
}

/// With a slash in front, unless it matches no absolute path.
fn rooted(glob: &str) -> Option<String> {
    match glob {
        "**" => Some(EVERYTHING.to_owned()),
        _ if glob.starts_with("**/") => Some(format!("/{glob}")),
        _ if glob.starts_with('/') => Some(glob.to_owned()),
        _ => None,
    }
}

fn path_text(glob: &str) -> Result<String, Allowed> {
    let unsayable = |what: &str| Err(Allowed::Unsayable(cannot_say(what)));
    if let Some(at) = glob.find(SPECIAL) {
        return unsayable(&glob[at..]);
    }
    // A percent sign in a decoded path may be one of several things; a parameter is never in it.
    if glob.contains('%') {
        return unsayable("%");
    }
    let odd = |segment: &str| matches!(segment, "." | "..");
    if glob.contains(';') || glob.contains("//") || glob.split('/').any(odd) {
        return Err(Allowed::Never);
    }
    Ok(encoded(&collapse(glob)))
}

/// `**` inside a segment as the single `*` that it is.
fn collapse(glob: &str) -> String {
    let segment = |segment: &str| {
        if segment == "**" || !segment.contains("**") {
            return segment.to_owned();
        }
        let mut plain = String::new();
        for c in segment.chars() {
            if c != '*' || !plain.ends_with('*') {
                plain.push(c);
            }
        }
        plain
    };
    glob.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// As in a canonical request path, which keeps encoded what these patterns see decoded.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,=:@".contains(&byte);
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A pattern that we can say and that covers the glob: everything beneath its literal beginning.
fn widened(glob: &str) -> String {
    let prefix = literal_prefix(glob);
    let plain = prefix.find(['%', ';', ']', '}']).map_or(prefix, |odd| {
        let end = prefix[..odd].rfind('/').unwrap_or(0);
        &prefix[..end]
    });
    let text = format!("{}{EVERYTHING}", encoded(plain));
    match PathPattern::parse(&text, Kind::Request, Side::Deny) {
        Ok(_pattern) => text,
        Err(_unsayable) => EVERYTHING.to_owned(),
    }
}

fn checked(text: String, kind: Kind) -> Allowed {
    match PathPattern::parse(&text, kind, Side::Allow) {
        Ok(_pattern) => Allowed::Pattern(text),
        Err(PatternError { reason, .. }) => Allowed::Unsayable(reason),
    }
}

fn cannot_say(what: &str) -> String {
    let mark = what.chars().next().unwrap_or('?');
    format!("'{mark}' in a pattern has no equivalent here")
}
