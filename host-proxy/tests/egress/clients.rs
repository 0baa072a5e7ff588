//! Real clients, unmodified, through the proxy to real servers.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use wire::flow::EXPLICIT_PROXY;

use crate::bench::{Bench, Setting, curl, program};
use crate::forwarding::{NAME, site};
use crate::upstream::{Response, Root, Upstream};

/// Where the doors of captured flows are: the port must be the upstream's own.
const DOOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn authority(bench: &Bench) -> PathBuf {
    let path = bench.folder.path().join("ca.pem");
    std::fs::write(&path, &bench.authority_pem).unwrap();
    path
}

/// curl as it runs in the guest: it believes to be connected to the name.
fn run_curl(bench: &Bench, port: u16, arguments: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"])
        .arg(authority(bench))
        .args(["--resolve", &format!("{NAME}:{port}:{DOOR}")])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn curl_is_allowed_and_denied() {
    let (bench, upstream) = site();
    let port = upstream.port;
    bench.door((DOOR, port).into(), (bench.resolve(NAME), port).into(), curl());
    let url = |path: &str| format!("https://{NAME}:{port}{path}");
    let allowed = run_curl(&bench, port, &[&url("/v1/a")]);
    assert_eq!(
        (text(&allowed.stdout), allowed.status.code()),
        ("hello".to_owned(), Some(0)),
        "{}",
        text(&allowed.stderr)
    );
    let posted = run_curl(&bench, port, &["--data", "a=b", &url("/v1/items")]);
    assert_eq!(text(&posted.stdout), "hello", "{}", text(&posted.stderr));
    let denied = run_curl(&bench, port, &["--fail-with-body", "--request", "DELETE", &url("/v1/a")]);
    assert_eq!(denied.status.code(), Some(22), "{}", text(&denied.stderr));
    let body: serde_json::Value = serde_json::from_slice(&denied.stdout).unwrap();
    assert_eq!((&body["level"], &body["rule"]), (&"method".into(), &"api".into()), "{body}");
    let upgrade = run_curl(&bench, port, &["--http2", &url("/v1/a")]);
    assert_eq!(text(&upgrade.stdout), "hello", "{}", text(&upgrade.stderr));
    let fronted = run_curl(&bench, port, &["--header", "Host: evil.test", &url("/v1/a")]);
    assert!(text(&fronted.stdout).contains("\"level\":\"destination\""), "{}", text(&fronted.stdout));
    assert_eq!(upstream.received().matches("HTTP/1.1\r\n").count(), 3);
}

#[test]
fn curl_uploads_a_large_body() {
    let (bench, upstream) = site();
    let port = upstream.port;
    bench.door((DOOR, port).into(), (bench.resolve(NAME), port).into(), curl());
    let file = bench.folder.path().join("body");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let url = format!("https://{NAME}:{port}/v1/items");
    let upload = format!("@{}", file.display());
    for extra in ["Expect:", "Transfer-Encoding: chunked"] {
        let done = run_curl(&bench, port, &["--header", extra, "--data-binary", &upload, &url]);
        assert_eq!(text(&done.stdout), "hello", "{extra}: {}", text(&done.stderr));
    }
    assert_eq!(upstream.received().matches('x').count() / 1_000_000, 6);
}

#[test]
fn curl_by_the_explicit_proxy() {
    let (bench, upstream) = site();
    let port = upstream.port;
    let proxy = bench.door((DOOR, 0).into(), EXPLICIT_PROXY, curl());
    let ask = |url: String| {
        Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--proxy",
                &format!("http://{proxy}"),
                "--cacert",
            ])
            .arg(authority(&bench))
            .arg(url)
            .output()
            .unwrap()
    };
    let allowed = ask(format!("https://{NAME}:{port}/v1/a"));
    assert_eq!(text(&allowed.stdout), "hello", "{}", text(&allowed.stderr));
    let denied = ask(format!("https://{NAME}:{port}/v2/a"));
    assert!(text(&denied.stdout).contains("\"level\":\"path\""), "{}", text(&denied.stdout));
    let elsewhere = ask(format!("https://evil.test:{port}/v1/a"));
    assert!(text(&elsewhere.stderr).contains("403"), "{}", text(&elsewhere.stderr));
}

