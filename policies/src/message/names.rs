//! Lists of names and of values that stand in messages. `*` stands for any characters.
//!
//! In a deny list, letters match whatever their case, and a name matches every name that some server takes for it: with
//! one mark for `-`, `.` and `_`. In an allow list a name is exactly what is written.

use crate::answer::Answer;
use crate::parameter::folded;
use crate::pattern::wildcard::{self, Letters};
use crate::pattern::{PatternError, Side};

const LONGEST: usize = 1024;
const MOST_WILDCARDS: usize = 16;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pieces: Vec<Box<[u8]>>,
    /// In a deny list of names: folded.
    folded: Option<Vec<Box<[u8]>>>,
    letters: Letters,
}

/// What is allowed, less what is denied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) allow: Vec<Word>,
    pub(crate) deny: Vec<Word>,
}

impl Word {
    /// A name: what programs call a method, a tool or a field.
    pub(crate) fn name(text: &str, side: Side) -> Result<Self, PatternError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = format!("'{}' is not a name: it has more than visible ASCII", text.escape_debug());
            return Err(PatternError::new(reason, "write the name as the protocol has it"));
        }
        let fold = || pieces(&folded(text.as_bytes()));
        Ok(Self { folded: (side == Side::Deny).then(fold), ..Self::value(text, side)? })
    }

    /// A value, which may be any text.
    pub(crate) fn value(text: &str, side: Side) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::new("the entry is empty", "write a name, or '*' for any"));
        }
        if text.len() > LONGEST || text.matches('*').count() > MOST_WILDCARDS {
            let reason = format!("an entry has at most {LONGEST} bytes and {MOST_WILDCARDS} wildcards");
            return Err(PatternError::new(reason, "split it into several entries"));
        }
        let letters = if side == Side::Deny { Letters::AnyCase } else { Letters::Exactly };
        Ok(Self { pieces: pieces(text.as_bytes()), folded: None, letters })
    }

    /// Whether the entry itself has this text in it, so that no wildcard stands for it.
    pub(crate) fn has(&self, text: &str) -> bool {
        let wanted = text.as_bytes();
        self.pieces.iter().any(|piece| piece.windows(wanted.len()).any(|window| window == wanted))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let is_folded = |pieces: &Vec<_>| wildcard::matches(pieces, &folded(text.as_bytes()), self.letters);
        wildcard::matches(&self.pieces, text.as_bytes(), self.letters)
            || self.folded.as_ref().is_some_and(is_folded)
    }
}

impl Words {
    pub(crate) fn answer(&self, text: &str) -> Answer {
        let is = |word: &Word| word.matches(text);
        if self.deny.iter().any(is) {
            Answer::Denied
        } else if self.allow.iter().any(is) {
            Answer::Allowed
        } else {
            Answer::NotAllowed
        }
    }
}

fn pieces(text: &[u8]) -> Vec<Box<[u8]>> {
    text.split(|byte| *byte == b'*').map(Box::from).collect()
}
