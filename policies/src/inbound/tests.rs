use wire::inbound::Protocol;

use super::OpenPort;
use crate::confinement::Workspace;
use crate::document::TokenRule;
use crate::{Document, FileText, Files, NoFiles, Policy, compose};

/// An entry that loads, with `changes` (each `KEY: VALUE`, or `KEY:` to leave the key out) in place of its lines.
fn entry(changes: &[&str]) -> String {
    let standard = [
        "name: web",
        "port: 8080",
        "listen: \"127.0.0.1:18080\"",
        "protocol: http",
        "sources: [127.0.0.1/32]",
    ];
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let kept = standard.iter().filter(|line| changes.iter().all(|change| key(change) != key(line)));
    let lines = kept.chain(changes).filter(|line| !line.ends_with(':'));
    let lines: String = lines.map(|line| format!("   {line}\n")).collect();
    lines.replacen("   ", " - ", 1)
}

fn document(entries: &[String]) -> Result<Document, crate::LoadErrors> {
    Document::parse(&format!("version: 1\ninbound:\n{}", entries.concat()), "p")
}

fn ports(entries: &[String]) -> Vec<OpenPort> {
    document(entries).and_then(|document| document.open_ports()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Every mistake, as `place: key: reason | remedy`.
fn mistakes(entries: &[String]) -> Vec<String> {
    let result = document(entries).and_then(|document| document.open_ports());
    let errors = result.expect_err("a policy with mistakes loaded");
    errors.iter().map(|error| format!("{error} | {}", error.remedy())).collect()
}

#[test]
fn nothing_is_open_unless_it_is_written() {
    for text in ["version: 1\n", "version: 1\ninbound: []\n"] {
        assert_eq!(Document::parse(text, "p").unwrap().open_ports().unwrap(), []);
    }
}

#[test]
fn an_entry_says_it_all() {
    let open = &ports(&[entry(&["sources: [10.0.0.0/8, \"::1\"]", "token: required"])])[0];
    assert_eq!(
        (open.name.as_str(), open.port, open.listen.to_string()),
        ("web", 8080, "127.0.0.1:18080".to_owned())
    );
    assert_eq!((open.protocol, open.token), (Protocol::Http, TokenRule::Required));
    let sources: Vec<String> = open.sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn on_loopback_the_sources_are_this_host() {
    for listen in ["listen: \"127.0.0.1:0\"", "listen: \"[::1]:0\""] {
        let open = &ports(&[entry(&["sources:", listen])])[0];
        for inside in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert!(open.sources.iter().any(|source| source.contains(inside.parse().unwrap())), "{inside}");
        }
        for outside in ["128.0.0.1", "10.0.0.1", "::2"] {
            assert!(
                !open.sources.iter().any(|source| source.contains(outside.parse().unwrap())),
                "{outside}"
            );
        }
    }
}

#[test]
fn every_mistake_has_its_place_its_key_and_a_remedy() {
    for (changes, expected) in [
        (&["name:"][..], "p:3:4: inbound.name: 'name' is missing"),
        (&["name: Web"], "inbound.name: \"Web\" is not a label"),
        (&["name: \"a\\nb\""], "is not a label"),
        (&["port:"], "inbound.port: 'port' is missing"),
        (&["port: 80"], "inbound.port: the agent cannot listen on port 80"),
        (&["port: 0"], "inbound.port: the agent cannot listen on port 0"),
        (&["port: 3128"], "inbound.port: port 3128 in the sandbox is the way out of it"),
        (&["port: 65536"], "p:7:10: "),
        (&["listen:"], "inbound.listen: 'listen' is missing"),
        (&["listen: localhost:80"], "inbound.listen: 'localhost:80' is not an address and a port"),
        (&["listen: \"127.0.0.1\""], "inbound.listen: '127.0.0.1' is not an address and a port"),
        (&["listen: \":8080\""], "inbound.listen: ':8080' is not an address and a port"),
        (&["listen: \"224.0.0.1:80\""], "inbound.listen: 224.0.0.1 is no address of one host"),
        (&["listen: \"[::ffff:127.0.0.1]:80\""], "is no address of one host"),
        (&["protocol:"], "inbound.protocol: 'protocol' is missing"),
        (&["protocol: https"], "unknown value 'https'"),
        (
            &["sources:", "listen: \"0.0.0.0:80\""],
            "inbound.sources: 'sources' is missing, and 0.0.0.0:80 can be",
        ),
        (&["sources:", "listen: \"[::]:80\""], "inbound.sources: 'sources' is missing"),
        (&["sources:", "listen: \"192.0.2.1:80\""], "inbound.sources: 'sources' is missing"),
        (&["sources: []"], "inbound.sources: nobody may connect"),
        (&["sources: [10.1.2.3/8]"], "did you mean '10.0.0.0/8'?"),
        (&["sources: [example.com]"], "inbound.sources: 'example.com' is not an address or address/prefix"),
        (&["token: required", "protocol: tcp"], "inbound.token: a token is carried by HTTP requests"),
        (&["token: hunter2"], "unknown value"),
        (&["token: {env: NAME}"], "p:8:12: unknown value 'env'"),
        (&["secret: x"], "unknown key 'secret'"),
    ] {
        let found = mistakes(&[entry(changes)]);
        assert!(found.len() == 1 && found[0].contains(expected), "{changes:?}: {found:?}");
        assert!(found[0].starts_with("p:") && !found[0].ends_with("| "), "{found:?}");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let found = mistakes(&[entry(&["port: 80", "listen: x", "sources: [y]"])]);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn names_and_addresses_are_used_once() {
    let twice = mistakes(&[entry(&[]), entry(&["listen: \"127.0.0.1:2\""])]);
    assert!(twice.len() == 1 && twice[0].contains("a port named 'web' stands above already"), "{twice:?}");
    let twice = mistakes(&[entry(&[]), entry(&["name: other"])]);
    assert!(twice.len() == 1 && twice[0].contains("'web' listens on 127.0.0.1:18080 already"), "{twice:?}");
    let free = ["listen: \"127.0.0.1:0\"", "name: other"];
    assert_eq!(ports(&[entry(&free[..1]), entry(&free)]).len(), 2);
    let many: Vec<String> =
        (0..33).map(|n| entry(&[&format!("name: n{n}"), "listen: \"127.0.0.1:0\""])).collect();
    assert!(mistakes(&many)[0].contains("more than 32 ports"));
    assert_eq!(ports(&many[..32]).len(), 32);
}

/// One file, `base.yaml`.
struct Base(String);

impl Files for Base {
    fn read(&self, _base: &str, path: &str) -> Result<FileText, String> {
        Ok(FileText { name: path.to_owned(), text: self.0.clone() })
    }

    fn variable(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}

#[test]
fn entries_are_merged_by_name_and_the_later_wins() {
    let base = format!(
        "version: 1\ninbound:\n{}{}",
        entry(&["token: required"]),
        entry(&["name: kept", "listen: \"127.0.0.1:7\""])
    );
    let own = format!("version: 1\nextends: ./base.yaml\ninbound:\n{}", entry(&["port: 9090"]));
    let resolved = compose(Document::parse(&own, "own").unwrap(), &Base(base)).unwrap();
    let open = resolved.open_ports().unwrap();
    let seen: Vec<(&str, u16, TokenRule)> =
        open.iter().map(|port| (port.name.as_str(), port.port, port.token)).collect();
    // As a whole: nothing of the earlier entry stays in the later one.
    assert_eq!(seen, [("kept", 8080, TokenRule::None), ("web", 9090, TokenRule::None)]);
    let shown = resolved.with_origins().unwrap();
    assert!(shown.contains("9090 # own:"), "{shown}");
    assert!(shown.contains("./base.yaml:"), "{shown}");
    let again = Document::parse(&resolved.text().unwrap(), "again").unwrap();
    assert_eq!(again.open_ports().unwrap(), open);
}

#[test]
fn mistakes_of_an_extended_policy_name_its_file() {
    let base = format!("version: 1\ninbound:\n{}", entry(&["port: 22"]));
    let own = Document::parse("version: 1\nextends: ./base.yaml\n", "own").unwrap();
    let errors = compose(own, &Base(base)).unwrap().open_ports().unwrap_err();
    assert!(errors.first().to_string().starts_with("./base.yaml:"), "{errors}");
}

#[test]
fn a_running_sandbox_keeps_its_ports() {
    let workspace = Workspace { own: Vec::new(), shared: Vec::new() };
    let running = document(&[entry(&["sources:"])]).unwrap();
    let change = |new: &Document| running.static_change(new, &workspace).unwrap();
    let parse = |text: &str| Document::parse(text, "new").unwrap();
    for (new, changed) in [
        (parse("version: 1\nnetwork: []\n"), None),
        (document(&[entry(&["sources: [\"::1\", 127.0.0.0/8]", "token: none"])]).unwrap(), None),
        (parse("version: 1\ninbound: []\n"), Some("inbound")),
        (document(&[entry(&["sources:", "port: 8081"])]).unwrap(), Some("inbound")),
        (document(&[entry(&["sources: [127.0.0.0/9, \"::1\"]"])]).unwrap(), Some("inbound")),
        (document(&[entry(&["sources:", "token: required"])]).unwrap(), Some("inbound")),
        (
            document(&[entry(&["sources:"]), entry(&["name: b", "listen: \"127.0.0.1:0\""])]).unwrap(),
            Some("inbound"),
        ),
    ] {
        assert_eq!(change(&new), changed, "{new:?}");
    }
    let wrong = document(&[entry(&["port: 1"])]).unwrap();
    assert!(running.static_change(&wrong, &workspace).is_err());
}

#[test]
fn the_proxy_is_given_no_ports_with_its_rules() {
    let document = compose(document(&[entry(&[])]).unwrap(), &NoFiles).unwrap();
    assert!(!document.dynamic_text().unwrap().contains("inbound"));
    assert!(Policy::compile(&document).is_ok());
}

#[test]
fn a_mistake_is_found_by_whoever_compiles_the_rules() {
    assert!(Policy::compile(&document(&[entry(&["port: 1"])]).unwrap()).is_err());
}
