use super::*;

fn opaque(endpoint: Endpoint, body: &str) -> Result<Vec<String>, String> {
    let body = Node::parse(body.as_bytes()).unwrap();
    let mut reader = Reader::default();
    check(endpoint, &mut reader, &body)
        .map(|()| reader.into_opaque().iter().map(ToString::to_string).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn understands_what_sdks_send() {
    for (endpoint, body) in [
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#,
        ),
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
               "function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x"}]}],
               "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"stream_options":{"include_usage":true}}"#,
        ),
        (Endpoint::Completions, r#"{"model":"m","prompt":["a","b"],"max_tokens":3}"#),
        (Endpoint::Embeddings, r#"{"model":"m","input":"a","encoding_format":"base64"}"#),
        (Endpoint::Responses, r#"{"model":"m","input":"a","instructions":"b"}"#),
        (
            Endpoint::Responses,
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
               {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
               {"type":"function_call_output","call_id":"c","output":"x"}]}"#,
        ),
    ] {
        assert_eq!(opaque(endpoint, body), Ok(vec![]), "{body}");
    }
}

#[test]
fn names_what_holds_no_text() {
    let chat = |part: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#);
    for (endpoint, body, expected) in [
        (
            Endpoint::ChatCompletions,
            chat(r#"{"type":"image_url","image_url":{"url":"https://x/y"}}"#),
            "image",
        ),
        (
            Endpoint::ChatCompletions,
            chat(r#"{"type":"input_audio","input_audio":{"data":"x","format":"wav"}}"#),
            "audio",
        ),
        (Endpoint::ChatCompletions, chat(r#"{"type":"file","file":{"file_id":"file-1"}}"#), "file"),
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":[],"logit_bias":{"50256":-100}}"#.into(),
            "token-ids",
        ),
        (Endpoint::Completions, r#"{"model":"m","prompt":[1,2,3]}"#.into(), "token-ids"),
        (Endpoint::Embeddings, r#"{"model":"m","input":[[1,2],[3]]}"#.into(), "token-ids"),
        (Endpoint::Responses, r#"{"model":"m","previous_response_id":"r"}"#.into(), "remote-state"),
        (
            Endpoint::Responses,
            r#"{"model":"m","input":[{"type":"item_reference","id":"i"}]}"#.into(),
            "remote-state",
        ),
        (
            Endpoint::Responses,
            r#"{"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]}"#.into(),
            "encrypted-reasoning",
        ),
    ] {
        assert_eq!(opaque(endpoint, &body), Ok(vec![format!("unclassifiable/{expected}")]), "{body}");
    }
}

#[test]
fn refuses_what_is_on_no_list() {
    for (endpoint, body) in [
        (Endpoint::ChatCompletions, r#"[]"#),
        (Endpoint::ChatCompletions, r#"{"messages":[]}"#),
        (Endpoint::ChatCompletions, r#"{"model":1,"messages":[]}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m"}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":{}}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[],"web_search_options":{}}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":["hi"]}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{"role":"root","content":"x"}]}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{"role":"user","content":7}]}"#),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[{"role":"user","content":"x","extra":1}]}"#),
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"hologram"}]}]}"#,
        ),
        (Endpoint::ChatCompletions, r#"{"model":"m","messages":[],"tools":[{"type":"web_search"}]}"#),
        (Endpoint::Completions, r#"{"model":"m"}"#),
        (Endpoint::Completions, r#"{"model":"m","prompt":{"a":1}}"#),
        (Endpoint::Embeddings, r#"{"model":"m","input":[{"image":"x"}]}"#),
        (Endpoint::Responses, r#"{"model":"m","background":true}"#),
        (Endpoint::Responses, r#"{"model":"m","tools":[{"type":"code_interpreter","container":"x"}]}"#),
        (Endpoint::Responses, r#"{"model":"m","tools":[{"type":"mcp"}]}"#),
        (Endpoint::Responses, r#"{"model":"m","input":[{"type":"computer_call"}]}"#),
    ] {
        assert!(opaque(endpoint, body).is_err(), "{body}");
    }
}
