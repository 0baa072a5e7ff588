//! What a module's `route` must be: a rule whose value is a word, or a set of words.

use wire::router::Sensitive;

use super::Mistake;
use super::shape::{Kind, Shape};

/// Checks the rule that is asked: that it is there, and that what is written out in it is a word.
pub(super) fn check(shape: &Shape<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    if !shape.rules.contains_key("route") {
        let reason = "the module has no rule 'route', so it would block everything";
        found.push(Mistake::new(1, 1, reason, "add 'default route := \"pass\"' and a rule 'route'"));
    }
    for definition in shape.rules.get("route").into_iter().flatten() {
        let node = definition.node;
        let (is_good, written) = match definition.kind {
            Kind::Value => {
                let bodies = node["bodies"].as_array().into_iter().flatten();
                let others = bodies.map(|body| &body["assign"]["value"]);
                let values = others.chain([&node["head"]["Compr"]["assign"]["value"]]).collect();
                (definition.plain, values)
            }
            Kind::Set => (true, vec![&node["head"]["Set"]["key"]]),
            Kind::Function => (false, Vec::new()),
            Kind::Default(value) => {
                if text(value).is_none() {
                    found.push(no_word(node, "the default of 'route'"));
                }
                (definition.plain, vec![value])
            }
        };
        if !is_good {
            let reason = "'route' must be a rule whose value is a word, or a set of words";
            found.push(Mistake::at(node, reason, "write 'route := \"local\" { … }'"));
        }
        let wrong = written.into_iter().filter_map(text).find(|text| Sensitive::of(text).is_none());
        if let Some(wrong) = wrong {
            found.push(no_word(node, &format!("'{}'", wrong.escape_default())));
        }
    }
    found
}

fn no_word(node: &serde_json::Value, what: &str) -> Mistake {
    Mistake::at(node, format!("{what} is no word for a call"), "write pass, redact, local or block")
}

fn text(node: &serde_json::Value) -> Option<&str> {
    ["String", "RawString"].into_iter().find_map(|kind| node.get(kind)?["value"].as_str())
}
