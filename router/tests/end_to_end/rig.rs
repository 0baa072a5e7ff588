//! The two servers, the audit writer and the client around a router.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex};

use crate::echo;
use classify::property::Property;
use router::budget::Budgets;
use router::judge::Judge;
use router::redact::Redactor;
use router::service::Service;
use router::trail::Trail;
use router::upstream::Servers;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use wire::region::Region;
use wire::router::{
    AfterLocal, Api, Directive, Document, Fallback, LocalServer, ModelServer, RouterConfig, Sensitive,
    ZoneLimits,
};
use wire::rules::Rules;
use wire::secret::Secret;
use wire::spawn::Fd;

/// How a server answers.
#[derive(Clone)]
pub(crate) enum Script {
    /// One JSON document.
    Document(&'static str),
    /// Whatever is here, head included.
    Raw(&'static str),
    /// What the last message says, in the API of the call, whole or as a stream of small pieces.
    Echo,
    /// Takes the call and never answers; tells when its client is gone.
    Silence { gone: Arc<Notify> },
    /// One event, then, when told, the rest; tells when its client is gone.
    Events { go_on: Arc<Notify>, gone: Arc<Notify> },
}

/// One request as a server got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
    /// Records that the audit writer had when the request came.
    pub(crate) records_before: usize,
}

pub(crate) type Log<T> = Arc<Mutex<Vec<T>>>;

/// A model server on loopback.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Log<Seen>,
}

/// A running router with its surroundings.
pub(crate) struct Rig {
    pub(crate) local: Option<Upstream>,
    pub(crate) cloud: Option<Upstream>,
    /// Those that are asked after the first ones: the local server's, and the cloud's.
    pub(crate) after: [Option<Upstream>; 2],
    pub(crate) records: Log<Value>,
    socket: std::path::PathBuf,
    auditor: Option<StdUnixStream>,
    _stop: watch::Sender<()>,
    _directory: tempfile::TempDir,
}

/// What a rig is made of.
pub(crate) struct Plan {
    pub(crate) directive: Directive,
    pub(crate) rules: Rules,
    pub(crate) documents: Vec<Document>,
    pub(crate) local: Option<Script>,
    pub(crate) cloud: Option<Script>,
    /// Servers that are asked after the local one, and after the cloud's.
    pub(crate) after: [Option<Script>; 2],
    /// Where these are, by the operator's word.
    pub(crate) after_in_region: Option<&'static str>,
    /// Names for models of every server, which are called so behind the server's own name.
    pub(crate) models: &'static [(&'static str, &'static str)],
    pub(crate) cloud_tls: Option<Tls>,
    /// What the cloud's server and the local one speak.
    pub(crate) apis: [Api; 2],
    /// Where all servers are, by the operator's word.
    pub(crate) in_region: Option<&'static str>,
    /// Where calls may be served.
    pub(crate) regions: Option<&'static [&'static str]>,
    pub(crate) limits: ZoneLimits,
}

/// How the cloud server shows who it is, and whom the router trusts beside the system's roots.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) trusted_pem: String,
}

/// A client's answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"served","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}"#;

/// One word for all that is sensitive, each call judged by itself.
pub(crate) fn all(word: Sensitive) -> Directive {
    Directive { sensitive: Some(word), after_local: AfterLocal::Judge, ..Directive::default() }
}

impl Default for Plan {
    fn default() -> Self {
        let script = Some(Script::Document(ANSWER));
        Self {
            directive: all(Sensitive::Local),
            rules: Rules::default(),
            documents: Vec::new(),
            local: script.clone(),
            cloud: script,
            after: [None, None],
            after_in_region: None,
            models: &[],
            cloud_tls: None,
            apis: [Api::OpenAi; 2],
            in_region: None,
            regions: None,
            limits: ZoneLimits::default(),
        }
    }
}

