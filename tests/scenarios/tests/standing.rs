//! How a running sandbox stands: paused, cut off, stopped, on an operator's word or a detection's, and what becomes of it
//! when the disk of its audit log is full.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Output};
use std::time::Duration;

use scenarios::small_disk::SmallDisk;
use scenarios::{Outcome, Session, Started, openshell, upstream};

const HOST: &str = "files.example.test";

/// An agent that says `tick` after each request that succeeds and `no` after each that does not, until its input ends.
fn agent(port: u16) -> Session {
    let url = format!("http://{HOST}:{port}/");
    let script = format!(
        "(while :; do if wget -q -O- {url} 2>/dev/null | grep -q hello; then echo tick; else echo no; fi; \
         sleep 0.1; done) & loop=$!; read end; kill $loop; exit 0"
    );
    Session::new("tiny")
        .script(&script)
        .yaml(&format!("policy:\n  {}", rule(port)))
        .yaml(&format!("egress: {{hosts: {{{HOST}: 127.0.0.1}}, allow_addresses: [127.0.0.1/32]}}"))
}

fn rule(port: u16) -> String {
    format!(
        "network:
    - name: files
      binary: {{allow: [busybox]}}
      destination: {{allow: ['{HOST}:{port}']}}
      method: {{allow: [GET]}}
      path: {{allow: ['/**']}}
"
    )
}

/// The operator's audit.yaml.
fn settings(session: &Session, text: &str) {
    let folder = session.dir().join("config/openshell");
    std::fs::create_dir_all(&folder).expect("the session's directory is writable");
    std::fs::write(folder.join("audit.yaml"), text).expect("the session's directory is writable");
}

fn ask(home: &Path, arguments: &[&str]) -> Output {
    openshell(home).args(arguments).output().expect("openshell is built")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn output_of(session: &mut Started) -> BufReader<ChildStdout> {
    BufReader::new(session.child.stdout.take().expect("it is piped"))
}

/// Waits until the agent has said `word` so often.
fn hear(agent: &mut BufReader<ChildStdout>, word: &str, times: usize) {
    let mut line = String::new();
    let mut left = times;
    while left > 0 {
        line.clear();
        assert!(agent.read_line(&mut line).expect("it can be read") > 0, "the agent ended before '{word}'");
        left -= usize::from(line.trim_end() == word);
    }
}

/// Waits until `vm ps` says `word` of the one sandbox.
fn wait_for_state(home: &Path, word: &str) {
    for _try in 0..600 {
        if said(&ask(home, &["vm", "ps"])).contains(word) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("'{word}' never came: {}", said(&ask(home, &["vm", "ps"])));
}

/// State letters of the processes of the machine of this session, as the kernel gives them.
fn machine_states(openshell: u32) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("proc is mounted").filter_map(Result::ok);
    let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            let (head, tail) = stat.rsplit_once(") ")?;
            let mut fields = tail.split(' ');
            let (state, parent) = (fields.next()?, fields.next()?);
            (head.contains("(openshell-vmm") && parent == openshell.to_string()).then(|| state.to_owned())
        })
        .collect()
}

fn steps(outcome: &Outcome) -> Vec<String> {
    let step = |record: &serde_json::Value| match record["action"].as_str()? {
        "lifecycle" => record["lifecycle"]["phase"].as_str().map(str::to_owned),
        "detection" => record["detection"]["name"].as_str().map(str::to_owned),
        "policy-change" => record["policy_change"]["source"].as_str().map(str::to_owned),
        _ => None,
    };
    outcome.audit.iter().filter_map(step).collect()
}

