//! Addresses that whoever knows may post to: their path holds the secret, and only their host tells what it is.

use std::ops::Range;

use super::super::words::Word;
use super::is_varied;
use super::rules::Alphabet;

/// Longest path that is read.
const LONGEST: usize = 256;

/// Fewest characters of a secret.
const SHORTEST: usize = 20;

/// `T…/B…/SECRET`, and whatever else comes first.
pub(super) fn token(hit: Word<'_>) -> Option<Range<usize>> {
    Some(hit.start..hit.end + secret_end(hit.behind())?)
}

/// `webhooks/ID/SECRET`, with or without a version before and a message behind.
pub(super) fn of_discord(hit: Word<'_>) -> Option<Range<usize>> {
    let path = hit.behind();
    let version = match path {
        [b'v', digits @ ..] => 2 + digits.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let rest = path.get(version..)?.strip_prefix(b"webhooks/")?;
    let before = path.len() - rest.len();
    Some(hit.start..hit.end + before + secret_end(rest)?)
}

/// `GROUP@TENANT/IncomingWebhook/SECRET/OWNER`, the `@` as it is or percent-encoded.
pub(super) fn of_teams(hit: Word<'_>) -> Option<Range<usize>> {
    let path = hit.behind();
    let allowed = |byte: &&u8| Alphabet::Token.has(**byte) || matches!(**byte, b'/' | b'@' | b'%');
    let length = path.iter().take(LONGEST).take_while(allowed).count();
    let name = &b"/IncomingWebhook/"[..];
    let secret = memchr::memmem::find(&path[..length], name)? + name.len();
    secret_end(&path[secret..length]).map(|_end| hit.start..hit.end + length)
}

/// Where the first part of a path ends that is long and looks drawn at random.
fn secret_end(path: &[u8]) -> Option<usize> {
    let mut start = 0;
    while start < LONGEST {
        let length =
            path[start..].iter().take(LONGEST).take_while(|byte| Alphabet::Token.has(**byte)).count();
        let end = start + length;
        if length >= SHORTEST && is_varied(&path[start..end]) {
            return Some(end);
        }
        if path.get(end) != Some(&b'/') {
            return None;
        }
        start = end + 1;
    }
    None
}
