//! Path patterns, for request paths and for file paths.
//!
//! | text | in an allow list | in a deny list |
//! |---|---|---|
//! | `*` as a whole segment | one segment that is not empty | one segment |
//! | `*` inside a segment | any characters of the segment | the same |
//! | `/**/` | any number of segments, none too | the same |
//! | `/a/**` at the end | what is beneath `/a/` | `/a` and what is beneath it |
//! | `/a/*` at the end | one segment beneath `/a/` | the same as `/a/**` |
//! | letters | exactly | a request path: whatever their case |
//! | `:` or another mark | exactly | a request path: also percent-encoded (`%3A`) |
//! | a slash at the end | exactly | a request path: with it or without it |
//!
//! The last three rows exist because servers differ: where one may see the path that was denied, it is denied.
//! Matching goes over the path once for each `**`, and allocates only for a deny list on an encoded path.
//!
//! The canonical path of a request has letters, digits and `-._~` plain, of the other marks
//! `!$&'()*+,=:@` plain or encoded, and everything else encoded in capitals. A pattern that holds
//! anything else would never match, and is refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::wildcard::{self, Letters};
use super::{PatternError, Side};

const MAX_PATTERN: usize = 1024;
const MAX_WILDCARDS: usize = 16;

/// What kind of path a pattern is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The canonical path of a request.
    Request,
    /// A resolved path of a file system.
    File,
}

/// One entry of a path list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    segments: Vec<Segment>,
    side: Side,
    /// Compare letters whatever their case, and ignore a slash at the end.
    loose: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `*` alone.
    Whole,
    /// The pieces between the `*` of a segment; at least two, of which one is not empty.
    Pieces(Vec<Box<[u8]>>),
    /// `**`.
    Deep,
}

impl PathPattern {
    pub(crate) fn parse(text: &str, kind: Kind, side: Side) -> Result<Self, PatternError> {
        check(text, kind)?;
        let loose = side == Side::Deny && kind == Kind::Request;
        let mut body = &text[1..];
        if loose {
            body = body.strip_suffix('/').unwrap_or(body);
        }
        let mut segments: Vec<Segment> =
            body.split('/').map(|segment| Segment::parse(segment, loose)).collect::<Result<_, _>>()?;
        if let (Side::Deny, Some(last)) = (side, segments.last_mut())
            && *last == Segment::Whole
        {
            *last = Segment::Deep;
        }
        Ok(Self { segments, side, loose })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(mut body) = path.strip_prefix('/') else { return false };
        if self.loose {
            body = body.strip_suffix('/').unwrap_or(body);
            return self.walk(&unescape(body));
        }
        self.walk(body)
    }

    /// Whether everything that the pattern `text` matches is matched by this one, as far as can be told
    /// by reading `text` as a path: what its wildcards stand for is then within this one's wildcards.
    pub(crate) fn covers(&self, text: &str) -> bool {
        let crosses = text.contains("**") && self.segments.last() != Some(&Segment::Deep);
        !crosses && self.matches(text)
    }

    /// Where in the pattern a match can stand before anything of a path was read. Two paths after which every
    /// pattern stands at the same places are matched alike, whatever follows.
    pub(crate) fn start(&self) -> BTreeSet<usize> {
        self.through_deep(BTreeSet::from([0]))
    }

    /// Where it can stand after one more segment.
    pub(crate) fn step(&self, places: &BTreeSet<usize>, segment: &str) -> BTreeSet<usize> {
        let text = if self.loose { unescape(segment) } else { Cow::Borrowed(segment) };
        let mut next = BTreeSet::new();
        for at in places {
            match self.segments.get(*at) {
                Some(Segment::Deep) if at + 1 == self.segments.len() => next.extend([*at, at + 1]),
                Some(Segment::Deep) => next.extend([*at]),
                Some(one) if self.segment_matches(one, &text) => next.extend([at + 1]),
                _ => {}
            }
        }
        self.through_deep(next)
    }

    /// A `**` may stand for nothing, but in an allow list not at the end.
    fn through_deep(&self, mut places: BTreeSet<usize>) -> BTreeSet<usize> {
        for at in 0..self.segments.len() {
            let ends = at + 1 == self.segments.len();
            let passes = self.segments[at] == Segment::Deep && (!ends || self.side == Side::Deny);
            if passes && places.contains(&at) {
                places.insert(at + 1);
            }
        }
        places
    }

    /// Goes through pattern and path segment by segment. After a mismatch the latest `**` takes one
    /// segment more: an earlier one never needs to, because the latest can reach every later place.
    fn walk(&self, body: &str) -> bool {
        let mut at = 0;
        let mut rest = Some(body);
        let mut retry: Option<(usize, Option<&str>)> = None;
        loop {
            match self.segments.get(at) {
                None if rest.is_none() => return true,
                Some(Segment::Deep) if at + 1 == self.segments.len() => {
                    return rest.is_some() || self.side == Side::Deny;
                }
                Some(Segment::Deep) => {
                    at += 1;
                    retry = Some((at, rest));
                    continue;
                }
                Some(segment) => {
                    if let Some((first, after)) = rest.map(split)
                        && self.segment_matches(segment, first)
                    {
                        at += 1;
                        rest = after;
                        continue;
                    }
                }
                None => {}
            }
            let Some((resume, Some(from))) = retry else { return false };
            let (_taken, after) = split(from);
            retry = Some((resume, after));
            at = resume;
            rest = after;
        }
    }

