use super::*;

fn texts(text: &str) -> String {
    decode(text).texts.join("|")
}

#[test]
fn undoes_base64_and_hex() {
    for encoded in [
        "NDExMTExMTExMTExMTExMQ==",
        "prefix/NDExMTExMTExMTExMTExMQ",
        "a NDExMTExMTExMTExMTExMQ b",
        "x=NDExMTExMTExMTExMTExMQ;",
        "abcNDExMTExMTExMTExMTExMQ",
        "34313131313131313131313131313131",
        "0a34313131313131313131313131313131",
        "NAAxADEAMQAxADEAMQAxADEAMQAxADEAMQAxADEAMQA=",
    ] {
        assert!(texts(encoded).contains("4111111111111111"), "{encoded}: {:?}", texts(encoded));
    }
}

#[test]
fn undoes_wrapped_base64() {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZn\naGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk=";
    assert!(texts(line).contains("abcdefghijklmnopqrstuvwxyz0123456789"));
}

#[test]
fn names_files_and_binaries() {
    let png = format!("iVBORw0KGgo{}", "A".repeat(80));
    assert_eq!(decode(&png).opaque, [EMBEDDED_FILE]);
    let noise: String = (0..LONG_RUN * 2)
        .map(|index| char::from(b"qzXk7+Qw9/ZjV3mB"[(index * 7 + index / 13 + index * index / 31) % 16]))
        .collect();
    assert_eq!(decode(&noise).opaque, [ENCODED_BINARY]);
    assert!(decode(&"-".repeat(20_000)).opaque.is_empty());
}

#[test]
fn plain_prose_and_code_stay_quiet() {
    let text = "The quick brown fox jumps over src/classify/detect/payment_card.rs internationalization";
    let decoded = decode(text);
    assert!(decoded.opaque.is_empty() && !decoded.is_deliberate(), "{decoded:?}");
}
