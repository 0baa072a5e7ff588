use super::super::{Call, CallError, Endpoint};

fn read(body: &str) -> Result<Vec<String>, String> {
    match Call::read(Endpoint::Messages, body.as_bytes()) {
        Ok(call) => Ok(call.opaque().iter().map(ToString::to_string).collect()),
        Err(CallError::NotUnderstood(error)) => Err(error.to_string()),
        Err(other) => panic!("{other}"),
    }
}

fn with(content: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{content}}}]}}"#)
}

#[test]
fn what_clients_say_is_understood() {
    for (body, opaque) in [
        (with(r#""hi""#), ""),
        (with(r#"[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]"#), ""),
        (with(r#"[{"type":"thinking","thinking":"x","signature":"c2ln"}]"#), ""),
        (with(r#"[{"type":"redacted_thinking","data":"x"}]"#), "unclassifiable/encrypted-reasoning"),
        (with(r#"[{"type":"tool_use","id":"1","name":"f","input":{"any":["thing"]}}]"#), ""),
        (with(r#"[{"type":"tool_result","tool_use_id":"1","content":"x"}]"#), ""),
        (
            with(r#"[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image","source":{}}]}]"#),
            "unclassifiable/image",
        ),
        (with(r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}]"#), ""),
        (with(r#"[{"type":"document","source":{"type":"base64","data":"x"}}]"#), "unclassifiable/file"),
        (
            r#"{"model":"m","messages":[],"system":[{"type":"text","text":"x"}],"tools":[{"name":"f","input_schema":{}},
               {"type":"bash_20250124","name":"bash"}],"thinking":{"type":"enabled","budget_tokens":1024}}"#
                .to_owned(),
            "",
        ),
    ] {
        let expected: Vec<String> = opaque.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        assert_eq!(read(&body), Ok(expected), "{body}");
    }
}

#[test]
fn what_could_lead_past_the_policy_is_not() {
    for (body, at) in [
        (r#"{"model":"m","messages":[],"mcp_servers":[]}"#.to_owned(), "body.mcp_servers"),
        (r#"{"model":"m","messages":[],"container":"x"}"#.to_owned(), "body.container"),
        (
            r#"{"model":"m","messages":[],"tools":[{"type":"web_search_20250305","name":"s"}]}"#.to_owned(),
            "tools[0].type",
        ),
        (with(r#"[{"type":"container_upload","file_id":"f"}]"#), "messages[0].content[0].type"),
        (with(r#"[{"type":"text","text":"x","extra":1}]"#), "messages[0].content[0].extra"),
        (with(r#"[{"type":"document","source":{"type":"web"}}]"#), "messages[0].content[0].source.type"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"messages":[]}"#.to_owned(), "model"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#.to_owned(), "messages[0].role"),
    ] {
        let error = read(&body).unwrap_err();
        assert!(error.starts_with(&format!("{at}:")), "{body}: {error}");
    }
}
