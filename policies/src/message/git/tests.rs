use super::*;
use crate::Decision;
use crate::message::tests::{compiled, decide};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const NONE: &str = "0000000000000000000000000000000000000000";
const PUSH: &[(&str, &str)] = &[("content-type", "application/x-git-receive-pack-request")];
const ABLE: &str = "\0 report-status side-band-64k agent=git/2.39.5";

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

fn push(lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|text| line(text)).collect();
    [lines.as_bytes(), b"0000PACK\0\0\0\x02", &[0xff; 8]].concat()
}

fn policy(git: &str) -> crate::Policy {
    compiled(&format!(
        "- name: work\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  \
         method: {{allow: [GET, POST]}}\n  path: {{allow: [/acme/**]}}\n  git: {git}\n"
    ))
}

/// `allow`, or why not.
fn pushed(git: &str, lines: &[&str]) -> String {
    said(&decide(&policy(git), ("POST", "/acme/w.git/git-receive-pack"), &PUSH, Some(&push(lines))))
}

fn said(decision: &Decision) -> String {
    match decision {
        Decision::Allow(permit) => {
            format!("allow {}", permit.asked().unwrap_or_default()).trim_end().to_owned()
        }
        Decision::Deny(denial) => denial.reason(),
    }
}

#[test]
fn refs_are_moved_and_deleted_where_they_are_listed() {
    let git = "{push: {allow: ['refs/heads/agent/*'], deny: ['refs/heads/*/release']}, delete: {allow: ['refs/heads/agent/tmp-*']}}";
    let update = |name: &str| format!("{OLD} {NEW} {name}{ABLE}");
    let made = |name: &str| format!("{NONE} {NEW} {name}");
    let deleted = |name: &str| format!("{OLD} {NONE} {name}");
    for (lines, expected) in [
        (vec![update("refs/heads/agent/a")], "allow git push: refs/heads/agent/a"),
        (vec![update("refs/heads/agent/a\n")], "is not named as git names refs"),
        (vec![format!("{OLD} {NEW} refs/heads/agent/a")], "allow git push: refs/heads/agent/a"),
        (vec![format!("{OLD} {NEW} refs/heads/agent/a{ABLE}\n")], "allow git push: refs/heads/agent/a"),
        (
            vec![
                update("refs/heads/agent/a"),
                made("refs/heads/agent/b/c\n"),
                deleted("refs/heads/agent/tmp-1"),
            ],
            "allow git push: refs/heads/agent/a, refs/heads/agent/b/c, delete refs/heads/agent/tmp-1",
        ),
        (vec![format!("shallow {OLD}"), update("refs/heads/agent/a")], "allow git push: refs/heads/agent/a"),
        (vec![update("refs/heads/main")], "the push to 'refs/heads/main' is not allowed by rule 'work'"),
        (
            vec![update("refs/heads/agent/a"), made("refs/heads/main")],
            "the push to 'refs/heads/main' is not allowed",
        ),
        (vec![update("refs/heads/Agent/a")], "the push to 'refs/heads/Agent/a' is not allowed"),
        (vec![deleted("refs/heads/agent/a")], "the deletion of 'refs/heads/agent/a' is not allowed"),
        (vec![update("refs/heads/agent/release")], "the push to 'refs/heads/agent/release' is denied"),
        (vec![update("refs/heads/agent/RELEASE")], "is denied by rule 'work'"),
        (
            vec![deleted("refs/heads/agent/tmp-/release")],
            "the deletion of 'refs/heads/agent/tmp-/release' is denied",
        ),
        (vec![], "allow git push:"),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let told = pushed(git, &lines);
        assert!(told.contains(expected), "{lines:?}: {told}");
    }
    assert_eq!(pushed("{}", &[&update("refs/heads/agent/a")]), "a push is not allowed by rule 'work'");
    assert_eq!(pushed("{}", &[]), "a push is not allowed by rule 'work'");
}

