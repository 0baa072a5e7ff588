//! Downloads on streams: a verdict that comes late resets the stream, and one before the head is told.

use super::{Bytes, NAME, Reply, Request, Server, ask, begin, connect, get, read, run};
use crate::archives::{ELF, gzip, tar};
use crate::downloads::policy;

/// What comes back of what is sent.
async fn echoed(client: &h2::client::SendRequest<Bytes>, port: u16, body: Vec<u8>) -> Reply {
    let request = Request::post(format!("https://{NAME}:{port}/v1/echo")).body(()).unwrap();
    let (response, mut sends) = begin(client, request, false).await;
    let _maybe_refused = sends.send_data(Bytes::from(body), true);
    read(response).await
}

#[test]
fn a_download_on_a_stream_is_judged_before_its_head_goes_on() {
    let server = Server::start();
    let bench = server.under(policy(server.port, "executables: deny"));
    run(async {
        let client = connect(&bench, server.port).await;
        let reply = echoed(&client, server.port, gzip(&tar(&[("a", ELF)]))).await;
        assert_eq!((reply.status, reply.json()["level"].as_str()), (403, Some("download")), "{reply:?}");
        // What goes on has no trailers: nobody judged them.
        let reply = echoed(&client, server.port, b"hello".to_vec()).await;
        assert_eq!((reply.status, &*reply.body, &reply.trailers), (200, "hello", &None), "{reply:?}");
    });
    let record = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&record["decision"], &record["object"]["kind"]), (&"deny".into(), &"gzip".into()));
}

#[test]
fn a_stream_that_gets_too_long_is_reset() {
    let server = Server::start();
    let bench = server.under(policy(server.port, "max_bytes: 1MiB"));
    run(async {
        let client = connect(&bench, server.port).await;
        let reply = ask(&client, get(server.port, "/v1/large")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.broken.is_some_and(|error| error.is_reset()) && reply.body.len() <= 1 << 20);
    });
    let record = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&record["decision"], &record["level"]), (&"deny".into(), &"download".into()));
}
