use std::sync::Arc;

use ::classify::Scanner;
use ::classify::memory::Memory;

use super::*;

mod credentials;
mod disguises;
mod positions;
mod turns;
mod values;

fn classifier() -> Classifier {
    Classifier::of(Arc::new(Memory::new(Scanner::new(), &[7; 32])))
}

/// What a prompt that is just `text` holds.
fn findings(text: &str) -> Findings {
    let body = Node::Object(vec![("content".to_owned(), Node::Text(text.to_owned()))]);
    classifier().classify(&body, &[])
}

/// The names of what is found.
fn kinds(text: &str) -> Vec<String> {
    findings(text).iter().map(|(category, _count)| category.to_string()).collect()
}

/// One classifier for many rows: compiling it for each would be most of the test.
struct Rows(Classifier);

impl Rows {
    fn new() -> Self {
        Self(classifier())
    }

    fn kinds(&self, text: &str) -> Vec<String> {
        let body = Node::Object(vec![("content".to_owned(), Node::Text(text.to_owned()))]);
        self.0.classify(&body, &[]).iter().map(|(category, _count)| category.to_string()).collect()
    }
}

/// A body that looks drawn at random, of `length` characters of `alphabet`.
fn body(length: usize, alphabet: &str) -> String {
    let alphabet = alphabet.as_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()])
    };
    (0..length).map(|_| next()).collect()
}

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

#[test]
fn hostile_texts_take_linear_time() {
    let size = 1 << 20;
    let nested = {
        use std::fmt::Write as _;
        let mut text = String::from("QUFB").repeat(4096);
        write!(text, "{}", "%25".repeat(200_000)).unwrap();
        text
    };
    for (name, text) in [
        ("digits", "4".repeat(size)),
        ("spaced digits", "4 ".repeat(size / 2)),
        ("groups", "4111 ".repeat(size / 5)),
        ("at signs", "a@".repeat(size / 2)),
        ("dotted", "a@b.".repeat(size / 4)),
        ("country codes", "DE89".repeat(size / 4)),
        ("country codes apart", "DE 8".repeat(size / 4)),
        ("jwt heads", " eyJ".repeat(size / 4)),
        ("sk", "sk-".repeat(size / 3)),
        ("glpat", "glpat-".repeat(size / 6)),
        ("schemes", "://".repeat(size / 3)),
        ("passwords", "password=".repeat(size / 9)),
        ("pem", "-----BEGIN ".repeat(size / 11)),
        ("backslashes", "\\u{".repeat(size / 3)),
        ("multibyte backslashes", "\\u{é".repeat(size / 5)),
        ("entities", "&#x".repeat(size / 3)),
        ("nested", nested),
        ("zero width", "4\u{200b}".repeat(size / 4)),
        ("lines", "QUJD\n".repeat(size / 5)),
        ("webhooks", "hooks.slack.com/services/T".repeat(size / 26)),
        ("azure", "1Q~".repeat(size / 3)),
        ("bearer", "Bearer ".repeat(size / 7)),
    ] {
        let classifier = classifier();
        let body = Node::Text(text);
        let start = std::time::Instant::now();
        let _findings = classifier.classify(&body, &[]);
        let took = start.elapsed();
        println!("{name}: {took:?}");
        // A megabyte at less than a hundredth of the usual speed; anything quadratic takes minutes.
        assert!(took < std::time::Duration::from_secs(15), "{name} took {took:?}");
    }
}

#[test]
fn counts_each_value_once() {
    let found =
        findings("4111 1111 1111 1111, 4111-1111-1111-1111, NDExMTExMTExMTExMTExMQ== and 5555555555554444");
    assert_eq!(found.count("financial/payment-card"), 2);
}

#[test]
fn prose_and_code_are_not_sensitive() {
    let rows = Rows::new();
    for text in [
        "Summarise the attached notes in three bullet points, please.",
        "fn main() { println!(\"{}\", 1_000_000); } // see https://docs.example.org/book/ch01.html",
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 on 2026-11-21T05:21:57Z took 1732166517123 ms",
        "version 1.22.1-9+deb12u10, pid 4711, port 8443, 0.4111111111111111, 3.14159265358979",
        "uuid 4f6a1c1e-3d5b-4e0e-9c55-1d2f4a5b6c7d and sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "order 2024-000123, ISBN 978-3-16-148410-0, room 123",
        "def password(self): return os.environ['PASSWORD']  # api_key = get_secret(\"name\")",
        "git clone git@github.com:owner/repo.git && npm install left-pad@1.3.0 icon@2x.png",
        "@app.route('/x')\n@property.setter\nuser@localhost getty@tty1.service",
        "10.0.0.1 192.168.1.1 fe80::1 00:11:22:33:44:55 127.0.0.1:8080",
        "12 34 56 78 90 12 34 56 78 90 12 34 56 78 90 12 34 56 78 90 12 34 56 78 90",
        "{\"type\":\"object\",\"properties\":{\"password\":{\"type\":\"string\",\"minLength\":12}}}",
        "Die Größe beträgt 1.234.567,89 € — naïve façade, Ünïcödé. 日本語のテキスト。",
        "https://example.org/path?token= and https://example.org:8080/a?b=c",
        "postgres://$USER:$PASSWORD@db/name and https://user:***@host/",
    ] {
        assert_eq!(rows.kinds(text), Vec::<String>::new(), "{text}");
    }
}
