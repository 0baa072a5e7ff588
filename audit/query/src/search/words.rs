//! Which words of the index fit, and the condition that a row has one of them. However many fit, the memory for them is bounded.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Row};

use crate::index::{Column, is_one, split};

/// Words that stand in the question itself; more of them the database reads as one text, which needs no program for each.
const FEW: usize = 500;

/// Words that are kept as a list of numbers; of more, a bit is kept for each word that there is.
const MOST: usize = 100_000;

/// Rows of which it is one whether their words are looked at one by one, or all words in the order of the database.
const APART: i64 = 4;

/// Rows to which a question is limited: the first and the last of their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within(pub(super) i64, pub(super) i64);

/// Numbers of words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ids {
    List(Vec<i64>),
    /// Bit `id % 64` of element `id / 64`.
    Bits(Vec<u64>),
}

impl Ids {
    /// Numbers of the words of `column` of which a value fits; of those that rows of the question have, if these are few.
    pub(super) fn matching(
        connection: &Connection,
        (column, within): (Column, Option<Within>),
        fits: impl Fn(&str) -> bool,
    ) -> Result<Self, rusqlite::Error> {
        let sql = match within {
            Some(within) if within.is_narrow(connection)? => {
                let (Within(first, last), name) = (within, column.name());
                format!(
                    "SELECT id, text FROM word
                     WHERE id IN (SELECT {name} FROM record WHERE sequence BETWEEN {first} AND {last})"
                )
            }
            _wide => format!("SELECT id, text FROM word WHERE field = {}", column.code()),
        };
        let mut words = connection.prepare(&sql)?;
        let mut rows = words.query([])?;
        let mut ids = Self::List(Vec::new());
        while let Some(row) = rows.next()? {
            let word = row.get_ref(1)?.as_str()?;
            let is_asked = if is_one(word) { fits(word) } else { split(word).any(|value| fits(&value)) };
            if is_asked {
                ids.add(number(row)?);
            }
        }
        Ok(ids)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::List(Vec::new())
    }

    /// Whether rows can be found by them, and not only checked.
    pub(super) fn can_find(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// The condition that a row has one of them. They are numbers: no text of anybody's is among them. `nth` is which condition of the
    /// question it is: of one column there may be several.
    pub(super) fn condition(
        self,
        connection: &Connection,
        (column, nth): (Column, usize),
    ) -> Result<String, rusqlite::Error> {
        let name = column.name();
        match self {
            Self::List(few) if few.len() <= FEW => Ok(format!("{name} IN ({})", list(few.into_iter()))),
            Self::List(many) => {
                Ok(format!("{name} IN (SELECT value FROM json_each('[{}]'))", list(many.into_iter())))
            }
            Self::Bits(bits) => {
                let function = format!("is_asked_{nth}");
                let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
                connection.create_scalar_function(function.as_str(), 1, flags, move |given| {
                    let id: Option<i64> = given.get(0)?;
                    Ok(id.is_some_and(|id| has(&bits, id.cast_unsigned())))
                })?;
                Ok(format!("{function}({name})"))
            }
        }
    }

    fn add(&mut self, id: u64) {
        match self {
            Self::List(list) if list.len() < MOST => list.push(id.cast_signed()),
            Self::List(list) => {
                let before = std::mem::take(list);
                *self = Self::Bits(Vec::new());
                before.into_iter().for_each(|id| self.add(id.cast_unsigned()));
                self.add(id);
            }
            Self::Bits(bits) => {
                let at = place(id);
                if bits.len() <= at {
                    bits.resize(at + 1, 0);
                }
                bits[at] |= 1 << (id % 64);
            }
        }
    }
}

impl Within {
    /// Whether there are more words than rows of the question.
    fn is_narrow(self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        let words: Option<i64> = connection.query_row("SELECT max(id) FROM word", [], |row| row.get(0))?;
        Ok(self.1.saturating_sub(self.0).saturating_mul(APART) < words.unwrap_or_default())
    }
}

/// The number of a word. The database counts them from one; another is none of ours.
fn number(row: &Row<'_>) -> Result<u64, rusqlite::Error> {
    let id: i64 = row.get(0)?;
    u64::try_from(id).map_err(|_negative| rusqlite::Error::IntegralValueOutOfRange(0, id))
}

fn place(id: u64) -> usize {
    usize::try_from(id / 64).unwrap_or(usize::MAX)
}

fn has(bits: &[u64], id: u64) -> bool {
    bits.get(place(id)).is_some_and(|bits| bits >> (id % 64) & 1 == 1)
}

pub(super) fn list(numbers: impl Iterator<Item = i64>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_list_is_kept_as_bits_and_is_the_same() {
        let mut ids = Ids::List(Vec::new());
        assert!(ids.is_empty());
        let asked = (1..).step_by(3).take(MOST);
        asked.clone().for_each(|id| ids.add(id));
        assert!(ids.can_find() && !ids.is_empty());
        ids.add(2);
        let Ids::Bits(bits) = ids else { panic!("{} words are a list", MOST + 1) };
        assert!(bits.len() <= 3 * MOST / 64 + 1);
        assert!(asked.clone().all(|id| has(&bits, id)) && has(&bits, 2));
        assert!(asked.skip(1).all(|id| !has(&bits, id + 1) && !has(&bits, id - 1)));
        assert!(!has(&bits, 0) && !has(&bits, u64::MAX));
    }
}
