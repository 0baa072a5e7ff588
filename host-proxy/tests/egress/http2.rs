//! HTTP/2 on both sides: streams that are decided one by one, calls of gRPC, and clients that do not keep to it.

mod calls;
mod downloads;
mod floods;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Bench, Setting};
use crate::digests::{BODY, sha256};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::Root;

/// A server of HTTP/2 that remembers what it was asked.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    root: Root,
}

impl Server {
    fn start() -> Self {
        let root = Root::new();
        let mut config = (*root.server_config(&[NAME], |_| {})).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        std::thread::spawn(move || {
            run(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&log)));
                }
            });
        });
        Self { port, seen, connections, root }
    }

    fn bench(&self) -> Bench {
        self.under(policy(self.port))
    }

    fn under(&self, policy: String) -> Bench {
        Setting::new(policy).host(NAME).trusting(&self.root.pem()).start()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one connection.
async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, log: Arc<Mutex<Vec<String>>>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, Arc::clone(&log)));
    }
}

/// What the server does: the path says.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    log: Arc<Mutex<Vec<String>>>,
) {
    let (parts, mut body) = request.into_parts();
    let fields: Vec<String> = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
        .collect();
    log.lock().unwrap().push(format!("{} {} {}", parts.method, parts.uri, fields.join(" | ")));
    let head = Response::builder().header("x-from", "upstream").body(()).unwrap();
    match parts.uri.path() {
        "/v1/echo" => {
            let mut stream = respond.send_response(head, false).unwrap();
            while let Some(Ok(data)) = body.data().await {
                if !data.is_empty() {
                    log.lock().unwrap().push(String::from_utf8_lossy(&data).into_owned());
                }
                let _release = body.flow_control().release_capacity(data.len());
                if stream.send_data(data, false).is_err() {
                    return;
                }
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("x-openshell-forged", "1".parse().unwrap());
            trailers.insert("content-length", "9".parse().unwrap());
            let _reset = stream.send_trailers(trailers);
        }
        "/v1/large" => {
            let mut stream = respond.send_response(head, false).unwrap();
            for _piece in 0..1000 {
                stream.reserve_capacity(16 * 1024);
                let Some(Ok(_room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                    return;
                };
                if stream.send_data(Bytes::from(vec![b'x'; 16 * 1024]), false).is_err() {
                    return;
                }
            }
            let _reset = stream.send_data(Bytes::new(), true);
        }
        "/v1/drip" => {
            let mut stream = respond.send_response(head, false).unwrap();
            while stream.send_data(Bytes::from_static(b"data: x\n\n"), false).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            log.lock().unwrap().push("drip over".to_owned());
        }
        "/v1/missing" => {
            let mut head = head;
            head.headers_mut().insert("grpc-status", "12".parse().unwrap());
            let _reset = respond.send_response(head, true);
        }
        "/v1/reset" => respond.send_reset(Reason::INTERNAL_ERROR),
        _ => {
            let mut stream = respond.send_response(head, false).unwrap();
            let _reset = stream.send_data(Bytes::from_static(b"hello"), true);
        }
    }
}

/// Runs a client.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A client of HTTP/2 on a connection to the name.
async fn connect(bench: &Bench, port: u16) -> SendRequest<Bytes> {
    let stream = bench.connect(NAME, port);
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::UnixStream::from_std(stream).unwrap();
    let mut config = bench.client_config();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from(NAME).unwrap();
    let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) = h2::client::handshake(tls).await.unwrap();
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    client
}

fn get(port: u16, path: &str) -> Request<()> {
    Request::get(format!("https://{NAME}:{port}{path}")).body(()).unwrap()
}

/// What came back on a stream.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    fields: HeaderMap,
    body: String,
    trailers: Option<HeaderMap>,
    broken: Option<h2::Error>,
}

impl Reply {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Begins a stream.
async fn begin(
    client: &SendRequest<Bytes>,
    request: Request<()>,
    ended: bool,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    let mut client = client.clone().ready().await.unwrap();
    client.send_request(request, ended).unwrap()
}

async fn read(response: h2::client::ResponseFuture) -> Reply {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return Reply { broken: Some(error), ..Reply::default() },
    };
    let (parts, mut body) = response.into_parts();
    let mut reply = Reply { status: parts.status.as_u16(), fields: parts.headers, ..Reply::default() };
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _release = body.flow_control().release_capacity(data.len());
                reply.body.push_str(&String::from_utf8_lossy(&data));
            }
            Err(error) => {
                reply.broken = Some(error);
                return reply;
            }
        }
    }
    reply.trailers = body.trailers().await.unwrap();
    reply
}

