//! Accounts and banks by the words that name them.

use std::ops::Range;

use super::super::checksum::weighted;
use super::super::iban::is_country;
use super::super::shape::fits;
use super::super::words::Word;
use super::{Label, believed, checked, named, read};
use crate::category::Category;

const ACCOUNT: Category = Category::financial("account-number");

/// The words, in eight languages.
pub(super) const LABELS: &[Label] = &[
    checked(
        Category::financial("routing-number"),
        "aba|routing|routing number|routing no|aba number|rtn|transit number",
        &["d{9}"],
        is_routing,
    ),
    read(
        Category::financial("bic"),
        "swift|bic|swift code|bic code|swift bic|bic swift|swift/bic|bic/swift|code bic|código swift|codice swift",
        bank,
    ),
    named(
        ACCOUNT,
        "account number|account no|account nr|acct number|acct no|acct|bank account|checking account|savings account|beneficiary account|\
         kontonummer|konto nr|bankkonto|bankverbindung konto|numéro de compte|numero de compte|compte bancaire|rib|\
         número de cuenta|numero de cuenta|cuenta bancaria|numero di conto|conto corrente|rekeningnummer|bankrekening|\
         numer konta|numer rachunku|rachunek bankowy|número da conta|numero da conta|conta bancária",
        &["d{6,17}"],
        is_account,
    ),
    believed(
        Category::financial("sort-code"),
        "sort code|sortcode|bankleitzahl|blz|bsb|bsb number",
        &["d{6}", "d{8}"],
    ),
    believed(
        Category::financial("card-security-code"),
        "cvv|cvc|cvv2|cvc2|card security code|security code|prüfziffer karte|kartenprüfnummer|cryptogramme",
        &["d{3,4}"],
    ),
    named(
        Category::financial("pin"),
        "card pin|atm pin|pin code|pin number|geheimzahl|code pin|código pin|codice pin|pincode",
        &["d{4,6}"],
        |pin| pin.len() == 4 || pin.len() == 6,
    ),
    believed(
        Category::financial("loan-number"),
        "loan number|loan no|mortgage number|darlehensnummer|numéro de prêt",
        &["d{7,14}", "a{1,3}d{6,12}"],
    ),
];

/// Routing number of the American Bankers Association: a region, and weights 3, 7, 1.
fn is_routing(number: &[u8]) -> bool {
    let region = super::super::checksum::decimal(&number[..2]);
    let sum = weighted(number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    matches!(region, 1..=12 | 21..=32 | 61..=72 | 80) && sum.is_multiple_of(10)
}

/// A business identifier code (ISO 9362) behind the word: in capitals, the fifth and sixth of which are a country.
fn bank(word: Word<'_>) -> Option<Range<usize>> {
    const OTHERS: [&[u8; 2]; 16] = [
        b"US", b"CA", b"AU", b"JP", b"CN", b"HK", b"SG", b"IN", b"KR", b"ZA", b"NZ", b"MX", b"TH", b"MY",
        b"ID", b"PH",
    ];
    let start = super::behind_fillers(word)?;
    let length = word.text[start..].iter().take(12).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let code = &word.text[start..start + length];
    let fits = word.stands_alone() && (fits("a{6}x{2}", code) || fits("a{6}x{5}", code));
    let country = code.get(4..6)?;
    let known = is_country(country) || OTHERS.iter().any(|other| *other == country);
    (fits && known).then_some(start..start + length)
}

fn is_account(number: &[u8]) -> bool {
    number.iter().any(|digit| *digit != number[0])
}
