//! Follows values through a module and refuses steps that could go over too much: see [`super::size`].
//!
//! Every variable of a definition, every rule and every parameter has a [`Size`]. They start at nothing and
//! grow until a look at the whole module changes none of them; what never settles grows with every step.

mod steps;

use std::collections::BTreeMap;

use serde_json::Value;

use super::Mistake;
use super::shape::{Definition, Kind, Shape, path};
use super::size::Size;

/// Looks at the module before its sizes must have settled.
const ROUNDS: usize = 128;

/// Checks every step of a module; `text` is what was parsed.
pub(super) fn check(shape: &Shape<'_>, text: &str) -> Result<(), Vec<Mistake>> {
    let mut growth = Growth {
        shape,
        text,
        rules: BTreeMap::new(),
        parameters: BTreeMap::new(),
        variables: BTreeMap::new(),
        replaced: 0,
        definition: 0,
        turns: 1,
        changed: None,
        found: None,
    };
    for _round in 0..ROUNDS {
        growth.changed = None;
        growth.round();
        if growth.changed.is_none() {
            break;
        }
    }
    if let Some(name) = growth.changed {
        let place = shape.rules.get(&name).and_then(|definitions| definitions.first());
        let reason = format!("what '{name}' makes is made larger by making it again");
        let remedy = "write the steps out, or make values of fewer others";
        return Err(vec![Mistake::at(place.map_or(&Value::Null, |place| place.node), reason, remedy)]);
    }
    growth.found = Some(Vec::new());
    growth.round();
    let mut found = growth.found.unwrap_or_default();
    found.dedup();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

struct Growth<'a> {
    shape: &'a Shape<'a>,
    text: &'a str,
    /// By the first part of their names; functions too.
    rules: BTreeMap<String, Size>,
    parameters: BTreeMap<String, Vec<Size>>,
    /// By the number of their definition.
    variables: BTreeMap<(usize, String), Size>,
    /// The largest value that a `with` puts into the input.
    replaced: u64,
    definition: usize,
    /// Turns of the loops around the place that is looked at.
    turns: u64,
    /// A rule or a rule's variable that grew in this round.
    changed: Option<String>,
    /// Mistakes, once the sizes have settled.
    found: Option<Vec<Mistake>>,
}

impl<'a> Growth<'a> {
    fn round(&mut self) {
        let shape = self.shape;
        self.definition = 0;
        for (name, definitions) in &shape.rules {
            let mut made = Vec::new();
            for definition in definitions {
                self.definition += 1;
                let partial = matches!(definition.kind, Kind::Set) || !definition.plain;
                let size = self.define(name, definition);
                made.push((size, partial));
            }
            // A set has the members of all its definitions; another rule has the value of one.
            let together = made.iter().any(|(_size, partial)| *partial);
            let size = made
                .into_iter()
                .map(|(size, _partial)| size)
                .reduce(|one, other| if together { one.and(other) } else { one.or(other) });
            let known = self.rules.entry(name.clone()).or_default();
            let grown = known.or(size.unwrap_or_default());
            if *known != grown {
                *known = grown;
                self.changed = Some(name.clone());
            }
        }
    }

    fn define(&mut self, name: &str, definition: &Definition<'a>) -> Size {
        if let Kind::Default(value) = definition.kind {
            return self.expression(value);
        }
        let node = definition.node;
        self.turns = 1;
        let head = match definition.kind {
            Kind::Function => &node["head"]["Func"],
            Kind::Set => &node["head"]["Set"],
            _ => &node["head"]["Compr"],
        };
        let parameters = self.parameters.get(name).cloned().unwrap_or_default();
        for (at, pattern) in head["args"].as_array().into_iter().flatten().enumerate() {
            self.bind(pattern, parameters.get(at).copied().unwrap_or_default());
        }
        let mut size = Size::default();
        for body in node["bodies"].as_array().into_iter().flatten() {
            self.query(&body["query"]);
            size = size.or(self.optional(&body["assign"]["value"]));
        }
        size = size.or(self.optional(&head["assign"]["value"])).or(self.optional(&head["key"]));
        let keys = path(&head["refr"]).map(|path| path.computed).unwrap_or_default();
        for key in &keys {
            size = Size::of(size.total.saturating_add(self.expression(key).total));
        }
        if definition.plain && !matches!(definition.kind, Kind::Set) {
            return size.or(Size::SCALAR);
        }
        size.or(Size::SCALAR).repeated(self.turns)
    }

    fn optional(&mut self, node: &'a Value) -> Size {
        if node.is_null() { Size::default() } else { self.expression(node) }
    }

    /// Notes that a variable can be as large.
    fn grow(&mut self, name: &str, size: Size) {
        if name == "_" || name == "input" {
            return;
        }
        let known = self.variables.entry((self.definition, name.to_owned())).or_default();
        let grown = known.or(size);
        if *known != grown {
            *known = grown;
            let owner = self.owner();
            self.changed = Some(owner);
        }
    }

    /// The rule that is looked at.
    fn owner(&self) -> String {
        let mut before = self.definition;
        for (name, definitions) in &self.shape.rules {
            match before.checked_sub(definitions.len()) {
                Some(rest) if rest > 0 => before = rest,
                _ => return name.clone(),
            }
        }
        String::new()
    }

    fn refuse(&mut self, node: &Value, reason: impl Into<String>, remedy: &str) {
        if let Some(found) = &mut self.found {
            found.push(Mistake::at(node, reason, remedy));
        }
    }
}