#[test]
fn python_by_the_explicit_proxy() {
    let (bench, upstream) = site();
    let proxy = bench.door((DOOR, 0).into(), EXPLICIT_PROXY, program("/usr/bin/curl"));
    let script = "
import sys, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
";
    let url = |path: &str| format!("https://{NAME}:{}{path}", upstream.port);
    let output = Command::new("python3")
        .args(["-c", script, &url("/v1/a"), &url("/v2/a")])
        .env("https_proxy", format!("http://{proxy}"))
        .env("SSL_CERT_FILE", authority(&bench))
        .output()
        .unwrap();
    let lines = text(&output.stdout);
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("hello"), "{}", text(&output.stderr));
    assert!(lines.next().unwrap().starts_with("403 {\"error\""), "{}", text(&output.stdout));
}

/// A repository with one commit, bare.
fn repository(folder: &Path) -> PathBuf {
    let work = folder.join("work");
    let bare = folder.join("v1").join("repo.git");
    git(folder, &["init", "--quiet", "--initial-branch", "main", "work"]);
    std::fs::write(work.join("file"), "content of the repository\n".repeat(2000)).unwrap();
    git(&work, &["add", "file"]);
    git(
        &work,
        &["-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "--quiet", "--message", "first"],
    );
    std::fs::create_dir(folder.join("v1")).unwrap();
    git(folder, &["clone", "--quiet", "--bare", "work", bare.to_str().unwrap()]);
    git(&bare, &["config", "http.receivepack", "true"]);
    bare
}

fn git(at: &Path, arguments: &[&str]) {
    let output = run_git(at, Path::new("/nowhere"), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
}

fn commit(at: &Path) {
    let author = ["-c", "user.name=a", "-c", "user.email=a@b.test"];
    git(at, &[&author[..], &["commit", "--quiet", "--allow-empty", "--message", "b"]].concat());
}

/// git without the surroundings' configuration: it trusts the roots in `trust` alone.
fn run_git(at: &Path, trust: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(at).args(arguments).env("HOME", at).env("GIT_SSL_CAINFO", trust);
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command.output().unwrap()
}

/// git's own smart-HTTP server, run as a CGI program for one request.
fn smart_http(root: &Path, request: &[u8]) -> Response {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let (head, body) = (text(&request[..end]), &request[end + 4..]);
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))
            .map_or("", |(_, value)| value)
    };
    let target = head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.split(' ').next().unwrap())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", field("content-type"))
        .env("HTTP_CONTENT_ENCODING", field("content-encoding"))
        .env("HTTP_GIT_PROTOCOL", field("git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    backend.stdin.take().unwrap().write_all(body).unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let fields = text(&output[..end]);
    let status = fields.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let content = &output[end + 4..];
    let head = format!("HTTP/1.1 {status}\r\n{fields}\r\nContent-Length: {}\r\n\r\n", content.len());
    Response { bytes: [head.as_bytes(), content].concat(), close: false }
}

#[test]
fn git_clones_and_cannot_push() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let (root, served) = (Root::new(), folder.path().to_owned());
    let upstream = Upstream::start(
        Some(root.server_config(&[NAME], |_| {})),
        Arc::new(move |request| smart_http(&served, request)),
    );
    let port = upstream.port;
    let policy = format!(
        "version: 1
network:
  - name: repositories
    binary: {{allow: [git]}}
    destination: {{allow: ['{NAME}:{port}']}}
    method: {{allow: [GET, POST]}}
    path: {{allow: ['/v1/*/info/refs', '/v1/*/git-upload-pack']}}
"
    );
    let bench = Setting::new(policy).host(NAME).trusting(&root.pem()).start();
    let subject = program("/usr/lib/git-core/git-remote-https");
    bench.door((DOOR, port).into(), (bench.resolve(NAME), port).into(), subject);
    let trust = authority(&bench);
    let resolve = format!("http.curloptResolve={NAME}:{port}:{DOOR}");
    let url = format!("https://{NAME}:{port}/v1/repo.git");
    let options = ["-c", &resolve];
    let clone =
        run_git(folder.path(), &trust, &[&options[..], &["clone", "--quiet", &url, "clone"]].concat());
    assert!(clone.status.success(), "{}", text(&clone.stderr));
    let clone = folder.path().join("clone");
    assert!(std::fs::read_to_string(clone.join("file")).unwrap().starts_with("content of the repository"));
    commit(&clone);
    let push = run_git(&clone, &trust, &[&options[..], &["push", "origin", "main"]].concat());
    assert!(!push.status.success() && text(&push.stderr).contains("403"), "{}", text(&push.stderr));
    assert!(!upstream.received().contains("POST /v1/repo.git/git-receive-pack"));
    let denied = bench.audit.wait_for(|event| event["decision"] == "deny");
    assert_eq!(denied["level"], "path", "{denied}");
}

