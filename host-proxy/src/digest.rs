//! SHA-256 of a body as it passes, for its record: whoever has a file can tell whether it is what was sent or what came back.
//!
//! Bytes are those that the agent sends and gets, without the framing of its protocol. A body that does not go on to its end has
//! no digest: that of its beginning would pass for one of something else.

use std::sync::OnceLock;

use ring::digest::{Context, SHA256};
use wire::subject::Digest;

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
    /// How much is still to come, if its length was announced.
    left: Option<u64>,
    digests: Digests,
    result: &'a OnceLock<Digest>,
}

impl<'a> Passing<'a> {
    /// A body of `announced` bytes, if that is known, whose digest will be in `result`.
    pub(crate) fn new(digests: Digests, announced: Option<u64>, result: &'a OnceLock<Digest>) -> Self {
        Self { context: None, left: announced, digests, result }
    }

    /// Looks at what is next.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        if self.digests == Digests::On && !piece.is_empty() {
            self.context.get_or_insert_with(|| Context::new(&SHA256)).update(piece);
        }
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
        if let Some(context) = self.context.take() {
            let digest = context.finish();
            let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
            let _first_is_kept = self.result.set(Digest(digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// The digest after `abc` has passed.
    fn passed(digests: Digests, announced: Option<u64>) -> Option<String> {
        let result = OnceLock::new();
        let mut body = Passing::new(digests, announced, &result);
        for piece in ["a", "", "bc"] {
            body.see(piece.as_bytes());
            body.has_passed();
        }
        result.get().map(|digest| digest.to_hex())
    }

    #[test]
    fn a_body_has_a_digest_once_it_has_gone_on_to_its_end() {
        assert_eq!(passed(Digests::On, Some(3)).as_deref(), Some(ABC));
        assert_eq!(passed(Digests::On, Some(4)), None, "one byte is missing");
        assert_eq!(passed(Digests::On, None), None, "nobody knows where it ends");
        assert_eq!(passed(Digests::Off, Some(3)), None);
        let result = OnceLock::new();
        let mut body = Passing::new(Digests::On, None, &result);
        body.see(b"abc");
        assert_eq!(result.get(), None);
        body.has_ended();
        body.has_ended();
        assert_eq!(result.get().map(|digest| digest.to_hex()).as_deref(), Some(ABC));
    }

    #[test]
    fn an_empty_body_has_none() {
        let result = OnceLock::new();
        let mut body = Passing::new(Digests::On, Some(0), &result);
        body.has_passed();
        body.has_ended();
        assert_eq!(result.get(), None);
    }
}
