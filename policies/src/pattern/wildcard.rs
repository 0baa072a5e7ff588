//! Text with `*` in it, which stands for any characters.

/// How letters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// Byte by byte.
    Exactly,
    /// ASCII letters whatever their case.
    AnyCase,
}

impl Letters {
    pub(crate) fn same(self, left: &[u8], right: &[u8]) -> bool {
        match self {
            Self::Exactly => left == right,
            Self::AnyCase => left.eq_ignore_ascii_case(right),
        }
    }

    fn find(self, piece: &[u8], text: &[u8]) -> Option<usize> {
        if piece.is_empty() {
            return Some(0);
        }
        text.windows(piece.len()).position(|window| self.same(piece, window))
    }
}

/// Whether `text` is the pieces with any characters between them: the first piece starts the text, the
/// last one ends it, and the others follow each other between.
pub(crate) fn matches<P: AsRef<[u8]>>(pieces: &[P], text: &[u8], letters: Letters) -> bool {
    let (first, middle, last) = match pieces {
        [] => return false,
        [only] => return letters.same(only.as_ref(), text),
        [first, middle @ .., last] => (first.as_ref(), middle, last.as_ref()),
    };
    let Some((head, tail)) = text.split_at_checked(first.len()) else { return false };
    if !letters.same(first, head) {
        return false;
    }
    let Some(inner) = tail.len().checked_sub(last.len()) else { return false };
    let (mut inner, end) = tail.split_at(inner);
    for piece in middle {
        let Some(found) = letters.find(piece.as_ref(), inner) else { return false };
        inner = &inner[found + piece.as_ref().len()..];
    }
    letters.same(last, end)
}
