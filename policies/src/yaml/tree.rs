//! One document as a tree, composed from the parser's events in one pass.
//!
//! The tree is the same type for every document, so that the parser and all that is said about it here is compiled
//! once, and not again for each type that is read.
//!
//! Composing stops at the first mistake. The tree then ends in a [`Slot::Broken`] at that place, so that whoever reads
//! it comes upon earlier mistakes first: a file's mistakes are reported in its order, of whatever sort they are.

use std::collections::{BTreeMap, HashSet};

use granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScanError};

use super::budget::Spent;
use super::mistake::{Kind as Wrong, Mistake};
use super::scalar::{Key, Scalar};
use super::tag::{Shape, Tag};
use crate::place::Place;

const UNKNOWN: &str = "no anchor of this name stands before";

/// A document.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    /// The root is the first.
    slots: Vec<Slot<'t>>,
    /// What composing stopped at.
    mistake: Option<Mistake>,
    /// Where the text ends, if it holds no document.
    empty: Option<Place>,
}

/// Index of a slot of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// Where a node can stand.
#[derive(Debug)]
pub(super) enum Slot<'t> {
    Node(Node<'t>),
    /// The node `target` once more. Aliases of aliases do not exist.
    Alias {
        place: Place,
        target: Id,
    },
    /// Composing stopped here.
    Broken,
}

/// A value and where it is written.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) place: Place,
    pub(super) kind: Kind<'t>,
}

#[derive(Debug)]
pub(super) enum Kind<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Id>),
    /// In the order of the file. Keys are scalars, each there once.
    Mapping(Vec<(Id, Id)>),
}

/// A tree that is being composed.
#[derive(Debug, Default)]
struct Composer<'t> {
    slots: Vec<Slot<'t>>,
    /// Collections that have not ended, the innermost last.
    open: Vec<Open<'t>>,
    anchors: BTreeMap<usize, Id>,
    spent: Spent,
    documents: usize,
    /// Where the text ends.
    end: Place,
}

/// A collection that has not ended.
#[derive(Debug)]
struct Open<'t> {
    id: Id,
    /// The key whose value comes next.
    key: Option<Id>,
    /// The keys of a mapping.
    seen: HashSet<Key<'t>>,
}

impl<'t> Tree<'t> {
    pub(super) const ROOT: Id = Id(0);

    /// Never fails: what is wrong with the text is in the tree.
    pub(super) fn compose(text: &'t str) -> Self {
        let mut composer = Composer::default();
        let mistake = composer.run(text).err();
        if mistake.is_some() {
            composer.break_off();
        }
        let empty = composer.slots.is_empty().then_some(composer.end);
        if let Some(place) = empty {
            composer.slots.push(Slot::Node(Node { place, kind: Kind::Scalar(Scalar::nothing()) }));
        }
        Self { slots: composer.slots, mistake, empty }
    }

    pub(super) fn slot(&self, id: Id) -> &Slot<'t> {
        &self.slots[id.0]
    }

    /// Whether nothing was wrong with the text itself.
    pub(super) fn is_whole(&self) -> bool {
        self.mistake.is_none()
    }

    /// The mistake to report, when reading the tree `found` this one or none.
    pub(super) fn verdict(self, found: Option<Mistake>) -> Mistake {
        match (found.filter(|found| !found.is_broken()), self.mistake, self.empty) {
            // A type's complaint about nothing would puzzle the author of an empty file.
            (Some(_), _, Some(end)) => Mistake::other(end, "unexpected end of file"),
            (Some(found), _, None) => found,
            (None, Some(mistake), _) => mistake,
            (None, None, _) => Mistake::at(Place::at(1, 1), Wrong::Broken),
        }
    }
}

