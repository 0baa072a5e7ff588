//! `openshell policy`, the real program: what it prints, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const FILES: &str = "version: 1
network:
  - name: files
    binary: {allow: [curl]}
    destination: {allow: [files.example.com]}
    method: {allow: [GET]}
    path: {allow: [\"/pub/**\"], deny: [/pub/secret]}
";

const TABLE: &str = "/usr/bin/curl GET files.example.com /pub/x allow files
/usr/bin/curl PUT files.example.com /pub/x deny method files
";

/// A folder with `policy.yaml` and `policy.table`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("policy.yaml", FILES);
        folder.write("policy.table", TABLE);
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs `openshell policy` in the folder.
    fn policy(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
        command.current_dir(self.0.path()).env("HOME", self.0.path());
        command.arg("policy").args(arguments).output().unwrap()
    }

    /// Exit code and standard output.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.policy(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, text) = self.says(arguments);
        (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }
}

#[test]
fn check_tells_mistakes_warnings_and_notes_apart() {
    let folder = Folder::new();
    assert_eq!(
        folder.says(&["check", "policy.yaml", "--strict"]),
        (0, "policy.yaml: 1 network rule, no mistakes, 0 warnings, 0 notes\n".to_owned())
    );
    folder.write("note.yaml", &FILES.replace("[curl]", "[python3]"));
    assert_eq!(folder.says(&["check", "note.yaml", "--strict"]).0, 0, "a note is no reason to fail");
    folder.write("wide.yaml", &FILES.replace("[GET]", "[\"*\"]"));
    let (code, text) = folder.says(&["check", "wide.yaml"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("wide.yaml:6:22: warning [wildcard-method]: rule 'files': "), "{text}");
    assert_eq!(folder.says(&["check", "wide.yaml", "--strict"]).0, 1);
    let (code, found) = folder.json(&["check", "wide.yaml", "--json"]);
    assert_eq!((code, found["lints"][0]["name"].as_str()), (0, Some("wildcard-method")));
    folder.write("wrong.yaml", &FILES.replace("GET", "GETT"));
    let output = folder.policy(&["check", "wrong.yaml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("wrong.yaml:6:22: method.allow: 'GETT'") && text.contains("did you mean 'GET'?"),
        "{text}"
    );
    let (code, found) = folder.json(&["check", "wrong.yaml", "--json"]);
    assert_eq!((code, found["mistakes"][0]["line"].as_u64()), (1, Some(6)));
}

#[test]
fn explain_names_what_decides_and_what_would_have_to_change() {
    let folder = Folder::new();
    let ask = |method: &str, url: &str| {
        folder.json(&[
            "explain",
            "policy.yaml",
            "--binary",
            "/usr/bin/curl",
            "--method",
            method,
            url,
            "--json",
        ])
    };
    let (code, answer) = ask("GET", "https://FILES.example.com/pub/%61#part");
    assert_eq!(
        (code, answer["decision"].as_str(), answer["rule"].as_str()),
        (0, Some("allow"), Some("files"))
    );
    assert_eq!(answer["request"], "GET https://files.example.com/pub/a", "as the proxy reads it");
    assert_eq!(answer["origin"], "policy.yaml:3");
    let (code, answer) = ask("PUT", "https://files.example.com/pub/a");
    assert_eq!(
        (code, answer["decision"].as_str(), answer["level"].as_str()),
        (1, Some("deny"), Some("method"))
    );
    assert_eq!(answer["change"]["yaml"], "method:\n  allow:\n    - PUT\n");
    assert_eq!(answer["if_the_program_lies"]["decision"], "deny");
    let (_code, answer) = ask("GET", "https://files.example.com/pub/secret");
    assert!(
        answer["change"]["what"].as_str().unwrap().starts_with("take '/pub/secret' out of 'path.deny'"),
        "{answer}"
    );
    let (_code, text) =
        folder.says(&["explain", "policy.yaml", "--binary", "wget", "https://files.example.com/pub/a"]);
    assert!(text.contains("it is allowed to curl (rule files)"), "{text}");
    let refused =
        folder.policy(&["explain", "policy.yaml", "--binary", "curl", "https://files.example.com/a/../b"]);
    assert_eq!(refused.status.code(), Some(2), "neither yes nor no");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("dot segment"), "the proxy refuses it too");
}

#[test]
fn explain_reads_a_message() {
    let folder = Folder::new();
    let level = "    mcp: {server: issues, tools: {allow: [get_issue]}}\n";
    folder.write("policy.yaml", &(FILES.replace("[GET]", "[POST]").replace("/pub/**", "/mcp") + level));
    let ask = |body: &[&str]| {
        let asked = ["explain", "policy.yaml", "--binary", "curl", "--method", "POST"];
        folder.says(&[&asked, body, &["https://files.example.com/mcp"]].concat())
    };
    let call = |tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    let (code, text) = ask(&["--body", &call("get_issue")]);
    assert!(code == 0 && text.contains("asked: mcp issues: tools/call get_issue"), "{text}");
    let (code, text) = ask(&["--body", &call("put_issue")]);
    let told = "to allow it: the operator can add 'put_issue' to 'mcp.tools.allow' of rule 'files'";
    assert!(code == 1 && text.contains(told), "{text}");
    let (code, text) = ask(&[]);
    assert!(code == 1 && text.contains("looks into the message, which was not read"), "{text}");
}

#[test]
fn explain_reads_header_fields() {
    let folder = Folder::new();
    folder.write("policy.yaml", &format!("{FILES}    headers: {{require: [\"x-team: red\"]}}\n"));
    let ask = |more: &[&str]| {
        let all = ["explain", "policy.yaml", "--binary", "curl", "https://files.example.com/pub/a"];
        folder.says(&[&all, more].concat()).0
    };
    assert_eq!([ask(&[]), ask(&["--header", "X-Team: red"]), ask(&["--header", "x-team:blue"])], [1, 0, 1]);
}

#[test]
fn show_prints_what_loads_again_with_its_origins() {
    let folder = Folder::new();
    let own = "version: 1\nextends: [./policy.yaml, preset/slack]\nfilesystem: {read: [/opt/x]}\n";
    folder.write("own.yaml", own);
    let (code, shown) = folder.says(&["show", "own.yaml"]);
    assert_eq!(code, 0);
    for line in ["/policy.yaml:3", "# preset/slack:", "/opt/x # own.yaml:3"] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    folder.write("shown.yaml", &shown);
    assert_eq!(
        folder.says(&["diff", "own.yaml", "shown.yaml"]),
        (0, "no request is allowed by one and denied by the other\n".to_owned())
    );
    let (_code, found) = folder.json(&["show", "own.yaml", "--json"]);
    assert_eq!(found["policy"]["network"][0]["name"], found["origins"][0]["rule"]);
    let (code, list) = folder.says(&["presets"]);
    assert!(code == 0 && list.lines().any(|line| line.starts_with("preset/slack ")), "{list}");
}

#[test]
fn test_counts_and_writes_what_a_build_server_reads() {
    let folder = Folder::new();
    assert_eq!(
        folder.says(&["test", "policy.yaml"]),
        (0, "2 requests, every verdict as expected\n".to_owned())
    );
    folder.write("more.table", "curl GET files.example.com /pub/<&> allow files\n/usr/bin/curl GET files.example.com /x allow files\n");
    let (code, text) =
        folder.says(&["test", "policy.yaml", "policy.table", "more.table", "--junit", "out.xml"]);
    assert_eq!(code, 1);
    assert!(text.contains("more.table:2  allow files") && text.contains("deny path files"), "{text}");
    assert!(text.ends_with("4 requests, 2 verdicts not as expected\n"), "{text}");
    let xml = fs::read_to_string(folder.0.path().join("out.xml")).unwrap();
    assert!(xml.contains("failures=\"2\"") && xml.contains("&lt;&amp;&gt;") && !xml.contains("<&>"), "{xml}");
    folder.write("empty.table", "# nothing\n");
    assert_eq!(folder.says(&["test", "policy.yaml", "empty.table"]).0, 1, "an empty table tests nothing");
    assert_eq!(folder.says(&["test", "policy.yaml", "none.table"]).0, 2, "no answer");
}

#[test]
fn diff_says_which_requests_change() {
    let folder = Folder::new();
    folder.write("wider.yaml", &FILES.replace("[GET]", "[GET, POST]").replace(", deny: [/pub/secret]", ""));
    let (code, text) = folder.says(&["diff", "policy.yaml", "wider.yaml"]);
    assert_eq!(code, 1);
    assert!(text.contains("+ becomes allowed, by rule files") && text.contains("POST /pub/**"), "{text}");
    assert!(text.contains("GET /pub/secret"), "{text}");
    let (code, found) = folder.json(&["diff", "wider.yaml", "policy.yaml", "--json"]);
    assert_eq!(
        (code, found["groups"][0]["becomes"].as_str(), found["complete"].as_bool()),
        (1, Some("denied"), Some(true))
    );
}

/// A sealed log of decided requests.
fn log(requests: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    let mut prev = "0".repeat(64);
    for (number, (decision, method, path)) in requests.iter().enumerate() {
        let owner = r#"{"binary":"/usr/bin/curl","pid":7,"uid":1000}"#;
        let line = format!(
            r#"{{"version":1,"sequence":{},"time":"2026-11-21T00:00:0{number}.000000Z","monotonic_ns":1,"sandbox":"s-{}","client":"proxy","action":"network-request","subject":{{"owners":[{owner}]}},"object":{{"host":"a.example.com","port":443,"method":"{method}","path":"{path}"}},"decision":"{decision}","prev":"{prev}"}}"#,
            number + 1,
            "0".repeat(8),
        );
        let hash: String = Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{},\"hash\":\"{hash}\"}}\n", &line[..line.len() - 1]));
        prev = hash;
    }
    text
}

