use bytes::Bytes;
use http::header::HeaderMap;

use super::carrier::percent_encoded;
use super::search::{Search, Traces};
use super::*;

const SECRET: &str = "s3cr3t/with+signs==";

fn search(secret: &str) -> Search {
    let mut traces = Traces::default();
    traces.add(secret);
    Search::new(Arc::new(traces))
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
        percent_encoded(SECRET),
        SECRET.replace('/', "\\/"),
        json,
        STANDARD.encode(SECRET),
        STANDARD.encode(format!("user:{SECRET}")),
        STANDARD.encode(format!("a{SECRET}tail")),
        URL_SAFE.encode(format!("ab{SECRET}")),
        URL_SAFE.encode(format!("abc{SECRET}x")),
    ] {
        let body = format!("before {written} after");
        let out = String::from_utf8(through(SECRET, body.as_bytes(), 7)).unwrap();
        assert!(out.len() == body.len() && out.contains("********"), "{written}: {out}");
        assert!(out.starts_with("before ") && out.ends_with(" after"), "{out}");
    }
}

#[test]
fn other_text_goes_on_at_once() {
    let mut search = search(SECRET);
    for piece in ["data: x\n\n", "s3cr3t is not it ", ""] {
        assert_eq!(search.piece(Bytes::from_static(piece.as_bytes())), piece);
    }
    assert_eq!(search.piece(Bytes::from_static(b"abc s3c")), "abc ");
    assert_eq!(search.piece(Bytes::from_static(b"ond")), "s3cond");
    assert_eq!((search.end(), search.found()), (Bytes::new(), 0));
}

#[test]
fn fields_are_masked_too() {
    let mut search = search(SECRET);
    let mut fields = HeaderMap::new();
    fields.insert("location", format!("https://a.example/?t={}", percent_encoded(SECRET)).parse().unwrap());
    fields.insert("etag", "\"1\"".parse().unwrap());
    search.fields(&mut fields);
    let location = fields["location"].to_str().unwrap();
    assert!(location.starts_with("https://a.example/?t=****") && !location.contains("s3cr3t"), "{location}");
    assert_eq!((&fields["etag"], search.found()), (&"\"1\"".parse().unwrap(), 1));
}

#[test]
fn nothing_prints_a_secret() {
    let credentials =
        Credentials::new(vec![credential(wire::credential::Form::Basic { user: "u".to_owned() })]);
    let credentials = credentials.unwrap();
    let shown = format!("{credentials:?} {:?} {:?}", credentials.watch(), search(SECRET));
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn what_cannot_be_carried_is_refused() {
    use wire::credential::Form;
    let header = |name: &str, format: &str| Form::Header { name: name.to_owned(), format: format.to_owned() };
    for form in [
        header("host", "{}"),
        header("Content-Length", "{}"),
        header("connection", "{}"),
        header("x-openshell-sandbox", "{}"),
        header("a b", "{}"),
        header("authorization", "Bearer"),
        header("authorization", "{} {}"),
        header("authorization", "Bearer {}\r\nx: y"),
        Form::Basic { user: "a:b".to_owned() },
        Form::Query { name: "a&b".to_owned() },
        Form::Query { name: String::new() },
        Form::Segment { format: "bot".to_owned() },
        Form::Segment { format: "a/{}".to_owned() },
        // Its secret has a slash.
        Form::Segment { format: "bot{}".to_owned() },
    ] {
        assert!(Credentials::new(vec![credential(form.clone())]).is_err(), "{form:?}");
    }
    let long = Credential {
        secret: Secret::new("\u{1}2345678".to_owned()),
        ..credential(header("authorization", "{}"))
    };
    assert!(Credentials::new(vec![long]).is_err());
    let short =
        Credential { secret: Secret::new("1234567".to_owned()), ..credential(header("authorization", "{}")) };
    assert!(matches!(Credentials::new(vec![short]), Err(CredentialError::Unfit(_))));
}

#[test]
fn a_placeholder_is_seen_across_pieces() {
    let credentials =
        Credentials::new(vec![credential(wire::credential::Form::Query { name: "q".to_owned() })]);
    let credentials = credentials.unwrap();
    let body = b"0123456789 openshell-TOKEN-0011223344556677 0123456789";
    for size in 1..body.len() {
        let mut watch = credentials.watch().unwrap();
        assert!(body.chunks(size).any(|piece| watch.see(piece).is_err()), "{size}");
        let mut watch = credentials.watch().unwrap();
        assert!(body[..42].chunks(size).all(|piece| watch.see(piece).is_ok()), "{size}");
    }
}

fn credential(form: wire::credential::Form) -> Credential {
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
