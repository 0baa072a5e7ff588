use bytes::Bytes;
use http::header::HeaderMap;
use wire::credential::Form;

use super::carrier::Carrier;
use super::search::{Known, Search, Traces};
use super::*;

const SECRET: &str = "s3cr3t/with+signs==";

fn search(secret: &str) -> Search {
    let (mut traces, known) = (Traces::default(), Known::default());
    traces.add(secret);
    known.learn(traces);
    Search::new(Arc::new(known))
}

/// What a client gets of a body that comes in pieces of `size`.
fn through(secret: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut search = search(secret);
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        out.extend_from_slice(&search.piece(Bytes::copy_from_slice(piece)));
    }
    out.extend_from_slice(&search.end());
    out
}

#[test]
fn a_secret_is_masked_however_the_body_is_cut() {
    let body = format!("a{SECRET}b s3cr3t/with {SECRET}{SECRET} s3cr3");
    let masked = body.replace(SECRET, &"*".repeat(SECRET.len()));
    for size in 1..body.len() {
        assert_eq!(String::from_utf8(through(SECRET, body.as_bytes(), size)).unwrap(), masked, "{size}");
    }
}

#[test]
fn a_secret_is_told_as_servers_write_it() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let json = serde_json::to_string(SECRET).unwrap();
    for written in [
        policies::binding::encoded(SECRET),
        SECRET.replace('/', "\\/"),
        json,
        STANDARD.encode(SECRET),
        STANDARD.encode(format!("user:{SECRET}")),
        STANDARD.encode(format!("a{SECRET}tail")),
        URL_SAFE.encode(format!("ab{SECRET}")),
        URL_SAFE.encode(format!("abc{SECRET}x")),
        policies::binding::encoded(SECRET).to_ascii_lowercase(),
        SECRET.replace('/', "\\u002f").replace('=', "\\u003d").replace('+', "\\u002b"),
    ] {
        let body = format!("before {written} after");
        let out = String::from_utf8(through(SECRET, body.as_bytes(), 7)).unwrap();
        assert!(out.len() == body.len() && out.contains("********"), "{written}: {out}");
        assert!(out.starts_with("before ") && out.ends_with(" after"), "{out}");
    }
}

#[test]
fn lines_go_on_at_once_and_their_beginnings_are_held_back() {
    let mut search = search(SECRET);
    for piece in ["data: x\n\n", "s3cr3t is not it\n", ""] {
        assert_eq!(search.piece(Bytes::from_static(piece.as_bytes())), piece);
    }
    assert_eq!(search.piece(Bytes::from_static(b"a line\nand a beginning")), "a line\n");
    assert_eq!(search.piece(Bytes::from_static(b" of one\n")), "and a beginning of one\n");
    assert_eq!(search.piece(Bytes::from_static(b"last")), "");
    assert_eq!((search.end(), search.found()), (Bytes::from_static(b"last"), 0));
}

/// Who chooses what a server answers must not learn from the cuts whether it is the beginning of the secret.
#[test]
fn cuts_do_not_depend_on_the_secret() {
    let cuts = |guess: &str| {
        let mut search = search(SECRET);
        let body = format!("{}{guess}", "x".repeat(200));
        let mut lengths: Vec<usize> = body
            .as_bytes()
            .chunks(37)
            .map(|piece| search.piece(Bytes::copy_from_slice(piece)).len())
            .collect();
        lengths.push(search.end().len());
        lengths
    };
    for length in 1..SECRET.len() {
        assert_eq!(cuts(&SECRET[..length]), cuts(&"?".repeat(length)), "{length}");
    }
}

#[test]
fn a_secret_that_was_replaced_is_still_masked() {
    let form = || Form::Query { name: "q".to_owned() };
    let credentials = Credentials::new(vec![credential(form())]).unwrap();
    let mut open = Search::new(Arc::clone(&credentials.known));
    let newer = || Credential { secret: Secret::new("an0ther-secret".to_owned()), ..credential(form()) };
    for _replaced in 0..3 {
        credentials.replace(vec![newer()]).unwrap();
    }
    // Also by whoever began to read before.
    for search in [&mut open, &mut Search::new(Arc::clone(&credentials.known))] {
        let out = search.piece(Bytes::from(format!("{SECRET} an0ther-secret\n")));
        assert_eq!(out, format!("{} {}\n", "*".repeat(SECRET.len()), "*".repeat(14)));
    }
}

#[test]
fn a_secret_of_the_mask_itself_ends() {
    assert_eq!(through("********", b"a ******** b *********\n", 5), b"a ******** b *********\n");
}

