//! The trained weights: one byte for each tag in each bucket, and the transitions between tags.

use super::features::{BUCKET_BITS, COUNT};
use super::tag::{OUTSIDE, Scores, TAGS};

/// Weights as they are read from, and written to, a file: transitions and the bonus of no entity as 32-bit numbers (little
/// endian), then the buckets.
#[derive(Debug)]
pub struct Model {
    rows: Box<[[i8; TAGS]]>,
    transitions: [Scores; TAGS],
    outside: i32,
}

/// Bytes of a file.
const HEAD: usize = (TAGS * TAGS + 1) * 4;
const SIZE: usize = HEAD + (TAGS << BUCKET_BITS);

impl Model {
    /// The one that the product ships with.
    #[must_use]
    pub fn shipped() -> Self {
        Self::read(include_bytes!("../../data/entities.bin")).expect("the shipped weights are whole")
    }

    /// Puts together what a training found; `outside` is what an entity must be better by than none.
    #[must_use]
    pub fn new(rows: Box<[[i8; TAGS]]>, transitions: [Scores; TAGS], outside: i32) -> Self {
        Self { rows, transitions, outside }
    }

    /// Reads a file; `None`: it is not one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rows) = bytes.split_at_checked(HEAD).filter(|_| bytes.len() == SIZE)?;
        let mut numbers = head.as_chunks().0.iter().map(|number| i32::from_le_bytes(*number));
        let mut transitions = [[0; TAGS]; TAGS];
        for transition in transitions.iter_mut().flatten() {
            *transition = numbers.next()?;
        }
        let outside = numbers.next()?;
        let rows = rows.as_chunks().0.iter().map(|row: &[u8; TAGS]| row.map(u8::cast_signed)).collect();
        Some(Self { rows, transitions, outside })
    }

    /// The file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let numbers = self.transitions.iter().flatten().chain([&self.outside]);
        let mut bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend(self.rows.iter().flatten().map(|weight| weight.cast_unsigned()));
        bytes
    }

    /// The scores of a token with these properties.
    #[must_use]
    pub fn scores(&self, buckets: &[u32; COUNT]) -> Scores {
        let mut scores = [0; TAGS];
        for bucket in buckets {
            let row = usize::try_from(*bucket).ok().and_then(|bucket| self.rows.get(bucket));
            for (score, weight) in scores.iter_mut().zip(row.into_iter().flatten()) {
                *score += i32::from(*weight);
            }
        }
        scores[OUTSIDE] += self.outside;
        scores
    }

    /// What a tag adds that follows another.
    #[must_use]
    pub fn transitions(&self) -> &[Scores; TAGS] {
        &self.transitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let bytes = Model::shipped().write();
        assert!(bytes == include_bytes!("../../data/entities.bin"));
        assert!(Model::read(&bytes[1..]).is_none() && Model::read(&[]).is_none());
    }
}
