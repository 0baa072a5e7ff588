//! One expression: how large its value can be, and how much the step that makes it goes over.

use serde_json::Value;

use super::super::shape::{Path, path};
use super::super::size::{
    self, PATTERN, STEP, STEP_OF_PAIRS, Size, is_immediate, is_of_pairs, of_answer, of_input,
};
use super::Growth;

const SMALLER: &str = "make it of fewer or smaller values, or loop over less";

impl<'a> Growth<'a> {
    pub(super) fn query(&mut self, query: &'a Value) {
        for statement in query["stmts"].as_array().into_iter().flatten() {
            for modifier in statement["with_mods"].as_array().into_iter().flatten() {
                let size = self.expression(&modifier["as"]);
                if size.total > self.replaced {
                    self.replaced = size.total;
                    self.changed = Some(self.owner());
                }
            }
            let literal = &statement["literal"];
            if let Some(some) = literal.get("SomeIn") {
                let collection = self.expression(&some["collection"]);
                self.turns = self.turns.saturating_mul(collection.count.max(1));
                self.bind(&some["value"], collection.member());
                if !some["key"].is_null() {
                    self.bind(&some["key"], collection.member().or(Size::SCALAR));
                }
            } else if let Some(every) = literal.get("Every") {
                self.every(every);
            } else {
                let kinds = ["Expr", "NotExpr"];
                kinds.iter().filter_map(|kind| literal.get(kind)).for_each(|inner| {
                    self.expression(&inner["expr"]);
                });
            }
        }
    }

    fn every(&mut self, every: &'a Value) {
        let domain = self.expression(&every["domain"]);
        for (key, size) in [("key", domain.member().or(Size::SCALAR)), ("value", domain.member())] {
            let at = |end: &str| every[key][end].as_u64().and_then(|place| usize::try_from(place).ok());
            if let (Some(start), Some(end)) = (at("start"), at("end"))
                && let Some(name) = self.text.get(start..end)
            {
                self.grow(name, size);
            }
        }
        self.query(&every["query"]);
    }

    /// Bounds what the variables of a pattern can be.
    pub(super) fn bind(&mut self, pattern: &'a Value, size: Size) {
        if let Some(name) = pattern.get("Var").and_then(|variable| variable["value"].as_str()) {
            return self.grow(name, size);
        }
        let inside = size.member();
        for kind in ["Array", "Set"] {
            let items = pattern.get(kind).and_then(|list| list["items"].as_array());
            items.into_iter().flatten().for_each(|item| self.bind(item, inside));
        }
        for field in
            pattern.get("Object").and_then(|object| object["fields"].as_array()).into_iter().flatten()
        {
            self.bind(&field[2], inside);
        }
        self.expression(pattern);
    }

