//! JSON in its one reading: RFC 8259 in UTF-8, each key of an object once, bounded in depth and in number of values.
//!
//! Readers differ on everything else (which of two equal keys counts, half surrogates, comments, what comes behind the
//! text, a byte order mark), so everything else is refused. Who forwards the bytes then forwards what was read here.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use serde_json::Number;

use super::Unreadable;

/// Most values in one text, those inside others included. `serde_json` itself bounds the depth, at 128.
const MOST_VALUES: usize = 200_000;

/// From there on not every whole number has a value of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value, with the keys of objects in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

/// Reads one text.
///
/// # Errors
/// It is not JSON, or readers could differ on it.
pub(crate) fn read(bytes: &[u8]) -> Result<Json, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_invalid| Unreadable::new("it is not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let left = Cell::new(MOST_VALUES);
    let value = Seed { left: &left }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    // Its own words could hold a piece of the text; where it stands says enough.
    value.map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Unreadable::new(error.to_string()),
        _ => Unreadable::new(format!(
            "it is not strict JSON from line {}, column {} on",
            error.line(),
            error.column()
        )),
    })
}

impl Json {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&[(String, Json)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.map()?.iter().find(|(name, _value)| name == key).map(|(_name, value)| value)
    }

    /// The single value as a pattern sees it. A number that is whole is written as one, however it came.
    pub(crate) fn scalar(&self) -> Option<String> {
        match self {
            Self::Null => Some("null".to_owned()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(number) => Some(plain(number)),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Whether readers agree on every number in it: large ones with a fraction or an exponent they round, and a zero below
    /// zero they write in two ways.
    pub(crate) fn is_exact(&self) -> bool {
        match self {
            Self::Number(number) if number.is_f64() => number
                .as_f64()
                .is_some_and(|value| value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative())),
            Self::List(values) => values.iter().all(Self::is_exact),
            Self::Map(entries) => entries.iter().all(|(_key, value)| value.is_exact()),
            _ => true,
        }
    }

    /// Whether an object has a key that some readers take for `name` and others do not: they compare without case.
    pub(crate) fn has_double_of(&self, name: &str) -> bool {
        let wanted = folded(name);
        self.map().is_some_and(|entries| entries.iter().any(|(key, _)| key != name && folded(key) == wanted))
    }
}

/// A key as readers compare it that do not look at case: Unicode's simple folding.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

fn plain(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < EXACT => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// Reads a value, and counts it.
struct Seed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left =
            self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("it has too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("it has a number without a value"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed { left: self.left })? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries: Vec<(String, Json)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            // Readers in C end a text there.
            if key.contains('\0') {
                return Err(A::Error::custom("it has a key with a NUL"));
            }
            entries.push((key, map.next_value_seed(Seed { left: self.left })?));
        }
        let mut keys: Vec<&str> = entries.iter().map(|(key, _value)| key.as_str()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("it has an object with one key twice"));
        }
        Ok(Json::Map(entries))
    }
}