async fn ask(client: &SendRequest<Bytes>, request: Request<()>) -> Reply {
    read(begin(client, request, true).await.0).await
}

#[test]
fn streams_of_one_connection_are_decided_one_by_one() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let allowed = ask(&client, get(server.port, "/v1/a?b=c")).await;
        assert_eq!((allowed.status, allowed.body.as_str()), (200, "hello"), "{allowed:?}");
        assert_eq!(allowed.field("x-from"), "upstream");
        let denied = ask(&client, get(server.port, "/v2/a")).await;
        assert_eq!((denied.status, &denied.json()["level"]), (403, &"path".into()), "{denied:?}");
        let delete = Request::delete(format!("https://{NAME}:{}/v1/a", server.port)).body(()).unwrap();
        assert_eq!(ask(&client, delete).await.json()["level"], "method");
        assert_eq!(ask(&client, get(server.port, "/v1/b")).await.status, 200);
    });
    assert_eq!(server.seen().len(), 2, "{:?}", server.seen());
    let asked = format!("GET https://{NAME}:{}/v1/a?b=c ", server.port);
    assert_eq!(server.seen()[0], asked, "no field more than was sent");
    let requests = bench.audit.events().into_iter().filter(|event| event["action"] == "network-request");
    assert_eq!(requests.count(), 4);
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&outcome["status"], &outcome["object"]["bytes_received"]), (&200.into(), &5.into()));
}

#[test]
fn bodies_of_streams_have_digests() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let request = Request::post(format!("https://{NAME}:{}/v1/echo", server.port)).body(()).unwrap();
        let (response, mut body) = begin(&client, request, false).await;
        let (begin_of, rest) = BODY.split_at(16);
        body.send_data(begin_of.into(), false).unwrap();
        body.send_data(rest.into(), true).unwrap();
        assert_eq!(read(response).await.body, BODY);
        // One that the client resets did not end.
        let request = Request::post(format!("https://{NAME}:{}/v1/echo", server.port)).body(()).unwrap();
        let (response, mut body) = begin(&client, request, false).await;
        body.send_data(BODY.into(), false).unwrap();
        let head = response.await.unwrap();
        body.send_reset(Reason::CANCEL);
        drop(head);
    });
    let outcomes = bench
        .audit
        .wait_until(|events| events.iter().filter(|event| event["action"] == "network-outcome").count() == 2);
    let digests: Vec<_> = outcomes
        .iter()
        .filter(|event| event["action"] == "network-outcome")
        .map(|event| (&event["object"]["sent_sha256"], &event["object"]["received_sha256"]))
        .collect();
    let (whole, none) = (sha256(BODY), serde_json::Value::Null);
    assert_eq!(digests, [(&whole, &whole), (&none, &none)]);
}

