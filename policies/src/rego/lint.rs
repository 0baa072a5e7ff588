//! What a module must not be: impure, endless, recursive or without a verdict.
//!
//! The engine finds none of this before a request needs it: an unknown function is an error only when it is
//! called, and a function that calls itself ends the process.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::functions::{Function, known};
use super::shape::{Kind, Path, Shape, path};
use super::{Mistake, growth};
use crate::document::RegoMode as Mode;

/// Levels of the syntax tree on the longest way from rule to rule: what bounds the stack of an evaluation.
const MAX_DEPTH: usize = 600;
/// Digits in a format of `sprintf`, which can be a width.
const MAX_WIDTH_DIGITS: usize = 3;

/// What the linter learned, for who evaluates the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) has_deny: bool,
}

/// Checks a syntax tree.
pub(crate) fn check(tree: &Value, mode: Mode, text: &str) -> Result<(String, Learned), Vec<Mistake>> {
    let shape = Shape::of(tree).map_err(|mistake| vec![mistake])?;
    let mut walker = Walker { shape: &shape, uses: BTreeMap::new(), rule: "", found: Vec::new() };
    walker.verdicts(mode);
    walker.imports();
    for (name, definitions) in &shape.rules {
        walker.rule = name;
        walker.uses.entry(name).or_default();
        definitions.iter().for_each(|definition| walker.visit(definition.node));
    }
    if let Err(mistake) = walker.check_depth() {
        walker.found.push(mistake);
    }
    if walker.found.is_empty() {
        growth::check(&shape, text)?;
        let package = format!("data.{}", shape.package.join("."));
        Ok((package, Learned { has_deny: shape.rules.contains_key("deny") }))
    } else {
        Err(walker.found)
    }
}

struct Walker<'a> {
    shape: &'a Shape<'a>,
    /// Which rules a rule names.
    uses: BTreeMap<&'a str, BTreeSet<&'a str>>,
    rule: &'a str,
    found: Vec<Mistake>,
}

