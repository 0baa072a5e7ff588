use wire::subject::{Digest, Program, Subject};

use super::{Inside, Judgement, Kind, Scan, Seen};
use crate::condition::NoHeaders;
use crate::{Decision, Destination, Document, DownloadRules, Permit, Policy, Request, Timestamp, compose};

const GOOD: [u8; 32] = [0xab; 32];
const BAD: [u8; 32] = [0xcd; 32];

fn rule(name: &str, program: &str, path: &str, more: &str) -> String {
    format!(
        "- name: {name}\n  binary: {{allow: [{program}]}}\n  destination: {{allow: [a.example.com]}}\n  method: {{allow: [GET]}}\n  path: {{allow: ['{path}']}}\n  {more}\n"
    )
}

fn policy(text: &str) -> Policy {
    let document = Document::parse(text, "p").unwrap_or_else(|errors| panic!("{errors}"));
    // The process that decides gets the same.
    let sent = Document::parse(&document.dynamic_text().unwrap(), "sent").unwrap();
    Policy::compile(&sent).unwrap_or_else(|errors| panic!("{errors}"))
}

fn decide(policy: &Policy, program: &str, method: &str, path: &str) -> Decision {
    let program = Program {
        path: format!("/usr/bin/{program}"),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1,
        parents: vec![],
    };
    policy.decide(&Request {
        subject: &Subject::Owners(vec![program]),
        destination: Destination { host: "a.example.com", port: 443 },
        method,
        path,
        query: "",
        headers: &NoHeaders,
        message: None,
        now: Timestamp(0),
    })
}

