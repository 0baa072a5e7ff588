//! Calls of gRPC: a path for a method, messages both ways, a status in the trailers.

use super::{Bytes, NAME, Reply, Request, SendRequest, Server, begin, connect, get, read, run};
use crate::forwarding::policy;

fn call(port: u16, path: &str) -> Request<()> {
    Request::post(format!("https://{NAME}:{port}{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

async fn denied(client: &SendRequest<Bytes>, request: Request<()>) -> Reply {
    let (response, mut body) = begin(client, request, false).await;
    let _maybe_refused = body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true);
    read(response).await
}

#[test]
fn messages_go_both_ways_as_they_come() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let (response, mut sends) = begin(&client, call(server.port, "/v1/echo"), false).await;
        let mut receives = response.await.unwrap().into_body();
        for message in [&b"\0\0\0\0\x01a"[..], b"\0\0\0\0\x02bc", b"\0\0\0\0\0"] {
            sends.send_data(Bytes::from_static(message), false).unwrap();
            let data = receives.data().await.unwrap().unwrap();
            let _release = receives.flow_control().release_capacity(data.len());
            assert_eq!(data, message, "each is there before the next is sent");
        }
        sends.send_data(Bytes::new(), true).unwrap();
        assert!(receives.data().await.is_none());
        let trailers = receives.trailers().await.unwrap().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        // What only a head may say, or only we: not from an upstream's trailers.
        assert_eq!(trailers.len(), 1, "{trailers:?}");
    });
    let asked = &server.seen()[0];
    assert!(asked.contains("te: trailers") && asked.contains("application/grpc+proto"), "{asked}");
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!(
        (&outcome["object"]["bytes_sent"], &outcome["status"]),
        (&18.into(), &200.into()),
        "{outcome}"
    );
}

#[test]
fn a_denial_is_a_status_of_the_call() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let reply = denied(&client, call(server.port, "/v1/admin/Delete")).await;
        assert_eq!((reply.status, reply.field("grpc-status")), (200, "7"), "{reply:?}");
        assert!(reply.field("grpc-message").contains("rule 'api'"), "{reply:?}");
        assert_eq!(reply.field("content-type"), "application/grpc");
        let id = reply.field("x-openshell-request-id").to_owned();
        let event = bench.audit.wait_for(|event| event["decision"] == "deny");
        assert_eq!((&event["request"], &event["level"]), (&id.into(), &"path".into()), "{event}");
        // For browsers it is a response like every other.
        let mut web = call(server.port, "/v1/admin/Delete");
        web.headers_mut().insert("content-type", "application/grpc-web+proto".parse().unwrap());
        assert_eq!(denied(&client, web).await.status, 403);
    });
    assert!(server.seen().is_empty());
}

#[test]
fn a_status_in_a_head_that_ends_the_stream_stays_there() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let (response, _body) = begin(&client, call(server.port, "/v1/missing"), true).await;
        let response = response.await.unwrap();
        assert_eq!(response.headers().get("grpc-status").unwrap(), "12");
        assert!(response.body().is_end_stream(), "clients of gRPC take no empty body for the end");
    });
}

#[test]
fn a_limit_is_a_status_of_the_call() {
    let server = Server::start();
    let bench = server.under(policy(server.port) + "    limits: {requests_per_minute: 1}\n");
    run(async {
        let client = connect(&bench, server.port).await;
        assert_eq!(super::ask(&client, get(server.port, "/v1/a")).await.status, 200);
        let reply = denied(&client, call(server.port, "/v1/echo")).await;
        assert_eq!((reply.status, reply.field("grpc-status")), (200, "8"), "{reply:?}");
    });
}

#[test]
fn trailers_of_a_request_are_refused() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let (response, mut body) = begin(&client, call(server.port, "/v1/items"), false).await;
        body.send_data(Bytes::from_static(b"abc"), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-http-method-override", "DELETE".parse().unwrap());
        body.send_trailers(trailers).unwrap();
        // The upstream may have answered before; it never sees the trailers.
        let _either = read(response).await;
    });
    assert!(!server.seen().iter().any(|seen| seen.contains("override")), "{:?}", server.seen());
}

#[test]
fn a_message_on_a_stream_is_read_before_it_goes_on() {
    let server = Server::start();
    let policy = crate::messages::policy(server.port, "json_rpc: {methods: {allow: [eth_call]}}");
    let bench = server.under(policy.replace("/mcp", "/v1/echo"));
    run(async {
        let client = connect(&bench, server.port).await;
        let post = || {
            Request::post(format!("https://{NAME}:{}/v1/echo", server.port))
                .header("content-type", "application/json")
                .body(())
                .unwrap()
        };
        let send = async |method: &str| {
            let (response, mut stream) = begin(&client, post(), false).await;
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            for byte in body.bytes() {
                stream.send_data(Bytes::from(vec![byte]), false).unwrap();
            }
            stream.send_data(Bytes::new(), true).unwrap();
            read(response).await
        };
        let denied = send("eth_send").await;
        assert_eq!((denied.status, denied.json()["level"].as_str()), (403, Some("message")), "{denied:?}");
        assert_eq!(server.seen(), [""; 0]);
        let allowed = send("eth_call").await;
        assert_eq!(allowed.body, r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#, "{allowed:?}");
    });
}

#[test]
fn a_message_of_a_call_is_no_longer_than_its_rule_takes() {
    let server = Server::start();
    let policy = crate::messages::policy(server.port, "grpc: {max_message: 1KiB}");
    let bench = server.under(policy.replace("/mcp", "/v1/echo"));
    run(async {
        let client = connect(&bench, server.port).await;
        let message = |length: u32| [&[0][..], &length.to_be_bytes(), &vec![b'm'; length as usize]].concat();
        let (response, mut body) = begin(&client, call(server.port, "/v1/echo"), false).await;
        body.send_data(Bytes::from([message(1024), message(7)].concat()), true).unwrap();
        let fine = read(response).await;
        assert_eq!((fine.status, fine.body.len()), (200, 1024 + 7 + 10), "{fine:?}");
        let (response, mut body) = begin(&client, call(server.port, "/v1/echo"), false).await;
        body.send_data(Bytes::from([message(1), message(1025)].concat()), true).unwrap();
        let _status_or_reset = read(response).await;
        let plain = Request::post(format!("https://{NAME}:{}/v1/echo", server.port)).body(()).unwrap();
        assert_eq!(denied(&client, plain).await.status, 403);
    });
    let longest = server.seen().iter().filter(|seen| seen.contains("mmm")).map(String::len).max();
    assert!(longest <= Some(1024 + 7 + 10), "{longest:?} bytes arrived");
    let cut =
        bench.audit.wait_for(|event| event["action"] == "network-outcome" && event["level"] == "message");
    assert_eq!((&cut["decision"], &cut["rule"]), (&"deny".into(), &"api".into()));
    assert_eq!(cut["reason"], "a message of 1025 bytes, and a call of the rule has at most 1024");
}
