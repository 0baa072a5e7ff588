//! An agent that is denied reads why, proposes what it lacks, and waits; a person looks, and answers.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Output};

use scenarios::{Outcome, Session, Started, openshell, upstream};
use serde_json::Value;

const HOST: &str = "files.example.test";

/// Functions of the agent: `ask PATH` asks the upstream, `propose PATH REASON` prints the answer's id, `stands ID` the state,
/// `wait ID STATE` waits for it.
fn words(port: u16) -> String {
    format!(
        r#"
ask() {{ wget -q -O- http://{HOST}:{port}$1 2>/dev/null | grep -q hello; }}
read_here() {{ wget -q -O- http://policy.local/v1/$1; }}
propose() {{
  wget -q -O- --post-data="{{\"binary\":\"$binary\",\"host\":\"{HOST}\",\"port\":{port},\"method\":\"GET\",\"path\":\"$1\",\"reason\":\"$2\",\"expiry\":300}}" \
    http://policy.local/v1/proposals | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/'
}}
stands() {{ read_here proposals/$1 | sed 's/.*"state":"\([a-z]*\)".*/\1/'; }}
await() {{ until [ "$(stands $1)" = $2 ]; do sleep 0.2; done; }}
binary=$(readlink -f "$(which wget)")
"#
    )
}

/// A session whose agent may read one file.
fn agent(port: u16, script: &str) -> Session {
    let rule = format!(
        "network:
    - name: readme
      binary: {{allow: [busybox]}}
      destination: {{allow: ['{HOST}:{port}']}}
      method: {{allow: [GET]}}
      path: {{allow: ['/readme']}}
"
    );
    Session::new("tiny")
        .script(&format!("{}{script}", words(port)))
        .yaml(&format!("policy:\n  {rule}"))
        .yaml(&format!("egress: {{hosts: {{{HOST}: 127.0.0.1}}, allow_addresses: [127.0.0.1/32]}}"))
}

fn policy(home: &Path, arguments: &[&str]) -> Output {
    openshell(home).arg("policy").args(arguments).output().expect("openshell is built")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is proposed, as a program reads it.
fn listed(home: &Path) -> Vec<Value> {
    let output = policy(home, &["proposals", "scenario", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
}

fn output_of(session: &mut Started) -> BufReader<ChildStdout> {
    BufReader::new(session.child.stdout.take().expect("it is piped"))
}

/// The next line that the agent says after `word`.
fn hear(agent: &mut BufReader<ChildStdout>, word: &str) -> String {
    let mut heard = String::new();
    loop {
        let mut line = String::new();
        assert!(agent.read_line(&mut line).expect("it can be read") > 0, "'{word}' was never said: {heard}");
        if let Some(rest) = line.trim_end().strip_prefix(word) {
            return rest.trim().to_owned();
        }
        heard.push_str(&line);
    }
}

/// The records of an action, as decision, source of the change, and terms.
fn answers(outcome: &Outcome, action: &str) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let records = outcome.audit.iter().filter(|record| record["action"] == action);
    records
        .map(|record| {
            let source = text(&record["policy_change"]["source"]);
            let source = source.split(": ").last().unwrap_or_default().to_owned();
            [text(&record["decision"]), source, text(&record["proposal"]["terms"])]
        })
        .collect()
}

/// The operator looks at a proposal with an ugly reason, and approves it for a time.
fn looked_at_and_approved(home: &Path, id: &str, port: u16) {
    // Nobody has looked: nobody can mean it.
    let blind = policy(home, &["approve", id, "--for", "20s"]);
    assert!(
        blind.status.code() == Some(1) && said(&blind).contains("nobody has looked at it yet"),
        "{}",
        said(&blind)
    );
    let shown = policy(home, &["proposals", "scenario"]);
    let text = said(&shown);
    assert!(shown.status.success(), "{text}");
    for words in [
        &*format!("GET {HOST}:{port}/data"),
        "because: to \\u{1b}[2J finish \\u{202e} work",
        "becomes allowed, by rule approved-",
        "note [interpreter] ",
        "busybox",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(!text.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{text:?}");
    let digest = listed(home)[0]["digest"].as_str().expect("it is text").to_owned();
    let other = policy(home, &["approve", id, "--digest", &"0".repeat(64)]);
    assert!(said(&other).contains("is not the one that was seen"), "{}", said(&other));
    let nobodys = policy(home, &["approve", "0000000000000000"]);
    assert!(said(&nobodys).contains("no running sandbox has a proposal"), "{}", said(&nobodys));
    let approved = policy(home, &["approve", id, "--for", "20s", "--digest", &digest]);
    assert!(
        approved.status.success() && said(&approved).contains("is approved until"),
        "{}",
        said(&approved)
    );
}

/// The log names the rule that let the agent through, as the policy of then had it, and who approved it.
fn shown_with_whoever_allowed_it(home: &Path, id: &str) {
    let audit = |arguments: &[&str]| {
        let output = openshell(home).arg("audit").args(arguments).output().expect("openshell is built");
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let rule = format!("approved-{id}");
    let asked = ["query", "--rule", &rule, "--decision", "allow", "--action", "network-request", "--json"];
    let through = audit(&asked);
    let through = through.lines().next().unwrap_or_else(|| panic!("no request by {rule}"));
    let record: Value = serde_json::from_str(through).expect("a record is JSON");
    let shown = audit(&["show", &record["sequence"].to_string(), "scenario"]);
    let approved = format!("proposal {id} approved by user ");
    for words in [&*approved, &format!("- name: {rule}"), HOST, "- /data"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
}

/// What the log has of it all.
fn recorded(outcome: &Outcome) {
    let terms: Vec<_> =
        answers(outcome, "approval").into_iter().map(|[decision, _, terms]| (decision, terms)).collect();
    let pairs = [("deny", ""), ("deny", ""), ("allow", "until"), ("allow", "once"), ("deny", "")];
    assert_eq!(terms, pairs.map(|(decision, terms)| (decision.to_owned(), terms.to_owned())), "{outcome}");
    let ends: Vec<_> = answers(outcome, "policy-change").into_iter().map(|[_, source, _]| source).collect();
    assert_eq!(ends, ["its time is up", "it was used"], "{outcome}");
    assert_eq!(answers(outcome, "proposal").len(), 3, "{outcome}");
}

#[test]
fn an_agent_is_denied_asks_is_let_through_and_shut_out_again() {
    let port = upstream::hello();
    let script = "
ask /readme && echo open
ask /data || echo denied
echo why $(read_here denials | sed 's/.*\"path\":\"\\/data\".*/the path of data/')
id=$(propose /data 'to \\u001b[2J finish \\u202e work'); echo proposed $id
ask /data || echo still denied
await $id approved; echo approved
ask /data && echo through
await $id over; ask /data || echo back
id=$(propose /data again); echo proposed $id
await $id approved; ask /data && echo once; ask /data || echo spent
await $id over; echo over
id=$(propose /data 'once more'); echo proposed $id
await $id rejected; echo rejected $(read_here proposals/$id | sed 's/.*\"why\":\"\\([^\"]*\\)\".*/\\1/')
read end; exit 0
";
    let mut session = agent(port, script).start();
    let mut agent = output_of(&mut session);
    let home = session.dir().to_path_buf();
    hear(&mut agent, "open");
    hear(&mut agent, "denied");
    assert_eq!(hear(&mut agent, "why"), "the path of data");
    let id = hear(&mut agent, "proposed");
    hear(&mut agent, "still denied");

    looked_at_and_approved(&home, &id, port);
    hear(&mut agent, "approved");
    hear(&mut agent, "through");
    shown_with_whoever_allowed_it(&home, &id);
    hear(&mut agent, "back");

    let id = hear(&mut agent, "proposed");
    assert!(policy(&home, &["proposals"]).status.success());
    let approved = policy(&home, &["approve", &id, "--once"]);
    assert!(said(&approved).contains("is approved for one request"), "{}", said(&approved));
    for word in ["once", "spent", "over"] {
        hear(&mut agent, word);
    }

    let id = hear(&mut agent, "proposed");
    let rejected = policy(&home, &["reject", &id, "--reason", "use the readme"]);
    assert!(rejected.status.success(), "{}", said(&rejected));
    assert_eq!(hear(&mut agent, "rejected"), "use the readme");
    let states: Vec<Value> = listed(&home).into_iter().map(|proposal| proposal["state"].clone()).collect();
    assert_eq!(states, ["over: its time is up", "over: it was used", "rejected: use the readme"]);

    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    recorded(&outcome);
}

#[test]
fn an_approval_to_the_end_holds_until_a_policy_is_set_and_says_what_to_write() {
    let port = upstream::hello();
    let script = "
id=$(propose /data needed); echo proposed $id
await $id approved; ask /data && echo through
await $id over; ask /data || echo gone
read end; exit 0
";
    let mut session = agent(port, script).start();
    let mut agent = output_of(&mut session);
    let home = session.dir().to_path_buf();
    let id = hear(&mut agent, "proposed");
    assert_eq!(listed(&home).len(), 1);
    let approved = policy(&home, &["approve", &id]);
    let text = said(&approved);
    assert!(text.contains("add to policy.network of agent.yaml") && text.contains("- /data"), "{text}");
    hear(&mut agent, "through");
    let file = home.join("new.yaml");
    std::fs::write(&file, "version: 1\nnetwork: []\n").expect("it is writable");
    let set = policy(&home, &["set", "scenario", file.to_str().expect("it is text")]);
    assert!(said(&set).contains(&format!("the approval {id} ended")), "{}", said(&set));
    hear(&mut agent, "gone");
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let said = outcome.audit.iter().any(|record| record["reason"] == format!("ends the approvals {id}"));
    assert!(said, "{outcome}");
}
