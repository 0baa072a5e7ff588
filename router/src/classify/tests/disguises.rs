use super::{Rows, kinds};

const CARD: &str = "financial/payment-card";

#[test]
fn a_card_is_found_in_any_disguise() {
    let rows = Rows::new();
    for disguised in [
        // Other scripts and invisible characters.
        "４１１１１１１１１１１１１１１１",
        "4111\u{200b}1111\u{200b}1111\u{200b}1111",
        "4\u{feff}1\u{2060}1\u{ad}11111111\u{200d}11111",
        "٤١١١١١١١١١١١١١١١",
        "𝟜𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙𝟙",
        "④①①①①①①①①①①①①①①①",
        "4111\u{2009}1111\u{202f}1111\u{a0}1111",
        "4111–1111–1111–1111",
        "карта4111111111111111",
        "卡号4111111111111111号",
        "4\u{0001}111111111111111",
        "4\u{fe0f}\u{20e3}111111111111111",
        "\u{202e}4111111111111111\u{202c}",
        // Escapes.
        "%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31",
        "4111%201111%201111%201111",
        "4111+1111+1111+1111",
        r"\u0034\u0031\u0031\u0031111111111111",
        r"\x34\x31\x31\x31111111111111",
        "&#52;&#49;&#49;&#49;111111111111",
        "4111&nbsp;1111&nbsp;1111&nbsp;1111",
        "4111&#8203;111111111111",
        "4111=\n111111111111 =34=31=31=31=31=31=31=31=31=31=31=31=31=31=31=31",
        // Base64 and hexadecimal, on their own and inside something.
        "NDExMTExMTExMTExMTExMQ==",
        "NDExMTExMTExMTExMTExMQ",
        "data:text/plain;base64,NDExMTExMTExMTExMTExMQ==",
        "/files/NDExMTExMTExMTExMTExMQ/raw",
        "xNDExMTExMTExMTExMTExMQ==",
        "34313131313131313131313131313131",
        "NAAxADEAMQAxADEAMQAxADEAMQAxADEAMQAxADEAMQA=",
        // Two layers.
        "TkRFeE1URXhNVEV4TVRFeE1URXhNUT09",
        "%4e%44%45%78%4d%54%45%78%4d%54%45%78%4d%54%45%78%4d%54%45%78%4d%51",
        "%2534%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531%2531",
        r#"{\"n\":\"\\u0034\\u0031111111111111\\u0031\\u0031\"}"#,
    ] {
        assert!(
            rows.kinds(disguised).iter().any(|kind| kind == CARD),
            "{disguised:?}: {:?}",
            rows.kinds(disguised)
        );
    }
}

#[test]
fn a_third_layer_is_unclassifiable() {
    let three = "VGtSRmVFMVVSWGhOVkVWNFRWUkZlRTFVUlhoTlZFVjRUVlJGZUUxVVJYaE5WRVY0VFZSRmVFMVVSWGhOUVQwOQ==";
    let four = "VmtkMFUxSnRWa1pOVmxaVFYwZG9UMVpyVmpSVVZsSkdaVVV4VlZKWWFFNVdSVlkwVkZaU1JtVkZNVlZTV0doT1ZrVldORlJXVWtabFJURlZVbGhvVG1WRk1WSlFWREE5";
    for text in [three, four] {
        assert!(!kinds(text).is_empty(), "{:?}", kinds(text));
    }
}

#[test]
fn other_values_in_disguise() {
    let rows = Rows::new();
    for (disguised, kind) in [
        ("jane@ехаmрlе.com", "personal/email-address"),
        ("jane＠example．com", "personal/email-address"),
        ("jane%40example.com", "personal/email-address"),
        ("jane&#64;example&period;com", "personal/email-address"),
        ("amFuZS5kb2VAZXhhbXBsZS5jb20=", "personal/email-address"),
        ("ＤＥ８９３７０４００４４０５３２０１３０００", "financial/iban"),
        ("DE89\u{200b}370400440532013000", "financial/iban"),
        ("536\u{2011}22\u{2011}1234", "personal/us-social-security-number"),
        ("xx\u{200b}АКІА2345ABCDEFGHIJKL", "credential/aws-access-key-id"),
        ("eyJzc24iOiI1MzYtMjItMTIzNCJ9", "personal/us-social-security-number"),
    ] {
        assert!(
            rows.kinds(disguised).iter().any(|found| found == kind),
            "{disguised:?}: {:?}",
            rows.kinds(disguised)
        );
    }
}

#[test]
fn files_in_text_are_unclassifiable() {
    let pdf = format!("data:application/pdf;base64,JVBERi0xLjcK{}", "AAAA".repeat(20));
    assert_eq!(kinds(&pdf), ["unclassifiable/embedded-file"]);
}