    pub(super) fn expression(&mut self, node: &'a Value) -> Size {
        let Some((kind, inner)) = node.as_object().and_then(|fields| fields.iter().next()) else {
            return Size::default();
        };
        match kind.as_str() {
            "String" | "RawString" => Size::text(inner["value"].as_str().map_or(0, str::len)),
            "Number" | "Bool" | "Null" => Size::SCALAR,
            "Var" | "RefDot" | "RefBrack" => self.reference(node, inner),
            "Array" | "Set" => {
                let items = inner["items"].as_array().into_iter().flatten();
                Size::collected(items.map(|item| self.expression(item)).collect::<Vec<_>>())
            }
            "Object" => {
                let fields = inner["fields"].as_array().into_iter().flatten();
                let pair = |field: &'a Value| {
                    Size::of(
                        self.expression(&field[1]).total.saturating_add(self.expression(&field[2]).total),
                    )
                };
                Size::collected(fields.map(pair).collect::<Vec<_>>())
            }
            "ArrayCompr" | "SetCompr" | "ObjectCompr" => self.comprehension(inner),
            "Call" => self.call(node, inner),
            "UnaryExpr" => self.expression(&inner["expr"]),
            "ArithExpr" => self.arithmetic(node, inner),
            "BinExpr" => {
                let (left, right) = (self.expression(&inner["lhs"]), self.expression(&inner["rhs"]));
                self.step(inner, left.and(right).total);
                left.and(right)
            }
            "BoolExpr" => {
                let (left, right) = (self.expression(&inner["lhs"]), self.expression(&inner["rhs"]));
                self.step(inner, left.total.min(right.total));
                Size::SCALAR
            }
            "AssignExpr" => self.assignment(inner),
            "Membership" => {
                let collection = self.expression(&inner["collection"]);
                self.step(inner, collection.total);
                self.optional(&inner["key"]);
                self.optional(&inner["value"]);
                Size::SCALAR
            }
            _ => {
                self.refuse(inner, format!("'{kind}' is not known here"), "write it in another way");
                Size::of(u64::MAX)
            }
        }
    }

    fn assignment(&mut self, inner: &'a Value) -> Size {
        let right = self.expression(&inner["rhs"]);
        self.bind(&inner["lhs"], right);
        let left = self.expression(&inner["lhs"]);
        if inner["op"].as_str() != Some("ColEq") {
            self.bind(&inner["rhs"], left);
            self.step(inner, left.total.min(right.total));
        }
        Size::SCALAR
    }

    fn comprehension(&mut self, inner: &'a Value) -> Size {
        let around = std::mem::replace(&mut self.turns, 1);
        self.query(&inner["query"]);
        let parts = ["key", "value", "term"].map(|part| self.optional(&inner[part]).total);
        let member = Size::of(parts.into_iter().fold(0, u64::saturating_add));
        let turns = std::mem::replace(&mut self.turns, around);
        member.repeated(turns)
    }

    /// Multiplication is what makes numbers long: only by a number that is written out.
    fn arithmetic(&mut self, node: &'a Value, inner: &'a Value) -> Size {
        let (left, right) = (self.expression(&inner["lhs"]), self.expression(&inner["rhs"]));
        if inner["op"].as_str() != Some("Mul") {
            // A sum is one bit longer than its longest part.
            self.step(inner, left.or(right).total);
            return left.or(right);
        }
        let written = |side: &str| inner[side].get("Number").is_some();
        if !written("lhs") && !written("rhs") {
            self.refuse_node(
                node,
                "two computed numbers are multiplied",
                "multiply by a number that is written out",
            );
        }
        left.or(right).plus(size::FACTOR)
    }

    fn refuse_node(&mut self, node: &'a Value, reason: &str, remedy: &str) {
        let inner = node.as_object().and_then(|fields| fields.values().next()).unwrap_or(node);
        self.refuse(inner, reason, remedy);
    }

    /// One step goes over as many bytes.
    fn step(&mut self, at: &Value, bytes: u64) {
        if bytes > STEP {
            let reason = "one step could go over more values than the time for a decision allows";
            self.refuse(at, reason, SMALLER);
        }
    }

    fn reference(&mut self, node: &'a Value, inner: &'a Value) -> Size {
        let Some(path) = path(node) else {
            // What is asked for a part is no name: `f(x)[0]`.
            let base = self.optional(&inner["refr"]);
            if let Some(index) = inner.get("index") {
                self.index(index, base);
            }
            return base.member();
        };
        let (base, rest) = self.root(&path);
        for index in &path.computed {
            self.index(index, base);
        }
        let lists = path.root == "input" && matches!(path.parts.first(), Some(Some("query" | "headers")));
        match rest {
            0 => base,
            // The values of one name are as many as all at most, and as large.
            1 if lists => base,
            _ => base.member(),
        }
    }

    /// What a path starts at, and how many of its parts lead on from there.
    fn root(&mut self, path: &Path<'_>) -> (Size, usize) {
        match path.root {
            "input" => {
                let size = match path.parts.first() {
                    Some(Some(field)) => of_input(field),
                    _ => of_input(""),
                };
                (size.or(Size::of(self.replaced)), path.parts.len().saturating_sub(1))
            }
            "data" => {
                let at = self.shape.package.len();
                let rule = path.parts.get(at).copied().flatten().unwrap_or_default();
                (self.rules.get(rule).copied().unwrap_or_default(), path.parts.len().saturating_sub(at + 1))
            }
            name => {
                let rule = self.rules.get(name).copied().unwrap_or_default();
                let imported = if self.imported(name) { of_input("") } else { Size::default() };
                let key = (self.definition, name.to_owned());
                let local = self.variables.get(&key).copied().unwrap_or_default();
                (rule.or(local).or(imported), path.parts.len())
            }
        }
    }

    /// Whether the name may be one that an import gave to a part of the input.
    fn imported(&self, name: &str) -> bool {
        self.shape.imports.iter().any(|import| {
            let Some(path) = path(&import["refr"]) else { return true };
            path.root == "input" && (!import["as"].is_null() || path.parts.last() == Some(&Some(name)))
        })
    }

    /// A computed index: a loop over what it looks into, if nothing else gives its value.
    fn index(&mut self, index: &'a Value, base: Size) {
        if ["String", "RawString", "Number", "Bool"].iter().any(|kind| index.get(kind).is_some()) {
            return;
        }
        if index.get("Var").is_some() || index.get("Array").is_some() || index.get("Object").is_some() {
            self.turns = self.turns.saturating_mul(base.count.max(1));
            return self.bind(index, base.member().or(Size::SCALAR));
        }
        self.expression(index);
    }

    fn call(&mut self, node: &'a Value, call: &'a Value) -> Size {
        let parameters = call["params"].as_array().map(Vec::as_slice).unwrap_or_default();
        let sizes: Vec<Size> = parameters.iter().map(|parameter| self.expression(parameter)).collect();
        let Some(name) = path(&call["fcn"]).and_then(|path| path.whole()) else {
            return Size::of(u64::MAX);
        };
        let own = name.strip_prefix(&format!("data.{}.", self.shape.package.join("."))).unwrap_or(&name);
        if self.shape.functions.iter().any(|function| function == own) {
            return self.own(own.split('.').next().unwrap_or(own), &sizes);
        }
        if !is_immediate(&name) {
            self.step(call, sizes.iter().fold(0, |all, size| all.saturating_add(size.total)));
        }
        if let ([one, other, ..], true) = (sizes.as_slice(), is_of_pairs(&name))
            && one.total.saturating_mul(other.total) > STEP_OF_PAIRS
        {
            let reason = format!("'{name}' could compare more values than the time for a decision allows");
            self.refuse(call, reason, SMALLER);
        }
        let pattern = matches!(name.split('.').next(), Some("regex" | "glob")) && name != "glob.quote_meta";
        // `regex.replace` has its pattern second.
        let place = usize::from(name == "regex.replace");
        if pattern && sizes.get(place).is_some_and(|size| size.total > PATTERN) {
            let reason = format!("the pattern of '{name}' is made of what a request can make long");
            self.refuse_node(node, &reason, "write the pattern out");
        }
        let texts = parameters.iter().filter_map(|node| {
            let text = node.get("String").or_else(|| node.get("RawString"))?;
            text["value"].as_str()
        });
        of_answer(&name, &sizes, texts.map(str::len).max().unwrap_or(0))
    }

    fn own(&mut self, name: &str, sizes: &[Size]) -> Size {
        let known = self.parameters.entry(name.to_owned()).or_default();
        known.resize(known.len().max(sizes.len()), Size::default());
        let grown: Vec<Size> = known.iter().zip(sizes).map(|(known, size)| known.or(*size)).collect();
        if known[..sizes.len()] != grown[..] {
            known[..sizes.len()].copy_from_slice(&grown);
            self.changed = Some(name.to_owned());
        }
        self.rules.get(name).copied().unwrap_or_default()
    }
}