impl<'t> Composer<'t> {
    fn run(&mut self, text: &'t str) -> Result<(), Mistake> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|error| syntax(&error))?;
            self.event(event, place_of(&span.start))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'t>, place: Place) -> Result<(), Mistake> {
        let too_large = |reason| Mistake::at(place, Wrong::TooLarge(reason));
        if event.anchor_id().is_some() {
            self.spent.anchor().map_err(too_large)?;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spent.scalar(&text).map_err(too_large)?;
                let tag = tag_of(tag.as_deref(), Shape::Scalar, place)?;
                let kind = Kind::Scalar(Scalar::new(text, style, tag));
                self.add(Slot::Node(Node { place, kind }), anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.spent.collection(self.open.len() + 1).map_err(too_large)?;
                tag_of(tag.as_deref(), Shape::List, place)?;
                self.start(Node { place, kind: Kind::List(Vec::new()) }, anchor)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.spent.collection(self.open.len() + 1).map_err(too_large)?;
                tag_of(tag.as_deref(), Shape::Mapping, place)?;
                self.start(Node { place, kind: Kind::Mapping(Vec::new()) }, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Alias(anchor) => self.alias(anchor, place)?,
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Mistake::at(place, Wrong::SecondDocument));
                }
            }
            Event::StreamEnd => self.end = place,
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Mistake> {
        let id = self.add(Slot::Node(node), anchor)?;
        self.open.push(Open { id, key: None, seen: HashSet::new() });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Mistake> {
        let too_large = |reason| Mistake::at(place, Wrong::TooLarge(reason));
        self.spent.alias().map_err(too_large)?;
        let Some(&target) = self.anchors.get(&anchor) else {
            return Err(Mistake::other(place, UNKNOWN));
        };
        if self.open.iter().any(|open| open.id == target) {
            return Err(Mistake::other(place, "this alias stands inside what it repeats"));
        }
        self.spent.replay(&self.slots, target, self.open.len()).map_err(too_large)?;
        self.add(Slot::Alias { place, target }, 0).map(|_id| ())
    }

    /// Puts a node where the innermost collection goes on.
    fn add(&mut self, slot: Slot<'t>, anchor: usize) -> Result<Id, Mistake> {
        let id = Id(self.slots.len());
        self.slots.push(slot);
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        let Some(open) = self.open.last_mut() else { return Ok(id) };
        if open.is_list(&self.slots) {
            open.push(&mut self.slots, (id, id));
        } else if let Some(key) = open.key.take() {
            open.push(&mut self.slots, (key, id));
        } else {
            open.check_key(&self.slots, id)?;
            open.key = Some(id);
        }
        Ok(id)
    }

    /// Ends the tree where composing stopped.
    fn break_off(&mut self) {
        let broken = Id(self.slots.len());
        self.slots.push(Slot::Broken);
        if let Some(open) = self.open.last_mut() {
            let key = open.key.unwrap_or(broken);
            open.push(&mut self.slots, (key, broken));
        }
    }
}

impl<'t> Open<'t> {
    /// Adds an entry; a list takes its value alone.
    fn push(&self, slots: &mut [Slot<'t>], (key, value): (Id, Id)) {
        match &mut slots[self.id.0] {
            Slot::Node(Node { kind: Kind::List(items), .. }) => items.push(value),
            Slot::Node(Node { kind: Kind::Mapping(entries), .. }) => entries.push((key, value)),
            _ => {}
        }
    }

    fn is_list(&self, slots: &[Slot<'t>]) -> bool {
        matches!(&slots[self.id.0], Slot::Node(Node { kind: Kind::List(_), .. }))
    }

    /// Refuses a key that is no scalar, merges another mapping, or stands here already.
    fn check_key(&mut self, slots: &[Slot<'t>], id: Id) -> Result<(), Mistake> {
        let Some(Node { place, kind }) = node(slots, id) else { return Ok(()) };
        let Kind::Scalar(scalar) = kind else {
            return Err(Mistake::at(*place, Wrong::Wanted("a text")));
        };
        if scalar.is_merge_key() {
            return Err(Mistake::at(*place, Wrong::MergeKey));
        }
        if !self.seen.insert(scalar.key()) {
            return Err(Mistake::at(*place, Wrong::Twice(scalar.text.clone().into_owned())));
        }
        Ok(())
    }
}

/// The node that stands at `id`, or that its alias stands for.
fn node<'a, 't>(slots: &'a [Slot<'t>], id: Id) -> Option<&'a Node<'t>> {
    match &slots[id.0] {
        Slot::Node(node) => Some(node),
        Slot::Alias { target, .. } => node(slots, *target),
        Slot::Broken => None,
    }
}

fn tag_of(tag: Option<&granit_parser::Tag>, shape: Shape, place: Place) -> Result<Tag, Mistake> {
    Tag::of(tag, shape).map_err(|tag| Mistake::other(place, format!("unsupported tag `{tag}`")))
}

#[cold]
fn syntax(error: &ScanError) -> Mistake {
    let place = place_of(error.marker());
    match error.kind() {
        ErrorKind::MultipleDocumentsUnsupported => Mistake::at(place, Wrong::SecondDocument),
        ErrorKind::UnknownAnchor => Mistake::other(place, UNKNOWN),
        _ => Mistake::other(place, error.info()),
    }
}

/// Columns of the parser count from 0.
fn place_of(marker: &Marker) -> Place {
    let number = |index| u64::try_from(index).unwrap_or(u64::MAX);
    Place::at(number(marker.line()), number(marker.col()).saturating_add(1))
}
