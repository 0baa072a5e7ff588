use serde::Deserialize;

use super::*;
use crate::place::At;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read through Debug only")]
struct Agent {
    name: At<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    vcpus: Option<At<u32>>,
    #[serde(default)]
    resources: Option<Resources>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read through Debug only")]
struct Resources {
    memory: String,
}

fn mistake(text: &str) -> (String, String) {
    let error = parse::<Agent>(text, "agent.yaml").unwrap_err();
    (error.to_string(), error.remedy().to_owned())
}

#[test]
fn values_know_their_place() {
    let agent: Agent = parse("name: a\nvcpus: &n 2\n", "agent.yaml").unwrap();
    assert_eq!(agent.name.place, Place::at(1, 7));
    assert_eq!(agent.vcpus, Some(At { value: 2, place: Place::at(2, 11) }));
}

#[test]
fn every_mistake_has_place_reason_and_remedy() {
    let table = [
        ("nmae: a\n", "agent.yaml:1:1: nmae: unknown key 'nmae'", "did you mean 'name'?"),
        (
            "name: a\nurl: x\n",
            "agent.yaml:2:1: url: unknown key 'url'",
            "known here: name, command, vcpus, resources",
        ),
        (
            "name: a\nresources:\n  memroy: 1GiB\n",
            "agent.yaml:3:3: memroy: unknown key 'memroy'",
            "did you mean 'memory'?",
        ),
        ("name: a\nresources: {}\n", "agent.yaml:2:12: 'memory' is missing", "add 'memory: …' here"),
        (
            "name: a\nname: b\n",
            "agent.yaml:2:1: name: the key 'name' stands here for the second time",
            "keep one of the two",
        ),
        ("name: a\ncommand: ls\n", "agent.yaml:2:10: a list is expected here", "write a list"),
        ("name: a\nvcpus: two\n", "agent.yaml:2:8: this is not a whole number", "write a whole number"),
        ("name: a\nvcpus: -1\n", "agent.yaml:2:8: this is not a whole number", "write a whole number"),
        ("command: [a\n", "agent.yaml:1:10: unclosed bracket '['", "correct the YAML at this place"),
        (
            "name: a\n---\nname: b\n",
            "agent.yaml:2:1: a second document starts here",
            "keep one document in the file",
        ),
        (
            "name: a\nresources:\n  <<: {memory: 1}\n",
            "agent.yaml:3:3: merge keys ('<<') are not read",
            "write the keys out",
        ),
        ("name: *x\n", "agent.yaml:1:7: reference to unknown value", "correct the YAML at this place"),
        ("name: !secret a\n", "agent.yaml:1:15: unsupported tag `!secret`", "correct the YAML at this place"),
    ];
    for (text, line, remedy) in table {
        assert_eq!(mistake(text), (line.to_owned(), remedy.to_owned()), "{text:?}");
    }
}

#[test]
fn an_error_is_one_line_without_control_characters() {
    let nasty = [
        "name: a\n\"\\e[31m\\nx\": 1\n",
        "name: !a\u{7} b\n",
        "name: \"a\nb\0\"\n",
        "name: a\n\"na\\nme\": 1\n",
    ];
    for text in nasty {
        let (line, remedy) = mistake(text);
        assert!(
            !line.contains(char::is_control) && !remedy.contains(char::is_control),
            "{line:?} {remedy:?}"
        );
    }
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"]) {
        laughs.push_str(&format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(", ")));
    }
    let deep = format!("name: {}{}", "[".repeat(5000), "]".repeat(5000));
    let long = format!("name: {}", "x".repeat(MAX_TEXT));
    let wide = format!("command: [{}]", "a,".repeat(MAX_NODES + 1));
    for text in [laughs, deep, long, wide] {
        assert!(
            parse::<std::collections::BTreeMap<String, serde_any::Any>>(&text, "x").is_err(),
            "{:.40}",
            text
        );
    }
}

/// Accepts every value, so that nothing but the budgets can refuse one.
mod serde_any {
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer};

    pub(super) struct Any;

    impl<'de> Deserialize<'de> for Any {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Any)
        }
    }

    impl<'de> Visitor<'de> for Any {
        type Value = Self;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("anything")
        }

        fn visit_str<E>(self, _text: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
            while list.next_element::<Self>()?.is_some() {}
            Ok(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            while map.next_entry::<Self, Self>()?.is_some() {}
            Ok(self)
        }
    }
}
