//! The lists, and what they say about a file.

use std::collections::HashSet;

use wire::confinement::{Executable, Executables, Segment};
use wire::control::RefusalReason;
use wire::subject::Digest;

/// Dynamic loaders of the systems that images are made of. Whatever else the kernel takes for one is added.
const LOADERS: [&str; 3] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/lib/ld-musl-x86_64.so.1"];

/// Loaders that are remembered: every program may name one of its own.
const MOST_LOADERS: usize = 64;

/// What the kernel appends to the path of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";

/// What there is to know about a file that is about to be executed. Each fact costs a look.
pub(super) trait Facts {
    /// Its path in the agent's tree.
    fn path(&self) -> Option<&[u8]>;
    /// Its content; `None` if it cannot be read or is too long.
    fn content(&self) -> Option<Content>;
    /// In what role it is executed.
    fn role(&self) -> Role;
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) hold: Hold,
}

/// For how long a content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The agent cannot change it.
    Lasting,
    /// The agent may change it at any moment, the next one included.
    Fleeting,
}

/// Why the kernel opens a file to execute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A process asked for it, or a script names it as its interpreter.
    Program,
    /// A program that was allowed names it as its loader.
    Loader,
}

/// Both lists.
#[derive(Debug)]
pub(super) struct Rules {
    /// There are no lists.
    everything: bool,
    allow: List,
    deny: List,
    loaders: HashSet<Vec<u8>>,
}

#[derive(Debug, Default)]
struct List {
    /// Entries without a wildcard, and what they lead to.
    exact: HashSet<Vec<u8>>,
    patterns: Vec<Vec<Segment>>,
    digests: HashSet<Digest>,
}

impl Rules {
    /// `resolve` follows the links of a path in the agent's tree.
    pub(super) fn new(executables: &Executables, resolve: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        Self {
            everything: false,
            allow: List::new(&executables.allow, &resolve),
            deny: List::new(&executables.deny, &resolve),
            loaders: loaders(resolve),
        }
    }

    /// The kernel took this file for a loader.
    pub(super) fn met(&mut self, loader: Vec<u8>) {
        if self.loaders.len() < MOST_LOADERS {
            self.loaders.insert(loader);
        }
    }

    /// Everything may be executed.
    pub(super) fn none(resolve: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        Self { everything: true, allow: List::default(), deny: List::default(), loaders: loaders(resolve) }
    }

    /// In what role the file may be executed. That of a program that nobody has met as a loader is taken for a
    /// program's: see [`Self::met`].
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn judge(&mut self, file: &impl Facts) -> Result<Role, RefusalReason> {
        let path = file.path().ok_or(RefusalReason::Unreadable);
        if self.everything {
            let loader = path.is_ok_and(|path| self.loaders.contains(path));
            return Ok(if loader { file.role() } else { Role::Program });
        }
        let path = path?;
        // A file that was removed is no longer the one that an allowed path means; a denied one still is.
        let (name, present) = match path.strip_suffix(DELETED) {
            Some(name) => (name, false),
            None => (path, true),
        };
        if self.deny.names(name) || self.deny.names(path) {
            return Err(RefusalReason::Denied);
        }
        let content =
            if self.allow.digests.is_empty() && self.deny.digests.is_empty() { None } else { file.content() };
        if !self.deny.digests.is_empty() {
            let digest = content.ok_or(RefusalReason::Unreadable)?.digest;
            if self.deny.digests.contains(&digest) {
                return Err(RefusalReason::Denied);
            }
        }
        let pinned =
            |content: Content| content.hold == Hold::Lasting && self.allow.digests.contains(&content.digest);
        let known = self.loaders.contains(name);
        if (present && self.allow.exact.contains(name)) || content.is_some_and(pinned) {
            return Ok(if known { file.role() } else { Role::Program });
        }
        let matched = present && self.allow.matches(name);
        // A pattern that happens to cover the loader does not mean that it may execute any other file.
        if matched && !known {
            return Ok(Role::Program);
        }
        match (file.role(), matched) {
            (Role::Loader, _) => {
                self.met(path.to_vec());
                Ok(Role::Loader)
            }
            (Role::Program, true) => Err(RefusalReason::Loader),
            (Role::Program, false) => Err(RefusalReason::NotAllowed),
        }
    }
}

fn loaders(resolve: impl Fn(&str) -> Option<Vec<u8>>) -> HashSet<Vec<u8>> {
    LOADERS.iter().filter_map(|path| resolve(path)).collect()
}

impl List {
    fn new(entries: &[Executable], resolve: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let mut list = Self::default();
        for entry in entries {
            match entry {
                Executable::Digest(digest) => drop(list.digests.insert(*digest)),
                Executable::Path(segments) => match literal(segments) {
                    Some(path) => {
                        list.exact.extend(resolve(&path));
                        list.exact.insert(path.into_bytes());
                    }
                    None => list.patterns.push(segments.clone()),
                },
            }
        }
        list
    }

    fn names(&self, path: &[u8]) -> bool {
        self.exact.contains(path) || self.matches(path)
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, path))
    }
}

/// The path that a pattern without a wildcard is.
fn literal(segments: &[Segment]) -> Option<String> {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Like(pieces) => match pieces.as_slice() {
                [name] => path.extend(["/", name]),
                _ => return None,
            },
            Segment::AnyNumber => return None,
        }
    }
    Some(path)
}

/// Goes through pattern and path part by part. After a mismatch the latest [`Segment::AnyNumber`] takes one part
/// more: an earlier one never needs to, because the latest can reach every later place.
fn matches(pattern: &[Segment], path: &[u8]) -> bool {
    let Some(body) = path.strip_prefix(b"/") else { return false };
    let parts: Vec<&[u8]> = body.split(|byte| *byte == b'/').collect();
    let (mut at, mut part) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), parts.get(part)) {
            (None, None) => return true,
            (Some(Segment::AnyNumber), _) => {
                at += 1;
                retry = Some((at, part));
                continue;
            }
            (Some(Segment::Like(pieces)), Some(text)) if like(pieces, text) => {
                at += 1;
                part += 1;
                continue;
            }
            _ => {}
        }
        let Some((resume, from)) = retry.filter(|(_, from)| *from < parts.len()) else { return false };
        retry = Some((resume, from + 1));
        (at, part) = (resume, from + 1);
    }
}

/// The first piece starts the text, the last one ends it, and the others follow each other between. No part of
/// a path is empty.
fn like(pieces: &[String], text: &[u8]) -> bool {
    let (first, middle, last) = match pieces {
        [] => return false,
        [only] => return only.as_bytes() == text,
        [first, middle @ .., last] => (first.as_bytes(), middle, last.as_bytes()),
    };
    let Some(tail) = text.strip_prefix(first) else { return false };
    let Some(mut inner) = tail.strip_suffix(last) else { return false };
    for piece in middle.iter().map(String::as_bytes).filter(|piece| !piece.is_empty()) {
        let Some(found) = inner.windows(piece.len()).position(|window| window == piece) else { return false };
        inner = inner.get(found + piece.len()..).unwrap_or_default();
    }
    !text.is_empty()
}