#[test]
fn flows_share_one_connection_to_an_upstream() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let mut clients = Vec::new();
        for _flow in 0..3 {
            clients.push(connect(&bench, server.port).await);
        }
        let mut streams = Vec::new();
        for client in clients.iter().cycle().take(30) {
            streams.push(begin(client, get(server.port, "/v1/a"), true).await.0);
        }
        for stream in streams {
            assert_eq!(read(stream).await.status, 200);
        }
        assert_eq!(server.connections.load(Ordering::Relaxed), 1);
        // What another policy opened is not used again.
        assert!(matches!(bench.set_policy(&policy(server.port)), ProxyEvent::PolicyApplied { .. }));
        assert_eq!(ask(&clients[0], get(server.port, "/v1/a")).await.status, 200);
        assert_eq!(server.connections.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn to_an_upstream_of_http_1_it_goes_as_http_1() {
    let (bench, upstream) = site();
    run(async {
        let client = connect(&bench, upstream.port).await;
        let request = Request::get(format!("https://{NAME}:{}/v1/%61", upstream.port))
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .header("x-forwarded-host", "evil")
            .body(())
            .unwrap();
        let reply = ask(&client, request).await;
        assert_eq!((reply.status, reply.body.as_str(), reply.field("content-length")), (200, "hello", "5"));
        let post = Request::post(format!("https://{NAME}:{}/v1/items", upstream.port)).body(()).unwrap();
        let (response, mut body) = begin(&client, post, false).await;
        body.send_data(Bytes::from_static(b"abc\r\n0\r\n\r\nDELETE /v1/x"), true).unwrap();
        assert_eq!(read(response).await.status, 200);
    });
    let host = format!("{NAME}:{}", upstream.port);
    let received = upstream.received();
    let first = format!("GET /v1/a HTTP/1.1\r\nhost: {host}\r\ncookie: a=1; b=2\r\n\r\n");
    assert!(received.starts_with(&first), "{received}");
    let second =
        format!("POST /v1/items HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n16\r\nabc");
    assert_eq!(received[first.len()..][..second.len()], second, "{received}");
    assert_eq!(upstream.connections(), 1, "kept between the streams of one client");
}

#[test]
fn from_a_client_of_http_1_it_goes_as_http_2() {
    let server = Server::start();
    let bench = server.bench();
    let host = format!("{NAME}:{}", server.port);
    let mut stream = bench.tls(bench.connect(NAME, server.port), NAME);
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\nX-A: 1\r\n\r\n");
    let answer = Answer::of(&mut stream, request.as_bytes());
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert!(answer.body().contains("hello"), "{}", answer.text);
    let post = format!("POST /v1/echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc");
    let answer = Answer::of(&mut stream, post.as_bytes());
    assert_eq!(answer.body(), "3\r\nabc\r\n0\r\n\r\n", "{}", answer.text);
    let seen = server.seen();
    assert_eq!(seen[0], format!("GET https://{host}/v1/a x-a: 1"));
    assert_eq!(seen[1..], [format!("POST https://{host}/v1/echo content-length: 3"), "abc".to_owned()]);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let post = Request::post(format!("https://{NAME}:{}/v1/echo", server.port));
        let post = post.header("expect", "100-continue").body(()).unwrap();
        let (response, mut body) = begin(&client, post, false).await;
        // The proxy says 100 meanwhile, and must still see the client's end of the stream.
        tokio::time::sleep(Duration::from_millis(300)).await;
        body.send_data(Bytes::from_static(b"abc"), true).unwrap();
        let reply = read(response).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "abc"), "{reply:?}");
    });
    assert!(!server.seen()[0].contains("expect"), "{:?}", server.seen());
}

#[test]
fn a_stream_for_another_authority_is_misdirected() {
    let server = Server::start();
    // The other host is allowed too: it is the connection that is wrong.
    let both = policy(server.port).replace("destination: {allow: [", "destination: {allow: ['other.test', ");
    let bench = server.under(both);
    run(async {
        let client = connect(&bench, server.port).await;
        let other = Request::get("https://other.test/v1/a").body(()).unwrap();
        let reply = ask(&client, other).await;
        assert_eq!((reply.status, &reply.json()["level"]), (421, &"destination".into()), "{reply:?}");
        assert_eq!(ask(&client, get(server.port, "/v1/a")).await.status, 200, "the connection goes on");
    });
    assert_eq!(server.seen().len(), 1);
    bench.audit.wait_for(|event| event["decision"] == "deny" && event["level"] == "destination");
}

#[test]
fn streams_that_servers_read_differently_are_refused() {
    let server = Server::start();
    let bench = server.bench();
    let good = || Request::get(format!("https://{NAME}:{}/v1/a", server.port));
    let at = |url: &str| Request::get(url.replace("HOST", &format!("{NAME}:{}", server.port)));
    let cases = [
        ("another Host", good().header("host", "evil.test"), true),
        ("two Hosts", good().header("host", "a").header("host", "b"), true),
        ("a method override", good().header("x-http-method-override", "DELETE"), true),
        ("another path", good().header("x-original-url", "/v1/admin/x"), true),
        ("a body of GET", good().header("content-length", "3"), false),
        ("a body of GET without a length", good(), false),
        (
            "two lengths",
            good().method("POST").header("content-length", "3").header("content-length", "4"),
            false,
        ),
        ("userinfo", at("https://evil@HOST/v1/a"), true),
        ("a trailing dot", at(&format!("https://{NAME}.:{}/v1/a", server.port)), true),
        ("dots", at("https://HOST/v1/../v2"), true),
        ("encoded dots", at("https://HOST/v1/%2e%2e/v2"), true),
        ("slashes in disguise", at("https://HOST/v1/a%2f%2fb"), true),
        ("a double slash", at("https://HOST/v1//a"), true),
        ("a parameter", at("https://HOST/v1/a;b"), true),
        ("a lower-case method", good().method("get"), true),
        ("TRACE", good().method("TRACE"), true),
        ("plain http", at("http://HOST/v1/a"), true),
    ];
    run(async {
        for (what, request, ended) in cases {
            let client = connect(&bench, server.port).await;
            let (response, _body) = begin(&client, request.body(()).unwrap(), ended).await;
            let reply = read(response).await;
            let refused = reply.broken.is_some() || [400, 421].contains(&reply.status);
            assert!(refused, "{what}: {reply:?}");
        }
    });
    assert_eq!(server.seen(), Vec::<String>::new());
    bench.audit.denied_at("request");
}