    fn letters(&self) -> Letters {
        if self.loose { Letters::AnyCase } else { Letters::Exactly }
    }

    fn segment_matches(&self, segment: &Segment, text: &str) -> bool {
        match segment {
            Segment::Literal(literal) => self.letters().same(literal.as_bytes(), text.as_bytes()),
            Segment::Whole => !text.is_empty() || self.side == Side::Deny,
            Segment::Pieces(pieces) => wildcard::matches(pieces, text.as_bytes(), self.letters()),
            Segment::Deep => false,
        }
    }
}

impl Segment {
    fn parse(text: &str, loose: bool) -> Result<Self, PatternError> {
        let literal = |text: &str| Box::<str>::from(if loose { unescape(text) } else { Cow::Borrowed(text) });
        match text {
            "*" => Ok(Self::Whole),
            "**" => Ok(Self::Deep),
            _ if text.contains("**") => Err(PatternError::new(
                format!("'{text}' has '**' inside a segment"),
                "let '**' stand alone between slashes, or write one '*'",
            )),
            _ if text.contains('*') => {
                Ok(Self::Pieces(text.split('*').map(literal).map(str::into_boxed_bytes).collect()))
            }
            _ => Ok(Self::Literal(literal(text))),
        }
    }
}

/// Decodes the visible ASCII characters, slashes aside (a path with escaped ones is judged once more with plain ones):
/// what a server may see as the plain character.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%') {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match decode(part).filter(|byte| byte.is_ascii_graphic() && *byte != b'/') {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[2..]);
            }
            None => {
                plain.push('%');
                plain.push_str(part);
            }
        }
    }
    Cow::Owned(plain)
}

/// The byte that the two digits at the start stand for.
fn decode(digits: &str) -> Option<u8> {
    let digits = digits.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'/') {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => (path, None),
    }
}

/// Refuses what a canonical path never holds: such a pattern would never match, or not what it seems to.
fn check(text: &str, kind: Kind) -> Result<(), PatternError> {
    let refuse = |reason: String, remedy: &str| Err(PatternError::new(reason, remedy));
    if !text.starts_with('/') {
        let remedy = format!("write '/{}'", if text == "*" || text == "**" { "**" } else { text });
        return refuse(format!("'{text}' does not start with a slash"), &remedy);
    }
    if text.len() > MAX_PATTERN || text.matches('*').count() > MAX_WILDCARDS {
        let reason = format!("a pattern has at most {MAX_PATTERN} bytes and {MAX_WILDCARDS} wildcards");
        return refuse(reason, "split it into several patterns");
    }
    if text.contains("//") || text.split('/').any(|segment| segment == "." || segment == "..") {
        let reason = format!("'{text}' is not canonical: it has an empty, '.' or '..' segment");
        return refuse(reason, "write the path without it");
    }
    match kind {
        Kind::Request => check_request(text),
        Kind::File if text.contains(|c: char| c.is_control()) => {
            refuse("a file path has a control character".to_owned(), "remove it")
        }
        Kind::File => Ok(()),
    }
}

fn check_request(text: &str) -> Result<(), PatternError> {
    if let Some((path, _query)) = text.split_once(['?', '#']) {
        let remedy = format!("write '{path}': a path rule sees neither query nor fragment");
        return Err(PatternError::new(format!("'{text}' has a query or a fragment"), remedy));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/!$&'()*+,=:@%".contains(c);
    if text.contains(';') {
        let remedy = "remove it: a request whose path has parameters is refused anyway";
        return Err(PatternError::new(format!("'{text}' has a path parameter (';')"), remedy));
    }
    if let Some(odd) = text.chars().find(|c| !plain(*c)) {
        return Err(PatternError::new(
            format!("{odd:?} cannot stand in a path"),
            "write the character percent-encoded, as it is sent",
        ));
    }
    text.split('%').skip(1).try_for_each(check_escape)
}

/// Checks one escape, given what follows its percent sign.
fn check_escape(after: &str) -> Result<(), PatternError> {
    let digits = after.get(..2).unwrap_or(after);
    let Some(byte) = decode(after).filter(|_byte| !digits.contains(|c: char| c.is_ascii_lowercase())) else {
        let remedy = "write '%' and two of 0-9 A-F; '%25' is a percent sign";
        return Err(PatternError::new(format!("'%{digits}' encodes nothing"), remedy));
    };
    let refused = matches!(byte, b'\\' | b';') || byte.is_ascii_control();
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        let reason = format!("'%{digits}' never stands in a canonical path");
        return Err(PatternError::new(reason, format!("write '{}'", char::from(byte))));
    }
    if refused {
        let reason = format!("'%{digits}' never stands in a canonical path");
        return Err(PatternError::new(reason, "remove it: a request that has it is refused anyway"));
    }
    Ok(())
}
