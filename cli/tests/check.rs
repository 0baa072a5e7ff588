//! `openshell audit check`: audit.yaml before anything stands on it.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/host.rs"]
mod host;

use std::fs;

use host::Host;

impl Host {
    /// What the check says of these settings; `DIR` in them is a directory that is there.
    fn checks(&self, yaml: &str, code: i32) -> String {
        let directory = self.0.path().display().to_string();
        fs::write(self.0.path().join("openshell/audit.yaml"), yaml.replace("DIR", &directory)).unwrap();
        let output = self.audit(&["check"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{yaml}: {said}");
        said.replace(&directory, "DIR")
    }
}

const EXPORTS: &str = "
exports:
  archive: {to: {file: DIR/audit.jsonl}}
  siem: {format: cef, to: {syslog: {host: siem.example.com}}}
  hook: {format: ocsf, to: {webhook: {http: {url: https://hooks.example.com}, secret: {file: DIR/secret}}}}
";

#[test]
fn what_is_right_is_said_and_nothing_is_made() {
    let host = Host::new();
    let said = host.yes(&["check"]);
    assert!(said.contains("the defaults hold") && said.contains("made at its first use"), "{said}");
    fs::write(host.0.path().join("secret"), "s3cret").unwrap();
    let yaml = format!(
        "log: {{keep_days: 30}}\nsigning: {{copies: [DIR]}}\ndetections: {{new-binary: {{enabled: false}}, credential-misuse: {{response: stop}}}}\n{EXPORTS}"
    );
    let said = host.checks(&yaml, 0);
    for words in [
        "kept 30 days",
        "ok    copy DIR: can be written",
        "stop: credential-misuse",
        "off: new-binary",
        "ok    export archive to DIR/audit.jsonl: can be written",
        "ok    export siem: to syslog at siem.example.com; not called",
        "ok    export hook: to https://hooks.example.com; not called",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("s3cret") && !host.0.path().join("audit.jsonl").exists(), "{said}");
}

#[test]
fn every_thing_that_is_wrong_is_named_with_what_to_do() {
    let host = Host::new();
    for (yaml, words) in [
        (EXPORTS, "miss  export hook: cannot read DIR/secret"),
        (
            "signing: {copies: [DIR/none]}\n",
            "miss  copy DIR/none: there is no directory DIR/none\n      remedy: make it",
        ),
        (
            "signing: {key: {file: DIR/none.pem}}\n",
            "miss  signing: cannot use the signing key's file DIR/none.pem",
        ),
        (
            "signing: {timestamp: {http: {url: https://tsa.example.com}, ca: DIR/none.pem}}\n",
            "miss  time stamps: cannot read DIR/none.pem",
        ),
        (
            "exports: {a: {to: {file: DIR/none/a.jsonl}}}\n",
            "miss  export a to DIR/none/a.jsonl: there is no directory",
        ),
        ("exports: {a: {format: cef, to: {otlp: {http: {url: https://a}}}}}\n", "miss  export a: "),
        (
            "exports: {a: {to: {splunk: {http: {url: https://a}, token: {env: NO_SUCH_VARIABLE}}}}}\n",
            "NO_SUCH_VARIABLE is not set",
        ),
        // What is not read at all is told with its place.
        ("log: {keep_day: 30}\n", "audit.yaml:1"),
        ("exports: {a: {to: {webhook: {http: {url: https://a}, secret: {file: key}}}}}\n", "relative path"),
    ] {
        let said = host.checks(yaml, 1);
        assert!(said.contains(words) && said.contains("remedy: "), "{yaml}: {said}");
    }
}
