//! Reading a type from a tree.
//!
//! What is generic here is compiled again for every type of every document, in each crate that reads one. So each
//! generic function hands its work to one that is not.

mod collection;
mod variant;

use serde::Deserializer;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;

use self::collection::{Entries, Items};
use self::variant::Variant;
use super::mistake::{Kind as Wrong, Mistake};
use super::scalar::{Meaning, Scalar};
use super::tag::Tag;
use super::tree::{Id, Kind, Node, Slot, Tree};
use crate::place::{self, Place};

/// One node that is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'de> {
    tree: &'de Tree<'de>,
    node: &'de Node<'de>,
    /// The outermost alias by which the node was come upon. For the author the value stands there.
    alias: Option<&'de Place>,
}

impl<'de> Reader<'de> {
    pub(super) fn root(tree: &'de Tree<'de>) -> Result<Self, Mistake> {
        Self::at(tree, Tree::ROOT, None)
    }

    fn child(self, id: Id) -> Result<Self, Mistake> {
        Self::at(self.tree, id, self.alias)
    }

    fn at(tree: &'de Tree<'de>, id: Id, alias: Option<&'de Place>) -> Result<Self, Mistake> {
        match tree.slot(id) {
            Slot::Node(node) => Ok(Self { tree, node, alias }),
            Slot::Alias { place, target } => Self::at(tree, *target, alias.or(Some(place))),
            Slot::Broken => Err(Mistake::at(Place::default(), Wrong::Broken)),
        }
    }

    /// Where the value stands: at the alias, if it is one's.
    fn place(self) -> Place {
        self.alias.copied().unwrap_or(self.node.place)
    }

    /// Completes a mistake in this value. What its type does not take belongs to `holder`, the key or the entry, if
    /// that is known; what the type's own reading says belongs to the value.
    #[cold]
    #[inline(never)]
    fn blame(self, mistake: Mistake, holder: Option<Place>) -> Mistake {
        match (self.alias, mistake.is_custom()) {
            (Some(alias), _) => mistake.moved(*alias),
            (None, true) => mistake.placed(self.node.place),
            (None, false) => mistake.about(holder),
        }
    }

    #[cold]
    #[inline(never)]
    fn wanted(self, what: &'static str) -> Mistake {
        Mistake::at(self.node.place, Wrong::Wanted(what))
    }

    #[cold]
    #[inline(never)]
    fn unreadable(self, what: &'static str) -> Mistake {
        Mistake::at(self.node.place, Wrong::Unreadable(what))
    }

    #[cold]
    #[inline(never)]
    fn other(self, reason: &'static str) -> Mistake {
        Mistake::other(self.node.place, reason)
    }

    #[cold]
    #[inline(never)]
    fn infinite(self, text: &str) -> Mistake {
        Mistake::other(self.node.place, format!("value `{text}` is not a finite number"))
    }

    fn is_nothing(self) -> bool {
        matches!(&self.node.kind, Kind::Scalar(scalar) if scalar.is_nothing())
    }

    fn scalar(self) -> Result<&'de Scalar<'de>, Mistake> {
        match &self.node.kind {
            Kind::Scalar(scalar) => Ok(scalar),
            Kind::List(_) | Kind::Mapping(_) => Err(self.wanted("a text")),
        }
    }

    fn text(self) -> Result<&'de str, Mistake> {
        let scalar = self.scalar()?;
        match scalar.tag {
            _ if scalar.is_no_text() => Err(self.other("null is not allowed here")),
            Tag::None | Tag::NonSpecific | Tag::Text => Ok(&scalar.text),
            Tag::Null | Tag::Bool | Tag::Int | Tag::Float => Err(self.other("this tag is not a text's")),
        }
    }

    fn bool(self) -> Result<bool, Mistake> {
        let scalar = self.scalar()?;
        if !scalar.tag.admits(Tag::Bool) {
            return Err(self.unreadable("'true' or 'false'"));
        }
        scalar.bool().ok_or_else(|| self.other("invalid boolean (true or false expected)"))
    }

    fn unsigned(self) -> Result<u64, Mistake> {
        let scalar = self.scalar()?;
        let number = scalar.integer().filter(|_number| scalar.tag.admits(Tag::Int));
        number.and_then(|number| number.unsigned()).ok_or_else(|| self.unreadable("a whole number"))
    }

    fn signed(self) -> Result<i64, Mistake> {
        let scalar = self.scalar()?;
        let number = scalar.integer().filter(|_number| scalar.tag.admits(Tag::Int));
        number.and_then(|number| number.signed()).ok_or_else(|| self.unreadable("a whole number"))
    }

    /// A number of a narrower type.
    fn narrow<W, N: TryFrom<W>>(self, number: W) -> Result<N, Mistake> {
        N::try_from(number).map_err(|_too_large| self.unreadable("a whole number"))
    }
}

/// A whole number of each type that serde knows.
macro_rules! whole_numbers {
    ($($name:ident $visit:ident $read:ident),* $(,)?) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            visitor.$visit(self.narrow(self.$read()?)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let scalar = match &self.node.kind {
            Kind::Scalar(scalar) => scalar,
            Kind::List(_) => return self.deserialize_seq(visitor),
            Kind::Mapping(_) => return self.deserialize_map(visitor),
        };
        match scalar.meaning() {
            Meaning::Nothing => visitor.visit_unit(),
            Meaning::Bool(value) => visitor.visit_bool(value),
            Meaning::Unsigned(number) => visitor.visit_u64(number),
            Meaning::Signed(number) => visitor.visit_i64(number),
            Meaning::Float(number) => visitor.visit_f64(number),
            Meaning::Text(text) => visitor.visit_str(text),
            Meaning::Infinite(text) => Err(self.infinite(text)),
            Meaning::Contradiction(what) => Err(self.unreadable(what)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_bool(self.bool()?)
    }

    whole_numbers! {
        deserialize_u8 visit_u8 unsigned,
        deserialize_u16 visit_u16 unsigned,
        deserialize_u32 visit_u32 unsigned,
        deserialize_u64 visit_u64 unsigned,
        deserialize_i8 visit_i8 signed,
        deserialize_i16 visit_i16 signed,
        deserialize_i32 visit_i32 signed,
        deserialize_i64 visit_i64 signed,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.is_nothing() { visitor.visit_unit() } else { Err(self.other("unexpected value for unit")) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.node.kind {
            Kind::Mapping(entries) if entries.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_unit(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        if name == place::AT {
            place::announce(self.place());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_seq(Items::of(self)?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_seq(Items::at_most(len, self)?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let mut entries = Entries::of(self)?;
        match visitor.visit_map(&mut entries) {
            Ok(value) => entries.end().map(|()| value),
            Err(mistake) => Err(entries.blame(mistake)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_enum(Variant::of(self)?)
    }

    // No document holds a fraction, a character or bytes: what their types make of a text is enough.
    forward_to_deserialize_any! { f32 f64 char bytes byte_buf ignored_any }
}
