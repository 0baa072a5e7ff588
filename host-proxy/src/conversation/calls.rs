//! The messages of a gRPC call: each begins with a byte about compression and four bytes of its length, and none may be
//! longer than the rule takes. They are counted as they pass; what is too long is stopped at its fifth byte.

use policies::Permit;

use crate::refusal::Refusal;

/// The messages that a client sends in a call of a rule that limits them.
pub(super) struct Calls<'a> {
    rule: &'a str,
    lengths: Lengths,
}

/// Goes over one direction of a call, piece by piece.
#[derive(Debug)]
pub(super) struct Lengths {
    most: u64,
    prefix: [u8; PREFIX],
    /// How much of the prefix came.
    have: usize,
    /// How much of the message is still to come.
    left: usize,
}

/// A message is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes, and a call of the rule has at most {most}")]
pub(super) struct TooLong {
    length: u64,
    most: u64,
}

const PREFIX: usize = 5;

impl<'a> Calls<'a> {
    pub(super) fn of(permit: &'a Permit) -> Option<Self> {
        let most = permit.longest_call()?;
        Some(Self { rule: permit.rule(), lengths: Lengths::new(most) })
    }

    /// Looks at what comes before it goes on.
    pub(super) fn see(&mut self, piece: &[u8]) -> Result<(), Box<Refusal>> {
        let seen = self.lengths.see(piece);
        seen.map_err(|why| Box::new(Refusal::long_call(self.rule, &why)))
    }
}

impl Lengths {
    pub(super) fn new(most: u64) -> Self {
        Self { most, prefix: [0; PREFIX], have: 0, left: 0 }
    }

    /// Looks at what comes before it goes on.
    pub(super) fn see(&mut self, mut data: &[u8]) -> Result<(), TooLong> {
        while !data.is_empty() {
            let body = self.left.min(data.len());
            self.left -= body;
            data = &data[body..];
            let head = (PREFIX - self.have).min(data.len());
            self.prefix[self.have..self.have + head].copy_from_slice(&data[..head]);
            self.have += head;
            data = &data[head..];
            if self.have == PREFIX {
                let [_compressed, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                if u64::from(length) > self.most {
                    return Err(TooLong { length: length.into(), most: self.most });
                }
                (self.have, self.left) = (0, length as usize);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(lengths: &[u32]) -> Vec<u8> {
        let message = |length: &u32| {
            let body = vec![0xff; *length as usize];
            [&[0][..], &length.to_be_bytes(), &body].concat()
        };
        lengths.iter().flat_map(message).collect()
    }

    fn see(bytes: &[u8], size: usize) -> Result<(), TooLong> {
        let mut lengths = Lengths::new(10);
        bytes.chunks(size).try_for_each(|piece| lengths.see(piece))
    }

    #[test]
    fn lengths_are_told_however_the_call_is_cut() {
        let fine = framed(&[0, 10, 1, 0, 0, 7]);
        let long = framed(&[10, 11]);
        for size in 1..=fine.len() {
            assert_eq!(see(&fine, size), Ok(()), "pieces of {size}");
            assert_eq!(see(&long, size), Err(TooLong { length: 11, most: 10 }), "pieces of {size}");
        }
        // Stopped at its prefix, before any of it came.
        assert_eq!(see(&[1, 0xff, 0xff, 0xff, 0xff], 1), Err(TooLong { length: 0xffff_ffff, most: 10 }));
    }
}