impl<'a> Walker<'a> {
    fn refuse(&mut self, node: &Value, reason: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Mistake::at(node, reason, remedy));
    }

    /// The rules that are asked for the verdict.
    fn verdicts(&mut self, mode: Mode) {
        let shape = self.shape;
        if !shape.rules.contains_key("allow") {
            let reason = "the module has no rule 'allow', so it would allow nothing";
            self.found.push(Mistake::new(1, 1, reason, "add 'default allow = false' and a rule 'allow'"));
        }
        for name in ["allow", "deny"] {
            for definition in shape.rules.get(name).into_iter().flatten() {
                let good = match definition.kind {
                    Kind::Value => true,
                    Kind::Set => name == "deny",
                    Kind::Function => false,
                    Kind::Default(value) => {
                        self.default_value(name, definition.node, value, mode);
                        true
                    }
                };
                if !good || !(definition.plain || matches!(definition.kind, Kind::Set)) {
                    let reason = format!("'{name}' must be a rule that is true or false");
                    self.refuse(definition.node, reason, format!("write '{name}' without arguments or keys"));
                }
            }
        }
    }

    fn default_value(&mut self, name: &str, node: &Value, value: &Value, mode: Mode) {
        let value = value.get("Bool").and_then(|literal| literal["value"].as_bool());
        match (name, value, mode) {
            (_, None, _) => {
                let reason = format!("the default of '{name}' is neither true nor false");
                self.refuse(node, reason, format!("write 'default {name} = false'"));
            }
            ("allow", Some(true), Mode::Extend) => {
                let reason = "a module that extends would allow every request at its destinations";
                self.refuse(node, reason, "write 'default allow = false', and rules for what is allowed");
            }
            _ => {}
        }
    }

    fn imports(&mut self) {
        for import in &self.shape.imports {
            let root = path(&import["refr"]);
            if !root.is_some_and(|path| matches!(path.root, "rego" | "future" | "input")) {
                self.refuse(import, "a module stands alone: there is nothing to import", "remove the import");
            }
        }
    }

    fn visit(&mut self, node: &'a Value) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.visit(item)),
            Value::Object(fields) => {
                for (kind, inner) in fields {
                    self.visit_kind(node, kind, inner);
                }
            }
            _ => {}
        }
    }

    fn visit_kind(&mut self, node: &'a Value, kind: &str, inner: &'a Value) {
        match kind {
            "Var" | "RefDot" | "RefBrack" => self.reference(node, inner),
            "Call" => self.call(inner),
            // The name in a rule's head: no use of the rule.
            "refr" if node.get("eidx").is_none() => {
                path(inner).into_iter().flat_map(|name| name.computed).for_each(|part| self.visit(part));
            }
            "with_mods" => self.replaced(inner),
            _ => self.visit(inner),
        }
    }

    fn reference(&mut self, node: &'a Value, inner: &'a Value) {
        let Some(path) = path(node) else { return self.visit(inner) };
        if path.root == "data" {
            self.data(inner, &path);
        } else {
            self.note_use(path.root);
        }
        path.computed.iter().for_each(|index| self.visit(index));
    }

    /// A module has no data but its own rules.
    fn data(&mut self, node: &Value, path: &Path<'_>) {
        let package = &self.shape.package;
        let own = path.parts.iter().zip(package).all(|(part, own)| *part == Some(own));
        match path.parts.get(package.len()) {
            Some(Some(rule)) if own => self.note_use(rule),
            _ => {
                let reason = "'data' holds the module's own rules, and one of them must be named";
                self.refuse(node, reason, "write the rule's name, and constants into the module");
            }
        }
    }

    fn note_use(&mut self, name: &str) {
        if let Some((name, _definitions)) = self.shape.rules.get_key_value(name) {
            self.uses.entry(self.rule).or_default().insert(name);
        }
    }

    fn call(&mut self, call: &'a Value) {
        self.visit(&call["params"]);
        let Some(name) = path(&call["fcn"]).and_then(|path| path.whole()) else {
            return self.refuse(call, "which function this calls cannot be told", "name the function");
        };
        let own = name.strip_prefix(&format!("data.{}.", self.shape.package.join("."))).unwrap_or(&name);
        if self.shape.functions.iter().any(|function| function == own) {
            return self.note_use(own.split('.').next().unwrap_or(own));
        }
        match known(&name) {
            Function::Pure => {}
            Function::WithText(place) => self.check_text(call, &name, place),
            Function::Refused(reason, remedy) => {
                self.refuse(call, format!("'{name}' cannot be called: {reason}"), remedy);
            }
        }
    }

    fn check_text(&mut self, call: &Value, name: &str, place: usize) {
        let argument = &call["params"][place];
        let text = ["String", "RawString"].into_iter().find_map(|kind| argument.get(kind)?["value"].as_str());
        let Some(text) = text else {
            let reason = format!("argument {} of '{name}' is computed", place + 1);
            return self.refuse(call, reason, "write it out as a text");
        };
        let wide = text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MAX_WIDTH_DIGITS);
        if name == "sprintf" && (wide || text.contains('*')) {
            self.refuse(call, "the format has a width that is computed or too large", "leave the width out");
        }
    }

    /// `… with TARGET as VALUE`.
    fn replaced(&mut self, modifiers: &'a Value) {
        for modifier in modifiers.as_array().into_iter().flatten() {
            if path(&modifier["refr"]).is_none_or(|target| target.root != "input") {
                self.refuse(modifier, "'with' can replace parts of 'input' only", "remove it");
            }
            self.visit(&modifier["as"]);
        }
    }

    /// No rule may need itself, and the longest way from rule to rule must fit the stack.
    fn check_depth(&self) -> Result<(), Mistake> {
        let mut depths = BTreeMap::new();
        self.shape.rules.keys().try_for_each(|name| self.depth(name, &mut depths).map(|_depth| ()))
    }

    /// `None` in `depths` is a rule that is being looked at.
    fn depth<'b>(
        &'b self,
        name: &'b str,
        depths: &mut BTreeMap<&'b str, Option<usize>>,
    ) -> Result<usize, Mistake> {
        let definitions = self.shape.rules.get(name).map_or(&[][..], Vec::as_slice);
        let place = definitions.first().map_or(&Value::Null, |definition| definition.node);
        match depths.get(name) {
            Some(Some(depth)) => return Ok(*depth),
            Some(None) => {
                let reason = format!("'{name}' needs itself");
                return Err(Mistake::at(place, reason, "Rego has no recursion: write the steps out"));
            }
            None => {}
        }
        depths.insert(name, None);
        let own = definitions.iter().map(|definition| levels(definition.node)).max().unwrap_or(0);
        let mut below = 0;
        for used in self.uses.get(name).into_iter().flatten() {
            below = below.max(self.depth(used, depths)?);
        }
        let depth = own + below;
        if depth > MAX_DEPTH {
            let reason = format!("'{name}' needs rules that need rules, too many deep");
            return Err(Mistake::at(place, reason, "let fewer rules build on each other"));
        }
        depths.insert(name, Some(depth));
        Ok(depth)
    }
}

fn levels(node: &Value) -> usize {
    match node {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}