#[test]
fn a_connect_stream_opens_nothing() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let connect = Request::connect(format!("{NAME}:{}", server.port)).body(()).unwrap();
        let (response, _body) = begin(&client, connect, false).await;
        assert_eq!(read(response).await.status, 400);
    });
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[test]
fn a_new_policy_ends_streams_and_then_the_connection() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let (drip, _body) = begin(&client, get(server.port, "/v1/drip"), true).await;
        let mut drip = drip.await.unwrap().into_body();
        assert!(drip.data().await.unwrap().is_ok());
        let narrowed = policy(server.port).replace("/v1/**", "/v1/a");
        assert!(matches!(bench.set_policy(&narrowed), ProxyEvent::PolicyApplied { closed: 1, .. }));
        let broken = loop {
            match drip.data().await.unwrap() {
                Ok(_before) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(broken.reason(), Some(Reason::CANCEL), "{broken:?}");
        assert_eq!(ask(&client, get(server.port, "/v1/a")).await.status, 200, "what is allowed goes on");
        assert_eq!(ask(&client, get(server.port, "/v1/drip")).await.status, 403);
        bench.set_policy("version: 1\nnetwork: []\n");
        let gone = async {
            while client.clone().ready().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    });
    let over = || {
        std::thread::sleep(Duration::from_millis(5));
        server.seen().contains(&"drip over".to_owned())
    };
    assert!((0..2000).any(|_| over()), "the upstream's stream goes on");
    let outcome =
        bench.audit.wait_for(|event| event["action"] == "network-outcome" && event["decision"] == "deny");
    assert_eq!((&outcome["level"], &outcome["policy"]), (&"path".into(), &2.into()), "{outcome}");
    bench.audit.wait_for(|event| event["action"] == "network-flow" && event["policy"] == 3);
}

#[test]
fn an_upstream_that_resets_a_stream_is_told_as_such() {
    let server = Server::start();
    let bench = server.bench();
    run(async {
        let client = connect(&bench, server.port).await;
        let reply = ask(&client, get(server.port, "/v1/reset")).await;
        assert_eq!((reply.status, &reply.json()["level"]), (502, &"upstream".into()), "{reply:?}");
        assert_eq!(ask(&client, get(server.port, "/v1/a")).await.status, 200);
    });
}

#[test]
fn an_upload_follows_the_upstream_and_ends_at_the_days_bytes() {
    let server = Server::start();
    let bench = server.under(policy(server.port) + "    limits: {bytes_per_day: 1KiB}\n");
    run(async {
        let client = connect(&bench, server.port).await;
        let post = Request::post(format!("https://{NAME}:{}/v1/items", server.port)).body(()).unwrap();
        let (response, mut body) = begin(&client, post, false).await;
        body.send_data(Bytes::from(vec![b'y'; 2000]), true).unwrap();
        let _answered_or_not = read(response).await;
        let reply = ask(&client, get(server.port, "/v1/a")).await;
        assert_eq!((reply.status, &reply.json()["level"]), (429, &"limit".into()), "{reply:?}");
    });
    assert!(!server.seen().iter().any(|seen| seen.contains("yyy")), "{:?}", server.seen());
}

#[test]
fn prior_knowledge_is_refused_by_name() {
    let upstream = crate::upstream::Upstream::plain();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    let answer = bench.http(NAME, upstream.port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!((answer.status(), &answer.json()["level"]), (400, &"request".into()), "{}", answer.text);
    assert!(answer.json()["error"].as_str().unwrap().starts_with("HTTP/2 without TLS"), "{}", answer.text);
    bench.audit.denied_at("request");
    upstream.saw_nothing();
}
