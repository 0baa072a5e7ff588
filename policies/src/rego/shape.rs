//! What a module defines: its rules and functions, as the engine's parser read them.
//!
//! The engine gives its syntax tree as JSON. A node is an object with one key, its kind (`Call`, `Var`,
//! `RefDot`, …); what this module does not know it leaves alone.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Mistake;

/// A module's rules, by the first part of their names.
#[derive(Debug, Default)]
pub(crate) struct Shape<'a> {
    pub(crate) package: Vec<String>,
    pub(crate) rules: BTreeMap<String, Vec<Definition<'a>>>,
    /// Whole names of the functions.
    pub(crate) functions: Vec<String>,
    pub(crate) imports: Vec<&'a Value>,
}

/// One definition of a rule.
#[derive(Debug)]
pub(crate) struct Definition<'a> {
    pub(crate) kind: Kind<'a>,
    /// The whole definition.
    pub(crate) node: &'a Value,
    /// Whether the name has one part only.
    pub(crate) plain: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// A rule with one value.
    Value,
    /// A rule whose value is a set.
    Set,
    Function,
    /// The value of a rule for when it has no other.
    Default(&'a Value),
}

/// A name with dots or brackets, taken apart.
#[derive(Debug)]
pub(crate) struct Path<'a> {
    pub(crate) root: &'a str,
    /// `None` for a part that is computed.
    pub(crate) parts: Vec<Option<&'a str>>,
    /// The computed parts, for who looks further.
    pub(crate) computed: Vec<&'a Value>,
}

impl<'a> Shape<'a> {
    pub(crate) fn of(tree: &'a Value) -> Result<Self, Mistake> {
        let module = &tree[0]["ast"];
        let package = path(&module["package"]["refr"]).and_then(|path| path.whole());
        let Some(package) = package else {
            let reason = "the package's name is not words with dots between them";
            return Err(Mistake::at(&module["package"], reason, "write 'package policy', or leave it out"));
        };
        let mut shape = Self { package: package.split('.').map(str::to_owned).collect(), ..Self::default() };
        shape.imports = module["imports"].as_array().into_iter().flatten().collect();
        for rule in module["rules"].as_array().into_iter().flatten() {
            shape.add(rule)?;
        }
        Ok(shape)
    }

    fn add(&mut self, rule: &'a Value) -> Result<(), Mistake> {
        let (kind, head, node) = if let Some(node) = rule.get("Default") {
            (Kind::Default(&node["value"]), node, node)
        } else {
            let node = &rule["Spec"];
            let heads = [("Compr", Kind::Value), ("Set", Kind::Set), ("Func", Kind::Function)];
            let head = heads.into_iter().find_map(|(key, kind)| Some((kind, node["head"].get(key)?)));
            let Some((kind, head)) = head else {
                return Err(Mistake::at(node, "this rule's kind is not known", "write it as another rule"));
            };
            (kind, head, node)
        };
        let Some(name) = path(&head["refr"]) else {
            return Err(Mistake::at(head, "this rule's name cannot be read", "give it a name of one word"));
        };
        if let (Kind::Function, Some(whole)) = (kind, name.whole()) {
            self.functions.push(whole);
        }
        let plain = name.parts.is_empty();
        self.rules.entry(name.root.to_owned()).or_default().push(Definition { kind, node, plain });
        Ok(())
    }
}

impl Path<'_> {
    /// The name with dots, if no part of it is computed.
    pub(crate) fn whole(&self) -> Option<String> {
        let mut text = self.root.to_owned();
        for part in &self.parts {
            text.push('.');
            text.push_str((*part)?);
        }
        Some(text)
    }
}

/// Takes a name apart; `None` if it starts with something else than a word.
pub(crate) fn path(node: &Value) -> Option<Path<'_>> {
    if let Some(word) = node.get("Var") {
        return Some(Path { root: word["value"].as_str()?, parts: Vec::new(), computed: Vec::new() });
    }
    if let Some(dot) = node.get("RefDot") {
        let mut path = path(&dot["refr"])?;
        path.parts.push(Some(dot["field"][1].as_str()?));
        return Some(path);
    }
    let bracket = node.get("RefBrack")?;
    let mut path = path(&bracket["refr"])?;
    let index = &bracket["index"];
    let text = ["String", "RawString"].into_iter().find_map(|kind| index.get(kind)?["value"].as_str());
    path.parts.push(text);
    path.computed.push(index);
    Some(path)
}
