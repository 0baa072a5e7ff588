mod approvals;

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wire::id::PolicyVersion;

use crate::audit_settings::FullSetting;

use super::*;

const STARTED_WITH: &str = "version: 1\nfilesystem: {read: [/opt]}\nnetwork: []\n";
const CLOSED: &str = "version: 1\nnetwork: []\n";

fn sandbox() -> SandboxId {
    SandboxId::try_from("notes-00000001".to_owned()).unwrap()
}

/// A sandbox's policy between an operator, a proxy and an audit writer that this file plays.
struct Scene {
    reload: Reload,
    recorder: Recorder,
    proxy: BufReader<UnixStream>,
    records: Arc<Mutex<Vec<Value>>>,
    /// Where policies are kept.
    log: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (proxy, ear) = UnixStream::pair().unwrap();
        ear.set_nonblocking(true).unwrap();
        let (writer, client) = UnixStream::pair().unwrap();
        let log = tempfile::tempdir().unwrap();
        let workspace = Workspace { own: Vec::new(), shared: Vec::new() };
        let document = Document::parse(STARTED_WITH, "agent.yaml").unwrap();
        Self {
            reload: Reload::new(&sandbox(), (document, workspace), Some("version: 1\n"), Some(proxy))
                .unwrap(),
            recorder: Recorder::new(client, log.path().to_owned(), FullSetting::Deny).unwrap(),
            log,
            proxy: BufReader::new(ear),
            records: record(writer),
        }
    }

    /// The operator sends a policy; what it hears at once, if anything.
    fn set(&mut self, policy: &str) -> std::sync::mpsc::Receiver<Answer> {
        let (reply, answer) = Reply::channel();
        let ask = Ask::SetPolicy { policy: policy.to_owned(), name: "new.yaml".to_owned() };
        self.reload.asked(Asked { ask, uid: 7, reply }, &mut self.recorder).unwrap();
        answer
    }

    /// The operator cuts the sandbox off.
    fn quarantine(&mut self) -> std::sync::mpsc::Receiver<Answer> {
        let (reply, answer) = Reply::channel();
        self.reload.asked(Asked { ask: Ask::Quarantine, uid: 7, reply }, &mut self.recorder).unwrap();
        answer
    }

    /// Nobody takes records any more.
    fn lose_the_writer(&mut self) {
        let (_gone, client) = UnixStream::pair().unwrap();
        self.recorder = Recorder::new(client, self.log.path().to_owned(), FullSetting::Deny).unwrap();
    }

    /// What the proxy is told.
    fn told(&mut self) -> Option<ProxyCommand> {
        let mut line = String::new();
        // Nothing yet, or no proxy any more.
        self.proxy.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        Some(serde_json::from_str(&line).unwrap())
    }

    fn in_force(&mut self) -> PolicyInForce {
        let (reply, answer) = Reply::channel();
        self.reload.asked(Asked { ask: Ask::PolicyInForce, uid: 7, reply }, &mut self.recorder).unwrap();
        match answer.recv().unwrap() {
            Answer::PolicyInForce(policy) => policy,
            other => panic!("{other:?}"),
        }
    }

    fn records(&self) -> Vec<Value> {
        self.records.lock().unwrap().clone()
    }

    /// Refused in words, on the record, and nothing else happened.
    fn stays(&mut self, policy: &str, words: &str) {
        let answer = self.set(policy).try_recv().unwrap();
        let Answer::Refused { cause, remedy } = answer else { panic!("{answer:?}") };
        assert!(cause.contains(words) && cause.ends_with("; policy 1 stays in force"), "{cause}");
        assert!(!remedy.is_empty());
        let last = self.records().pop().unwrap();
        assert_eq!((&last["action"], &last["decision"]), (&"policy-change".into(), &"deny".into()), "{last}");
        assert_eq!((self.told(), self.in_force().version), (None, PolicyVersion(1)));
    }
}

/// Takes every record.
/// Whatever a scene was: the text of each policy that a record puts in force can be looked up.
impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let set = self.records().into_iter().filter(|record| record["decision"] == "allow");
        for digest in set.map(|record| record["policy_change"]["new"]["sha256"].clone()) {
            let Some(digest) = digest.as_str() else { continue };
            audit::policies::read(self.log.path(), &digest.parse().unwrap()).unwrap();
        }
    }
}

