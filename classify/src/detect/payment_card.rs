//! Primary account numbers of payment cards: issuer range, length of that range, Luhn (ISO/IEC 7812-1).

use super::checksum::luhn;
use super::digits::{Gap, Group, Window};
use crate::category::{Category, Found};

/// A payment card number.
pub(super) const PAYMENT_CARD: Category = Category::financial("payment-card");

/// Issuer ranges: first and last six-digit prefix, shortest and longest number.
const ISSUERS: [(u32, u32, usize, usize); 26] = [
    (220_000, 220_499, 16, 19), // Mir
    (222_100, 272_099, 16, 16), // Mastercard
    (300_000, 305_999, 14, 19), // Diners Club
    (309_500, 309_599, 14, 19), // Diners Club
    (340_000, 349_999, 15, 15), // American Express
    (352_800, 358_999, 16, 19), // JCB
    (360_000, 369_999, 14, 19), // Diners Club
    (370_000, 379_999, 15, 15), // American Express
    (380_000, 399_999, 14, 19), // Diners Club
    (400_000, 499_999, 13, 13), // Visa
    (400_000, 499_999, 16, 16), // Visa
    (400_000, 499_999, 19, 19), // Visa
    (500_000, 509_999, 13, 19), // Maestro, Elo, Verve, RuPay
    (510_000, 559_999, 16, 16), // Mastercard
    (560_000, 589_999, 13, 19), // Maestro
    (600_000, 600_999, 16, 19), // RuPay
    (601_100, 601_199, 16, 19), // Discover
    (620_000, 629_999, 16, 19), // UnionPay
    (630_000, 639_999, 16, 19), // Maestro, Elo, InstaPayment
    (644_000, 659_999, 16, 19), // Discover, RuPay, Elo, Verve
    (670_000, 679_999, 16, 19), // Maestro
    (605_000, 606_999, 16, 16), // Hipercard
    (608_000, 608_999, 16, 16), // RuPay
    (810_000, 819_999, 16, 19), // UnionPay, RuPay
    (820_000, 829_999, 16, 16), // RuPay
    (979_200, 979_299, 16, 16), // Troy
];

/// Groups that card numbers are printed in.
const EMBOSSED: [&[usize]; 6] =
    [&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1], &[6, 13]];

/// Reports the card numbers that begin at `window`.
pub(super) fn check(window: &Window<'_>, found: &mut Found) {
    if is_fraction(window) || is_in_hex(window) {
        return;
    }
    for (index, group) in window.groups.iter().enumerate() {
        let groups = &window.groups[..=index];
        let number = window.digits.first(group.total);
        if is_plausible_writing(window, groups) && has_issuer(number) && luhn(number) {
            found.add(PAYMENT_CARD, window.start..group.end, number);
        }
    }
}

/// A number in one piece, in the groups that are embossed on cards, or in any groups if nothing else
/// numeric stands around it.
fn is_plausible_writing(window: &Window<'_>, groups: &[Group]) -> bool {
    let alone = window.is_first && groups.last().is_some_and(|group| group.gap == Gap::End);
    // `6.310887241768094`: all digits but the first few behind one point.
    if let [Group { size: 1..=3, gap: Gap::One(b'.'), .. }, Group { size: 10.., .. }] = groups {
        return false;
    }
    groups.len() == 1
        || alone
        || EMBOSSED.iter().any(|sizes| groups.iter().map(|group| &group.size).eq(*sizes))
}

/// The digits behind a decimal point: `0.4111…` is a measurement.
fn is_fraction(window: &Window<'_>) -> bool {
    let before = &window.text[..window.start];
    let Some((b'.', head)) = before.split_last() else { return false };
    let whole = head.iter().rev().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&whole)
}

/// Inside a long hexadecimal token (a digest, a commit), where runs of digits occur by chance.
fn is_in_hex(window: &Window<'_>) -> bool {
    const LONGEST: usize = 64;
    let hex = |byte: &&u8| byte.is_ascii_hexdigit();
    let before = window.text[..window.start].iter().rev().take(LONGEST).take_while(hex).count();
    let token = &window.text[window.start - before..];
    let length = token.iter().take(2 * LONGEST).take_while(hex).count();
    length >= 24 && token[..length].iter().any(u8::is_ascii_alphabetic)
}

fn has_issuer(number: &[u8]) -> bool {
    let Some(prefix) = number.get(..6) else { return false };
    let prefix = prefix.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    ISSUERS.iter().any(|(first, last, shortest, longest)| {
        (*first..=*last).contains(&prefix) && (*shortest..=*longest).contains(&number.len())
    })
}
