use super::host::DestinationPattern;
use super::oracle::{self, Random};
use super::path::{Kind, PathPattern};
use super::{Side, binary::BinaryPattern};

fn random_path(random: &mut Random, pieces: &[&str], most: usize) -> String {
    let mut text = String::new();
    for _segment in 0..=random.below(most) {
        text.push('/');
        for _piece in 0..random.below(4) {
            text.push_str(pieces[random.below(pieces.len())]);
        }
    }
    text
}

#[test]
fn paths_match_as_the_slow_reading_does() {
    let mut random = Random::new(1);
    let (mut patterns, mut matched) = (0, 0);
    while patterns < 30_000 {
        let mut text = random_path(&mut random, &["a", "b", "A", "*", "a.b"], 5);
        // `**` may only stand alone, so it comes as a segment of its own.
        for _deep in 0..random.below(3) {
            let at = text.match_indices('/').map(|(at, _)| at).nth(random.below(3)).unwrap_or(0);
            text.insert_str(at, "/**");
        }
        let side = if random.below(2) == 0 { Side::Allow } else { Side::Deny };
        let Ok(pattern) = PathPattern::parse(&text, Kind::Request, side) else { continue };
        patterns += 1;
        for _path in 0..20 {
            let path = random_path(&mut random, &["a", "b", "A", ".", "ab"], 6);
            let expected = oracle::path(&text, side, &path);
            assert_eq!(pattern.matches(&path), expected, "{side:?} '{text}' on '{path}'");
            matched += usize::from(expected);
        }
    }
    assert!(matched > 20_000, "{matched}");
}

#[test]
fn hosts_match_as_the_slow_reading_does() {
    let mut random = Random::new(2);
    let labels = ["a", "b", "ab", "x", "com"];
    let mut name = |most: usize| {
        let count = 1 + random.below(most);
        (0..count).map(|_label| labels[random.below(labels.len())]).collect::<Vec<_>>().join(".")
    };
    let mut matched = 0;
    for round in 0..60_000 {
        let prefix = ["", "*.", "**."][round % 3];
        let ports = ["", ":80", ":80-443"][round / 3 % 3];
        let text = format!("{prefix}{}.com{ports}", name(2));
        let side = if round % 2 == 0 { Side::Allow } else { Side::Deny };
        let pattern = DestinationPattern::parse(&text, side).unwrap();
        let host = format!("{}.com", name(4));
        for port in [80, 81, 443, 444] {
            let got = pattern.host.matches(&host) && pattern.ports.contain(port);
            assert_eq!(
                got,
                oracle::destination(&text, side, &host, port),
                "{side:?} '{text}' on '{host}:{port}'"
            );
            matched += usize::from(got);
        }
    }
    assert!(matched > 3000, "{matched}");
}

#[test]
fn binaries_match_as_the_slow_reading_does() {
    let mut random = Random::new(3);
    let names = ["git", "python3", "python", "a", "a1", "a.1", "/usr/bin/*", "/usr/**", "/usr/bin/python*"];
    let directories = ["/usr/bin", "/bin", "/usr/local/sbin", "/tmp", "/usr/lib/git-core", "/usr/bin/x", ""];
    let files = ["git", "python", "python3", "a", "a1", ""];
    let suffixes = ["", "1", ".1", ".11", "..1", "1.2", ".", "1.", "x", "-1", ".1.2.3", " (deleted)"];
    for _round in 0..50_000 {
        let name = names[random.below(names.len())];
        let path = format!(
            "{}/{}{}",
            directories[random.below(directories.len())],
            files[random.below(files.len())],
            suffixes[random.below(suffixes.len())]
        );
        for side in [Side::Allow, Side::Deny] {
            let got = BinaryPattern::parse(name, side).unwrap().matches(&path);
            assert_eq!(got, oracle::binary(name, side, &path), "{side:?} '{name}' on '{path}'");
        }
    }
}

/// A pattern whose every wildcard could start anew at every place: tried in every way, it would not end.
#[test]
fn no_pattern_is_tried_in_every_way() {
    for text in ["/**/a/**/a/**/a/**/a/**/a/**/a/**/b", "/*a*a*a*a*a*a*a*a*b", "/**/*a*/**/*a*/**/*a*b"] {
        for side in [Side::Allow, Side::Deny] {
            let pattern = PathPattern::parse(text, Kind::Request, side).unwrap();
            for path in ["/a".repeat(8000), format!("/{}", "a".repeat(16_000))] {
                assert!(!pattern.matches(&path));
            }
        }
    }
}

/// Whatever the text, reading it as a pattern ends with a pattern or with a reason and a remedy.
#[test]
fn any_text_is_a_pattern_or_an_error() {
    let mut random = Random::new(4);
    let pieces = [
        "/", "*", "**", ".", ":", "[", "]", "a", "Z", "0", "-", "%", "2F", "é", "\0", " ", "\\", "?", "::1",
        "443", "xn--", "@",
    ];
    for _round in 0..100_000 {
        let text: String = (0..random.below(8)).map(|_piece| pieces[random.below(pieces.len())]).collect();
        for side in [Side::Allow, Side::Deny] {
            let binary = BinaryPattern::parse(&text, side);
            let destination = DestinationPattern::parse(&text, side);
            let path = PathPattern::parse(&text, Kind::Request, side);
            // Whether it matches does not matter here, only that the question has an answer.
            let _answers = [
                binary.as_ref().is_ok_and(|pattern| pattern.matches(&text)),
                destination.as_ref().is_ok_and(|pattern| pattern.host.matches("a.b")),
                path.as_ref().is_ok_and(|pattern| pattern.matches(&text)),
            ];
            let errors = [binary.err(), destination.err(), path.err()];
            for error in errors.into_iter().flatten() {
                assert!(!error.reason.is_empty() && !error.remedy.is_empty(), "{text:?}");
            }
        }
    }
}