#[test]
fn an_operator_pauses_cuts_off_and_lets_go_on() {
    let port = upstream::hello();
    let mut session = agent(port).start();
    let mut agent = output_of(&mut session);
    let (home, pid) = (session.dir().to_path_buf(), session.child.id());
    hear(&mut agent, "tick", 1);
    assert!(said(&ask(&home, &["vm", "ps"])).ends_with("  running\n"));

    let paused = ask(&home, &["vm", "pause", "scenario"]);
    assert!(paused.status.success() && said(&paused).ends_with(": paused\n"), "{}", said(&paused));
    // The host's kernel has stopped the whole process: nothing in it runs.
    assert_eq!(machine_states(pid), ["T"]);
    assert!(said(&ask(&home, &["vm", "ps"])).ends_with("  paused\n"));
    assert!(ask(&home, &["vm", "pause", "scenario"]).status.success(), "twice is as once");
    let resumed = ask(&home, &["vm", "resume", "scenario"]);
    assert!(resumed.status.success(), "{}", said(&resumed));
    hear(&mut agent, "tick", 5);

    let cut_off = ask(&home, &["vm", "quarantine", "scenario"]);
    assert!(
        cut_off.status.success() && said(&cut_off).contains("quarantined by policy 2"),
        "{}",
        said(&cut_off)
    );
    assert!(said(&ask(&home, &["vm", "ps"])).ends_with("  running, quarantined\n"));
    hear(&mut agent, "no", 2);
    let file = home.join("new.yaml");
    std::fs::write(&file, format!("version: 1\n{}", rule(port))).expect("it is writable");
    let set = ask(&home, &["policy", "set", "scenario", file.to_str().expect("it is text")]);
    assert!(set.status.success(), "{}", said(&set));
    hear(&mut agent, "tick", 2);
    let nobody = ask(&home, &["vm", "pause", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", said(&nobody));

    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let expected = [
        "started",
        "agent-started",
        "paused",
        "resumed",
        "quarantine by the operator",
        "new.yaml",
        "agent-exited",
    ];
    assert_eq!(steps(&outcome), expected, "{outcome}");
}

/// One that stands still cannot end by itself: its time ends it, and so does the terminal.
#[test]
fn a_paused_sandbox_ends_when_its_time_is_up() {
    let mut session = agent(upstream::hello()).yaml("resources: {timeout: 20s}").start();
    let mut agent = output_of(&mut session);
    hear(&mut agent, "tick", 1);
    let home = session.dir().to_path_buf();
    assert!(ask(&home, &["vm", "pause", "scenario"]).status.success());
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(124), "{outcome}");
    assert_eq!(outcome.leftovers, [""; 0], "{outcome}");
}

#[test]
fn a_detection_pauses_the_machine_until_an_operator_lets_it_go_on() {
    let port = upstream::hello();
    // Nothing listens there, and no rule allows it.
    let session = agent(port).script(&format!(
        "for i in 1 2 3 4; do wget -q -O- http://{HOST}:1/ 2>/dev/null; done; \
         while :; do echo alive; sleep 0.1; done & loop=$!; read end; kill $loop; exit 0"
    ));
    settings(&session, "detections: {repeated-denials: {same: 3, response: pause}}\n");
    let mut session = session.start();
    let mut agent = output_of(&mut session);
    let (home, pid) = (session.dir().to_path_buf(), session.child.id());
    wait_for_state(&home, "  paused");
    assert_eq!(machine_states(pid), ["T"]);
    assert!(ask(&home, &["vm", "resume", "scenario"]).status.success());
    hear(&mut agent, "alive", 1);
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(
        steps(&outcome)[..5],
        ["started", "agent-started", "repeated-denials", "paused", "resumed"],
        "{outcome}"
    );
}

#[test]
fn a_detection_cuts_the_sandbox_off() {
    let port = upstream::hello();
    let session = agent(port).script(&format!(
        "for i in 1 2 3 4; do wget -q -O- http://{HOST}:1/ 2>/dev/null; done; \
         while wget -q -O- http://{HOST}:{port}/ 2>/dev/null | grep -q hello; do sleep 0.1; done; echo cut"
    ));
    settings(&session, "detections: {repeated-denials: {same: 3, response: quarantine}}\n");
    let outcome = session.run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(0), "cut\n"), "{outcome}");
    let expected = [
        "started",
        "agent-started",
        "repeated-denials",
        "quarantine by detection repeated-denials",
        "agent-exited",
    ];
    assert_eq!(steps(&outcome), expected, "{outcome}");
}

