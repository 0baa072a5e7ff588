//! Readers of the text formats, written from their specifications and not from our writers.

use std::collections::BTreeMap;

/// The parts of a CEF line: seven of the header, and the extension.
pub(super) fn cef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let mut header = vec![String::new()];
    let mut rest = line.chars();
    while header.len() < 8 {
        match rest.next().expect("a header has seven bars") {
            '\\' => header.last_mut().unwrap().push(rest.next().unwrap()),
            '|' => header.push(String::new()),
            c => header.last_mut().unwrap().push(c),
        }
    }
    header.pop();
    let extension: Vec<char> = rest.collect();
    // A key is the word before an unescaped `=`, after a space or at the start.
    let mut keys = Vec::new();
    for at in 0..extension.len() {
        let escaped = extension[..at].iter().rev().take_while(|c| **c == '\\').count() % 2 == 1;
        if extension[at] == '=' && !escaped {
            let start = extension[..at].iter().rposition(|c| *c == ' ').map_or(0, |space| space + 1);
            keys.push((start, at));
        }
    }
    let mut values = BTreeMap::new();
    for (index, (start, equals)) in keys.iter().enumerate() {
        let end = keys.get(index + 1).map_or(extension.len(), |(next, _)| next - 1);
        let key: String = extension[*start..*equals].iter().collect();
        let mut value = String::new();
        let mut raw = extension[equals + 1..end].iter();
        while let Some(c) = raw.next() {
            value.push(if *c == '\\' { *raw.next().unwrap() } else { *c });
        }
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric()), "key '{key}' in {line}");
        assert_eq!(values.insert(key.clone(), value), None, "{key} twice in {line}");
    }
    (header, values)
}

/// The header and the attributes of a LEEF line.
pub(super) fn leef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let mut parts: Vec<String> = line.splitn(7, '|').map(str::to_owned).collect();
    let attributes = parts.pop().unwrap();
    assert_eq!(parts[5], "x09");
    let mut values = BTreeMap::new();
    for pair in attributes.split('\t') {
        let (key, value) = pair.split_once('=').unwrap();
        assert_eq!(values.insert(key.to_owned(), value.to_owned()), None, "{key} twice in {line}");
    }
    (parts, values)
}

/// The words of the header, the parameters, and the message of a syslog line.
pub(super) fn syslog(line: &str) -> (Vec<String>, BTreeMap<String, String>, String) {
    let mut words = line.splitn(7, ' ');
    let header: Vec<String> = words.by_ref().take(6).map(str::to_owned).collect();
    let rest = words.next().unwrap().strip_prefix("[openshell@32473").unwrap();
    let mut values = BTreeMap::new();
    let mut rest = rest.chars();
    loop {
        match rest.next().unwrap() {
            ']' => break,
            ' ' => {
                let key: String = rest.by_ref().take_while(|c| *c != '=').collect();
                assert_eq!(rest.next(), Some('"'));
                let mut value = String::new();
                loop {
                    match rest.next().unwrap() {
                        '"' => break,
                        '\\' => value.push(rest.next().unwrap()),
                        ']' => panic!("an unescaped bracket in {line}"),
                        c => value.push(c),
                    }
                }
                assert_eq!(values.insert(key.clone(), value), None, "{key} twice in {line}");
            }
            c => panic!("'{c}' between parameters of {line}"),
        }
    }
    let message = rest.as_str().strip_prefix(" \u{feff}").unwrap().to_owned();
    (header, values, message)
}
