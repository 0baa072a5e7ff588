//! The keys that leave a terminal in the guest without ending what runs in it.

use std::str::FromStr;

use wire::control::MAX_CHUNK;

/// The keys that leave an agent or a command that has a terminal, by what a terminal sends for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// Finds the keys in what is typed; by default there are none.
#[derive(Debug, Default)]
pub(super) struct Typed {
    keys: Vec<u8>,
    /// How many of them have been typed.
    matched: usize,
}

impl Default for DetachKeys {
    /// `ctrl-p,ctrl-q`.
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}

impl FromStr for DetachKeys {
    type Err = String;

    /// Keys as `ctrl-X` or one character, with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        let key = |key: &str| match (key.strip_prefix("ctrl-").map(str::as_bytes), key.as_bytes()) {
            (Some([letter @ b'a'..=b'z']), _) => Ok(letter & 0x1f),
            (None, [one @ b' '..=b'~']) => Ok(*one),
            _other => Err(format!("'{key}' is no key: write ctrl-a to ctrl-z, or one character")),
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

impl Typed {
    /// Finds these.
    pub(super) fn with(keys: DetachKeys) -> Self {
        Self { keys: keys.0, matched: 0 }
    }

    /// How much is read at once: what was held back for the keys may come on top.
    pub(super) fn chunk(&self) -> usize {
        if self.keys.is_empty() { MAX_CHUNK } else { MAX_CHUNK / 2 }
    }

    /// Whether there are any.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What of `bytes` is for the process; if all keys were typed, what follows them, to be looked at if they leave nothing.
    pub(super) fn passed<'a>(&mut self, bytes: &'a [u8]) -> (Vec<u8>, Option<&'a [u8]>) {
        let mut passed = Vec::with_capacity(bytes.len());
        for (at, byte) in bytes.iter().enumerate() {
            if self.keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return (passed, bytes.get(at + 1..));
                }
                continue;
            }
            passed.extend(self.keys.iter().take(self.matched));
            self.matched = usize::from(self.keys.first() == Some(byte));
            if self.matched == 0 {
                passed.push(*byte);
            }
        }
        (passed, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(DetachKeys::default()));
        assert_eq!("~,.".parse(), Ok(DetachKeys(vec![b'~', b'.'])));
        for bad in ["", "ctrl-", "ctrl-P", "ctrl-1", "ab", "ctrl-p,"] {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_leave_and_everything_else_is_passed_on() {
        let all = |pieces: &[&[u8]]| {
            let mut typed = Typed::with(DetachKeys::default());
            let mut seen = Vec::new();
            for piece in pieces {
                let (passed, rest) = typed.passed(piece);
                seen.extend(passed);
                if rest.is_some() {
                    return (seen, true);
                }
            }
            (seen, false)
        };
        assert_eq!(all(&[b"ab\x10\x11c"]), (b"ab".to_vec(), true));
        assert_eq!(all(&[b"a\x10", b"\x11"]), (b"a".to_vec(), true));
        assert_eq!(all(&[b"\x10b", b"\x11"]), (b"\x10b\x11".to_vec(), false));
        assert_eq!(all(&[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        let mut none = Typed::default();
        assert_eq!(none.passed(b"\x10\x11"), (b"\x10\x11".to_vec(), None));
    }

    /// Keys that left nothing, since it was refused, are not typed into the process later, and what follows them is.
    #[test]
    fn keys_that_left_nothing_are_gone() {
        let mut typed = Typed::with(DetachKeys::default());
        assert_eq!(typed.passed(b"a\x10\x11bc"), (b"a".to_vec(), Some(&b"bc"[..])));
        assert_eq!(typed.passed(b"bc"), (b"bc".to_vec(), None));
        assert_eq!(typed.passed(b"\x10\x11"), (Vec::new(), Some(&b""[..])));
        assert_eq!(typed.passed(b"d"), (b"d".to_vec(), None));
        assert_eq!(typed.passed(b"\x10\x11"), (Vec::new(), Some(&b""[..])), "they are found again");
    }
}
