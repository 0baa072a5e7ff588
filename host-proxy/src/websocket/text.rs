//! UTF-8 that arrives in pieces cut anywhere.

/// The beginning of a character whose rest is still to come.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Whether `piece`, after all before it, can still become UTF-8.
    pub(super) fn goes_on(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        while self.length > 0 {
            let Some((&byte, after)) = rest.split_first() else { return true };
            rest = after;
            self.begun[self.length] = byte;
            self.length += 1;
            match std::str::from_utf8(&self.begun[..self.length]) {
                Ok(_character) => self.length = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_unfinished) => {}
            }
        }
        let Err(error) = std::str::from_utf8(rest) else { return true };
        let begun = &rest[error.valid_up_to()..];
        if error.error_len().is_some() {
            return false;
        }
        // An unfinished character has at most three bytes.
        self.begun[..begun.len()].copy_from_slice(begun);
        self.length = begun.len();
        true
    }

    /// Whether no character is unfinished.
    pub(super) fn is_whole(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard library says of the whole is what is said of its pieces, wherever they are cut.
    #[test]
    fn pieces_are_judged_like_the_whole() {
        let mut texts: Vec<Vec<u8>> = ["", "a", "é", "€", "😀", "aé€😀b", "\u{10ffff}\u{800}\u{7f}\0"]
            .map(|text| text.as_bytes().to_vec())
            .into();
        texts.extend(
            [
                &b"\x80"[..],
                b"\xc0\x80",
                b"\xc1\xbf",
                b"\xe0\x80\x80",
                b"\xed\xa0\x80",
                b"\xf0\x80\x80\x80",
                b"\xf4\x90\x80\x80",
                b"\xf5\x80\x80\x80",
                b"\xff",
                b"a\xc3",
                b"\xe2\x82",
                b"\xf0\x9f\x98",
                b"\xe2\x28\xa1",
                b"ok\xe2\x82\xacbad\xfe",
            ]
            .map(<[u8]>::to_vec),
        );
        for text in texts {
            let expected = std::str::from_utf8(&text).is_ok();
            for piece in 1..=text.len().max(1) {
                let mut utf8 = Utf8::default();
                let good = text.chunks(piece).all(|piece| utf8.goes_on(piece)) && utf8.is_whole();
                assert_eq!(good, expected, "{} in pieces of {piece}", text.escape_ascii());
            }
        }
    }
}
