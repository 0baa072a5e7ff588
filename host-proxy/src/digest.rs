//! SHA-256 of a body as it passes, for its record: whoever has a file can tell whether it is what was sent or what came back.
//!
//! Bytes are those that the agent sends and gets, without the framing of its protocol. A body that does not go on to its end has
//! no digest: that of its beginning would pass for one of something else. Nor has a short one: a digest tells it to whoever tries all
//! that it can have been.

use std::sync::OnceLock;

use ring::digest::{Context, SHA256};
use wire::subject::Digest;

/// Bytes of the shortest body that has a digest. It has no salt, so that everybody can compare files with it; of a shorter body, as a
/// form with a one-time code or a password, it would give back what redaction took out. Files are longer.
pub(crate) const SHORTEST: u64 = 64;

/// Whether bodies have digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digests {
    /// They do.
    On,
    /// They do not.
    Off,
}

/// A body on its way.
pub(crate) struct Passing<'a> {
    /// `None`: nothing passed yet, or nothing more is to be said of it.
    context: Option<Context>,
    /// How much passed.
    seen: u64,
    /// How much is still to come, if its length was announced.
    left: Option<u64>,
    digests: Digests,
    result: &'a OnceLock<Digest>,
}

impl<'a> Passing<'a> {
    /// A body of `announced` bytes, if that is known, whose digest will be in `result`.
    pub(crate) fn new(digests: Digests, announced: Option<u64>, result: &'a OnceLock<Digest>) -> Self {
        Self { context: None, seen: 0, left: announced, digests, result }
    }

    /// Looks at what is next.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        if self.digests == Digests::On && !piece.is_empty() {
            self.context.get_or_insert_with(|| Context::new(&SHA256)).update(piece);
        }
        self.seen = self.seen.saturating_add(piece.len() as u64);
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
    }

    /// What was seen has gone on. The other end may have all that was announced, and do no more before it hears the end.
    pub(crate) fn has_passed(&mut self) {
        if self.left == Some(0) {
            self.has_ended();
        }
    }

    /// All of it has gone on.
    pub(crate) fn has_ended(&mut self) {
        if let Some(context) = self.context.take().filter(|_| self.seen >= SHORTEST) {
            let digest = context.finish();
            let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
            let _first_is_kept = self.result.set(Digest(digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = &[b'a'; 64];
    const OF_BODY: &str = "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb";

    /// The digest after `body` has passed.
    fn passed(digests: Digests, announced: Option<u64>, body: &[u8]) -> Option<String> {
        let result = OnceLock::new();
        let mut passing = Passing::new(digests, announced, &result);
        let (begin, rest) = body.split_at(body.len() / 2);
        for piece in [begin, &[], rest] {
            passing.see(piece);
            passing.has_passed();
        }
        result.get().map(|digest| digest.to_hex())
    }

    #[test]
    fn a_body_has_a_digest_once_it_has_gone_on_to_its_end() {
        assert_eq!(passed(Digests::On, Some(64), BODY).as_deref(), Some(OF_BODY));
        assert_eq!(passed(Digests::On, Some(65), BODY), None, "one byte is missing");
        assert_eq!(passed(Digests::On, None, BODY), None, "nobody knows where it ends");
        assert_eq!(passed(Digests::Off, Some(64), BODY), None);
        let result = OnceLock::new();
        let mut body = Passing::new(Digests::On, None, &result);
        body.see(BODY);
        assert_eq!(result.get(), None);
        body.has_ended();
        body.has_ended();
        assert_eq!(result.get().map(|digest| digest.to_hex()).as_deref(), Some(OF_BODY));
    }

    #[test]
    fn a_short_or_empty_body_has_none() {
        assert_eq!(passed(Digests::On, Some(63), &BODY[1..]), None);
        assert_eq!(passed(Digests::On, Some(0), &[]), None);
        for body in [&[][..], &BODY[1..]] {
            let result = OnceLock::new();
            let mut passing = Passing::new(Digests::On, None, &result);
            passing.see(body);
            passing.has_ended();
            assert_eq!(result.get(), None);
        }
    }
}
