//! Requests that are signed anew for AWS: by a client that does not know the keys, to a server that does.
//!
//! The server's part is botocore's: its own signer, given the keys and what arrived, must come to the signature that arrived.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use wire::credential::{Binding, Credential, Form};
use wire::flow::EXPLICIT_PROXY;
use wire::secret::Secret;

use crate::bench::{Answer, Bench, Setting, curl};
use crate::upstream::{Response, Root, Upstream, ok, raw};

const NAME: &str = "s3.aws.example";
const ID: &str = "AKIAREALREALREALREAL";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYREALKEY";
const TOKEN: &str = "FwoGZXIvYXdzEREALTOKEN//////////wEaDK";
const PLACEHOLDER: &str = "openshell-AWS_SECRET_ACCESS_KEY-0011223344556677";

/// A server, and a proxy that signs for it with keys of a session.
struct Site {
    bench: Bench,
    upstream: Upstream,
}

impl Site {
    fn new(service: &str, paths: &[&str]) -> Self {
        Self::answering(service, paths, |_| ok("hello"))
    }

    fn answering(
        service: &str,
        paths: &[&str],
        answer: impl Fn(&[u8]) -> Response + Send + Sync + 'static,
    ) -> Self {
        let root = Root::new();
        let upstream = Upstream::start(Some(root.server_config(&[NAME], |_| {})), Arc::new(answer));
        let port = upstream.port;
        let policy = format!(
            "version: 1\nnetwork:\n  - name: aws\n    binary: {{allow: [curl]}}\n    \
             destination: {{allow: ['{NAME}:{port}']}}\n    \
             method: {{allow: [GET, HEAD, POST, PUT, DELETE]}}\n    path: {{allow: ['/**']}}\n"
        );
        let document = serde_json::json!({"Version": 1, "AccessKeyId": ID, "SecretAccessKey": KEY, "SessionToken": TOKEN});
        let credential = Credential {
            name: "AWS_SECRET_ACCESS_KEY".to_owned(),
            placeholder: PLACEHOLDER.to_owned(),
            secret: Secret::new(document.to_string()),
            bindings: vec![Binding {
                hosts: vec![format!("{NAME}:{port}")],
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
                form: Form::SigV4 {
                    service: service.to_owned(),
                    region: "eu-central-1".to_owned(),
                    access_key_id: None,
                },
            }],
        };
        let bench = Setting::new(policy).host(NAME).trusting(&root.pem()).with(credential).start();
        Self { bench, upstream }
    }

    fn ask(&self, line: &str, fields: &str, body: &str) -> Answer {
        let port = self.upstream.port;
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{line} HTTP/1.1\r\nHost: {NAME}:{port}\r\n{length}{fields}\r\n{body}");
        self.bench.https(NAME, port, head)
    }

    /// What the client signs with.
    fn refused(&self, answer: &Answer, status: u16, cause: &str) {
        let told = answer.json();
        assert_eq!((answer.status(), &told["level"]), (status, &"credential".into()), "{answer:?}");
        assert!(told["error"].as_str().unwrap().contains(cause), "{told}");
        self.upstream.saw_nothing();
        let denied = self.bench.audit.wait_for(|event| event["decision"] == "deny");
        assert_eq!(denied["level"], "credential", "{denied}");
    }
}

/// The folder in which `cargo xtask setup` puts the Python packages of other people.
fn packages() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.parent().unwrap().join("tools/boto3");
    assert!(folder.join("botocore").is_dir(), "run `cargo xtask setup`: {} lacks botocore", folder.display());
    folder
}