#[test]
fn fields_are_masked_too() {
    let mut search = search(SECRET);
    let mut fields = HeaderMap::new();
    fields.insert(
        "location",
        format!("https://a.example/?t={}", policies::binding::encoded(SECRET)).parse().unwrap(),
    );
    fields.insert("etag", "\"1\"".parse().unwrap());
    search.fields(&mut fields);
    let location = fields["location"].to_str().unwrap();
    assert!(location.starts_with("https://a.example/?t=****") && !location.contains("s3cr3t"), "{location}");
    assert_eq!((&fields["etag"], search.found()), (&"\"1\"".parse().unwrap(), 1));
}

#[test]
fn nothing_prints_a_secret() {
    let credentials = Credentials::new(vec![credential(Form::Basic { user: "u".to_owned() })]);
    let credentials = credentials.unwrap();
    let (mut watch, mut search) = (credentials.watch().unwrap(), search(SECRET));
    assert_eq!(search.piece(Bytes::from_static(b"s3cr3t/w")), "");
    watch.see(b"s3cr3t/w").unwrap();
    let shown = format!("{credentials:?} {watch:?} {search:?}");
    // As text, and as bytes are printed.
    assert!(!shown.contains("s3cr3t") && !shown.contains("115, 51"), "{shown}");
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let header = |name: &str, format: &str| Form::Header { name: name.to_owned(), format: format.to_owned() };
    let segment = |format: &str| Form::Segment { format: format.to_owned() };
    let error = |form: Form, secret: &str| {
        let secret = Secret::new(secret.to_owned());
        Carrier::new(form, "openshell-TOKEN-0011223344556677", &secret).unwrap_err()
    };
    for name in ["host", "Content-Length", "connection", "x_forwarded_for", "x-openshell-sandbox"] {
        let error = error(header(name, "{}"), "12345678");
        assert!(matches!(error, CarrierError::Taken(_)), "{name}: {error}");
    }
    for form in [
        header("a b", "{}"),
        header("authorization", "Bearer"),
        header("authorization", "{} {}"),
        header("authorization", "Bearer {}\r\nx: y"),
        Form::Basic { user: "a:b".to_owned() },
        Form::Query { name: "a&b".to_owned() },
        Form::Query { name: String::new() },
        segment("bot"),
        segment("a/{}"),
        segment("{}%2F"),
    ] {
        let error = error(form.clone(), "12345678");
        assert!(matches!(error, CarrierError::Form(_)), "{form:?}: {error}");
    }
    for (form, secret) in [
        (header("authorization", "{}"), "\u{1}2345678"),
        (header("authorization", "{}"), "1234567é"),
        (Form::Basic { user: "a".to_owned() }, "1234567\n8"),
        (segment("bot{}"), "1234/5678"),
        (segment("bot{}"), "1234?5678"),
        (segment("bot{}"), "1234%5678"),
    ] {
        assert!(matches!(error(form.clone(), secret), CarrierError::Characters), "{form:?}");
    }
    let short =
        Credential { secret: Secret::new("1234567".to_owned()), ..credential(header("authorization", "{}")) };
    assert!(matches!(Credentials::new(vec![short]), Err(CredentialError::Unfit(_))));
}

/// Bodies of fragments of the secret, cut at random: what comes out has the length of what went in and no trace.
#[test]
fn no_cut_lets_a_secret_through() {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _round in 0..2000 {
        let mut body = String::new();
        for _part in 0..random(12) {
            let (from, to) = (random(SECRET.len()), random(SECRET.len() + 1));
            body.push_str(if random(3) == 0 { SECRET } else { SECRET.get(from..to).unwrap_or("s3") });
        }
        let mut search = search(SECRET);
        let (mut out, mut rest) = (Vec::new(), body.as_bytes());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random(rest.len()));
            out.extend_from_slice(&search.piece(Bytes::copy_from_slice(piece)));
            rest = after;
        }
        out.extend_from_slice(&search.end());
        let out = String::from_utf8(out).unwrap();
        assert!(out.len() == body.len() && !out.contains(SECRET), "{body}: {out}");
    }
}

#[test]
fn a_placeholder_is_seen_across_pieces() {
    let credentials = Credentials::new(vec![credential(Form::Query { name: "q".to_owned() })]);
    let credentials = credentials.unwrap();
    let body = b"0123456789 openshell-TOKEN-0011223344556677 0123456789";
    for size in 1..body.len() {
        let mut watch = credentials.watch().unwrap();
        assert!(body.chunks(size).any(|piece| watch.see(piece).is_err()), "{size}");
        let mut watch = credentials.watch().unwrap();
        assert!(body[..42].chunks(size).all(|piece| watch.see(piece).is_ok()), "{size}");
    }
}

fn credential(form: Form) -> Credential {
    Credential {
        name: "TOKEN".to_owned(),
        placeholder: "openshell-TOKEN-0011223344556677".to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        bindings: vec![wire::credential::Binding {
            hosts: vec!["a.example".to_owned()],
            paths: Vec::new(),
            form,
        }],
    }
}
