use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use wire::id::{PolicyVersion, SandboxId};
use wire::operator::PolicySet;

use super::*;
use crate::layout::Layout;
use crate::policy::PolicyFiles;
use crate::rundir::RunDir;

/// A sandbox that grants every wish, and tells what was asked.
struct Sandbox {
    temp: tempfile::TempDir,
    layout: Layout,
    run: RunDir,
    asked: Receiver<Ask>,
}

impl Sandbox {
    fn start() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().to_path_buf();
        let at = |name: &str| path.join(name);
        let layout = Layout {
            state: at("state"),
            runtime: at("run"),
            cache: at("cache"),
            config: at("config"),
            programs: path.clone(),
        };
        let run = RunDir::create(&layout, &id("notes-00000001")).unwrap();
        let (tell, asked) = channel();
        serve(run.path(), move |call| {
            let Call::Asked(Asked { ask, uid, reply }) = call else { panic!("a session") };
            assert_eq!(uid, rustix::process::geteuid().as_raw());
            tell.send(ask).unwrap();
            let set = PolicySet {
                version: PolicyVersion(2),
                digest: "ab".to_owned(),
                closed: 3,
                ended: Vec::new(),
            };
            reply.send(Answer::PolicySet(set));
        })
        .unwrap();
        Self { temp, layout, run, asked }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.temp.path().join("new.yaml");
        fs::write(&path, text).unwrap();
        path
    }

    fn set(&self, sandbox: &str, text: &str) -> Result<(SandboxId, PolicySet), Failure> {
        set_policy(&self.layout, sandbox, (&self.file(text), &PolicyFiles::default()))
    }
}

fn id(text: &str) -> SandboxId {
    SandboxId::try_from(text.to_owned()).unwrap()
}

#[test]
fn a_policy_reaches_the_sandbox_resolved_by_id_and_by_name() {
    let sandbox = Sandbox::start();
    for name in ["notes-00000001", "notes"] {
        let (id, set) = sandbox.set(name, "version: 1\nnetwork: []\n").unwrap();
        assert_eq!((id.as_str(), set.version, set.closed), ("notes-00000001", PolicyVersion(2), 3));
        let Ask::SetPolicy { policy, name } = sandbox.asked.recv().unwrap() else {
            panic!("another question")
        };
        assert_eq!(name, "new.yaml");
        policies::Document::parse(&policy, "sent").unwrap();
    }
}

#[test]
fn what_a_policy_extends_is_read_before_it_is_sent() {
    let sandbox = Sandbox::start();
    let rule = "version: 1\nnetwork:\n- name: a\n  binary: {allow: [curl]}\n  destination: {allow: [a.test]}\n  \
                method: {allow: [GET]}\n  path: {allow: [/]}\n";
    fs::write(sandbox.temp.path().join("base.yaml"), rule).unwrap();
    sandbox.set("notes", "version: 1\nextends: ./base.yaml\n").unwrap();
    let Ask::SetPolicy { policy, .. } = sandbox.asked.recv().unwrap() else { panic!("another question") };
    let document = policies::Document::parse(&policy, "sent").unwrap();
    assert_eq!((document.network.len(), document.extends.is_none()), (1, true), "{policy}");
}

#[test]
fn a_bad_file_is_named_and_never_sent() {
    let sandbox = Sandbox::start();
    let failure = sandbox.set("notes", "version: 1\nnetwerk: []\n").unwrap_err();
    assert!(failure.cause.contains("new.yaml:2") && failure.cause.contains("netwerk"), "{failure:?}");
    assert!(failure.cause.ends_with("the policy in force stays"), "{failure:?}");
    let failure = set_policy(&sandbox.layout, "notes", (Path::new("/none.yaml"), &PolicyFiles::default()));
    assert!(failure.unwrap_err().cause.contains("/none.yaml"));
    assert!(sandbox.asked.try_recv().is_err());
}

#[test]
fn a_sandbox_that_is_not_there_or_not_the_only_one_is_named() {
    let sandbox = Sandbox::start();
    let failure = sandbox.set("other", "version: 1\n").unwrap_err();
    assert_eq!(failure.cause, "no sandbox 'other' is running");
    let _second = RunDir::create(&sandbox.layout, &id("notes-00000002")).unwrap();
    let failure = sandbox.set("notes", "version: 1\n").unwrap_err();
    assert!(failure.remedy.contains("notes-00000001") && failure.remedy.contains("notes-00000002"));
    let failure = sandbox.set("notes-00000002", "version: 1\n").unwrap_err();
    assert!(failure.cause.contains("starting or ending"), "{failure:?}");
}

#[test]
fn the_socket_is_its_owners_alone() {
    let sandbox = Sandbox::start();
    let mode = fs::metadata(sandbox.run.path().join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn another_version_and_nonsense_are_refused_in_words() {
    let sandbox = Sandbox::start();
    let next = VERSION + 1;
    let (another, named) =
        (format!("{{\"version\":{next},\"ask\":{{\"set-quota\":1}}}}\n"), format!("version {next}"));
    let unknown = format!("{{\"version\":{VERSION},\"ask\":\"sing\"}}\n");
    for (line, words) in [
        (another.as_str(), named.as_str()),
        (unknown.as_str(), "cannot be understood"),
        ("\u{0}\n", "cannot be understood"),
    ] {
        let mut stream = UnixStream::connect(sandbox.run.path().join(SOCKET)).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let Answer::Refused { cause, .. } =
            read_line::<Response>(&mut BufReader::new(&stream)).unwrap().answer
        else {
            panic!("{line} was taken")
        };
        assert!(cause.contains(words), "{cause}");
    }
    assert!(sandbox.asked.try_recv().is_err());
}
