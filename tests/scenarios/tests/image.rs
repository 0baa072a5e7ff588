//! What is stored as a root image is what an agent runs, or nobody runs it: whoever changes the store's files, before a start
//! or while the agent runs, gets the machine ended by name.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};

use scenarios::{Outcome, Session, Started, cache};

/// What the file in the image begins with, and what the attack makes of it.
const GENUINE: &[u8; 8] = b"genuine\n";
const FORGED: &[u8; 8] = b"forged!\n";

/// Why what the test does with the session's own files works.
const OURS: &str = "the session's files and streams are the test's";

/// What a user reads about it.
const NAMED: &str = "does not match its root hash";

/// A session with an image store of its own.
fn session(image: &str) -> Session {
    let session = Session::new(image);
    let mine = session.dir().join("cache/openshell");
    fs::create_dir_all(&mine).expect(OURS);
    for part in ["kernel", "initramfs", "tools"] {
        symlink(cache().join(part), mine.join(part)).expect(OURS);
    }
    root_tree(&session.dir().join("rootfs"));
    let home = session.dir().join("cache");
    session.path("XDG_CACHE_HOME", home)
}

/// The image `tiny` as a directory, and a file whose content no compression hides.
fn root_tree(folder: &Path) {
    let manifest = fs::read(cache().join("images/names/tiny.json")).expect("the images are built");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("it is JSON");
    let image =
        cache().join("images/blobs").join(manifest["digest"].as_str().expect("a manifest names its blob"));
    let extract = format!("--extract={}", folder.display());
    let made = Command::new("fsck.erofs").arg(extract).arg(image).output().expect("erofs-utils is installed");
    assert!(made.status.success(), "{made:?}");
    let mut content = GENUINE.to_vec();
    File::open("/dev/urandom")
        .expect("every Linux has it")
        .take(40_000)
        .read_to_end(&mut content)
        .expect("it has no end");
    fs::write(folder.join("etc/marker"), content).expect(OURS);
}

/// The one blob of a session's store.
fn blob(home: &Path) -> PathBuf {
    let blobs = fs::read_dir(home.join("cache/openshell/images/blobs")).expect(OURS);
    let mut blobs = blobs.map(|entry| entry.expect(OURS).path());
    let blob = blobs.next().expect("the image is stored");
    assert!(blobs.next().is_none());
    blob
}

/// The tree of it.
fn tree(home: &Path) -> PathBuf {
    let blob = blob(home);
    home.join("cache/openshell/images/trees").join(blob.file_name().expect(OURS))
}

/// Where a text is in a file.
fn find(path: &Path, text: &[u8]) -> u64 {
    let bytes = fs::read(path).expect(OURS);
    let at = bytes.windows(text.len()).position(|window| window == text).expect("the file has it");
    u64::try_from(at).expect(OURS)
}

/// Writes into a stored file as its owner can.
fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect(OURS);
    File::options().write(true).open(path).expect(OURS).write_all_at(bytes, at).expect(OURS);
}

/// Makes the store believe that the blob was looked at after the change.
fn forge_stamp(home: &Path) {
    let blob = blob(home);
    let now = fs::metadata(&blob).expect(OURS);
    let stamp = serde_json::json!({
        "inode": now.ino(), "size": now.len(),
        "modified": [now.mtime(), now.mtime_nsec()], "changed": [now.ctime(), now.ctime_nsec()],
    });
    let name = format!("{}.json", blob.file_name().expect(OURS).to_string_lossy());
    fs::write(home.join("cache/openshell/images/stamps").join(name), stamp.to_string()).expect(OURS);
}

/// An agent that has said "ready" and reads the file when it is told to.
fn ready(session: Session) -> (Started, BufReader<ChildStdout>) {
    let mut started = session.script("echo ready; read go; head -c 8 /etc/marker; echo end").start();
    let mut output = BufReader::new(started.child.stdout.take().expect(OURS));
    let mut line = String::new();
    output.read_line(&mut line).expect(OURS);
    if line != "ready\n" {
        panic!("{}", started.outcome());
    }
    (started, output)
}

/// Lets the agent read; what it says then.
fn go_on(started: &mut Started, mut output: BufReader<ChildStdout>) -> Vec<u8> {
    started.child.stdin.take().expect(OURS).write_all(b"go\n").expect(OURS);
    let mut said = Vec::new();
    output.read_to_end(&mut said).expect(OURS);
    said
}