#[test]
fn a_detection_ends_the_sandbox() {
    let session = agent(upstream::hello())
        .script(&format!("while :; do wget -q -O- http://{HOST}:1/ 2>/dev/null; done"));
    settings(&session, "detections: {repeated-denials: {same: 3, response: stop}}\n");
    let outcome = session.run();
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(outcome.stderr.contains("stopped by detection repeated-denials"), "{outcome}");
    assert_eq!(steps(&outcome), ["started", "agent-started", "repeated-denials", "failed"], "{outcome}");
}

/// A session whose audit log has a disk of its own, of 2 MiB.
fn on_a_small_disk(on_full: &str) -> (SmallDisk, Session) {
    let session = agent(upstream::hello());
    settings(&session, &format!("log: {{on_full: {on_full}}}\n"));
    let state = session.dir().join("state/openshell");
    std::fs::create_dir_all(&state).expect("the session's directory is writable");
    (SmallDisk::mount(state.join("audit"), 2), session)
}

/// As the disk says it, or as the writer does, which asks once a second.
fn is_full(text: &str) -> bool {
    text.contains("No space left") || text.contains("log.reserve")
}

/// What is to stay free is not taken by the first record either.
#[test]
fn without_the_room_that_stays_free_nothing_runs() {
    let session = agent(upstream::hello());
    settings(&session, "log: {reserve: 1024GiB}\n");
    let outcome = session.run();
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(outcome.stderr.contains("log.reserve in audit.yaml leaves"), "{outcome}");
    assert!(outcome.stderr.contains("look at log.most and log.reserve"), "{outcome}");
    assert_eq!(steps(&outcome), Vec::<String>::new(), "{outcome}");
}

#[test]
fn a_full_disk_ends_the_sandbox() {
    let (disk, session) = on_a_small_disk("deny");
    let mut session = session.start();
    let mut agent = output_of(&mut session);
    hear(&mut agent, "tick", 1);
    disk.fill();
    // It would go on for ever.
    let _ticks = agent.read_to_end(&mut Vec::new()).expect("it can be read");
    let (home, outcome) = session.finish();
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(is_full(&outcome.stderr), "{outcome}");
    std::fs::remove_file(disk.path().join("filler")).expect("it is there");
    // Neither the last checkpoint nor the record of its end may have had room.
    let sandbox = outcome.audit[0]["sandbox"].as_str().expect("it is a record");
    let recovered = ask(home.path(), &["audit", "recover", sandbox]);
    assert!(recovered.status.success(), "{}", said(&recovered));
    let verified = ask(home.path(), &["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}

/// Where the operator wants it the agent goes on; the log is whole, and says what it does not hold.
#[test]
fn a_full_disk_is_gone_on_without_where_the_operator_wants_it() {
    let (disk, session) = on_a_small_disk("degrade");
    let mut session = session.start();
    let mut agent = output_of(&mut session);
    hear(&mut agent, "tick", 1);
    disk.fill();
    // More than could fit into the last page.
    hear(&mut agent, "tick", 20);
    std::fs::remove_file(disk.path().join("filler")).expect("it is there");
    // It looks for room once a second.
    hear(&mut agent, "tick", 30);
    let (home, outcome) = session.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("actions go on without a record"), "{outcome}");
    let gap = outcome.audit.iter().find(|record| record["action"] == "log-gap").expect("it is told");
    let (times, reason) = (gap["object"]["times"].as_u64(), gap["reason"].as_str().unwrap_or_default());
    assert!(times.is_some_and(|times| times >= 20) && is_full(reason), "{gap}");
    assert_eq!(steps(&outcome), ["started", "agent-started", "agent-exited"], "{outcome}");
    let verified = ask(home.path(), &["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}
