//! Addresses of a person's devices on networks. By themselves they are all over technical text: only a word that says whose
//! they are makes them personal.

use std::net::IpAddr;
use std::ops::Range;

use super::super::words::Word;
use super::{Label, read};
use crate::category::Category;

/// The words.
pub(super) const LABELS: &[Label] = &[
    read(
        Category::personal("ip-address"),
        "client ip|user ip|customer ip|visitor ip|her ip|his ip|their ip|login ip|source ip address|ip address|ip adresse|\
         adresse ip|dirección ip|direccion ip|indirizzo ip|ip adres|adres ip|endereço ip|x forwarded for|x real ip|\
         remote addr|logged in from|signed in from",
        address,
    ),
    read(
        Category::personal("mac-address"),
        "mac|mac address|mac adresse|adresse mac|hardware address|wifi mac|bluetooth address|dirección mac|indirizzo mac",
        hardware,
    ),
];

/// A public address behind the word.
fn address(word: Word<'_>) -> Option<Range<usize>> {
    let (start, token) = token(word, |byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))?;
    let address: IpAddr = std::str::from_utf8(token).ok()?.trim_end_matches(['.', ':']).parse().ok()?;
    is_public(address).then_some(start..start + token.len())
}

/// Six bytes of hardware behind the word.
fn hardware(word: Word<'_>) -> Option<Range<usize>> {
    let (start, token) = token(word, |byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b':' | b'.'))?;
    let digits: Vec<u8> = token.iter().copied().filter(u8::is_ascii_hexdigit).collect();
    let separators = token.len() - digits.len();
    let varied = digits.iter().any(|digit| *digit != digits[0]);
    (digits.len() == 12 && matches!(separators, 2 | 5) && varied).then_some(start..start + token.len())
}

/// What follows the word and the signs and fillers behind it.
fn token(word: Word<'_>, belongs: impl Fn(u8) -> bool) -> Option<(usize, &[u8])> {
    const LONGEST: usize = 45;
    if !word.stands_alone() {
        return None;
    }
    let start = super::behind_fillers(word).or_else(|| super::starts(word).next())?;
    let length = word.text[start..].iter().take(LONGEST).take_while(|byte| belongs(**byte)).count();
    Some((start, &word.text[start..start + length]))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || shared)
        }
        IpAddr::V6(address) => {
            address.segments()[0] & 0xe000 == 0x2000 && address.segments()[..2] != [0x2001, 0xdb8]
        }
    }
}
