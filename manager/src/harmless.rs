//! Text of a guest for a terminal: lines and tabs are what they are, everything else that would drive it is shown as a sign.

/// In the place of what drives a terminal.
const SIGN: char = '\u{fffd}';

/// Longest character in UTF-8, in bytes.
const LONGEST: usize = 4;

/// Takes bytes in pieces, which may end within a character.
#[derive(Debug, Default)]
pub struct Harmless {
    /// The begin of a character whose end has not come.
    begun: Vec<u8>,
    /// A carriage return that may belong to a line's end.
    returned: bool,
}

impl Harmless {
    /// The next piece, as it may be shown.
    #[must_use]
    pub fn text(&mut self, bytes: &[u8]) -> String {
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(bytes);
        let ready = whole.len() - unfinished(&whole);
        self.begun = whole.split_off(ready);
        let mut text = String::with_capacity(whole.len());
        for c in String::from_utf8_lossy(&whole).chars() {
            // Back at the line's begin, what was shown could be written over: the line ends there.
            if self.returned {
                text.push('\n');
            }
            match (c, std::mem::replace(&mut self.returned, c == '\r')) {
                ('\r', _) | ('\n', true) => {}
                ('\n' | '\t', _) => text.push(c),
                (c, _) if c.is_control() => text.push(SIGN),
                (c, _) => text.push(c),
            }
        }
        text
    }
}

/// Bytes at the end that begin a character and do not end it.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.len().saturating_sub(LONGEST - 1);
    let tail = bytes.get(last..).unwrap_or_default();
    match std::str::from_utf8(tail) {
        Ok(_) => 0,
        Err(_) => (1..=tail.len())
            .find(|length| {
                let begin = tail.get(tail.len() - length..).unwrap_or_default();
                std::str::from_utf8(begin)
                    .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
            })
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_the_terminal() {
        let mut harmless = Harmless::default();
        assert_eq!(
            harmless.text(b"a\tb\n\x1b[2J\x07\x9b\xc2\x9b0m"),
            "a\tb\n\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}0m"
        );
        assert_eq!(harmless.text(b"one\r\ntwo\rover\r"), "one\ntwo\nover");
        assert_eq!(harmless.text(b"\nnext"), "\nnext");
        assert_eq!(harmless.text("ü€😀".as_bytes()), "ü€😀");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let text = "aü€😀\u{9b}z\r\nq";
        for size in 1..5 {
            let mut harmless = Harmless::default();
            let shown: String = text.as_bytes().chunks(size).map(|piece| harmless.text(piece)).collect();
            assert_eq!(shown, "aü€😀\u{fffd}z\nq", "in pieces of {size}");
        }
    }
}