fn permit(policy: &Policy, program: &str, method: &str, path: &str) -> Permit {
    match decide(policy, program, method, path) {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

fn rules(more: &str) -> DownloadRules {
    let policy = policy(&rule("files", "curl", "/files/**", more));
    permit(&policy, "curl", "GET", "/files/a").downloads().unwrap().clone()
}

fn whole(kind: Kind, bytes: u64, digest: [u8; 32], inside: &Inside) -> Seen<'_> {
    Seen { kind, bytes, sha256: Some(Digest(digest)), inside: Some(inside), scans: &[] }
}

fn reason(judgement: Judgement) -> String {
    judgement.refused.map_or_else(|| "goes on".to_owned(), |why| why.reason)
}

#[test]
fn each_part_refuses_what_it_does_not_take() {
    let hex = |digest: [u8; 32]| Digest(digest).to_hex();
    let program = Inside::Program("elf".to_owned());
    let unreadable = Inside::Unreadable("why".to_owned());
    for (more, fine, refused, why) in [
        (
            "downloads: {max_bytes: 1KiB}".to_owned(),
            whole(Kind::Other, 1024, GOOD, &program),
            whole(Kind::Other, 1025, GOOD, &Inside::Nothing),
            "it has more than 1024 bytes",
        ),
        (
            "downloads: {types: [zip, text]}".to_owned(),
            whole(Kind::Text, 1, GOOD, &program),
            whole(Kind::Gzip, 1, GOOD, &Inside::Nothing),
            "it is of type 'gzip'",
        ),
        (
            "downloads: {executables: deny}".to_owned(),
            whole(Kind::Gzip, 1, GOOD, &Inside::Nothing),
            whole(Kind::Gzip, 1, GOOD, &program),
            "there is a program in it (elf)",
        ),
        (
            "downloads: {executables: deny}".to_owned(),
            whole(Kind::Pdf, 1, GOOD, &Inside::Nothing),
            whole(Kind::Gzip, 1, GOOD, &unreadable),
            "it cannot be looked into for programs: why",
        ),
        (
            format!("downloads: {{sha256: {{deny: [{}]}}}}", hex(BAD)),
            whole(Kind::Elf, 1, GOOD, &program),
            whole(Kind::Text, 1, BAD, &Inside::Nothing),
            "is denied",
        ),
        (
            format!("downloads: {{sha256: {{allow: [{}]}}}}", hex(GOOD)),
            whole(Kind::Elf, 1, GOOD, &program),
            whole(Kind::Text, 1, BAD, &Inside::Nothing),
            "is not listed",
        ),
    ] {
        let rules = rules(&more);
        assert_eq!(reason(rules.judge(&fine)), "goes on", "{more}");
        let said = reason(rules.judge(&refused));
        assert!(said.starts_with("rule 'files' refuses the download: ") && said.contains(why), "{said}");
    }
}

#[test]
fn what_is_not_known_yet_is_not_objected_to_and_a_program_shows_at_once() {
    let rules =
        rules(&format!("downloads: {{executables: deny, sha256: {{allow: [{}]}}}}", Digest(GOOD).to_hex()));
    let begun = |kind| Seen { kind, bytes: 1, sha256: None, inside: None, scans: &[] };
    assert_eq!(reason(rules.judge(&begun(Kind::Zip))), "goes on");
    for kind in [Kind::Elf, Kind::Pe, Kind::MachO, Kind::Script] {
        assert!(reason(rules.judge(&begun(kind))).contains("it is a program"), "{kind:?}");
    }
}

#[test]
fn a_scanner_has_the_word_and_its_absence_is_what_the_rule_says() {
    let judge = |more: &str, scan: Scan| {
        let scans = [("av".to_owned(), scan)];
        let seen = Seen { scans: &scans, ..whole(Kind::Text, 1, GOOD, &Inside::Nothing) };
        rules(&format!("downloads: {{scanner: av{more}}}")).judge(&seen)
    };
    assert_eq!(judge("", Scan::Clean), Judgement::default());
    assert!(reason(judge("", Scan::Found("Eicar".to_owned()))).contains("scanner 'av' found Eicar"));
    assert!(reason(judge("", Scan::Absent("is away".to_owned()))).contains("scanner 'av' is away"));
    let passes = judge(", on_absence: allow", Scan::Absent("is away".to_owned()));
    assert_eq!((passes.refused, passes.notes), (None, vec!["scanner 'av' is away".to_owned()]));
    let found = judge(", on_absence: allow", Scan::Found("Eicar".to_owned()));
    assert!(reason(found).contains("found Eicar"));
    let rules = rules("downloads: {scanner: av}");
    assert_eq!((rules.hold(), rules.scanners().into_iter().collect::<Vec<_>>()), (true, vec!["av"]));
}

#[test]
fn a_verdict_on_the_whole_holds_it_back_and_has_a_bound() {
    for (more, hold, most) in [
        ("max_bytes: 1GiB", false, Some(1 << 30)),
        ("types: [zip]", false, None),
        ("executables: audit", false, None),
        ("executables: deny", true, Some(64 << 20)),
        ("executables: deny, max_bytes: 256MiB", true, Some(256 << 20)),
    ] {
        let rules = rules(&format!("downloads: {{{more}}}"));
        assert_eq!((rules.hold(), rules.most()), (hold, most), "{more}");
    }
}

#[test]
fn a_rule_judges_whatever_comes_back_there_whichever_rule_allows_it() {
    let policy = policy(
        &[
            rule("files", "curl", "/files/**", "downloads: {types: [zip]}"),
            rule("all", "curl", "/**", ""),
            rule("others", "wget", "/**", ""),
            rule("socket", "curl", "/**", "").replace("[GET]", "[POST, WEBSOCKET]"),
            rule("everybody", "/**", "/public/**", "effect: deny-only\n  downloads: {executables: deny}"),
        ]
        .concat(),
    );
    let judges = |program, method, path| {
        let permit = permit(&policy, program, method, path);
        permit.downloads().map(|rules| rules.names().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(judges("curl", "GET", "/files/a").as_deref(), Some("files"));
    assert_eq!(judges("curl", "GET", "/FILES/a/").as_deref(), Some("files"), "another spelling");
    assert_eq!(judges("curl", "GET", "/%66iles%2Fa").as_deref(), Some("files"), "another reading");
    assert_eq!(judges("curl", "POST", "/files/a").as_deref(), Some("files"), "another method");
    assert_eq!(judges("curl", "GET", "/a"), None);
    assert_eq!(judges("wget", "GET", "/files/a"), None, "another program");
    assert_eq!(judges("wget", "GET", "/public/a").as_deref(), Some("everybody"));
    assert_eq!(judges("curl", "WEBSOCKET", "/a"), None);
    let Decision::Deny(denial) = decide(&policy, "curl", "WEBSOCKET", "/files/a") else { panic!("allowed") };
    assert_eq!((denial.level().as_str(), denial.rule()), ("download", Some("files")));
    assert!(denial.reason().starts_with("a WebSocket"), "{denial}");
}

#[test]
fn of_several_rules_all_must_agree_and_one_on_trial_only_says_so() {
    let policy = policy(
        &[
            rule("one", "curl", "/**", "downloads: {types: [zip, gzip]}"),
            rule("other", "curl", "/a/**", "downloads: {types: [gzip, text], executables: audit}"),
            rule(
                "trial",
                "curl",
                "/a/**",
                "enforcement: audit\n  downloads: {types: [text], max_bytes: 1KiB}",
            ),
        ]
        .concat(),
    );
    let permit = permit(&policy, "curl", "GET", "/a/b");
    let rules = permit.downloads().unwrap();
    assert_eq!((rules.hold(), rules.most(), rules.look_inside()), (false, None, true));
    for (kind, goes_on) in [(Kind::Gzip, true), (Kind::Zip, false), (Kind::Text, false)] {
        let judgement = rules.judge(&whole(kind, 2000, GOOD, &Inside::Nothing));
        assert_eq!(judgement.refused.is_none(), goes_on, "{kind:?}");
        assert!(
            judgement.notes.iter().any(|note| note.starts_with("on trial, rule 'trial'")),
            "{judgement:?}"
        );
    }
    let program = Inside::Program("elf".to_owned());
    let judgement = rules.judge(&whole(Kind::Gzip, 1, GOOD, &program));
    assert!(judgement.refused.is_none());
    assert!(judgement.notes[0].contains("rule 'other' audits: there is a program in it"), "{judgement:?}");
}

#[test]
fn a_later_policy_that_asks_something_else_breaks_off_and_the_same_does_not() {
    let with = |more: &str| policy(&rule("files", "curl", "/files/**", more));
    let permit = |policy: &Policy| permit(policy, "curl", "GET", "/files/a");
    let before = permit(&with("downloads: {types: [zip]}"));
    for (more, breaks) in [
        ("downloads: {types: [zip]}", false),
        ("", false),
        ("downloads: {types: [zip, text]}", true),
        ("enforcement: audit\n  downloads: {types: [zip]}", true),
    ] {
        let now = permit(&with(more));
        let denial = now.asks_more_of_answers_than(&before);
        assert_eq!(denial.map(|denial| denial.level().as_str()), breaks.then_some("download"), "{more}");
    }
    let unasked = permit(&with(""));
    assert!(before.asks_more_of_answers_than(&unasked).is_some());
}

#[test]
fn what_cannot_be_meant_is_a_mistake() {
    for (more, reason) in [
        ("downloads: {}", "it asks for nothing"),
        ("downloads: {types: []}", "the list names nothing"),
        ("downloads: {types: [exe]}", "'exe' is not a type of content"),
        ("downloads: {max_bytes: 0KiB}", "'0KiB' is not a size"),
        ("downloads: {max_bytes: 1GiB, executables: deny}", "'1GiB' is more than is held back"),
        ("downloads: {sha256: {}}", "the lists name nothing"),
        ("downloads: {sha256: {deny: [AB]}}", "'AB' is not a SHA-256"),
        ("downloads: {packages: {allow: [a]}}", "'' is not a registry"),
        (
            "effect: deny-only\n  downloads: {packages: {registry: npm, allow: [a]}}",
            "it has no package to allow",
        ),
        ("downloads: {packages: {registry: gems, allow: [a]}}", "'gems' is not a registry"),
        ("downloads: {packages: {registry: npm}}", "it asks for nothing"),
        ("downloads: {packages: {registry: npm, min_age: 1w}}", "'1w' is not a span of time"),
        ("downloads: {packages: {registry: debian, min_age: 7d}}", "the age cannot be known"),
        (
            "downloads: {packages: {registry: npm, deny: [a], metadata: b.example.com}}",
            "nothing is asked there",
        ),
        ("downloads: {packages: {registry: npm, min_age: 7d, metadata: 'https://b'}}", "is not a host"),
        ("downloads: {scanner: 'a b'}", "a scanner has a name"),
        ("downloads: {on_absence: deny, max_bytes: 1KiB}", "no scanner that could be absent"),
        ("downloads: {executables: never}", "never"),
        ("downloads: {size: 1KiB}", "size"),
        ("downloads: {types: [zip]}\n  mcp: {server: s}", "what its server answers is no download"),
    ] {
        let text = rule("files", "curl", "/files/**", more);
        let error = Document::parse(&text, "p").and_then(|document| Policy::compile(&document).map(drop));
        let error = error.expect_err(more).to_string();
        assert!(error.contains(reason), "{more}: {error}");
    }
}

#[test]
fn packages_are_told_by_name_and_version() {
    let said = |packages: &str, path: &str| {
        let policy =
            policy(&rule("files", "curl", "/**", &format!("downloads: {{packages: {{{packages}}}}}")));
        match decide(&policy, "curl", "GET", path) {
            Decision::Allow(_) => "allow".to_owned(),
            Decision::Deny(denial) => format!("{} {denial}; {}", denial.level(), denial.hint()),
        }
    };
    let npm =
        "registry: npm, allow: [left-pad, '@acme/*', 'react@18.*'], deny: ['left-pad@1.3.0', 'event-stream']";
    for path in [
        "/left-pad/-/left-pad-1.2.0.tgz",
        "/@acme%2Fui/-/ui-1.0.0.tgz",
        "/@acme/ui/-/ui-1.0.0.tgz",
        "/left-pad",
        "/react/-/react-18.2.0.tgz",
    ] {
        assert_eq!(said(npm, path), "allow", "{path}");
    }
    let unlisted = said(npm, "/react/-/react-19.0.0.tgz");
    assert_eq!(
        unlisted,
        "download package 'react@19.0.0' is not allowed by rule 'files'; the operator can add 'react@19.0.0' to 'downloads.packages.allow' of rule 'files'"
    );
    for path in [
        "/left-pad/-/left-pad-1.3.0.tgz",
        "/Event_Stream/-/Event_Stream-1.0.0.tgz",
        "/%6ceft-pad/-/left-pad-1.3.0.tgz",
    ] {
        assert!(said(npm, path).contains("is denied by rule 'files'"), "{path}: {}", said(npm, path));
    }
    assert!(
        said(npm, "/left-pad/download/left-pad-1.3.0.tgz").contains("a path that is not as 'npm' writes")
    );
    let pypi = "registry: pypi, deny: [Evil.Package]";
    assert!(
        said(pypi, "/packages/a/b/evil_package-1.0-py3-none-any.whl")
            .contains("package 'evil-package@1.0' is denied")
    );
    assert_eq!(said(pypi, "/packages/a/b/good_package-1.0.tar.gz"), "allow");
    assert!(
        said("registry: crates, deny: ['serde_json@1.0.*']", "/crates/serde-json/serde-json-1.0.9.crate")
            .contains("denied")
    );
}

/// By whatever path a registry gives a package, it is one by its content.
#[test]
fn a_package_on_a_path_of_something_else_is_refused() {
    let rules_at = |packages: &str, path: &str| {
        let policy =
            policy(&rule("files", "curl", "/**", &format!("downloads: {{packages: {{{packages}}}}}")));
        permit(&policy, "curl", "GET", path).downloads().unwrap().clone()
    };
    let judged = |packages: &str, path: &str, kind| {
        reason(rules_at(packages, path).judge(&Seen {
            kind,
            bytes: 1,
            sha256: None,
            inside: None,
            scans: &[],
        }))
    };
    let npm = "registry: npm, deny: [evil]";
    assert_eq!(judged(npm, "/left-pad/-/left-pad-1.0.0.tgz", Kind::Gzip), "goes on");
    assert_eq!(judged(npm, "/left-pad", Kind::Text), "goes on");
    for kind in [Kind::Gzip, Kind::Zip, Kind::Archive, Kind::Elf, Kind::Script] {
        assert!(judged(npm, "/left-pad/latest", kind).contains("its path is no package's"), "{kind:?}");
    }
    let debian = "registry: debian, deny: [evil]";
    assert_eq!(judged(debian, "/dists/stable/Packages.xz", Kind::Xz), "goes on");
    assert!(judged(debian, "/other", Kind::Deb).contains("its path is no package's"));
}

#[test]
fn a_package_has_an_age_where_a_rule_asks_it() {
    let packages = "registry: npm, min_age: 7d, metadata: 'meta.example.com:8443'";
    let policy = policy(&rule("files", "curl", "/**", &format!("downloads: {{packages: {{{packages}}}}}")));
    let permit = |path| permit(&policy, "curl", "GET", path);
    let package = permit("/m/@acme%2Fui/-/ui-1.0.0.tgz");
    let ages: Vec<_> = package.downloads().unwrap().ages().collect();
    // Both readings of the path.
    assert_eq!(ages.len(), 2);
    assert_eq!((ages[0].package.to_string().as_str(), ages[0].least), ("@acme/ui@1.0.0", 604_800));
    assert_eq!(
        (ages[0].metadata, ages[0].index.as_str()),
        (Some(("meta.example.com", 8443)), "/m/@acme%2Fui")
    );
    assert_eq!(permit("/left-pad").downloads().unwrap().ages().count(), 0);
}

#[test]
fn what_an_extended_rule_denied_stays_denied() {
    let (good, bad) = (Digest(GOOD).to_hex(), Digest(BAD).to_hex());
    struct One(String);
    impl crate::Files for One {
        fn read(&self, _base: &str, _path: &str) -> Result<crate::FileText, String> {
            Ok(crate::FileText { name: "base.yaml".to_owned(), text: self.0.clone() })
        }
        fn variable(&self, _name: &str) -> Option<Vec<String>> {
            None
        }
    }
    let lists = format!("downloads: {{types: [zip], sha256: {{allow: [{good}], deny: [{bad}]}}}}");
    let base = rule("files", "curl", "/files/**", &lists);
    let own =
        format!("version: 1\nextends: ./base.yaml\nnetwork:\n{}", rule("files", "curl", "/files/**", ""));
    let document = compose(Document::parse(&own, "own.yaml").unwrap(), &One(base)).unwrap();
    let policy = Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}"));
    let permit = permit(&policy, "curl", "GET", "/files/a");
    let rules = permit.downloads().unwrap();
    assert!(reason(rules.judge(&whole(Kind::Zip, 1, BAD, &Inside::Nothing))).contains("is denied"));
    // What it asked beside that, the later rule does not ask.
    assert_eq!(reason(rules.judge(&whole(Kind::Text, 1, [0; 32], &Inside::Nothing))), "goes on");
}
