//! Slow, plain readings of the patterns, which the compiled ones are compared with: they follow the
//! tables in the modules' texts, not the code.

use super::Side;

/// A small generator with a seed: a failure can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1 << 63)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

pub(crate) fn host_is_canonical(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    host.split('.').all(label)
}

pub(crate) fn destination(pattern: &str, side: Side, host: &str, port: u16) -> bool {
    let (pattern, ports) = pattern.split_once(':').unwrap_or((pattern, ""));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let in_range = match (ports, side) {
        ("", Side::Allow) => port == 443,
        ("", Side::Deny) => true,
        _ => (first.parse().unwrap()..=last.parse().unwrap()).contains(&port),
    };
    let labels: Vec<&str> = host.split('.').collect();
    let wanted: Vec<&str> = pattern.split('.').collect();
    let before = |tail: &[&str]| labels.ends_with(tail).then(|| labels.len() - tail.len());
    let matches = match (wanted[0], side) {
        ("**", _) | ("*", Side::Deny) => before(&wanted[1..]).is_some_and(|count| count >= 1),
        ("*", Side::Allow) => before(&wanted[1..]) == Some(1),
        _ => labels == wanted,
    };
    in_range && matches
}

pub(crate) fn binary(pattern: &str, side: Side, path: &str) -> bool {
    if pattern.starts_with('/') {
        return file_path(pattern, side, path);
    }
    let (directory, file) = path.rsplit_once('/').unwrap();
    let version = file.strip_prefix(pattern).is_some_and(|rest| {
        let numbers: Vec<&str> = rest.trim_start_matches('.').split('.').collect();
        rest.is_empty()
            || (!rest.starts_with("..")
                && (rest.starts_with('.') || !pattern.ends_with(|c: char| c.is_ascii_digit()))
                && numbers.iter().all(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit())))
    });
    let listed =
        ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"].contains(&directory);
    let helper = pattern == "git" && ["/usr/lib/git-core", "/usr/libexec/git-core"].contains(&directory);
    version && (listed || side == Side::Deny) || helper
}

/// A request path.
pub(crate) fn path(pattern: &str, side: Side, path: &str) -> bool {
    if side == Side::Allow || !path.starts_with('/') {
        return path.starts_with('/') && deep(&segments(pattern), &segments(path), side);
    }
    let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    file_path(&slashed(&bare(pattern)), side, &slashed(&bare(path)))
}

fn file_path(pattern: &str, side: Side, path: &str) -> bool {
    let mut wanted = segments(pattern);
    if side == Side::Deny && wanted.last() == Some(&"*") {
        wanted.pop();
        wanted.push("**");
    }
    deep(&wanted, &segments(path), side)
}

fn slashed(text: &str) -> String {
    if text.is_empty() { "/".to_owned() } else { text.to_owned() }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

/// Every way to let `**` stand for some number of segments.
fn deep(pattern: &[&str], path: &[&str], side: Side) -> bool {
    match pattern {
        [] => path.is_empty(),
        ["**"] => !path.is_empty() || side == Side::Deny,
        ["**", rest @ ..] => (0..=path.len()).any(|taken| deep(rest, &path[taken..], side)),
        ["*", rest @ ..] => {
            path.first().is_some_and(|first| !first.is_empty() || side == Side::Deny)
                && deep(rest, &path[1..], side)
        }
        [first, rest @ ..] => {
            path.first().is_some_and(|text| inside(first.as_bytes(), text.as_bytes()))
                && deep(rest, &path[1..], side)
        }
    }
}

/// Every way to let `*` stand for some number of characters.
fn inside(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| inside(rest, &text[taken..])),
        [first, rest @ ..] => text.first() == Some(first) && inside(rest, &text[1..]),
    }
}
