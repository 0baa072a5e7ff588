//! Vehicle identification numbers (ISO 3779): 17 characters without I, O and Q; North America puts a check digit ninth.

use super::checksum::value;

/// Whether the alphabet fits and letters and digits are mixed as in a number that a maker gave out.
pub(super) fn is_plausible(number: &[u8]) -> bool {
    let letters = number.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    number.len() == 17
        && !number.iter().any(|byte| matches!(byte, b'I' | b'O' | b'Q'))
        && (3..=13).contains(&letters)
        && number[13..].iter().all(u8::is_ascii_digit)
}

/// Whether the check digit is right, too.
pub(super) fn is_checked(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let letter = |byte: u8| match byte {
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        digit => value(digit),
    };
    let sum: u32 = number.iter().zip(WEIGHTS).map(|(byte, weight)| letter(*byte) * weight).sum();
    let check = char::from_digit(sum % 11, 10).unwrap_or('X');
    is_plausible(number) && char::from(number[8]) == check
}
