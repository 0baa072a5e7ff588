use super::*;
use crate::restore::{self, Place, document};
use ::classify::category::Class;
use ::classify::property::Property;

const MAIL: &str = "jane@example.com";
const KEY: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

fn redact(redactor: &Redactor, json: &str) -> (Node, Names) {
    let mut body = Node::parse(json.as_bytes()).unwrap();
    let names = redactor.redact(Endpoint::Embeddings, &mut body, (&|_all| true, Values::default())).unwrap();
    (body, names)
}

fn text(node: &Node) -> String {
    String::from_utf8(node.to_bytes()).unwrap()
}

#[test]
fn every_text_of_a_call_is_looked_at() {
    let redactor = Redactor::new(Property::default()).unwrap();
    for json in [
        format!(r#"{{"a":{{"b":["x {MAIL} y"]}}}}"#),
        format!(r#"{{"{MAIL}":1}}"#),
        format!(r#"{{"arguments":"{{\"to\":\"{MAIL}\"}}"}}"#),
        r#"{"arguments":"{\"to\":\"jane\\u0040example.com\"}"}"#.to_owned(),
        r#"{"content":"[{\"card\": 4111111111111111}]"}"#.to_owned(),
        r#"{"content":"{\"result\":\"{\\\"ssn\\\":\\\"536-22-1234\\\"}\"}"}"#.to_owned(),
    ] {
        let (body, names) = redact(&redactor, &json);
        assert_eq!(names.len(), 1, "{json}");
        let written = text(&body);
        assert!(
            !written.contains(MAIL) && !written.contains("4111") && !written.contains("536"),
            "{written}"
        );
        assert!(written.contains("_1>"), "{written}");
    }
    let mut call = Node::parse(br#"{"arguments":"{\"to\":\"jane@example.com\",\"n\":\"\\\"\"}"}"#).unwrap();
    let names = redactor.redact(Endpoint::Embeddings, &mut call, (&|_all| true, Values::default())).unwrap();
    assert_eq!(call.get("arguments").unwrap().as_text(), Some(r#"{"to":"<EMAIL_ADDRESS_1>","n":"\""}"#));
    assert!(document::restore(&names, &mut call));
    assert_eq!(call.get("arguments").unwrap().as_text(), Some(r#"{"to":"jane@example.com","n":"\""}"#));
}

#[test]
fn what_is_not_wanted_or_signed_stays() {
    let redactor = Redactor::new(Property::default()).unwrap();
    let json = format!(
        r#"{{"t":"{MAIL} {KEY}","c":[{{"type":"thinking","thinking":"{MAIL}","signature":"{MAIL}"}}]}}"#
    );
    let mut body = Node::parse(json.as_bytes()).unwrap();
    let only_keys = |category: Category| category.class() == Class::Credential;
    let names = redactor.redact(Endpoint::Embeddings, &mut body, (&only_keys, Values::default())).unwrap();
    assert_eq!(text(&body), json.replace(KEY, "<GITHUB_TOKEN_1>"));
    assert!(names.get("GITHUB_TOKEN_1").unwrap().is_credential());
}

/// A detector is sure before the end of what it has found; what it left would be enough for who reads it.
#[test]
fn a_value_is_replaced_to_its_end() {
    let redactor = Redactor::new(Property::default()).unwrap();
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let key =
        format!("-----BEGIN PRIVATE KEY-----\\n{}-----END PRIVATE KEY-----", format!("{line}\\n").repeat(20));
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let putty = format!("PuTTY-User-Key-File-3: ssh-ed25519\\n{line}");
    for (value, left) in [
        (key.as_str(), "a <PRIVATE_KEY_1> b"),
        (token, "a <JSON_WEB_TOKEN_1> b"),
        (&putty, "a <PRIVATE_KEY_2>"),
    ] {
        let (body, _) = redact(&redactor, &format!(r#"{{"t":"a {value} b"}}"#));
        assert_eq!(body.get("t").unwrap().as_text(), Some(left));
    }
    let (body, _) = redact(&redactor, &format!(r#"{{"t":"See {KEY}. Ask \u00fcber{MAIL}!"}}"#));
    assert_eq!(body.get("t").unwrap().as_text(), Some("See <GITHUB_TOKEN_1>. Ask <EMAIL_ADDRESS_1>!"));
}

#[test]
fn a_name_that_the_prompt_holds_is_not_given() {
    let redactor = Redactor::new(Property::default()).unwrap();
    for (said, redacted) in [
        ("EMAIL_ADDRESS_1", "<EMAIL_ADDRESS_X1>"),
        ("<EMAIL_ADDRESS_77> EMAIL_ADDRESS_X5", "<EMAIL_ADDRESS_Y1>"),
        ("UTF_8", "<EMAIL_ADDRESS_1>"),
        ("\\u003cEMAIL_ADDRESS_9", "<EMAIL_ADDRESS_X1>"),
    ] {
        let (body, _) = redact(&redactor, &format!(r#"{{"t":"{said} {MAIL}"}}"#));
        assert!(text(&body).contains(redacted), "{said}: {}", text(&body));
    }
    let all = TAGS.map(|tag| format!("EMAIL_ADDRESS_{tag}1")).join(" ");
    let mut body = Node::Text(format!("{all} {MAIL}"));
    assert!(matches!(
        redactor.redact(Endpoint::Embeddings, &mut body, (&|_all| true, Values::default())),
        Err(RedactError::Lookalikes)
    ));
}

#[test]
fn a_credentials_name_that_a_tool_got_is_the_same_when_it_comes_back() {
    let redactor = Redactor::new(Property::default()).unwrap();
    redact(&redactor, &format!(r#"{{"t":"{KEY}"}}"#));
    let (body, _) = redact(&redactor, &format!(r#"{{"a":"{{\"key\":\"<GITHUB_TOKEN_1>\"}}","t":"{KEY}"}}"#));
    assert_eq!(body.get("t").unwrap().as_text(), Some("<GITHUB_TOKEN_1>"));
}

#[test]
fn two_sessions_share_nothing() {
    let (one, other) =
        (Redactor::new(Property::default()).unwrap(), Redactor::new(Property::default()).unwrap());
    redact(&one, r#"{"t":"a@example.com"}"#);
    let (_, names) = redact(&one, r#"{"t":"b@example.com"}"#);
    assert!(names.get("EMAIL_ADDRESS_2").is_some() && names.get("EMAIL_ADDRESS_1").is_none());
    let (_, names) = redact(&other, r#"{"t":"b@example.com"}"#);
    assert_eq!(names.get("EMAIL_ADDRESS_1").unwrap().text(), "b@example.com");
}

/// Whatever the text: what comes back is what was there.
#[test]
fn restoring_undoes_redacting() {
    let redactor = Redactor::new(Property::default()).unwrap();
    let pieces = [
        MAIL,
        KEY,
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        " ",
        "<",
        ">",
        "EMAIL_ADDRESS_1",
        "&lt;",
        "\\u003c",
        "\u{e9}",
        "汉",
        "_",
        "1",
        "X",
        "\"",
        "IBAN_",
        "\n",
        "<PAYMENT_CARD_",
        "a",
        "{",
        "\u{200b}",
    ];
    let mut state = 11_usize;
    for _round in 0..20_000 {
        let mut said = String::new();
        for _piece in 0..7 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            said.push_str(pieces[(state >> 33) % pieces.len()]);
        }
        let mut body = Node::List(vec![Node::Text(said.clone())]);
        let Ok(names) = redactor.redact(Endpoint::Embeddings, &mut body, (&|_all| true, Values::default()))
        else {
            continue;
        };
        let redacted = body.elements()[0].as_text().unwrap();
        let back = restore::whole(&names, Place::Reader, redacted).unwrap_or_else(|| redacted.to_owned());
        assert_eq!(back, said, "{redacted}");
    }
}

/// Names have no structure: only the tagger finds them, and only in running text.
#[test]
fn a_persons_name_in_running_text_is_replaced_and_put_back() {
    let redactor = Redactor::new(Property::default()).unwrap();
    let said = r#"{"content":"Please write to Dr. Eleanor Whitcombe about her visit.","b":"Eleanor Whitcombe is not Eleanor Whitcombes"}"#;
    let (mut body, names) = redact(&redactor, said);
    let written = text(&body);
    assert!(!written.contains("Whitcombe ") && written.matches("PERSON_1>").count() == 2, "{written}");
    assert!(document::restore(&names, &mut body));
    assert_eq!(text(&body), said);
}