/// What some server could take for other commands than those that are read here.
#[test]
fn what_has_another_reading_is_refused() {
    let git = "{push: {allow: ['*']}, delete: {allow: ['*']}}";
    let good = format!("{OLD} {NEW} refs/heads/a");
    for text in [
        format!("{OLD} {NEW} refs/heads/a\0 push-options"),
        format!("{OLD} {NEW} refs/heads/a\0 atomic\tpush-options=1 quiet"),
        format!("{OLD} {NEW} refs/heads/a\0 x\0 y"),
        "push-cert\0 x\n".to_owned(),
        format!("{OLD} {NEW} heads/a"),
        format!("{OLD} {NEW} HEAD"),
        format!("{OLD} {NEW} refs/heads/../main"),
        format!("{OLD} {NEW} refs/heads//main"),
        format!("{OLD} {NEW} refs/heads/main.lock"),
        format!("{OLD} {NEW} refs/heads/\u{e4}"),
        format!("{OLD} {NEW} refs/heads/a b"),
        format!("{OLD} {NEW} refs/heads/{}", "a".repeat(255)),
        format!("{OLD}  {NEW} refs/heads/a"),
        format!("{NONE} {NONE} refs/heads/a"),
        format!("{} {NEW} refs/heads/a", &OLD[1..]),
        format!("{OLD}{OLD} {NEW} refs/heads/a"),
        format!("shallow {}", &OLD[1..]),
        String::new(),
    ] {
        assert!(pushed(git, &[&text]).contains("cannot be read"), "{text:?}");
    }
    for (first, second) in [(&good, format!("{good}\0 x")), (&good, format!("shallow {OLD}"))] {
        assert!(pushed(git, &[first, &second]).contains("cannot be read"), "{second:?}");
    }
    let said_of = |body: &[u8]| {
        said(&decide(&policy(git), ("POST", "/acme/w.git/git-receive-pack"), &PUSH, Some(body)))
    };
    for body in [&b""[..], b"000", b"0001", b"0004", b"00zz", b"+004", b"fff1", b"0032abc", b"PACK"] {
        assert!(said_of(body).contains("cannot be read"), "{body:?}");
    }
    let many = line(&good).repeat(5000);
    assert!(said_of(many.as_bytes()).contains("more than 256 KiB"), "{}", said_of(many.as_bytes()));
}

