use serde::Deserialize;

use super::budget::MAX_NODES;
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
        (
            "name: *x\n",
            "agent.yaml:1:7: no anchor of this name stands before",
            "correct the YAML at this place",
        ),
        ("name: !secret a\n", "agent.yaml:1:15: unsupported tag `!secret`", "correct the YAML at this place"),
    ];
    for (text, line, remedy) in table {
        assert_eq!(mistake(text), (line.to_owned(), remedy.to_owned()), "{text:?}");
    }
}

#[test]
fn the_mistake_that_stands_first_in_the_file_is_told_whatever_its_sort() {
    let table = [
        ("nmae: a\nname: [\n", "agent.yaml:1:1: nmae: unknown key 'nmae'"),
        ("name: a\nvcpus: two\nname: b\n", "agent.yaml:2:8: this is not a whole number"),
        (
            "name: a\nname: b\nvcpus: two\n",
            "agent.yaml:2:1: name: the key 'name' stands here for the second time",
        ),
        ("name: [a]\n---\nname: b\n", "agent.yaml:1:7: a text is expected here"),
        ("name: a\n[b]: c\n", "agent.yaml:2:1: a text is expected here"),
        ("name: a\n...\n{\n", "agent.yaml:3:1: unclosed bracket '{'"),
        ("# nothing\n", "agent.yaml:2:1: unexpected end of file"),
    ];
    for (text, line) in table {
        assert_eq!(mistake(text).0, line, "{text:?}");
    }
}

#[test]
fn a_mistake_in_what_an_alias_stands_for_is_told_at_the_alias() {
    let text = "name: &a {memory: 1, x: 2}\nresources: *a\n";
    assert!(mistake(text).0.starts_with("agent.yaml:1:10: a text is expected"));
    let table = [
        ("command: &c [a, [b]]\n", "agent.yaml:1:17: a text is expected here"),
        ("name: &n two\nvcpus: *n\n", "agent.yaml:2:8: this is not a whole number"),
        ("name: a\ncommand: &c [*c]\n", "agent.yaml:2:14: this alias stands inside what it repeats"),
    ];
    for (text, line) in table {
        assert_eq!(mistake(text).0, line, "{text:?}");
    }
    let read: Vec<At<Vec<At<String>>>> = parse("- &a [x]\n- *a\n", "t").unwrap();
    let places: Vec<_> = read.iter().map(|list| (list.place, list.value[0].place)).collect();
    assert_eq!(places, [(Place::at(1, 6), Place::at(1, 7)), (Place::at(2, 3), Place::at(2, 3))]);
}

#[test]
fn a_scalar_means_what_the_core_schema_says() {
    let table = [
        ("[1, +1, -1, 0x1F, 0o17, 0b11, 1_000]", "[1,1,-1,31,15,3,1000]"),
        ("[007, 1., .5, 1e3, -1.10]", "[7.0,1.0,0.5,1000.0,-1.1]"),
        ("[true, False, TRUE]", "[true,false,true]"),
        (
            "[yes, no, on, off, y, inf, nan, 1__0, 0x, '1', \"true\"]",
            r#"["yes","no","on","off","y","inf","nan","1__0","0x","1","true"]"#,
        ),
        ("[null, ~, Null, 'null', \"\"]", r#"[null,null,null,"null",""]"#),
        ("[!!str 1, ! true, !!str , !!int '1', !!float 1, !!bool 'true']", r#"["1","true","",1,1.0,true]"#),
        ("a: |\n 1\nb: >-\n x\n y\n", r#"{"a":"1\n","b":"x y"}"#),
    ];
    for (text, json) in table {
        let value: serde_json::Value = parse(text, "t").unwrap();
        assert_eq!(value.to_string(), json, "{text}");
    }
    let texts: Vec<String> = parse("[1.10, 0x1F, true, 1_000, ! 5]", "t").unwrap();
    assert_eq!(texts, ["1.10", "0x1F", "true", "1_000", "5"]);
}

#[test]
fn what_would_be_misunderstood_is_refused() {
    let table = [
        ("[.inf]", "value `.inf` is not a finite number"),
        ("[1e999]", "value `1e999` is not a finite number"),
        ("[!!int x]", "this is not a whole number"),
        ("[!!binary aGk=]", "unsupported tag `!!binary`"),
        ("[!!seq x]", "unsupported tag `!!seq`"),
        ("{1: a, 0x1: b}", "the key '0x1' stands here for the second time"),
        ("{a: 1, 'a': 2}", "the key 'a' stands here for the second time"),
    ];
    for (text, reason) in table {
        assert_eq!(parse::<serde_json::Value>(text, "t").unwrap_err().reason(), reason, "{text}");
    }
    for text in ["[~]", "[null]", "[!!int 1]", "[[a]]"] {
        assert!(parse::<Vec<String>>(text, "t").is_err(), "{text}");
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
