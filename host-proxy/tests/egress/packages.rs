//! Packages of registries: which may be had, and from what age on.

use std::sync::Arc;

use serde_json::Value;

use crate::archives::{TEXT, gzip, tar};
use crate::bench::{Answer, Bench, Setting};
use crate::forwarding::NAME;
use crate::upstream::{Response, Upstream, ok};

/// Another host of the registry.
const META: &str = "meta.test";

/// Published when no clock says that it is a week ago.
const YOUNG: &str = "2999-01-01T00:00:00Z";
const OLD: &str = "2020-01-01T00:00:00Z";

/// A proxy before a registry, which says this of its packages at `index`.
fn registry(packages: &str, index: &'static str, says: String) -> (Bench, Upstream) {
    let file = gzip(&tar(&[("package/index.js", TEXT)]));
    let upstream = Upstream::start(
        None,
        Arc::new(move |request| {
            let request = String::from_utf8_lossy(request);
            if request.starts_with(&format!("GET {index} ")) {
                return ok(&says);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
            Response { bytes: [head.as_bytes(), &file].concat(), close: false }
        }),
    );
    let port = upstream.port;
    let packages = packages.replace("PORT", &port.to_string());
    let rule = |name: &str, host: &str, path: &str, more: &str| {
        format!(
            "  - name: {name}\n    binary: {{allow: [curl]}}\n    destination: {{allow: ['{host}:{port}']}}\n    method: {{allow: [GET]}}\n    path: {{allow: ['{path}']}}\n{more}"
        )
    };
    let text = format!(
        "version: 1\nnetwork:\n{}{}",
        rule("registry", NAME, "/**", &format!("    downloads: {{packages: {{{packages}}}}}\n")),
        rule("meta", META, "/**", "")
    );
    (Setting::new(text).host(NAME).host(META).start(), upstream)
}

fn get((bench, upstream): &(Bench, Upstream), path: &str) -> Answer {
    bench.http(NAME, upstream.port, format!("GET {path} HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port))
}

/// How often a path was asked for.
fn asked(upstream: &Upstream, path: &str) -> usize {
    upstream.received().matches(&format!("GET {path} ")).count()
}

#[test]
fn a_package_that_no_list_allows_is_not_asked_for() {
    let site = registry("registry: npm, allow: [left-pad], deny: ['left-pad@1.3.*']", "/none", String::new());
    assert_eq!(get(&site, "/left-pad/-/left-pad-1.2.0.tgz").status(), 200);
    for path in [
        "/left-pad/-/left-pad-1.3.0.tgz",
        "/event-stream/-/event-stream-3.3.6.tgz",
        "/%6Ceft-pad/-/left-pad-1.3.0.tgz",
        "/left-pad/-/%6Ceft-pad-1.3.0.tgz",
        "/left-pad/download/left-pad-1.3.0.tgz",
    ] {
        let answer = get(&site, path);
        assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("download")), "{path}");
    }
    assert_eq!(asked(&site.1, "/left-pad/-/left-pad-1.2.0.tgz"), 1);
    assert_eq!(site.1.received().matches("GET ").count(), 1, "{}", site.1.received());
    let denied = site.0.audit.wait_for(|event| event["decision"] == "deny");
    assert_eq!((&denied["level"], &denied["rule"]), (&"download".into(), &"registry".into()));
}

/// A registry may have other paths for the same file.
#[test]
fn a_package_on_a_path_of_something_else_does_not_arrive() {
    let site = registry("registry: npm, deny: [left-pad]", "/none", String::new());
    let answer = get(&site, "/left-pad/latest");
    assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("download")));
    assert!(answer.json()["error"].as_str().unwrap().contains("its path is no package's"), "{}", answer.text);
    site.0.audit.wait_for(|event| event["action"] == "network-outcome" && event["decision"] == "deny");
}

#[test]
fn a_version_of_npm_is_had_once_it_is_old_enough_and_its_age_is_asked_once() {
    let says = format!(r#"{{"name":"left-pad","time":{{"1.0.0":"{OLD}","2.0.0":"{YOUNG}"}}}}"#);
    let site = registry("registry: npm, min_age: 7d", "/left-pad", says);
    for _ in 0..2 {
        assert_eq!(get(&site, "/left-pad/-/left-pad-1.0.0.tgz").status(), 200);
    }
    assert_eq!(asked(&site.1, "/left-pad"), 1, "{}", site.1.received());
    let question =
        site.0.audit.wait_for(|event| event["object"]["path"] == "/left-pad" && event["status"] == 200);
    assert_eq!(question["reason"], "asked by the proxy for the age of a package");
    let answer = get(&site, "/left-pad/-/left-pad-2.0.0.tgz");
    assert_eq!((answer.status(), answer.json()["level"].as_str()), (403, Some("download")));
    let why = format!("package 'left-pad@2.0.0' was published at {YOUNG}, less than 604800 s ago");
    assert!(answer.json()["error"].as_str().unwrap().contains(&why), "{}", answer.text);
    // The registry does not know that version.
    let answer = get(&site, "/left-pad/-/left-pad-3.0.0.tgz");
    assert!(answer.status() == 403 && answer.text.contains("does not say when that version was published"));
    // Neither is asked for.
    assert_eq!(site.1.received().matches(".tgz ").count(), 2, "{}", site.1.received());
}

#[test]
fn an_age_that_cannot_be_known_is_not_enough() {
    for (more, says, why) in [
        ("", "{}", "does not say when"),
        ("", "<html>", "does not say when"),
        // The policy does not let the program ask.
        (", metadata: 'other.test:PORT'", "{}", "is not allowed by any rule"),
    ] {
        let site = registry(&format!("registry: npm, min_age: 7d{more}"), "/left-pad", says.to_owned());
        let answer = get(&site, "/left-pad/-/left-pad-1.0.0.tgz");
        assert!(answer.status() == 403 && answer.text.contains(why), "{}", answer.text);
        assert_eq!(site.1.received().matches(".tgz ").count(), 0);
    }
}

#[test]
fn the_ages_of_python_packages_and_of_crates_are_asked_at_their_own_host() {
    let python =
        |time: &str| format!(r#"{{"files":[{{"filename":"a_b-1.0.tar.gz","upload-time":"{time}"}}]}}"#);
    let krate = |time: &str| format!(r#"{{"version":{{"num":"1.0.0","created_at":"{time}"}}}}"#);
    for (name, index, says, path) in [
        ("pypi", "/simple/a-b/", [python(OLD), python(YOUNG)], "/packages/a_b-1.0.tar.gz"),
        ("crates", "/api/v1/crates/a/1.0.0", [krate(OLD), krate(YOUNG)], "/crates/a/a-1.0.0.crate"),
    ] {
        for (says, status) in says.into_iter().zip([200, 403]) {
            let packages = format!("registry: {name}, min_age: 7d, metadata: '{META}:PORT'");
            let site = registry(&packages, index, says);
            assert_eq!(get(&site, path).status(), status, "{name}");
            let received = site.1.received();
            assert!(received.contains(&format!("GET {index} HTTP/1.1\r\nhost: {META}:")), "{received}");
            assert!(received.contains("accept: application/vnd.pypi.simple.v1+json"), "{received}");
            let question = site
                .0
                .audit
                .wait_for(|event| event["object"]["host"] == META && event["decision"] != Value::Null);
            assert_eq!((&question["decision"], &question["rule"]), (&"allow".into(), &"meta".into()));
        }
    }
}