/// What the second run of a session says after `attack` on its store.
fn attacked(attack: impl FnOnce(&Path)) -> Outcome {
    let (mut started, output) = ready(session("./rootfs"));
    let said = go_on(&mut started, output);
    let (home, outcome) = started.finish();
    assert_eq!((outcome.code, said.as_slice()), (Some(0), &b"genuine\nend\n"[..]), "{outcome}");
    attack(home.path());
    let mut again = scenarios::openshell(home.path());
    let again = again.args(["vm", "run", "agent.yaml"]).current_dir(home.path());
    let again = again.env("XDG_CACHE_HOME", home.path().join("cache")).output().expect(OURS);
    Outcome {
        code: again.status.code(),
        stdout: again.stdout,
        stderr: String::from_utf8(again.stderr).expect(OURS),
        ..outcome
    }
}

/// The machine was ended, and the user told why and what to do.
fn refused(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(!outcome.text().contains("forged"), "{outcome}");
    assert!(outcome.stderr.contains(NAMED) && outcome.stderr.contains("openshell image"), "{outcome}");
}

#[test]
fn a_file_changed_under_a_running_agent_ends_its_machine() {
    let (mut started, output) = ready(session("./rootfs"));
    let blob = blob(started.dir());
    overwrite(&blob, find(&blob, GENUINE), FORGED);
    let said = go_on(&mut started, output);
    let outcome = Outcome { stdout: said, ..started.outcome() };
    refused(&outcome);
    let recorded = outcome.audit.iter().any(|record| record.to_string().contains(NAMED));
    assert!(recorded, "the log does not say why: {outcome}");
}

#[test]
fn a_file_of_the_users_own_is_what_it_was_at_the_start() {
    let session = session("./given.erofs");
    let (tree, given) = (session.dir().join("rootfs"), session.dir().join("given.erofs"));
    let made = Command::new("mkfs.erofs").arg("--quiet").arg(&given).arg(tree).output();
    assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
    let (mut started, output) = ready(session);
    overwrite(&given, find(&given, GENUINE), FORGED);
    let said = go_on(&mut started, output);
    refused(&Outcome { stdout: said, ..started.outcome() });
}

#[test]
fn a_file_changed_before_the_start_is_not_read() {
    refused(&attacked(|home| {
        let blob = blob(home);
        overwrite(&blob, find(&blob, GENUINE), FORGED);
        forge_stamp(home);
    }));
}

#[test]
fn a_changed_superblock_refuses_the_boot() {
    refused(&attacked(|home| {
        let blob = blob(home);
        // A byte of the identity, which no check of the file system covers.
        overwrite(&blob, 1024 + 48, b"!");
        forge_stamp(home);
    }));
}

#[test]
fn a_changed_hash_tree_refuses_the_boot() {
    refused(&attacked(|home| {
        let tree = tree(home);
        // The first block of the lowest level: what leads to the root at its end stays as it is.
        overwrite(&tree, 2 * 4096, &[0xab; 4096]);
    }));
}

/// What the host sees at once needs no machine.
#[test]
fn a_hash_tree_with_another_end_refuses_the_start() {
    let outcome = attacked(|home| {
        let tree = tree(home);
        let length = fs::metadata(&tree).unwrap().len();
        overwrite(&tree, length - 4096, &[0xab; 4096]);
    });
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(125), ""), "{outcome}");
    assert!(outcome.stderr.contains("hash tree of image tree-"), "{outcome}");
}

#[test]
fn another_root_hash_refuses_the_start() {
    let outcome = attacked(|home| {
        let seal = PathBuf::from(format!("{}.json", tree(home).display()));
        let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&seal).unwrap()).unwrap();
        text["root"] = "ab".repeat(32).into();
        fs::write(seal, text.to_string()).unwrap();
    });
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(125), ""), "{outcome}");
    assert!(outcome.stderr.contains("hash tree of image tree-"), "{outcome}");
    assert!(outcome.stderr.contains("openshell image rm tree-"), "{outcome}");
}

#[test]
fn an_image_that_is_not_the_one_asked_for_is_refused() {
    let outcome = Session::new(&format!("tiny@verity:{}", "ab".repeat(32))).run();
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(outcome.stderr.contains("has the root hash"), "{outcome}");
}

#[test]
fn the_record_names_the_image_as_it_can_be_asked_for() {
    let first = Session::new("tiny").run();
    let image = first.audit.iter().find_map(|record| record["configuration"]["image"].as_str());
    let image = image.unwrap_or_else(|| panic!("{first}"));
    assert!(image.starts_with("tiny@verity:"), "{image}");
    let again = Session::new(image).run();
    assert_eq!(again.code, Some(0), "{again}");
}
