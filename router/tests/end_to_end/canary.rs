//! Secrets planted in every API, place, disguise and chunking: the cloud must see none of them, in none of the forms in
//! which they were sent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::router::{AfterLocal, Api, Directive, Sensitive};

use crate::rig::{CONTEXT, Plan, Rig, Script, Seen, all};

const SECRETS: [&str; 6] = [
    "4111111111111111",
    "jane.canary@example.com",
    "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "DE89370400440532013000",
    "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "-----BEGIN PRIVATE KEY-----\n\
     MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n\
     MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n\
     NMoSfm76oqFvAp8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZ\n\
     -----END PRIVATE KEY-----",
];

/// A secret in another form.
type Disguise = fn(&str) -> String;

const DISGUISES: [Disguise; 10] = [
    str::to_owned,
    |secret| STANDARD.encode(format!("the secret is {secret}, keep it")),
    |secret| URL_SAFE_NO_PAD.encode(secret),
    |secret| secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    |secret| secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    |secret| secret.bytes().map(|byte| format!("&#{byte};")).collect(),
    |secret| secret.chars().map(fullwidth).collect(),
    |secret| secret.chars().flat_map(|c| [c, '\u{200b}']).collect(),
    |secret| json!({ "deep": json!({ "value": secret }).to_string() }).to_string(),
    |secret| format!("say \"{secret}\" and <b>{secret}</b>"),
];

fn fullwidth(c: char) -> char {
    match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap(),
        other => other,
    }
}

/// Every place of every API in which a text can stand.
fn calls(text: &str) -> Vec<(&'static str, Value)> {
    let chat = |messages: Value| json!({"model":"m","messages":messages});
    let user = |content: Value| chat(json!([{"role":"user","content":content}]));
    let claude =
        |content: Value| json!({"model":"m","max_tokens":1,"messages":[{"role":"user","content":content}]});
    let arguments = json!({ "x": text }).to_string();
    vec![
        ("chat/completions", user(json!(text))),
        ("chat/completions", user(json!([{"type":"text","text":text}]))),
        ("chat/completions", chat(json!([{"role":"system","content":text},{"role":"user","content":"hi"}]))),
        (
            "chat/completions",
            chat(json!([{"role":"assistant","content":null,"tool_calls":[
                {"id":"1","type":"function","function":{"name":"f","arguments":arguments}}]}])),
        ),
        ("chat/completions", chat(json!([{"role":"tool","tool_call_id":"1","content":text}]))),
        (
            "chat/completions",
            json!({"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f",
                "parameters":{"properties":{"x":{"enum":[text]}}}}}]}),
        ),
        ("chat/completions", json!({"model":"m","messages":[],"metadata":{(text):"x"}})),
        ("completions", json!({"model":"m","prompt":[text, "x"]})),
        ("embeddings", json!({"model":"m","input":text})),
        ("responses", json!({"model":"m","instructions":text,"input":"x"})),
        (
            "responses",
            json!({"model":"m","input":[{"type":"function_call_output","call_id":"1","output":text},
                {"type":"function_call","call_id":"1","name":"f","arguments":arguments}]}),
        ),
        ("messages", claude(json!(text))),
        ("messages", claude(json!([{"type":"tool_use","id":"1","name":"f","input":{"x":[{"y":text}]}}]))),
        (
            "messages",
            claude(json!([{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":text}]}])),
        ),
        ("messages", claude(json!([{"type":"thinking","thinking":text,"signature":"x"}]))),
        ("messages/count_tokens", json!({"model":"m","system":text,"messages":[]})),
    ]
}

/// Posts a body in chunks of so many bytes.
async fn post(rig: &Rig, path: &str, body: &str, chunk: usize) {
    let json = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let mut request = format!("POST /v1/{path} HTTP/1.1\r\n{CONTEXT}{json}\r\n").into_bytes();
    for piece in body.as_bytes().chunks(chunk) {
        request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        request.extend([piece, b"\r\n"].concat());
    }
    request.extend(b"0\r\n\r\n");
    let mut stream = rig.connect().await;
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
}

/// What of a secret would be enough: each of its lines.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| line.len() >= 12)
}

async fn plant(directive: Directive, apis: [Api; 2], local: Option<Script>) -> usize {
    let rig = Rig::start(Plan { directive, apis, local, cloud: Some(Script::Echo), ..Plan::default() }).await;
    let mut planted = Vec::new();
    for (nth, secret) in SECRETS.iter().enumerate() {
        for (kind, disguise) in DISGUISES.iter().enumerate() {
            let text = disguise(secret);
            for (path, call) in calls(&text) {
                post(&rig, path, &call.to_string(), [1, 7, 64, 1 << 16][(nth + kind) % 4]).await;
            }
            planted.push(text);
        }
    }
    let seen = rig.seen_in_cloud();
    for Seen { body, .. } in &seen {
        for line in SECRETS.iter().copied().chain(planted.iter().map(String::as_str)).flat_map(lines) {
            assert!(!body.contains(line), "{line} in {body}");
        }
    }
    let records = format!("{:?}", rig.records.lock().unwrap());
    assert!(
        SECRETS.iter().flat_map(|secret| lines(secret)).all(|line| !records.contains(line)),
        "in a record"
    );
    seen.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_cloud_by_any_way() {
    let judged = Directive { after_local: AfterLocal::Judge, ..Directive::default() };
    for api in [Api::OpenAi, Api::Anthropic] {
        for local in [Some(Script::Echo), None] {
            let redacted = plant(all(Sensitive::Redact), [api; 2], local.clone()).await;
            assert!(redacted > 0, "some are redacted, and go");
            let by_default = plant(judged.clone(), [api; 2], local.clone()).await;
            assert!(by_default > 0 && by_default < redacted, "{by_default} {redacted}");
            assert_eq!(plant(all(Sensitive::Local), [api; 2], local.clone()).await, 0);
        }
    }
}
