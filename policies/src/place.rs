//! Where in its file a value stands, so that an error about its meaning can point at it, and a resolved
//! document can say where each line came from.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::Commented;

thread_local! {
    /// The text that is being read. A deserializer has no other way to tell a value where it is read from.
    static READING: Cell<SourceId> = const { Cell::new(SourceId::OWN) };
    /// Where the value stands that is about to be read, told by the deserializer as soon as it hears [`AT`].
    static HERE: Cell<Place> = Cell::default();
    /// How to name a place while a document is written with its origins; a serializer has no other way to
    /// tell a value either.
    static NAMING: RefCell<Option<Naming>> = const { RefCell::new(None) };
}

/// The name by which an [`At`] asks its deserializer to [`announce`] its place.
pub(crate) const AT: &str = "policies::place::At";

/// Gives a place the name under which a reader finds it.
pub(crate) type Naming = Box<dyn Fn(Place) -> String>;

/// One of the texts that a document was made of; [`crate::Document::source_name`] names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(crate) u16);

/// A position in a file; both numbers count from 1, and 0 means that the position is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which text.
    pub source: SourceId,
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// A value and its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl SourceId {
    /// The document's own text, as opposed to those that it extends.
    pub const OWN: Self = Self(0);

    /// Runs `read`; every place that it makes is in this source.
    pub(crate) fn reading<T>(self, read: impl FnOnce() -> T) -> T {
        /// Puts the outer source back, whichever way `read` ends.
        struct Outer(SourceId);
        impl Drop for Outer {
            fn drop(&mut self) {
                READING.set(self.0);
            }
        }
        let _outer = Outer(READING.replace(self));
        read()
    }
}

/// Runs `write`; every single value that it writes as YAML has its origin as a comment.
pub(crate) fn with_origins<T>(naming: Naming, write: impl FnOnce() -> T) -> T {
    /// Takes the naming away, whichever way `write` ends.
    struct Plain;
    impl Drop for Plain {
        fn drop(&mut self) {
            NAMING.take();
        }
    }
    let _plain = Plain;
    NAMING.replace(Some(naming));
    write()
}

/// Tells the [`At`] that is read next where it stands. From a deserializer that tells nothing, its place is not known.
pub(crate) fn announce(place: Place) {
    HERE.set(place);
}

impl Place {
    /// A place in the text that is being read.
    pub(crate) fn at(line: u64, column: u64) -> Self {
        Self { source: READING.get(), line, column }
    }
}

impl<T> At<T> {
    /// A value that was made by the program and stands in no file.
    pub fn nowhere(value: T) -> Self {
        Self { value, place: Place::default() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Placed<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Placed<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<At<T>, D::Error> {
                // Taken before the value is read, which may hold others.
                let place = HERE.take();
                T::deserialize(value).map(|value| At { value, place })
            }
        }

        deserializer.deserialize_newtype_struct(AT, Placed(PhantomData))
    }
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let origin = NAMING.with_borrow(|naming| {
            let naming = naming.as_ref().filter(|_naming| self.place.line > 0)?;
            Some(naming(self.place))
        });
        match origin {
            Some(origin) => Commented(&self.value, origin).serialize(serializer),
            None => self.value.serialize(serializer),
        }
    }
}
