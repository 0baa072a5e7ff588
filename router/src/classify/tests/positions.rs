use super::classifier;
use crate::json::Node;

const CARD: &str = "4111111111111111";

fn cards(json: &str) -> u32 {
    let body = Node::parse(json.as_bytes()).unwrap();
    classifier().classify(&body, &[]).count("financial/payment-card")
}

#[test]
fn a_card_is_found_wherever_it_stands() {
    for template in [
        r#"{"messages":[{"role":"user","content":"@"}]}"#,
        r#"{"messages":[{"role":"system","content":"@"}]}"#,
        r#"{"messages":[{"role":"user","name":"@","content":""}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"@"}]}]}"#,
        r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"n\":\"@\"}"}}]}]}"#,
        r#"{"messages":[{"role":"tool","tool_call_id":"@","content":""}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"@"}}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"f","description":"@"}}]}"#,
        r#"{"tools":[{"function":{"parameters":{"properties":{"p":{"enum":["@"]}}}}}]}"#,
        r#"{"tools":[{"function":{"parameters":{"properties":{"@":{}}}}}]}"#,
        r#"{"response_format":{"json_schema":{"schema":{"description":"@"}}}}"#,
        r#"{"prediction":{"type":"content","content":"@"}}"#,
        r#"{"metadata":{"k":"@"}}"#,
        r#"{"metadata":{"@":"v"}}"#,
        r#"{"user":"@"}"#,
        r#"{"stop":["@"]}"#,
        r#"{"model":"@"}"#,
        r#"{"seed":@}"#,
        r#"{"seed":@.0}"#,
        r#"{"prompt":["a","@"]}"#,
        r#"{"input":"@","instructions":""}"#,
        r#"{"instructions":"@"}"#,
        r#"{"deep":[[[[[[[[{"x":"@"}]]]]]]]]}"#,
    ] {
        assert_eq!(cards(&template.replace('@', CARD)), 1, "{template}");
    }
}

#[test]
fn a_card_cut_in_two_is_found() {
    for json in [
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"41111111"},{"type":"text","text":"11111111"}]}]}"#,
        r#"{"messages":[{"role":"user","content":"pay 4111 1111 "},{"role":"user","content":"1111 1111"}]}"#,
        r#"{"prompt":["4111 1111","1111 1111"]}"#,
        r#"{"prompt":["4","1","1","1","1","1","1","1","1","1","1","1","1","1","1","1"]}"#,
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"NDExMTEx"},{"type":"input_text","text":"MTExMTExMTExMQ=="}]}]}"#,
    ] {
        assert_eq!(cards(json), 1, "{json}");
    }
}

#[test]
fn a_key_gives_context_to_its_value() {
    let body = Node::parse(br#"{"patient":{"ssn":"536221234"},"count":"536221234"}"#).unwrap();
    assert_eq!(classifier().classify(&body, &[]).count("personal/us-social-security-number"), 1);
    let body = Node::parse(br#"{"count":"536221234"}"#).unwrap();
    assert!(!classifier().classify(&body, &[]).is_sensitive());
}