impl Plan {
    /// What the router is told of servers that run: the local one and the cloud's, and those that are asked after each.
    fn config(
        self,
        [local, cloud]: [&Option<Upstream>; 2],
        [local_after, cloud_after]: &[Option<Upstream>; 2],
    ) -> RouterConfig {
        let [cloud_api, local_api] = self.apis;
        let scheme = if self.cloud_tls.is_some() { "https" } else { "http" };
        let first = |at: &Option<Upstream>, name: &str, of| {
            at.as_ref().map(|at| self.server((at, name), of, self.in_region))
        };
        let spare = |at: &Option<Upstream>, name: &str, of| {
            at.iter().map(|at| self.server((at, name), of, self.after_in_region)).collect()
        };
        let fallback = Fallback {
            local: spare(local_after, "http://local2.test", ("local2", local_api)),
            cloud: spare(cloud_after, "http://cloud2.test", ("cloud2", cloud_api)),
        };
        let provider = first(cloud, "http://cloud.test", ("provider", cloud_api));
        RouterConfig {
            version: wire::VERSION,
            listener: Fd(5),
            audit: Fd(6),
            local: first(local, "http://local.test", ("local", local_api)).map(LocalServer::At),
            cloud: first(cloud, &format!("{scheme}://cloud.test"), ("cloud", cloud_api)),
            fallback,
            providers: provider.map(|server| ("api.provider.test".to_owned(), server)).into_iter().collect(),
            regions: self.regions.map(|names| names.iter().map(|name| region(name)).collect()),
            directive: self.directive,
            rules: self.rules,
            documents: self.documents,
            limits: self.limits,
            extra_roots_pem: self.cloud_tls.map(|tls| tls.trusted_pem).unwrap_or_default(),
            hosts: ["local.test", "cloud.test", "local2.test", "cloud2.test"]
                .map(|name| (name.to_owned(), [127, 0, 0, 1].into()))
                .into(),
            user: None,
        }
    }

    fn server(
        &self,
        (upstream, name): (&Upstream, &str),
        (key, api): (&str, Api),
        in_region: Option<&str>,
    ) -> ModelServer {
        ModelServer {
            api,
            url: format!("{name}:{}/v1", upstream.address.port()),
            api_key: Some(Secret::new(key.to_owned())),
            model: self.models.is_empty().then(|| format!("{key}-model")),
            models: self
                .models
                .iter()
                .map(|(name, of)| ((*name).to_owned(), format!("{key}-{of}")))
                .collect(),
            region: in_region.map(region),
        }
    }
}

fn region(name: &str) -> Region {
    Region::try_from(name.to_owned()).unwrap()
}

impl Rig {
    pub(crate) async fn start(mut plan: Plan) -> Self {
        let records: Log<Value> = Log::default();
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        let auditor = theirs.try_clone().unwrap();
        std::thread::spawn({
            let records = Arc::clone(&records);
            move || acknowledge(theirs, &records)
        });
        let local = start_server(plan.local.take(), None, &records).await;
        let cloud = start_server(plan.cloud.take(), plan.cloud_tls.as_ref(), &records).await;
        let [local_after, cloud_after] = std::mem::take(&mut plan.after);
        let after = [
            start_server(local_after, None, &records).await,
            start_server(cloud_after, None, &records).await,
        ];
        let service = Arc::new(service(plan.config([&local, &cloud], &after), ours));
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("router.sock");
        let (stop, stopped) = watch::channel(());
        tokio::spawn(router::listener::run(UnixListener::bind(&socket).unwrap(), service, stopped));
        Self {
            local,
            cloud,
            after,
            records,
            socket,
            auditor: Some(auditor),
            _stop: stop,
            _directory: directory,
        }
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// Posts a JSON body with the proxy's headers and some that a guest would send.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        let headers =
            "content-type: application/json\r\nauthorization: Bearer guest-key\r\ncookie: guest-cookie\r\n";
        let length = body.len();
        self.raw(&format!("POST {path} HTTP/1.1\r\n{CONTEXT}{headers}content-length: {length}\r\n\r\n{body}"))
            .await
    }

