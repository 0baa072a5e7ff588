//! Enums: a variant's name alone, or a mapping of the name to what the variant holds.

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor};

use super::{Kind, Mistake, Reader};
use crate::yaml::tree::Id;

/// One variant.
#[derive(Debug)]
pub(super) struct Variant<'de> {
    /// The name or the mapping.
    holder: Reader<'de>,
    name: Reader<'de>,
    held: Option<Id>,
    /// A second key, which must not be.
    excess: Option<Id>,
}

impl<'de> Variant<'de> {
    pub(super) fn of(reader: Reader<'de>) -> Result<Self, Mistake> {
        let entries = match &reader.node.kind {
            Kind::Scalar(_) => return Ok(Self { holder: reader, name: reader, held: None, excess: None }),
            Kind::List(_) => return Err(reader.other("a name or a mapping of one entry is expected here")),
            Kind::Mapping(entries) => entries,
        };
        let Some((name, held)) = entries.first() else {
            return Err(reader.other("a name is expected here"));
        };
        let excess = entries.get(1).map(|(key, _value)| *key);
        Ok(Self { holder: reader, name: reader.child(*name)?, held: Some(*held), excess })
    }

    fn name(&self) -> Result<StrDeserializer<'de, Mistake>, Mistake> {
        self.name.scalar().map(|name| StrDeserializer::new(&name.text))
    }

    /// What it holds, which it must.
    fn held(&self) -> Result<Reader<'de>, Mistake> {
        match self.held {
            Some(held) => self.holder.child(held),
            None => Err(self.name.wanted("a mapping")),
        }
    }

    fn unit(&self) -> Result<(), Mistake> {
        if self.held.is_none() {
            return Ok(());
        }
        let held = self.held()?;
        if held.is_nothing() { self.end() } else { Err(held.other("this name takes no value")) }
    }

    fn end(&self) -> Result<(), Mistake> {
        let Some(excess) = self.excess else { return Ok(()) };
        Err(self.holder.child(excess)?.other("expected end of mapping after enum variant value"))
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mistake> {
        match seed.deserialize(self.name()?) {
            Ok(value) => Ok((value, self)),
            Err(mistake) => Err(mistake.moved(self.name.node.place)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        self.unit()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Mistake> {
        let held = self.held()?;
        let value = seed.deserialize(held).map_err(|mistake| held.blame(mistake, None))?;
        self.end().map(|()| value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Mistake> {
        let value = self.held()?.deserialize_tuple(len, visitor)?;
        self.end().map(|()| value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let value = self.held()?.deserialize_map(visitor)?;
        self.end().map(|()| value)
    }
}
