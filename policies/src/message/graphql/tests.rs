use crate::message::tests::{compiled, said};
use crate::{Decision, Destination, Message, Policy, Request, Timestamp};
use bytes::Bytes;
use wire::subject::{Program, Subject};

use super::*;

fn policy(level: &str) -> Policy {
    compiled(&format!(
        "- name: api\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: [POST, GET]}}\n  path: {{allow: [/graphql]}}\n  graphql: {level}\n"
    ))
}

fn decide(policy: &Policy, (method, query): (&str, &str), body: &str) -> Decision {
    let program = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1,
        parents: vec![],
    };
    policy.decide(&Request {
        subject: &Subject::Owners(vec![program]),
        destination: Destination { host: "a.example.com", port: 443 },
        method,
        path: "/graphql",
        query,
        headers: &[("content-type", "application/json")].as_slice(),
        message: Some(&Message::new(Bytes::copy_from_slice(body.as_bytes()))),
        now: Timestamp(0),
    })
}

fn post(policy: &Policy, body: &str) -> String {
    said(&decide(policy, ("POST", ""), body))
}

/// What is said about a query.
fn ask(policy: &Policy, query: &str) -> String {
    post(policy, &serde_json::json!({ "query": query }).to_string())
}

fn get(policy: &Policy, query: &str) -> String {
    said(&decide(policy, ("GET", query), ""))
}

const READS: &str = "{fields: {allow: ['query.*', mutation.addComment], deny: [query.secrets]}}";

#[test]
fn fields_are_what_the_schema_calls_them() {
    let policy = policy(READS);
    for query in [
        "{ viewer { login } }",
        "query Q($n: Int = 3) @cached { a: viewer { login } repository(name: \"x\") { id } }",
        "mutation { addComment(input: {body: \"mutation { deleteRepo }\"}) { id } }",
        "# mutation { deleteRepo }\n{ viewer }",
        "{ ...F } fragment F on Query { viewer ...G } fragment G on Query { viewer ...F }",
        "{ __typename }",
        "mutation { __typename addComment }",
    ] {
        assert_eq!(ask(&policy, query), "allow", "{query}");
    }
    for (query, what) in [
        ("mutation { deleteRepo }", "field 'mutation.deleteRepo' is not allowed"),
        ("mutation { addComment: deleteRepo }", "field 'mutation.deleteRepo' is not allowed"),
        ("mutation { addComment deleteRepo }", "field 'mutation.deleteRepo' is not allowed"),
        ("mutation { addComment ... { deleteRepo } }", "field 'mutation.deleteRepo' is not allowed"),
        (
            "mutation { addComment ... on M @skip(if: true) { ...F } } fragment F on M { deleteRepo }",
            "'mutation.deleteRepo'",
        ),
        (
            "mutation { ...viewer } fragment viewer on M { deleteRepo }",
            "field 'mutation.deleteRepo' is not allowed",
        ),
        ("subscription { viewer }", "field 'subscription.viewer' is not allowed"),
        ("{ viewer: secrets { key } }", "field 'query.secrets' is denied"),
        ("{ SECRETS }", "field 'query.SECRETS' is denied"),
        ("{ __schema { types { name } } }", "field 'query.__schema' is not allowed"),
        ("{ viewer __type(name: \"A\") { name } }", "field 'query.__type' is not allowed"),
    ] {
        let said = ask(&policy, query);
        assert!(said.starts_with("message: ") && said.contains(what), "{query}: {said}");
    }
    assert_eq!(ask(&self::policy("{fields: {allow: [query.__schema]}}"), "{ __schema { a } }"), "allow");
}

#[test]
fn the_named_operation_is_the_one_that_is_decided() {
    let policy = policy(READS);
    let two = "query A { viewer } mutation B { deleteRepo }";
    let named =
        |name: &str| post(&policy, &serde_json::json!({"query": two, "operationName": name}).to_string());
    assert_eq!(named("A"), "allow");
    assert!(named("B").contains("mutation.deleteRepo"));
    for name in ["C", "", "a"] {
        assert!(named(name).contains("no operation of that name"), "{name}");
    }
    assert!(ask(&policy, two).contains("has not one operation"));
    assert!(ask(&policy, "{ viewer } mutation B { deleteRepo }").contains("no name tells apart"));
    assert!(ask(&policy, "query A { viewer } query A { viewer }").contains("no name tells apart"));
}

