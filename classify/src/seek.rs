//! Finding the next byte of a kind in texts that hold few of it.

/// Where the first byte from `from` on stands that is one of those looked for.
///
/// Whole blocks are passed over with one question each, which the compiler asks of all their bytes at once.
#[inline]
pub(crate) fn next(bytes: &[u8], from: usize, is_one: impl Fn(u8) -> bool) -> Option<usize> {
    const BLOCK: usize = 32;
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let asked: [u8; BLOCK] = std::array::from_fn(|at| u8::from(is_one(block[at])));
        if asked != [0; BLOCK] {
            break;
        }
        at += BLOCK;
    }
    bytes.get(at..)?.iter().position(|byte| is_one(*byte)).map(|offset| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found() {
        for length in 0..100 {
            let mut text = vec![b'a'; length];
            assert_eq!(next(&text, 0, |byte| byte == b'1'), None);
            for place in 0..length {
                text[place] = b'1';
                assert_eq!(next(&text, 0, |byte| byte == b'1'), Some(place));
                assert_eq!(next(&text, place, |byte| byte == b'1'), Some(place));
                assert_eq!(next(&text, place + 1, |byte| byte == b'1'), None);
                text[place] = b'a';
            }
        }
    }
}