fn record(mut writer: UnixStream) -> Arc<Mutex<Vec<Value>>> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&records);
    std::thread::spawn(move || {
        let mut length = [0; 4];
        while writer.read_exact(&mut length).is_ok() {
            let mut body = vec![0; u32::from_le_bytes(length) as usize];
            writer.read_exact(&mut body).unwrap();
            shared.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let receipt = [&40_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &[0; 32]].concat();
            writer.write_all(&receipt).unwrap();
        }
    });
    records
}

#[test]
fn a_policy_is_recorded_then_sent_then_confirmed() {
    let mut scene = Scene::new();
    let answer = scene.set(CLOSED);
    assert!(answer.try_recv().is_err(), "confirmed before the proxy did");
    let Some(ProxyCommand::SetPolicy { version, policy, doors }) = scene.told() else { panic!("not sent") };
    assert_eq!(doors, Doors::Open);
    assert_eq!(version, PolicyVersion(2));
    let sha256 = Digest::of_bytes(policy.as_bytes()).to_string();
    let recorded = scene.records().pop().unwrap();
    assert_eq!(recorded["decision"], "allow");
    let change = &recorded["policy_change"];
    assert_eq!((&change["source"], &change["uid"]), (&"new.yaml".into(), &7.into()));
    assert_eq!(change["new"], json!({"version": 2, "sha256": sha256}));
    assert_eq!(change["old"]["version"], 1);
    assert_eq!(scene.in_force().version, PolicyVersion(1));

    scene.reload.applied(version, 3, &mut scene.recorder).unwrap();
    let set = PolicySet { version, digest: sha256, closed: 3, ended: Vec::new() };
    assert_eq!(answer.try_recv().unwrap(), Answer::PolicySet(set));
    assert_eq!((scene.in_force().version, scene.in_force().policy), (version, policy));
}

#[test]
fn the_same_policy_again_is_another_version() {
    let mut scene = Scene::new();
    for number in 2..5 {
        let _answer = scene.set(CLOSED);
        scene.reload.applied(PolicyVersion(number), 0, &mut scene.recorder).unwrap();
        assert_eq!(scene.in_force().version, PolicyVersion(number));
    }
}

#[test]
fn what_is_no_policy_changes_nothing() {
    let mut scene = Scene::new();
    scene.stays("version: 1\nnetwerk: []\n", "netwerk");
    scene.stays("version: 1\nnetwork: [{name: a}]\n", "binary");
    scene.stays("", "new.yaml");
}

#[test]
fn the_static_half_holds() {
    let mut scene = Scene::new();
    scene.stays("version: 1\nfilesystem: {read: [/opt, /etc/shadow]}\n", "filesystem.read");
    scene.stays("version: 1\nprocess: {limits: {processes: 9}}\n", "process.limits.processes");
    let _answer = scene.set("version: 1\nfilesystem: {read: [/opt]}\nnetwork: []\n");
    assert!(scene.told().is_some(), "the same static half is no change");
}

#[test]
fn one_change_at_a_time() {
    let mut scene = Scene::new();
    let _first = scene.set(CLOSED);
    assert!(scene.told().is_some());
    scene.stays(CLOSED, "just taking effect");
}

#[test]
fn what_the_proxy_refuses_leaves_the_old_policy_and_its_number_is_gone() {
    let mut scene = Scene::new();
    let answer = scene.set(CLOSED);
    let Scene { reload, recorder, .. } = &mut scene;
    reload.refused(PolicyVersion(2), "it does not load here".to_owned(), recorder).unwrap();
    let Answer::Refused { cause, .. } = answer.try_recv().unwrap() else { panic!("taken") };
    assert_eq!(cause, "it does not load here; policy 1 stays in force");
    let decisions: Vec<Value> = scene.records().iter().map(|record| record["decision"].clone()).collect();
    assert_eq!(decisions, ["allow", "deny"]);
    let _answer = scene.set(CLOSED);
    scene.reload.applied(PolicyVersion(3), 0, &mut scene.recorder).unwrap();
    assert_eq!(scene.in_force().version, PolicyVersion(3));
}

#[test]
fn what_cannot_be_kept_is_neither_recorded_nor_applied() {
    let mut scene = Scene::new();
    std::fs::remove_dir(scene.log.path()).unwrap();
    let Answer::Refused { cause, .. } = scene.set(CLOSED).try_recv().unwrap() else { panic!("taken") };
    assert!(cause.contains("cannot be kept"), "{cause}");
    assert_eq!((scene.told(), scene.in_force().version), (None, PolicyVersion(1)));
    std::fs::create_dir(scene.log.path()).unwrap();
}

