//! E-mail addresses (RFC 5321 mailbox, the unquoted form) with a plausible domain.

use crate::category::{Category, Found};

/// An e-mail address.
pub(super) const EMAIL: Category = Category::personal("email-address");

const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;

/// Last labels that are no top-level domain but common behind an `@` in file and unit names.
const NOT_A_DOMAIN: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "json", "html", "ts", "tsx", "service", "socket",
];

/// Reports the addresses in `text`.
pub(super) fn scan(text: &[u8], found: &mut Found) {
    for at in memchr::memchr_iter(b'@', text) {
        let local = local_part(&text[..at]);
        let domain = domain(&text[at + 1..]);
        if is_local(local) && is_domain(domain) && !is_clone_address(local, &text[at + 1 + domain.len()..]) {
            let address = [local, b"@", domain].concat();
            // In a path or a query the characters that part them are not the mailbox's, whatever the RFC permits.
            let mailbox =
                local.iter().rev().take_while(|byte| !matches!(byte, b'/' | b'=' | b'?' | b'&')).count();
            found.add(EMAIL, at - mailbox..at + 1 + domain.len(), &canonical(address));
        }
    }
}

/// One address, whatever it is disguised as.
fn canonical(address: Vec<u8>) -> Vec<u8> {
    let folded = std::str::from_utf8(&address).ok().and_then(crate::fold::fold);
    folded.map_or(address, String::into_bytes).to_ascii_lowercase()
}

fn local_part(before: &[u8]) -> &[u8] {
    let allowed = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(*byte) || !byte.is_ascii()
    };
    let length = before.iter().rev().take(LONGEST_LOCAL).take_while(allowed).count();
    let local = &before[before.len() - length..];
    // `mailto=jane@…`, `'jane@…'`: what introduces an address is no part of it.
    let start =
        local.iter().position(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii());
    start.map_or(&[], |start| &local[start..])
}

fn domain(behind: &[u8]) -> &[u8] {
    let allowed = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let length = behind.iter().take(LONGEST_DOMAIN).take_while(allowed).count();
    let end =
        behind[..length].iter().rposition(|byte| !matches!(byte, b'.' | b'-')).map_or(0, |last| last + 1);
    &behind[..end]
}

fn is_local(local: &[u8]) -> bool {
    !local.is_empty() && local.last() != Some(&b'.') && memchr::memmem::find(local, b"..").is_none()
}

fn is_domain(domain: &[u8]) -> bool {
    let labels: Vec<&[u8]> = domain.split(|byte| *byte == b'.').collect();
    let is_label =
        |label: &&[u8]| (1..=63).contains(&label.len()) && label[0] != b'-' && label[label.len() - 1] != b'-';
    let [.., name, top] = labels[..] else { return false };
    labels.iter().all(is_label)
        && (top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic)
            || top.to_ascii_lowercase().starts_with(b"xn--"))
        && !NOT_A_DOMAIN.iter().any(|no| top.eq_ignore_ascii_case(no.as_bytes()))
        && (name.iter().any(u8::is_ascii_alphabetic) || labels.len() == 2)
}

/// `git@host:path` names a server account that everybody shares.
fn is_clone_address(local: &[u8], behind: &[u8]) -> bool {
    local == b"git" && matches!(behind.first(), Some(b':' | b'/'))
}
