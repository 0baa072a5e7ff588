//! Strict JSON: one text, one meaning.
//!
//! A duplicate key is refused, because two parsers may disagree about which one counts: the one that
//! classified the prompt and the one that answers it. Order of members is kept, so that a provider's
//! prompt cache still recognises the conversation. What [`Node::to_bytes`] writes is what was
//! classified: numbers included, in the spelling that leaves the host.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A JSON value without duplicate keys.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number that fits 64 bits or a double.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object, in the order of the text.
    Object(Vec<(String, Node)>),
}

/// Why bytes are not one strict JSON value.
#[derive(Debug, thiserror::Error)]
#[error("the body is not strict JSON")]
pub struct JsonError(#[source] serde_json::Error);

struct AnyNode;

impl Node {
    /// Parses one value with nothing after it. Nesting is limited to 127 levels.
    ///
    /// # Errors
    /// Malformed, truncated or too deep JSON, invalid UTF-8, a duplicate key, a number out of range.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let node = AnyNode.deserialize(&mut reader).map_err(JsonError)?;
        reader.end().map_err(JsonError)?;
        Ok(node)
    }

    /// The value as JSON text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a node has string keys and finite numbers only")
    }

    /// The member `key` of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match self {
            Self::Object(members) => members.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one and not negative.
    #[must_use]
    pub fn as_whole_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The members of an object; none for anything else.
    #[must_use]
    pub fn members(&self) -> &[(String, Node)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array; none for anything else.
    #[must_use]
    pub fn elements(&self) -> &[Node] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// Sets the string member `key` of an object, in place when it is there.
    pub fn set_text(&mut self, key: &str, value: &str) {
        let Self::Object(members) = self else { return };
        let value = Node::Text(value.to_owned());
        match members.iter_mut().find(|(name, _)| name == key) {
            Some((_, node)) => *node = value,
            None => members.push((key.to_owned(), value)),
        }
    }
}

/// A prompt never reaches a log by way of `{:?}`.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| list.serialize_element(element))?;
                list.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, node)| map.serialize_entry(key, node))?;
                map.end()
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for AnyNode {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        serde_json::Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(AnyNode)? {
            elements.push(element);
        }
        Ok(Node::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom("an object holds the same key twice"));
            }
            members.push((key, map.next_value_seed(AnyNode)?));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_spelling() {
        let text = br#"{"b":[1,-2,0.5,null,true],"a":{"x":"\u00e9\n"},"n":4111111111111111}"#;
        let node = Node::parse(text).unwrap();
        let written = String::from_utf8(node.to_bytes()).unwrap();
        assert_eq!(written, "{\"b\":[1,-2,0.5,null,true],\"a\":{\"x\":\"é\\n\"},\"n\":4111111111111111}");
    }

    #[test]
    fn refuses_what_has_two_meanings() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"\u0061":2}}"#,
            "{} {}",
            "{",
            "",
            "[1,]",
            "{'a':1}",
            "NaN",
            "1e999",
            "\u{feff}{}",
            r#""\ud800""#,
            "\"a\nb\"",
            deep.as_str(),
        ] {
            assert!(Node::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Node::parse(b"\"\xff\"").is_err());
    }
}