#[test]
fn requests_with_two_readings_are_refused() {
    let policy = policy("{fields: {allow: ['query.*', 'mutation.*', 'subscription.*']}}");
    let deep = format!("{}x{}", "{a".repeat(150), "}".repeat(150));
    for query in [
        "",
        "   ",
        "{",
        "{ }",
        "{ viewer } }",
        "viewer",
        "{ viewer } type Query { a: Int }",
        "extend schema { query: Q }",
        "{ ...F }",
        "{ ...F } fragment F on Q { a } fragment F on Q { deleteRepo }",
        "fragment F on Q { a }",
        "\u{feff}{ viewer }",
        "{ viewer } # \u{2028} mutation",
        "{ viewer } #\u{b} mutation",
        &deep,
    ] {
        let said = ask(&policy, query);
        assert!(said.starts_with("message: the message cannot be read"), "{query}: {said}");
    }
    for body in [
        "{}",
        "[]",
        "\"{ viewer }\"",
        r#"{"query":"{ viewer }","query":"mutation { deleteRepo }"}"#,
        r#"{"query":"{ viewer }","Query":"mutation { deleteRepo }"}"#,
        r#"{"query":"{ viewer }","id":"7"}"#,
        r#"{"query":["{ viewer }"]}"#,
        r#"{"query":"{ viewer }","operationName":1}"#,
        r#"{"query":"{ viewer }","variables":"{}"}"#,
        r#"{"operations":"{}","map":"{}"}"#,
    ] {
        let said = post(&policy, body);
        assert!(said.starts_with("message: the message cannot be read"), "{body}: {said}");
    }
    for url in ["query={deleteRepo}", "%71uery=x", "query[]=x", "operation_name=B", "doc_id=7"] {
        let said = said(&decide(&policy, ("POST", url), r#"{"query":"{ viewer }"}"#));
        assert!(said.contains("its URL has a part of it"), "{url}: {said}");
    }
}

#[test]
fn every_member_of_a_batch_is_decided() {
    let policy = policy(READS);
    let batch = r#"[{"query":"{ viewer }"},{"query":"mutation { deleteRepo }"},{"query":"{ viewer }"}]"#;
    assert!(post(&policy, batch).contains("mutation.deleteRepo"));
    assert_eq!(post(&policy, r#"[{"query":"{ viewer }"},{"query":"{ repository }"}]"#), "allow");
}

#[test]
fn a_query_in_the_url_is_read_like_one_in_the_body() {
    let policy = policy("{fields: {allow: ['query.viewer', 'mutation.*']}}");
    assert_eq!(get(&policy, "query=%7B+viewer+%7D&variables=%7B%7D&page=1"), "allow");
    assert!(get(&policy, "query={secrets}").contains("query.secrets"));
    for url in [
        "",
        "page=1",
        "query={viewer}&query={secrets}",
        "query={viewer}&query[]={secrets}",
        "query={viewer};query={secrets}",
        "query={viewer}&id=7",
        "query={viewer}&variables=x",
        "query={viewer}&extensions=[]",
        "query=mutation{addComment}",
    ] {
        assert!(get(&policy, url).starts_with("message: the message cannot be read"), "{url}");
    }
}

#[test]
fn another_rule_allows_nothing_that_is_denied_by_another_method() {
    let policy = compiled(
        "- name: pages\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [GET, HEAD]}\n  path: {allow: ['/**']}\n\
         - name: api\n  binary: {allow: [curl]}\n  destination: {allow: [a.example.com]}\n  method: {allow: [POST]}\n  path: {allow: [/graphql]}\n  \
         graphql: {fields: {allow: [query.viewer], deny: [query.secrets]}}\n",
    );
    // A server may read the body of a GET, too, so a page at the endpoint is none.
    assert!(get(&policy, "page=1").contains("it has no query"));
    assert!(get(&policy, "query={secrets}").contains("'query.secrets' is denied"));
    let head = said(&decide(&policy, ("HEAD", "query={secrets}"), ""));
    assert!(head.contains("cannot be read"), "{head}");
}

#[test]
fn a_query_that_the_server_keeps_is_known_by_its_hash() {
    let (known, other) = (hex(&Sha256::digest(b"{ viewer }")), hex(&Sha256::digest(b"{ secrets }")));
    let policy = policy(&format!("{{fields: {{allow: [query.viewer]}}, persisted: ['{known}']}}"));
    let kept = |hash: &str| {
        format!(r#"{{"extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#)
    };
    assert_eq!(post(&policy, &kept(&known)), "allow");
    assert!(post(&policy, &kept(&other)).contains("persisted query"));
    assert!(post(&policy, &kept(&known.to_uppercase())).contains("cannot be read"));
    let both = |hash: &str| kept(hash).replacen('{', r#"{"query":"{ viewer }","#, 1);
    assert_eq!(post(&policy, &both(&known)), "allow");
    assert!(post(&policy, &both(&other)).contains("another query's"));
    let url = |hash: &str| format!(r#"extensions={{"persistedQuery":{{"sha256Hash":"{hash}"}}}}"#);
    assert_eq!(get(&policy, &url(&known)), "allow");
    assert!(get(&policy, &url(&other)).contains("persisted query"));
}

#[test]
fn operations_can_be_held_to_names_and_records_name_fields() {
    let policy = policy("{fields: {allow: ['query.*']}, names: {allow: ['Get*'], deny: [GetSecret]}}");
    assert_eq!(ask(&policy, "query GetA { viewer }"), "allow");
    for query in
        ["{ viewer }", "query PutA { viewer }", "query GetSecret { viewer }", "query getsecret { viewer }"]
    {
        assert!(ask(&policy, query).contains("operation '"), "{query}");
    }
    let body = r#"{"query":"query GetA { x: viewer(token: \"secret\") repository }"}"#;
    let Decision::Allow(permit) = decide(&policy, ("POST", ""), body) else { panic!("denied") };
    assert_eq!(permit.asked(), Some("graphql: query GetA: repository, viewer"));
}

#[test]
fn mistakes_in_lists_are_told() {
    for (level, told) in [
        ("{}", "allows no field"),
        ("{fields: {allow: [viewer]}}", "does not say which operations"),
        ("{fields: {allow: ['*.viewer']}}", "does not say which operations"),
        ("{fields: {allow: [query.]}}", "does not say which operations"),
        ("{persisted: [abc]}", "is not a SHA-256"),
    ] {
        let text = format!(
            "- name: api\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: [POST]}}\n  path: {{allow: [/graphql]}}\n  graphql: {level}\n"
        );
        let errors = crate::Document::parse(&text, "p").and_then(|document| Policy::compile(&document));
        let errors: Vec<String> = errors.unwrap_err().iter().map(ToString::to_string).collect();
        assert!(errors.join("; ").contains(told), "{level}: {errors:?}");
    }
}
