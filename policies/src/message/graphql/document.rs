//! The text of a query → the operation that it asks for, with the fields of the schema's root.

use std::collections::{BTreeMap, BTreeSet};

use apollo_parser::Parser;
use apollo_parser::cst::{
    Definition, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
};

use super::{Unreadable, is_name};

/// Depth of a query, and its tokens.
const DEEPEST: usize = 100;
const MOST_TOKENS: usize = 20_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    pub(super) name: Option<String>,
    /// As the schema calls them, each once.
    pub(super) fields: BTreeSet<String>,
}

type Fragments = BTreeMap<String, FragmentDefinition>;

/// Reads a document, and picks the operation of that name, or the only one.
pub(super) fn operation(text: &str, wanted: Option<&str>) -> Result<Operation, Unreadable> {
    // What parsers of other editions of the language take for the end of a comment, or for nothing.
    let odd = |c: char| (c.is_control() && !"\t\n\r".contains(c)) || "\u{feff}\u{2028}\u{2029}".contains(c);
    if text.contains(odd) {
        return Err(Unreadable::new("its query has a character that parsers differ on"));
    }
    let tree = Parser::new(text).recursion_limit(DEEPEST).token_limit(MOST_TOKENS).parse();
    if tree.errors().next().is_some() {
        return Err(Unreadable::new("its query is not GraphQL, or is too long or deep"));
    }
    let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                let name = fragment.fragment_name().and_then(|name| name.name());
                let name = name.ok_or_else(incomplete)?.text().to_string();
                if fragments.insert(name, fragment).is_some() {
                    return Err(Unreadable::new("its query has two fragments of one name"));
                }
            }
            _ => return Err(Unreadable::new("its query defines a schema")),
        }
    }
    let operation = picked(&operations, wanted)?;
    // Records and denials show it.
    if name_of(operation).is_some_and(|name| !is_name(&name)) {
        return Err(too_long());
    }
    let mut fields = Fields { fragments: &fragments, seen: BTreeSet::new(), found: BTreeSet::new() };
    fields.add(&operation.selection_set().ok_or_else(incomplete)?)?;
    let kind = operation.operation_type().map_or(Ok("query"), |kind| kind_of(&kind))?;
    Ok(Operation { kind, name: name_of(operation), fields: fields.found })
}

fn picked<'a>(
    operations: &'a [OperationDefinition],
    wanted: Option<&str>,
) -> Result<&'a OperationDefinition, Unreadable> {
    let names: BTreeSet<Option<String>> = operations.iter().map(name_of).collect();
    if names.len() != operations.len() || (names.contains(&None) && operations.len() > 1) {
        return Err(Unreadable::new("its query has operations that no name tells apart"));
    }
    match (wanted, operations) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Unreadable::new("its query has not one operation, and none is named")),
        (Some(wanted), _) => operations
            .iter()
            .find(|operation| name_of(operation).as_deref() == Some(wanted))
            .ok_or_else(|| Unreadable::new("its query has no operation of that name")),
    }
}

fn name_of(operation: &OperationDefinition) -> Option<String> {
    operation.name().map(|name| name.text().to_string())
}

fn kind_of(kind: &OperationType) -> Result<&'static str, Unreadable> {
    match (kind.query_token(), kind.mutation_token(), kind.subscription_token()) {
        (Some(_), None, None) => Ok("query"),
        (None, Some(_), None) => Ok("mutation"),
        (None, None, Some(_)) => Ok("subscription"),
        _ => Err(incomplete()),
    }
}

fn incomplete() -> Unreadable {
    Unreadable::new("its query is incomplete")
}

fn too_long() -> Unreadable {
    Unreadable::new("its query has a name that is too long")
}

/// Collects the fields of one level, those in fragments too.
struct Fields<'a> {
    fragments: &'a Fragments,
    /// Fragments that were looked into: each says the same again.
    seen: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Fields<'_> {
    fn add(&mut self, set: &SelectionSet) -> Result<(), Unreadable> {
        for selection in set.selections() {
            match selection {
                Selection::Field(field) => {
                    let name = field.name().ok_or_else(incomplete)?.text().to_string();
                    self.found.insert(Some(name).filter(|name| is_name(name)).ok_or_else(too_long)?);
                }
                Selection::InlineFragment(inline) => {
                    self.add(&inline.selection_set().ok_or_else(incomplete)?)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| name.name());
                    self.spread(&name.ok_or_else(incomplete)?.text())?;
                }
            }
        }
        Ok(())
    }

    fn spread(&mut self, name: &str) -> Result<(), Unreadable> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        if self.seen.len() > DEEPEST {
            return Err(Unreadable::new("its query has too many fragments"));
        }
        let fragments = self.fragments;
        let fragment = fragments.get(name);
        let fragment = fragment.ok_or_else(|| Unreadable::new("its query has no fragment of that name"))?;
        self.add(&fragment.selection_set().ok_or_else(incomplete)?)
    }
}