/// Method, path and query; header fields; body; whether it is allowed to fetch, and to push.
type Row = (
    (&'static str, &'static str, &'static str),
    &'static [(&'static str, &'static str)],
    Option<&'static [u8]>,
    bool,
    bool,
);

const READ: &str = "application/x-git-upload-pack-request";
const BATCH: &str = "/acme/w.git/info/lfs/objects/batch";
const LFS: &[(&str, &str)] = &[("content-type", "application/vnd.git-lfs+json; charset=utf-8")];
const ROWS: &[Row] = &[
    (("GET", "/acme/w.git/info/refs", "service=git-upload-pack"), &[], None, true, true),
    (("GET", "/acme/w.git/info/refs", "service=git-receive-pack"), &[], None, false, true),
    (
        ("POST", "/acme/w.git/git-upload-pack", ""),
        &[("content-type", READ), ("content-encoding", "gzip")],
        None,
        true,
        true,
    ),
    (("POST", BATCH, ""), LFS, Some(b"{\"operation\":\"download\",\"objects\":[]}"), true, true),
    (("POST", BATCH, ""), LFS, Some(b"{\"operation\":\"upload\",\"objects\":[]}"), false, true),
    (("POST", "/acme/w.git/info/lfs/locks/verify", ""), LFS, None, true, true),
    (("POST", "/acme/w.git/info/lfs/locks", ""), LFS, None, false, false),
    (("POST", BATCH, ""), LFS, Some(b"{\"operation\":\"download\",\"operation\":\"upload\"}"), false, false),
    (("POST", BATCH, ""), LFS, Some(b"{}"), false, false),
    (("GET", "/acme/w.git/info/refs", ""), &[], None, false, false),
    (
        ("GET", "/acme/w.git/info/refs", "service=git-upload-pack&service=git-receive-pack"),
        &[],
        None,
        false,
        false,
    ),
    (("GET", "/acme/w.git/info/refs", "service=git%2Dupload-pack"), &[], None, false, false),
    (("POST", "/acme/w.git/git-upload-pack", "a"), &[("content-type", READ)], None, false, false),
    (("POST", "/acme/w.git/git-upload-pack", ""), &[("content-type", "text/plain")], None, false, false),
    (
        ("POST", "/acme/w.git/git-upload-pack", ""),
        &[("content-type", READ), ("content_type", READ)],
        None,
        false,
        false,
    ),
    (("POST", "/acme/w.git/git-receive-pack", ""), &[("content-type", READ)], Some(b"0000"), false, false),
    (
        ("POST", "/acme/w.git/git-receive-pack", ""),
        &[PUSH[0], ("content-encoding", "gzip")],
        Some(b"0000"),
        false,
        false,
    ),
    (("POST", "/acme/w.git/git-receive-pack/", ""), PUSH, Some(b"0000"), false, false),
    (("POST", "/acme/w.git/Git-Receive-Pack", ""), PUSH, Some(b"0000"), false, false),
    (("POST", "/acme/w.git/x", ""), PUSH, Some(b"0000"), false, false),
    (("GET", "/acme/w.git/objects/info/packs", ""), &[], None, false, false),
];

#[test]
fn a_request_is_one_of_gits_or_refused() {
    for &((method, path, query), fields, body, fetches, pushes) in ROWS {
        for (git, allowed) in [("{}", fetches), ("{push: {allow: ['refs/heads/*']}}", pushes)] {
            let line = (method, path, query);
            let told = said(&crate::message::tests::decide_query(&policy(git), line, &fields, body));
            assert_eq!(told.starts_with("allow"), allowed, "{git} {line:?} {fields:?}: {told}");
        }
    }
}

/// Also for a rule that knows nothing of git.
#[test]
fn what_is_denied_is_denied_to_every_rule() {
    let both = |git: &str| {
        compiled(&format!(
            "- name: all\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  \
             method: {{allow: ['*']}}\n  path: {{allow: ['/**']}}\n\
             - name: main\n  binary: {{allow: [curl]}}\n  destination: {{allow: [a.example.com]}}\n  \
             method: {{allow: [GET, POST]}}\n  path: {{allow: ['/acme/**']}}\n  {git}\n"
        ))
    };
    let deny = both("effect: deny-only\n  git: {push: {deny: [refs/heads/main]}}");
    let push_to = |policy: &crate::Policy, name: &str| {
        let body = push(&[&format!("{OLD} {NEW} {name}")]);
        said(&decide(policy, ("POST", "/acme/w.git/git-receive-pack"), &PUSH, Some(&body)))
    };
    assert!(push_to(&deny, "refs/heads/main").contains("is denied by rule 'main'"));
    assert_eq!(push_to(&deny, "refs/heads/a"), "allow git push: refs/heads/a");
    // Whatever the method: a server may take WebDAV's for a push.
    for method in ["PUT", "MKCOL", "MOVE", "WEBSOCKET"] {
        let told = said(&decide(&deny, (method, "/acme/w.git/refs/heads/main"), &PUSH, None));
        assert!(told.contains("cannot be read"), "{method}: {told}");
    }
}

#[test]
fn so_much_is_read_and_no_more() {
    let policy = policy("{push: {allow: ['*']}}");
    match decide(&policy, ("POST", "/acme/w.git/git-receive-pack"), &PUSH, None) {
        Decision::Deny(denial) => assert_eq!(denial.unread(), Some(Unread::Commands(256 << 10))),
        Decision::Allow(permit) => panic!("{permit:?}"),
    }
    let body = push(&[&format!("{OLD} {NEW} refs/heads/a{ABLE}"), &format!("{OLD} {NONE} refs/heads/b")]);
    let ends = body.windows(8).position(|window| window == b"0000PACK").unwrap() + 4;
    let mut commands = Commands::default();
    for read in 0..body.len() {
        assert_eq!(commands.have_ended(&body[..read]), read >= ends, "{read}");
    }
    assert!(Commands::default().have_ended(b"PACK"));
}

#[test]
fn a_client_is_told_ref_by_ref_in_its_own_words() {
    let commands = |abilities: &str| {
        push(&[&format!("{OLD} {NEW} refs/heads/a\0{abilities}"), &format!("{OLD} {NONE} refs/b")])
    };
    let why = "not\nallowed";
    let report = [line("unpack ok\n"), line("ng refs/heads/a notallowed\n"), line("ng refs/b notallowed\n")]
        .concat()
        + "0000";
    let told =
        |abilities: &str| refused(&commands(abilities), why).map(|told| String::from_utf8(told).unwrap());
    assert_eq!(told(" report-status agent=x"), Some(report.clone()));
    assert_eq!(told(" report-status-v2 side-band-64k"), Some(line(&format!("\u{1}{report}")) + "0000"));
    assert_eq!((told(" report-status side-band"), told(" side-band-64k"), told("")), (None, None, None));
    assert_eq!(refused(b"PACK", why), None);
    // What is longer than a packet comes in several.
    let many: Vec<String> = (0..1500).map(|at| format!("{OLD} {NEW} refs/heads/{at}")).collect();
    let first = format!("{}\0 report-status side-band-64k", many[0]);
    let lines: Vec<&str> =
        std::iter::once(first.as_str()).chain(many[1..].iter().map(String::as_str)).collect();
    let told = refused(&push(&lines), &"x".repeat(1000)).unwrap();
    let (mut rest, mut whole) = (&told[..], Vec::new());
    while let Packet::Line(content, behind) = packet(rest).unwrap() {
        whole.extend_from_slice(content.strip_prefix(REPORTS).unwrap());
        rest = behind;
    }
    assert!(rest == FLUSH && whole.ends_with(FLUSH), "{}", rest.len());
    assert_eq!(whole.windows(14).filter(|window| *window == b"ng refs/heads/").count(), 1500);
}