#[test]
fn learn_writes_a_policy_that_checks_and_covers_the_log() {
    let folder = Folder::new();
    let requests = [("allow", "GET", "/users/1"), ("deny", "GET", "/users/2"), ("deny", "POST", "/notes")];
    folder.write("audit.log", &log(&requests));
    let output = folder.policy(&["learn", "audit.log", "-o", "learned.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(folder.says(&["check", "learned.yaml", "--strict"]).0, 0);
    let ask = |file: &str, method: &str, path: &str| {
        let url = format!("https://a.example.com{path}");
        folder.says(&["explain", file, "--binary", "curl", "--method", method, &url]).0
    };
    assert_eq!([ask("learned.yaml", "GET", "/users/9"), ask("learned.yaml", "POST", "/notes")], [0, 0]);
    assert_eq!(ask("learned.yaml", "POST", "/users/9"), 1, "nothing crosswise");
    let (_code, allowed) = folder.says(&["learn", "audit.log", "--allowed-only"]);
    folder.write("allowed.yaml", &allowed);
    assert_eq!([ask("allowed.yaml", "GET", "/users/1"), ask("allowed.yaml", "POST", "/notes")], [0, 1]);
}

#[test]
fn learn_refuses_a_damaged_log_by_record() {
    let folder = Folder::new();
    let whole = log(&[("allow", "GET", "/a"), ("deny", "GET", "/b"), ("allow", "GET", "/c")]);
    folder.write("audit.log", &whole.replace("\"path\":\"/b\"", "\"path\":\"/x\""));
    let output = folder.policy(&["learn", "audit.log", "-o", "learned.yaml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("audit.log is not an intact log: record 2: its content does not match its hash"),
        "{text}"
    );
    assert!(!Path::new(&folder.0.path().join("learned.yaml")).exists());
}
