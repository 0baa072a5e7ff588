//! A module's text before it is parsed: its size, its nesting, and whether it names its package.
//!
//! The engine's parser tries every bracket as several things, so its time doubles with each level: depth is
//! bounded here, before it sees the text.

use super::Mistake;

/// Longest module, in bytes.
pub(crate) const MAX_TEXT: usize = 64 * 1024;
/// Brackets of any kind that may be open at once.
const MAX_NESTING: usize = 10;
/// Digits of a number.
const MAX_DIGITS: usize = 18;
/// Operators and parts of names in one expression: each is a level of the syntax tree.
const MAX_PARTS: usize = 100;
/// What stands before a module that does not name its package. It adds no line.
const PACKAGE: &str = "package policy ";

/// A module that may be parsed.
#[derive(Debug)]
pub(crate) struct Source {
    /// With a package.
    pub(crate) text: String,
    /// Characters that were put before the first line.
    added: u64,
}

/// Where the reader of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    /// In double quotes; whether the character before was a backslash.
    Quoted {
        escaped: bool,
    },
    /// In back quotes.
    Raw,
}

impl Source {
    pub(crate) fn read(text: &str) -> Result<Self, Mistake> {
        if text.len() > MAX_TEXT {
            let reason = format!("the module has {} bytes, more than {MAX_TEXT}", text.len());
            return Err(Mistake::new(0, 0, reason, "split it into several modules"));
        }
        let first_word = check_nesting(text)?;
        check_numbers(text)?;
        check_length(text)?;
        if first_word == "package" {
            return Ok(Self { text: text.to_owned(), added: 0 });
        }
        let added = u64::try_from(PACKAGE.len()).unwrap_or(0);
        Ok(Self { text: format!("{PACKAGE}{text}"), added })
    }

    /// A column of the parsed text, as a column of the author's text.
    pub(crate) fn column(&self, line: u64, column: u64) -> u64 {
        if line == 1 { column.saturating_sub(self.added).max(1) } else { column }
    }
}

/// Returns the first word of code.
fn check_nesting(text: &str) -> Result<&str, Mistake> {
    let (mut state, mut open) = (State::Code, 0_usize);
    let (mut line, mut column) = (1, 0);
    let mut first = None;
    for (at, character) in text.char_indices() {
        column += 1;
        if state == State::Code && first.is_none() && !character.is_whitespace() && character != '#' {
            first = Some(at);
        }
        if state == State::Code {
            open = match character {
                '(' | '[' | '{' => open + 1,
                ')' | ']' | '}' => open.saturating_sub(1),
                _ => open,
            };
        }
        if open > MAX_NESTING {
            let reason = format!("more than {MAX_NESTING} brackets are open here");
            return Err(Mistake::new(line, column, reason, "move the inner part into a rule of its own"));
        }
        state = state.after(character);
        if character == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    let code = first.map_or("", |at| &text[at..]);
    Ok(code.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
}

/// What the engine writes of a syntax tree grows with the square of its depth.
fn check_length(text: &str) -> Result<(), Mistake> {
    let (mut state, mut parts, mut last) = (State::Code, 0_usize, ' ');
    let (mut line, mut column) = (1, 0);
    for character in text.chars() {
        column += 1;
        if state == State::Code && !(character.is_whitespace() && character != '\n') {
            let goes_on = "+-*/%&|.[=".contains(last);
            match character {
                '+' | '-' | '*' | '/' | '%' | '&' | '|' | '.' | '[' | '(' => parts += 1,
                ';' | ',' | '{' | '}' => parts = 0,
                '\n' if !goes_on => parts = 0,
                _ => {}
            }
            if character != '\n' {
                last = character;
            }
        }
        if parts > MAX_PARTS {
            let reason = format!("an expression has more than {MAX_PARTS} parts");
            return Err(Mistake::new(line, column, reason, "split it into several rules"));
        }
        state = state.after(character);
        if character == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    Ok(())
}

/// Numbers are as short as [`super::size`] takes them to be: `1e300` has three hundred digits.
fn check_numbers(text: &str) -> Result<(), Mistake> {
    let (mut state, mut word) = (State::Code, String::new());
    let (mut line, mut column) = (1, 0);
    for character in text.chars().chain(['\n']) {
        let inside = state == State::Code && (character.is_ascii_alphanumeric() || "_.".contains(character));
        if inside {
            word.push(character);
        } else {
            check_number(&word).map_err(|reason| {
                let remedy = format!("write a number of at most {MAX_DIGITS} digits, without an exponent");
                Mistake::new(line, column, reason, remedy)
            })?;
            word.clear();
        }
        column += 1;
        state = state.after(character);
        if character == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    Ok(())
}

fn check_number(word: &str) -> Result<(), &'static str> {
    let digits = word.trim_start_matches('.');
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    if digits.contains(['e', 'E']) {
        return Err("a number has an exponent");
    }
    if digits.len() > MAX_DIGITS {
        return Err("a number is too long");
    }
    Ok(())
}

impl State {
    fn after(self, character: char) -> Self {
        match (self, character) {
            (Self::Code, '#') => Self::Comment,
            (Self::Code, '"') => Self::Quoted { escaped: false },
            (Self::Code, '`') => Self::Raw,
            (Self::Comment, '\n') | (Self::Raw, '`') | (Self::Quoted { escaped: false }, '"') => Self::Code,
            (Self::Quoted { escaped: false }, '\\') => Self::Quoted { escaped: true },
            (Self::Quoted { .. }, _) => Self::Quoted { escaped: false },
            (state, _) => state,
        }
    }
}
