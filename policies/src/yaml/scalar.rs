//! What a scalar means: the core schema of YAML 1.2, with `yes`, `no`, `on` and `off` as texts.
//!
//! A plain scalar is a number, a boolean or nothing if it looks like one, and a text all the same where a text is
//! asked for: `1.10` stays `1.10`.

use std::borrow::Cow;

use granit_parser::ScalarStyle;

use super::tag::Tag;

/// One scalar, as it is written.
#[derive(Debug)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    /// Whether it stands without quotes and not as a block: only then its text has a meaning.
    pub(super) plain: bool,
    pub(super) tag: Tag,
}

/// What a scalar is where nobody asks for a type.
#[derive(Debug)]
pub(super) enum Meaning<'a> {
    Nothing,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    /// A number that is none: `.inf`, `.nan`, or one that is too large.
    Infinite(&'a str),
    /// Its tag says what its text is not; the name of what it should be.
    Contradiction(&'static str),
}

/// A whole number of any size, as it is written: `-0` has its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Integer {
    negative: bool,
    magnitude: u128,
}

/// What makes two keys the same: numbers are compared as numbers, everything else as written.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key<'t> {
    Integer(Integer),
    Scalar(Tag, Cow<'t, str>),
}

impl<'t> Scalar<'t> {
    pub(super) fn new(text: Cow<'t, str>, style: ScalarStyle, tag: Tag) -> Self {
        Self { text, plain: style == ScalarStyle::Plain, tag }
    }

    /// What an empty text holds.
    pub(super) fn nothing() -> Self {
        Self { text: Cow::Borrowed(""), plain: true, tag: Tag::Null }
    }

    /// Whether it means that there is no value.
    pub(super) fn is_nothing(&self) -> bool {
        self.tag == Tag::Null || (self.tag == Tag::None && self.looks_empty())
    }

    /// Whether it is no text, not even where one is asked for.
    pub(super) fn is_no_text(&self) -> bool {
        self.tag == Tag::Null || (!self.tag.is_text() && self.looks_empty())
    }

    /// Whether it is a merge key, which is refused.
    pub(super) fn is_merge_key(&self) -> bool {
        self.text == "<<" && self.plain && self.tag == Tag::None
    }

    pub(super) fn key(&self) -> Key<'t> {
        let number = if self.tag == Tag::Int || (self.tag == Tag::None && self.plain) {
            Integer::parse(&self.text)
        } else {
            None
        };
        let tag = match self.tag {
            _ if self.is_nothing() => Tag::Null,
            Tag::None | Tag::NonSpecific => Tag::Text,
            tag => tag,
        };
        number.map_or_else(|| Key::Scalar(tag, self.text.clone()), |number| Key::Integer(number.normal()))
    }

    /// `true` or `false`, in any case of letters.
    pub(super) fn bool(&self) -> Option<bool> {
        let text = trim(&self.text);
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if is("true") { Some(true) } else { is("false").then_some(false) }
    }

    pub(super) fn integer(&self) -> Option<Integer> {
        Integer::parse(&self.text)
    }

    /// A number with a fraction; the words of YAML for what is not finite, and no literal that is too large.
    fn float(&self) -> Option<f64> {
        let text = trim(&self.text);
        match text.to_ascii_lowercase().as_str() {
            ".nan" | "+.nan" | "-.nan" => Some(f64::NAN),
            ".inf" | "+.inf" => Some(f64::INFINITY),
            "-.inf" => Some(f64::NEG_INFINITY),
            _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
        }
    }

    pub(super) fn meaning(&self) -> Meaning<'_> {
        match self.tag {
            _ if self.is_nothing() => Meaning::Nothing,
            Tag::Bool => self.bool().map_or(Meaning::Contradiction("'true' or 'false'"), Meaning::Bool),
            Tag::Int => self.whole().unwrap_or(Meaning::Contradiction("a whole number")),
            Tag::Float => self.fraction().unwrap_or(Meaning::Contradiction("a number")),
            Tag::None if self.plain => self.plain_meaning(),
            _ => Meaning::Text(&self.text),
        }
    }

    fn plain_meaning(&self) -> Meaning<'_> {
        let bool = self.bool().map(Meaning::Bool);
        bool.or_else(|| self.whole()).or_else(|| self.fraction()).unwrap_or(Meaning::Text(&self.text))
    }

    fn whole(&self) -> Option<Meaning<'_>> {
        let number = self.integer()?;
        if number.negative {
            number.signed().map(Meaning::Signed)
        } else {
            number.unsigned().map(Meaning::Unsigned)
        }
    }

    fn fraction(&self) -> Option<Meaning<'_>> {
        let number = self.float().or_else(|| self.overflow())?;
        Some(if number.is_finite() { Meaning::Float(number) } else { Meaning::Infinite(&self.text) })
    }

    /// The infinity that a literal such as `1e999` amounts to; words that Rust knows, such as `inf`, are texts.
    fn overflow(&self) -> Option<f64> {
        let text = trim(&self.text);
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let literal = unsigned.starts_with(|c: char| c.is_ascii_digit());
        if literal { text.parse().ok() } else { None }
    }

    fn looks_empty(&self) -> bool {
        self.plain && (self.text.is_empty() || self.text == "~" || self.text.eq_ignore_ascii_case("null"))
    }
}

impl Integer {
    /// Decimal without leading zeros, or `0x`, `0o`, `0b`; single underscores may stand between digits.
    fn parse(text: &str) -> Option<Self> {
        let text = trim(text);
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let prefixed = |lower, upper| unsigned.strip_prefix(lower).or_else(|| unsigned.strip_prefix(upper));
        let magnitude = match (prefixed("0x", "0X"), prefixed("0o", "0O"), prefixed("0b", "0B")) {
            (Some(digits), _, _) => digits_of(digits, 16)?,
            (_, Some(digits), _) => digits_of(digits, 8)?,
            (_, _, Some(digits)) => digits_of(digits, 2)?,
            _ if unsigned.starts_with('0') && unsigned != "0" => return None,
            _ => digits_of(unsigned, 10)?,
        };
        Some(Self { negative: text.starts_with('-'), magnitude })
    }

    /// The same number with one zero.
    fn normal(self) -> Self {
        Self { negative: self.negative && self.magnitude > 0, ..self }
    }

    pub(super) fn unsigned(self) -> Option<u64> {
        if self.negative { None } else { u64::try_from(self.magnitude).ok() }
    }

    pub(super) fn signed(self) -> Option<i64> {
        let magnitude = i128::try_from(self.magnitude).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }
}

fn digits_of(text: &str, radix: u32) -> Option<u128> {
    if text.is_empty() || text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    text.chars().filter(|c| *c != '_').try_fold(0_u128, |number, c| {
        number.checked_mul(radix.into())?.checked_add(c.to_digit(radix)?.into())
    })
}

/// Quoted and block scalars may hold line breaks around a number.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}