    pub(crate) async fn chat(&self, content: &str) -> Reply {
        let message = serde_json::json!({"model":"asked","messages":[{"role":"user","content":content}]});
        self.post("/v1/chat/completions", &message.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.raw(&format!("GET {path} HTTP/1.1\r\n{CONTEXT}\r\n")).await
    }

    pub(crate) async fn raw(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        let mut answer = Vec::new();
        // A refusal may close the connection while a large body is still on its way.
        let _closed = stream.write_all(request.as_bytes()).await;
        let _reset = stream.read_to_end(&mut answer).await;
        Reply::parse(&answer)
    }

    pub(crate) fn kill_auditor(&mut self) {
        self.auditor.take().unwrap().shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub(crate) fn seen_locally(&self) -> Vec<Seen> {
        self.local.as_ref().map(Upstream::requests).unwrap_or_default()
    }

    pub(crate) fn seen_in_cloud(&self) -> Vec<Seen> {
        self.cloud.as_ref().map(Upstream::requests).unwrap_or_default()
    }

    /// What the servers got that are asked after the first ones.
    pub(crate) fn seen_after(&self) -> [Vec<Seen>; 2] {
        [0, 1].map(|zone| self.after[zone].as_ref().map(Upstream::requests).unwrap_or_default())
    }

    /// Waits until a request came to the cloud.
    pub(crate) async fn asked_in_cloud(&self) {
        while self.seen_in_cloud().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a record of this action is there.
    pub(crate) async fn record(&self, action: &str) -> Value {
        loop {
            let found =
                self.records.lock().unwrap().iter().find(|record| record["action"] == action).cloned();
            match found {
                Some(record) => return record,
                None => tokio::task::yield_now().await,
            }
        }
    }
}

/// What the proxy adds, for a policy that asks nothing of model calls.
pub(crate) const CONTEXT: &str = "host: inference.local\r\nconnection: close\r\nx-openshell-sandbox: box-1\r\n\
     x-openshell-request: req-1\r\nx-openshell-flow: 12\r\nx-openshell-policy: 3\r\n\
     x-openshell-subject: {\"owners\":[{\"binary\":\"/usr/bin/python3.11\",\"pid\":7,\"uid\":1000}]}\r\n\
     x-openshell-conditions: sensitive=pass providers=local,cloud\r\n";

/// What the proxy adds under other conditions.
pub(crate) fn context_under(conditions: &str) -> String {
    CONTEXT.replace("sensitive=pass providers=local,cloud", conditions)
}

impl Upstream {
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { joined(body) } else { body.to_owned() };
        Self { status, head: head.to_owned(), body }
    }

    /// The `code` of a refusal.
    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The body that comes in chunks.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    body
}

/// The router's own half.
fn service(config: RouterConfig, line: StdUnixStream) -> Service {
    let servers = Servers::open(&config).unwrap();
    let budgets = Budgets::new(&config.limits);
    let property = Property::new(&config.rules).unwrap().with_documents(&config.documents).unwrap();
    let directive = router::directive::Directive::new(config.directive, property.categories()).unwrap();
    let judge = Judge::new(directive, Redactor::new(property).unwrap());
    let (trail, drain) = Trail::new(audit::client::Tokio::new(line).unwrap());
    tokio::spawn(drain);
    Service::new((servers, budgets), judge, trail, 2)
}

/// Speaks the audit writer's protocol: each event gets its receipt.
fn acknowledge(mut socket: StdUnixStream, records: &Log<Value>) {
    let mut prefix = [0; 4];
    while socket.read_exact(&mut prefix).is_ok() {
        let mut body = vec![0; usize::try_from(u32::from_le_bytes(prefix)).unwrap()];
        if socket.read_exact(&mut body).is_err() {
            return;
        }
        records.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let receipt = [&40u32.to_le_bytes()[..], &[1; 40]].concat();
        if socket.write_all(&receipt).is_err() {
            return;
        }
    }
}

async fn start_server(script: Option<Script>, tls: Option<&Tls>, records: &Log<Value>) -> Option<Upstream> {
    let script = script?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let upstream = Upstream { address: listener.local_addr().unwrap(), seen: Log::default() };
    let (seen, records) = (Arc::clone(&upstream.seen), Arc::clone(records));
    let acceptor = tls.map(|tls| tls.acceptor.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _address) = listener.accept().await.unwrap();
            let (script, seen, records) = (script.clone(), Arc::clone(&seen), Arc::clone(&records));
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Some(acceptor) = acceptor else { return answer(stream, script, seen, records).await };
                // A router that does not trust the certificate hangs up here.
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, script, seen, records).await;
                }
            });
        }
    });
    Some(upstream)
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    seen: Log<Seen>,
    records: Log<Value>,
) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let records_before = records.lock().unwrap().len();
        seen.lock().unwrap().push(Seen { head, body, records_before });
        match &script {
            Script::Document(json) => {
                let length = json.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: c=1\r\ncontent-length: {length}\r\n\r\n{json}"
                );
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            Script::Echo => {
                let call = seen.lock().unwrap().last().unwrap().clone();
                stream.write_all(echo::answer(&call.head, &call.body).as_bytes()).await.unwrap();
            }
            Script::Raw(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                return;
            }
            Script::Silence { gone } => {
                assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
                gone.notify_one();
                return;
            }
            Script::Events { go_on, gone } => return events(stream, go_on, gone).await,
        }
    }
}

async fn events(mut stream: impl AsyncRead + AsyncWrite + Unpin, go_on: &Notify, gone: &Notify) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}data: {{\"model\":\"served\"}}\n\n").as_bytes()).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        () = go_on.notified() => {
            let rest = "data: {\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n";
            stream.write_all(rest.as_bytes()).await.unwrap();
        }
        read = stream.read(&mut byte) => {
            assert_eq!(read.unwrap_or(0), 0);
            gone.notify_one();
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some((head, String::from_utf8(bytes[end + 4..].to_vec()).unwrap()))
}
