use wire::id::RequestId;
use wire::proposal::Wish;

use super::*;
use crate::commands::shown_json;

fn sandbox() -> SandboxId {
    SandboxId::try_from("notes-00000001".to_owned()).unwrap()
}

fn proposal(path: &str, reason: &str) -> Proposal {
    let wish = Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: "api.example.com".to_owned(),
        port: 443,
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
    };
    let (id, asker) = (RequestId("0a1b2c3d00000007".to_owned()), "/bin/sh".to_owned());
    Proposal { id, asker, wish, reason: reason.to_owned(), made: now().0, expires: now().0 + 600 }
}

fn considered(proposal: Proposal, policy: &str) -> Considered {
    let digest = digest(&sandbox(), &proposal, policy).unwrap_or_default();
    Considered::new(&sandbox(), Shown { proposal, standing: ProposalStanding::Pending, digest }, policy)
}

const EMPTY: &str = "version: 1\nnetwork: []\n";

#[test]
fn what_would_be_allowed_is_said_though_not_everything_can_be_tried() {
    let deep: Vec<String> = (0..16).map(|n| format!("'/**/a{n}/**/b{n}/**/c{n}'")).collect();
    let rule = format!(
        "{{name: deep, binary: {{allow: [curl]}}, destination: {{allow: [api.example.com]}}, \
         method: {{allow: [GET]}}, path: {{allow: [{}]}}}}",
        deep.join(", ")
    );
    let policy = format!("version: 1\nnetwork: [{rule}]\n");
    let considered = considered(proposal("/one/two/three/four/five/six/seven", "r"), &policy);
    let Meaning::Change(change) = &considered.meaning else { panic!("not considered") };
    assert!(!change.diff.complete && change.diff.groups.is_empty(), "the diff finds it: {:?}", change.diff);
    let text = considered.lines().join("\n");
    assert!(text.contains("this request would become allowed, by rule approved-0a1b2c3d00000007"), "{text}");
    assert!(text.contains(INCOMPLETE) && !text.contains("nothing would be allowed"), "{text}");
}

#[test]
fn what_an_approval_would_not_change_is_said() {
    let rule = |path: &str| {
        format!(
            "version: 1\nnetwork: [{{name: a, binary: {{allow: [curl]}}, destination: {{allow: [api.example.com]}}, \
             method: {{allow: [GET]}}, path: {path}}}]\n"
        )
    };
    let text = |policy: &str| considered(proposal("/v1/a", "r"), policy).lines().join("\n");
    assert!(text(&rule("{allow: ['/v1/*']}")).contains("is allowed already, by rule a"));
    assert!(text(&rule("{allow: ['/v1/*']}")).contains("nothing would be allowed"));
    assert!(
        text(&rule("{allow: ['/v2'], deny: ['/v1/a']}")).contains("no approval would allow this request")
    );
    let new = text(EMPTY);
    assert!(new.contains("+ becomes allowed") && !new.contains("nothing would be allowed"), "{new}");
}

#[test]
fn one_that_cannot_be_considered_hides_no_other_and_does_not_count_as_seen() {
    let good = considered(proposal("/v1/a", "r"), EMPTY);
    assert!(good.seen().is_some());
    let mut forged = proposal("/v1/a", "r");
    forged.wish.method = "FOO".to_owned();
    let digest = "ab".to_owned();
    let other = Shown { proposal: proposal("/v1/a", "r"), standing: ProposalStanding::Pending, digest };
    for bad in [considered(forged, EMPTY), Considered::new(&sandbox(), other, EMPTY)] {
        assert_eq!(bad.seen(), None);
        let text = bad.lines().join("\n");
        assert!(text.contains("cannot be told:") && !text.contains("policy approve"), "{text}");
        assert!(text.contains("policy reject") && bad.json()["unknown"].is_string(), "{text}");
    }
}

#[test]
fn a_reason_fakes_no_line_and_drives_no_terminal() {
    let fake =
        format!("x{}+ becomes allowed, by rule ok\n    RISK none\u{9b}2J\u{202e}\u{2800}", " ".repeat(80));
    let considered = considered(proposal("/v1/a", &fake), EMPTY);
    let lines = considered.lines();
    let of_agent: Vec<&String> = lines.iter().filter(|line| line.contains("RISK none")).collect();
    assert!(of_agent.iter().all(|line| line.starts_with("      | ")), "{lines:#?}");
    assert!(!of_agent.is_empty());
    assert!(lines.iter().filter(|line| line.starts_with("      | ")).all(|line| line.chars().count() <= 80));
    assert!(!lines.concat().contains(['\u{9b}', '\u{202e}', '\u{2800}', '\n']));
    let json = shown_json(&considered.json()).unwrap();
    assert!(!json.contains(['\u{9b}', '\u{202e}', '\u{2800}']), "{json}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["reason"], fake);
}