#[test]
fn what_cannot_be_recorded_is_not_applied() {
    let mut scene = Scene::new();
    scene.lose_the_writer();
    let Answer::Refused { cause, .. } = scene.set(CLOSED).try_recv().unwrap() else { panic!("taken") };
    assert!(cause.contains("audit log"), "{cause}");
    assert_eq!((scene.told(), scene.in_force().version), (None, PolicyVersion(1)));
}

#[test]
fn a_sandbox_without_egress_says_so() {
    let mut scene = Scene::new();
    scene.reload.proxy = None;
    scene.stays(CLOSED, "no egress");
}

#[test]
fn a_quarantine_allows_nothing_and_is_on_the_record_first() {
    let mut scene = Scene::new();
    scene.reload.quarantine(Cutoff::by_detection("repeated-denials"), &mut scene.recorder).unwrap();
    let last = scene.records().pop().unwrap();
    assert_eq!(last["policy_change"]["source"], "quarantine by detection repeated-denials");
    let Some(ProxyCommand::SetPolicy { version, policy, doors }) = scene.told() else {
        panic!("the proxy is told")
    };
    assert_eq!(doors, Doors::Shut);
    assert_eq!((version, &policy), (PolicyVersion(2), &closed().unwrap()));
    let document = Document::parse(&policy, "closed").unwrap();
    assert!(document.rule_origins().is_empty(), "{policy}");
    scene.reload.applied(version, 3, &mut scene.recorder).unwrap();
    assert_eq!(scene.in_force().version, PolicyVersion(2));
    assert!(scene.reload.is_quarantined());
    // An operator's policy lifts it.
    let _answer =
        scene.set(CLOSED.replace("version: 1\n", "version: 1\nfilesystem: {read: [/opt]}\n").as_str());
    let told = scene.told();
    let Some(ProxyCommand::SetPolicy { version, doors: Doors::Open, .. }) = told else { panic!("{told:?}") };
    assert_eq!(version, PolicyVersion(3));
    scene.reload.applied(version, 0, &mut scene.recorder).unwrap();
    assert!(!scene.reload.is_quarantined());
}

#[test]
fn an_operator_cuts_the_sandbox_off_and_hears_when_it_is() {
    let mut scene = Scene::new();
    let answer = scene.quarantine();
    assert!(answer.try_recv().is_err(), "confirmed before the proxy did");
    let change = &scene.records().pop().unwrap()["policy_change"];
    assert_eq!((&change["source"], &change["uid"]), (&"quarantine by the operator".into(), &7.into()));
    assert!(matches!(scene.told(), Some(ProxyCommand::SetPolicy { doors: Doors::Shut, .. })));
    // One that comes meanwhile waits its turn, and is answered.
    let second = scene.quarantine();
    scene.reload.applied(PolicyVersion(2), 5, &mut scene.recorder).unwrap();
    assert!(matches!(answer.try_recv(), Ok(Answer::PolicySet(PolicySet { closed: 5, .. }))));
    scene.reload.applied(PolicyVersion(3), 0, &mut scene.recorder).unwrap();
    assert!(matches!(second.try_recv(), Ok(Answer::PolicySet(PolicySet { closed: 0, .. }))));
    scene.reload.proxy = None;
    let nothing = scene.quarantine().try_recv();
    assert!(matches!(nothing, Ok(Answer::Refused { .. })), "{nothing:?}");
}

#[test]
fn a_quarantine_waits_for_the_policy_before_it_and_is_not_refused() {
    let mut scene = Scene::new();
    let _answer = scene.set(STARTED_WITH);
    assert!(scene.told().is_some());
    scene.reload.quarantine(Cutoff::by_detection("sudden-volume"), &mut scene.recorder).unwrap();
    assert!(scene.told().is_none(), "one after the other");
    scene.reload.applied(PolicyVersion(2), 0, &mut scene.recorder).unwrap();
    assert!(matches!(scene.told(), Some(ProxyCommand::SetPolicy { version: PolicyVersion(3), .. })));
    // A sandbox that cannot be cut off does not go on.
    assert!(scene.reload.refused(PolicyVersion(3), "no".to_owned(), &mut scene.recorder).is_err());
}
