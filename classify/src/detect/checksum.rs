//! Check digits. Pure: characters in (ASCII digits, upper-case letters), yes or no out; a length that does not fit is a no.

use sha2::{Digest as _, Sha256};

/// The value of a digit, and of a letter as the tenth and following; anything else is far out.
pub(super) fn value(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(u32::from(u8::MAX))
}

/// The sum of the digits times their weights; the shorter of the two ends it.
pub(super) fn weighted(number: &[u8], weights: &[u32]) -> u32 {
    number.iter().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum()
}

/// A decimal number; at most nineteen digits are read.
pub(super) fn decimal(digits: &[u8]) -> u64 {
    digits.iter().take(19).fold(0, |number, digit| number * 10 + u64::from(value(*digit)))
}

pub(crate) fn luhn(number: &[u8]) -> bool {
    luhn_sum(number).is_multiple_of(10)
}

/// The sum that Luhn's check digit makes a multiple of ten.
pub(super) fn luhn_sum(number: &[u8]) -> u32 {
    let double = |value: u32| if value > 4 { 2 * value - 9 } else { 2 * value };
    let digits = number.iter().rev().map(|byte| value(*byte));
    digits.enumerate().map(|(index, value)| if index % 2 == 1 { double(value) } else { value }).sum()
}

/// ISO 7064 mod 97-10 over digits and letters.
pub(crate) fn mod_97(number: &[u8]) -> u32 {
    number.iter().fold(0, |remainder, byte| {
        let value = value(*byte);
        (remainder * if value > 9 { 100 } else { 10 } + value) % 97
    })
}

/// ISO 7064 mod 11,10: the last digit checks the others.
pub(crate) fn mod_11_10(number: &[u8]) -> bool {
    let Some((check, rest)) = number.split_last() else { return false };
    let product = rest.iter().fold(10, |product, byte| {
        let sum = (product + value(*byte)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == value(*check)
}

/// Verhoeff's check digit, by the dihedral group of ten.
pub(crate) fn verhoeff(number: &[u8]) -> bool {
    const STEP: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let multiply = |a: usize, b: usize| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + (b - 5)) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a - 5 + 5 - (b - 5)) % 5,
    };
    let digits = number.iter().rev().filter_map(|byte| char::from(*byte).to_digit(10));
    let turned = digits.enumerate().map(|(index, digit)| {
        (0..index % 8).fold(usize::try_from(digit).unwrap_or_default(), |digit, _turn| STEP[digit])
    });
    turned.fold(0, multiply) == 0
}

/// Base58 with four bytes of a double SHA-256 at its end; gives the version byte and the number of bytes behind it.
pub(super) fn base58check(text: &[u8]) -> Option<(u8, usize)> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        let mut carry = ALPHABET.iter().position(|known| known == byte)?;
        for byte in &mut bytes {
            carry += usize::from(*byte) * 58;
            *byte = u8::try_from(carry & 0xff).ok()?;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(u8::try_from(carry & 0xff).ok()?);
            carry >>= 8;
        }
    }
    bytes.extend(text.iter().take_while(|byte| **byte == b'1').map(|_leading| 0));
    bytes.reverse();
    let (payload, check) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let digest = Sha256::digest(Sha256::digest(payload));
    (digest[..4] == *check).then_some((*payload.first()?, payload.len() - 1))
}

/// Bech32 and Bech32m (BIP 173, BIP 350), lower case.
pub(super) fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let Some(split) = text.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = (&text[..split], &text[split + 1..]);
    let mut values: Vec<u32> = prefix.iter().map(|byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(prefix.iter().map(|byte| u32::from(byte & 31)));
    for byte in data {
        let Some(value) = ALPHABET.iter().position(|known| known == byte) else { return false };
        values.push(u32::try_from(value).unwrap_or_default());
    }
    let sum = values.iter().fold(1_u32, |sum, value| {
        let shifted = (sum & 0x01ff_ffff) << 5 ^ value;
        GENERATOR.iter().enumerate().fold(shifted, |shifted, (bit, generator)| {
            if sum >> 25 >> bit & 1 == 1 { shifted ^ generator } else { shifted }
        })
    });
    data.len() >= 6 && matches!(sum, 1 | 0x2bc8_30a3)
}

/// A day of the Gregorian calendar, the 29th of February in any year.
pub(super) fn is_day(month: u64, day: u64) -> bool {
    let days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let Some(index) = month.checked_sub(1).and_then(|index| usize::try_from(index).ok()) else {
        return false;
    };
    days.get(index).is_some_and(|last| (1..=*last).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_pass_and_their_neighbours_do_not() {
        assert!(luhn(b"79927398713") && !luhn(b"79927398714"));
        assert!(verhoeff(b"2363") && !verhoeff(b"2364") && !verhoeff(b"3263"));
        assert!(mod_11_10(b"86095742719") && !mod_11_10(b"86095742718"));
        assert_eq!(base58check(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), Some((0, 20)));
        assert_eq!(base58check(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), None);
        assert!(bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert!(bech32(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"));
        assert!(is_day(2, 29) && !is_day(2, 30) && !is_day(0, 1) && !is_day(13, 1));
    }

    #[test]
    fn nothing_and_anything_is_read_without_harm() {
        for text in [&b""[..], b"1", b"-", b"\xff\xff", b"1111111111111111111111111111111111111111"] {
            let _read = (luhn(text), verhoeff(text), mod_11_10(text), mod_97(text), bech32(text));
            assert_eq!(base58check(text), None);
        }
    }
}