/// What is pushed where is decided by the push's own commands, before any of it reaches the server.
#[test]
fn git_pushes_to_the_refs_that_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let bare = repository(folder.path());
    let (root, served) = (Root::new(), folder.path().to_owned());
    let upstream = Upstream::start(
        Some(root.server_config(&[NAME], |_| {})),
        Arc::new(move |request| smart_http(&served, request)),
    );
    let port = upstream.port;
    let policy = format!(
        "version: 1
network:
  - name: work
    binary: {{allow: [git]}}
    destination: {{allow: ['{NAME}:{port}']}}
    method: {{allow: [GET, POST]}}
    path: {{allow: ['/v1/repo.git/**']}}
    git:
      push: {{allow: ['refs/heads/agent/*']}}
      delete: {{allow: ['refs/heads/agent/tmp']}}
"
    );
    let bench = Setting::new(policy).host(NAME).trusting(&root.pem()).start();
    let subject = program("/usr/lib/git-core/git-remote-https");
    bench.door((DOOR, port).into(), (bench.resolve(NAME), port).into(), subject);
    let trust = authority(&bench);
    let resolve = format!("http.curloptResolve={NAME}:{port}:{DOOR}");
    let run = |at: &Path, arguments: &[&str]| {
        let output = run_git(at, &trust, &[&["-c", &resolve], arguments].concat());
        (output.status.success(), text(&output.stderr))
    };
    let url = format!("https://{NAME}:{port}/v1/repo.git");
    let cloned = run(folder.path(), &["clone", "--quiet", &url, "clone"]);
    assert!(cloned.0, "{cloned:?}");
    let clone = folder.path().join("clone");
    commit(&clone);
    // Objects of many pieces: only the commands before them are read ahead.
    let noise: Vec<u8> = (0..600_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    std::fs::write(clone.join("noise"), noise).unwrap();
    git(&clone, &["add", "noise"]);
    commit(&clone);
    for branch in ["HEAD:refs/heads/agent/fix", "HEAD:refs/heads/agent/tmp"] {
        let pushed = run(&clone, &["push", "--quiet", "origin", branch]);
        assert!(pushed.0, "{branch}: {pushed:?}");
    }
    let deleted = run(&clone, &["push", "--quiet", "origin", ":refs/heads/agent/tmp"]);
    assert!(deleted.0, "{deleted:?}");
    let fetched = run(&clone, &["fetch", "--quiet", "origin", "refs/heads/agent/fix"]);
    assert!(fetched.0, "{fetched:?}");
    let before = upstream.received().matches("POST /v1/repo.git/git-receive-pack").count();
    for (arguments, what) in [
        (&["HEAD:refs/heads/main"][..], "the push to 'refs/heads/main'"),
        (&["--force", "HEAD~1:refs/heads/main"], "the push to 'refs/heads/main'"),
        (&["HEAD:refs/heads/agent/more", "HEAD:refs/tags/v1"], "the push to 'refs/tags/v1'"),
        (&[":refs/heads/agent/fix"], "the deletion of 'refs/heads/agent/fix'"),
        (&["--push-option=merge_request.create", "HEAD:refs/heads/agent/fix2"], ""),
    ] {
        let refused = run(&clone, &[&["push", "origin"], arguments].concat());
        assert!(!refused.0, "{arguments:?}: {refused:?}");
        // That the server knows no push options is git's own finding, on this side.
        if !what.is_empty() {
            let (rejected, said) = (refused.1.contains("[remote rejected]"), refused.1.contains(what));
            assert!(rejected && said, "{arguments:?}: {refused:?}");
            let told = |event: &serde_json::Value| {
                event["level"] == "message" && event["reason"].as_str().unwrap_or_default().contains(what)
            };
            bench.audit.wait_for(told);
        }
    }
    assert_eq!(upstream.received().matches("POST /v1/repo.git/git-receive-pack").count(), before);
    let refs = Command::new("git").args(["for-each-ref", "--format=%(refname)"]).current_dir(bare).output();
    assert_eq!(text(&refs.unwrap().stdout), "refs/heads/agent/fix\nrefs/heads/main\n");
    bench.audit.wait_for(|event| event["reason"] == "git push: refs/heads/agent/fix");
    bench.audit.wait_for(|event| event["reason"] == "git push: delete refs/heads/agent/tmp");
}