fn python(site: &Site, script: &str, arguments: &[&str]) -> String {
    let authority = site.bench.folder.path().join("ca.pem");
    std::fs::write(&authority, &site.bench.authority_pem).unwrap();
    let output = Command::new("python3")
        .args(["-c", script])
        .args(arguments)
        .env("PYTHONPATH", packages())
        .env("AWS_CA_BUNDLE", authority)
        .env("AWS_ACCESS_KEY_ID", "openshell")
        .env("AWS_SECRET_ACCESS_KEY", PLACEHOLDER)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Lets botocore sign every request that arrived with the keys; each must have that signature.
fn verify(site: &Site, service: &str) -> Vec<String> {
    let file = site.bench.folder.path().join("received");
    std::fs::write(&file, site.upstream.received()).unwrap();
    let script = "
import re, sys, datetime
from botocore.auth import SigV4Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
import botocore.auth
path, service, key, secret, token = sys.argv[1:]
text = open(path, encoding='latin-1', newline='').read()
for head in re.finditer(r'(GET|PUT|POST|DELETE) (/\\S*) HTTP/1\\.1\\r\\n((?:[^\\r\\n]+\\r\\n)*)\\r\\n', text):
    method, target, lines = head.groups()
    fields = dict(line.split(': ', 1) for line in lines.splitlines())
    given = fields['authorization']
    signed = re.search('SignedHeaders=([^,]+)', given).group(1).split(';')
    body = text[head.end():head.end() + int(fields.get('content-length', 0))].encode('latin-1')
    request = AWSRequest(method=method, url='https://' + fields['host'] + target, data=body)
    for name in signed:
        if name not in ('host', 'x-amz-date', 'x-amz-security-token'):
            request.headers[name] = fields[name]
    when = datetime.datetime.strptime(fields['x-amz-date'], '%Y%m%dT%H%M%SZ')
    request.context['timestamp'] = fields['x-amz-date']
    kind = S3SigV4Auth if service == 's3' else SigV4Auth
    signer = kind(Credentials(key, secret, token), service, 'eu-central-1')
    if service == 's3':
        signer.payload = lambda request: fields['x-amz-content-sha256']
    request.headers['X-Amz-Date'] = fields['x-amz-date']
    request.headers['X-Amz-Security-Token'] = token
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    print('good' if given.endswith('Signature=' + expected) else 'BAD ' + given + canonical, method, target)
";
    let said = python(site, script, &[file.to_str().unwrap(), service, ID, KEY, TOKEN]);
    said.lines().map(str::to_owned).collect()
}

/// What left has nothing of the client's and nothing of the secret.
fn kept(site: &Site) {
    let received = site.upstream.received();
    assert!(!received.contains(PLACEHOLDER) && !received.contains(KEY), "{received}");
    assert!(received.contains(&format!("Credential={ID}/")), "{received}");
    let events = format!("{:?}", site.bench.audit.events());
    assert!(!events.contains(KEY) && !events.contains(TOKEN), "{events}");
}

#[test]
fn boto3_works_unmodified() {
    let site = Site::answering("s3", &["/reports/**", "/reports"], |request| {
        let get = request.starts_with(b"GET");
        if get && !String::from_utf8_lossy(request).to_ascii_lowercase().contains("\r\nrange: bytes=0-4\r\n")
        {
            return ok("the range was taken out");
        }
        let (status, body) = if get { ("206 Partial Content", "hello") } else { ("200 OK", "") };
        raw(&format!("HTTP/1.1 {status}\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    });
    let proxy = site.bench.door((Ipv4Addr::new(127, 0, 0, 2), 0).into(), EXPLICIT_PROXY, curl());
    let script = "
import boto3, io, sys, urllib.request, ssl, os
from botocore.config import Config
proxy, endpoint = sys.argv[1:]
config = Config(proxies={'https': proxy}, s3={'addressing_style': 'path'}, retries={'max_attempts': 0})
s3 = boto3.client('s3', region_name='eu-central-1', endpoint_url=endpoint, config=config)
print(s3.get_object(Bucket='reports', Key='a b/c=d+e', Range='bytes=0-4')['Body'].read())
s3.put_object(Bucket='reports', Key='bytes', Body=b'0123456789' * 1000, Metadata={'note': 'a  b'})
s3.put_object(Bucket='reports', Key='stream', Body=io.BytesIO(b'x' * 300000))
s3.delete_object(Bucket='reports', Key='bytes')
url = s3.generate_presigned_url('get_object', {'Bucket': 'reports', 'Key': 'presigned', 'Range': 'bytes=0-4'})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'https': proxy}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])))
print(opener.open(urllib.request.Request(url, headers={'Range': 'bytes=0-4'})).read())
";
    let endpoint = format!("https://{NAME}:{}", site.upstream.port);
    let said = python(&site, script, &[&format!("http://{proxy}"), &endpoint]);
    assert_eq!(said, "b'hello'\nb'hello'\n");
    let received = site.upstream.received();
    assert!(received.contains("x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"), "{received}");
    assert!(!received.contains("X-Amz-Signature"), "{received}");
    let verdicts = verify(&site, "s3");
    assert_eq!(verdicts.len(), 5, "{verdicts:#?}");
    assert!(verdicts.iter().all(|verdict| verdict.starts_with("good ")), "{verdicts:#?}");
    kept(&site);
}

