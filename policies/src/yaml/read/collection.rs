//! Lists and mappings.

use std::slice::Iter;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};

use super::{Kind, Mistake, Reader};
use crate::place::Place;
use crate::yaml::tree::Id;

/// What is left of a list.
#[derive(Debug)]
pub(super) struct Items<'de> {
    list: Reader<'de>,
    rest: Iter<'de, Id>,
}

/// What is left of a mapping.
#[derive(Debug)]
pub(super) struct Entries<'de> {
    mapping: Reader<'de>,
    rest: Iter<'de, (Id, Id)>,
    /// The value whose key was read.
    value: Option<Id>,
    /// Where a mistake of the mapping's own is reported: at the latest key, or at its beginning.
    holder: Option<Place>,
}

impl<'de> Items<'de> {
    /// Nothing is a list without items.
    pub(super) fn of(list: Reader<'de>) -> Result<Self, Mistake> {
        let items: &[Id] = match &list.node.kind {
            Kind::List(items) => items,
            Kind::Scalar(scalar) if scalar.is_nothing() => &[],
            Kind::Scalar(_) | Kind::Mapping(_) => return Err(list.wanted("a list")),
        };
        Ok(Self { list, rest: items.iter() })
    }

    pub(super) fn at_most(len: usize, list: Reader<'de>) -> Result<Self, Mistake> {
        let items = Self::of(list)?;
        if items.rest.len() > len {
            return Err(Mistake::invalid_length(len + 1, &format!("a tuple of size {len}").as_str()));
        }
        Ok(items)
    }

    fn item(&mut self) -> Result<Option<Reader<'de>>, Mistake> {
        self.rest.next().map(|id| self.list.child(*id)).transpose()
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let Some(item) = self.item()? else { return Ok(None) };
        match seed.deserialize(item) {
            Ok(value) => Ok(Some(value)),
            Err(mistake) => Err(item.blame(mistake, Some(item.place()))),
        }
    }
}

impl<'de> Entries<'de> {
    /// Nothing is a mapping without entries.
    pub(super) fn of(mapping: Reader<'de>) -> Result<Self, Mistake> {
        let (entries, holder): (&[(Id, Id)], _) = match &mapping.node.kind {
            Kind::Mapping(entries) => (entries, Some(mapping.place())),
            Kind::Scalar(scalar) if scalar.is_nothing() => (&[], None),
            Kind::Scalar(_) | Kind::List(_) => return Err(mapping.wanted("a mapping")),
        };
        Ok(Self { mapping, rest: entries.iter(), value: None, holder })
    }

    fn key(&mut self) -> Result<Option<Reader<'de>>, Mistake> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let key = self.mapping.child(*key)?;
        self.value = Some(*value);
        self.holder = Some(key.node.place);
        Ok(Some(key))
    }

    fn value(&mut self) -> Result<Reader<'de>, Mistake> {
        match self.value.take() {
            Some(value) => self.mapping.child(value),
            None => Err(self.mapping.other("value requested before key")),
        }
    }

    /// Whoever reads a mapping reads all of it.
    pub(super) fn end(&mut self) -> Result<(), Mistake> {
        match self.key()? {
            Some(key) => Err(key.wanted("the end of the mapping")),
            None => Ok(()),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn blame(&self, mistake: Mistake) -> Mistake {
        if mistake.is_custom() { mistake } else { mistake.about(self.holder) }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let Some(key) = self.key()? else { return Ok(None) };
        match seed.deserialize(key) {
            Ok(value) => Ok(Some(value)),
            Err(mistake) => Err(mistake.placed(key.node.place)),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let value = self.value()?;
        seed.deserialize(value).map_err(|mistake| value.blame(mistake, self.holder))
    }
}