#[test]
fn a_body_that_has_no_digest_is_read_and_signed() {
    let site = Site::new("dynamodb", &[]);
    let target = "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n";
    let scope = "eu-central-1/dynamodb/aws4_request";
    let mine = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=openshell/20260101/{scope}, SignedHeaders=host, Signature=00\r\n\
         X-Amz-Date: 20260101T000000Z\r\nX-Amz-Security-Token: {PLACEHOLDER}\r\n"
    );
    let body = "{\"TableName\": \"notes\"}";
    assert_eq!(site.ask("POST /", &format!("{target}{mine}"), body).status(), 200);
    // Without any signature too, and with chunks, which come to one length.
    let chunked =
        format!("Transfer-Encoding: chunked\r\n{target}\r\n5\r\n{{\"a\":\r\n3\r\n 1}}\r\n0\r\n\r\n");
    assert_eq!(site.ask("POST /b?b=2&a=1%201", &chunked, "").status(), 200);
    assert_eq!(site.ask("GET /c%20d/e", "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n", "").status(), 200);
    let received = site.upstream.received();
    assert!(received.contains("content-length: 8\r\n") && received.ends_with("\r\n\r\n"), "{received}");
    let verdicts = verify(&site, "dynamodb");
    assert_eq!(verdicts.len(), 3, "{verdicts:#?}");
    assert!(verdicts.iter().all(|verdict| verdict.starts_with("good ")), "{verdicts:#?}");
    kept(&site);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let scope = |scope: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=openshell/20260101/{scope}/aws4_request, Signature=0\r\n"
        )
    };
    let says = |text: &str| format!("X-Amz-Content-Sha256: {text}\r\n");
    let form = "Content-Type: multipart/form-data; boundary=x\r\n".to_owned();
    for (line, fields, body, cause) in [
        ("GET /a", scope("us-east-1/s3"), "", "signed for us-east-1/s3"),
        ("GET /a", scope("eu-central-1/sts"), "", "signed for eu-central-1/sts"),
        (
            "GET /a",
            "Authorization: AWS4-ECDSA-P256-SHA256 Credential=x/s3/aws4_request\r\n".to_owned(),
            "",
            "ECDSA",
        ),
        (
            "GET /a?X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
            String::new(),
            "",
            "us-east-1/s3",
        ),
        ("PUT /a", says("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), "0", "cannot be signed anew"),
        ("PUT /a", says("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), "0", "cannot be signed anew"),
        ("POST /a", form, "--x", "brings its own signature"),
        ("GET /a", format!("X-Amz-Meta-A: {PLACEHOLDER}\r\n"), "", "header field"),
        ("GET /a", "X-Amz-Meta-A: \u{e9}\r\n".to_owned(), "", "plain ASCII"),
    ] {
        let site = Site::new("s3", &[]);
        let answer = site.ask(line, &fields, body);
        site.refused(&answer, 403, cause);
    }
    for (line, fields, cause) in [
        ("PUT /a", "X-Amz-Copy-Source: /b/secret\r\n", "'x-amz-copy-source' does more"),
        ("PUT /a?acl", "", "'acl' does more"),
        ("GET /?session", "", "a key of its own"),
        ("GET /a?b=1;X-Amz-Signature=0", "", "has a ';' in it"),
    ] {
        let site = Site::new("s3", &[]);
        let answer = site.ask(line, fields, "");
        site.refused(&answer, 403, cause);
    }
    let site = Site::new("dynamodb", &[]);
    let answer = site.ask("POST /", "Content-Length: 16777217\r\n", "");
    site.refused(&answer, 413, "16777216 bytes");
}

/// Somebody else's signature, in a field or in a URL, is good for nothing at a host that is signed for, whatever the path.
#[test]
fn somebody_elses_signature_does_not_go_out() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAHIS%2F20260101%2Feu-central-1%2Fs3%2Faws4_request\
                 &X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    let site = Site::new("s3", &["/mine/**"]);
    assert_eq!(site.ask(&format!("GET /mine/a?{query}"), "", "").status(), 200);
    let his = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAHIS/20260101/eu-central-1/s3/aws4_request, Signature=0\r\n";
    assert_eq!(site.ask("GET /mine/b", his, "").status(), 200);
    assert_eq!(site.ask("GET /his/a", his, "").status(), 200);
    let received = site.upstream.received();
    assert!(!received.contains("AKIAHIS") && !received.contains("X-Amz-Signature"), "{received}");
    assert_eq!(received.matches("AWS4-HMAC-SHA256").count(), 2, "{received}");
    for query in [query, "AWSAccessKeyId=AKIAHIS&Signature=00&Expires=1"] {
        let site = Site::new("s3", &["/mine/**"]);
        let answer = site.ask(&format!("GET /his/a?{query}"), "", "");
        site.refused(&answer, 403, "takes none of the agent's");
    }
}

/// What a service answers that is no object storage is short, and searched whatever its status.
#[test]
fn a_key_that_an_answer_repeats_is_masked() {
    let site = Site::answering("dynamodb", &[], |_| ok(&format!("{{\"k\":\"{KEY}\"}}")));
    let answer = site.ask("GET /a", "Accept-Encoding: gzip\r\n", "");
    assert!(answer.text.contains("{\"k\":\"****") && !answer.text.contains(KEY), "{answer:?}");
    assert!(site.upstream.received().contains("accept-encoding: identity"), "{}", site.upstream.received());
}

#[test]
fn a_session_token_that_an_error_repeats_is_masked() {
    let site = Site::answering("s3", &[], |_| {
        let text = format!("<Error><Code>ExpiredToken</Code><Token-0>{TOKEN}</Token-0></Error>");
        raw(&format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
    });
    let answer = site.ask("GET /a", "", "");
    assert_eq!(answer.status(), 400);
    assert!(answer.text.contains("<Token-0>****") && !answer.text.contains(TOKEN), "{answer:?}");
}
