//! `openshell-sign` as the manager starts it: with a key in memory, and with one in a token (SoftHSM).

#![expect(clippy::unwrap_used, reason = "a broken harness is a failed test")]

#[path = "process/start.rs"]
mod start;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use audit::checkpoint::{Note, VerifyingKey, new_pem, origin};
use audit::tree::{Frontier, TreeHash, leaf};
use start::{SANDBOX, Signing, Started};
use wire::audit::{SignEvent, SigningKey};
use wire::secret::Secret;

struct Signer {
    started: Started,
    leaves: UnixStream,
    files: Vec<PathBuf>,
    directory: tempfile::TempDir,
}

impl Signer {
    fn start(key: SigningKey, interval_ms: u32) -> Self {
        Self::start_with(key, interval_ms, |_command| {})
    }

    fn start_with(key: SigningKey, interval_ms: u32, set: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (leaves, theirs) = UnixStream::pair().unwrap();
        let files = vec![directory.path().join("checkpoints"), directory.path().join("copy")];
        let started = Signing { key, interval_ms, resumed: None }.start(theirs, &files, set);
        Self { started, leaves, files, directory }
    }

    fn event(&mut self) -> SignEvent {
        self.started.event()
    }

    fn key(&mut self) -> VerifyingKey {
        let event = self.event();
        let SignEvent::Ready { key } = event else { panic!("{event:?}") };
        key.parse().unwrap()
    }

    fn send(&mut self, leaves: &[TreeHash]) {
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        self.leaves.write_all(&bytes).unwrap();
    }

    /// Ends it as the writer's end does, and returns its checkpoints.
    fn end(mut self) -> (Vec<Note>, Option<i32>) {
        self.leaves.shutdown(Shutdown::Both).unwrap();
        let code = self.started.child.wait().unwrap().code();
        let [first, copy] = [0, 1].map(|index| std::fs::read_to_string(&self.files[index]).unwrap());
        assert_eq!(first, copy);
        drop(self.directory);
        (Note::parse_all(&first).unwrap().0, code)
    }
}

fn pem() -> SigningKey {
    SigningKey::Pem(Secret::new(new_pem().unwrap().to_string()))
}

fn leaves(count: u64) -> Vec<TreeHash> {
    (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
}

fn root(leaves: &[TreeHash]) -> TreeHash {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

#[test]
fn what_grew_is_signed_after_the_interval_and_at_the_end() {
    let mut signer = Signer::start(pem(), 50);
    let key = signer.key();
    let all = leaves(1000);
    signer.send(&all[..300]);
    let began = Instant::now();
    while std::fs::metadata(&signer.files[0]).unwrap().len() == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "no checkpoint came");
        std::thread::yield_now();
    }
    let mut said = [0; 8];
    signer.leaves.read_exact(&mut said).unwrap();
    let signed = u64::from_le_bytes(said);
    let newest = Note::parse_all(&std::fs::read_to_string(&signer.files[0]).unwrap()).unwrap().0;
    assert!(newest.iter().any(|note| note.checkpoint(&key).unwrap().size == signed), "it says {signed}");
    signer.send(&all[300..]);
    let (notes, code) = signer.end();
    assert_eq!(code, Some(0));
    let checkpoints: Vec<_> = notes.iter().map(|note| note.checkpoint(&key).unwrap()).collect();
    assert!(checkpoints.len() >= 2);
    assert!(checkpoints.is_sorted_by(|one, next| one.size < next.size), "{checkpoints:?}");
    assert_eq!(checkpoints.last().unwrap().size, 1000);
    for checkpoint in checkpoints {
        assert_eq!(checkpoint.origin, origin(SANDBOX));
        assert_eq!(checkpoint.root, root(&all[..usize::try_from(checkpoint.size).unwrap()]));
    }
}

#[test]
fn nothing_is_signed_when_nothing_came() {
    let mut signer = Signer::start(pem(), 10);
    signer.key();
    assert_eq!(signer.end(), (vec![], Some(0)));
}

#[test]
fn half_a_leaf_at_the_end_is_no_leaf() {
    let mut signer = Signer::start(pem(), 10_000);
    let key = signer.key();
    signer.send(&leaves(2));
    signer.leaves.write_all(&[7; 31]).unwrap();
    let (notes, _code) = signer.end();
    assert_eq!(notes.last().unwrap().checkpoint(&key).unwrap().size, 2);
}

#[test]
fn without_a_key_it_says_why() {
    let token = SigningKey::Pkcs11 {
        module: "/nonexistent.so".to_owned(),
        token: "audit".to_owned(),
        key: "audit".to_owned(),
        pin: Secret::new("1234".to_owned()),
    };
    for (key, word) in [(SigningKey::Pem(Secret::new("no key".to_owned())), "PEM"), (token, "library")] {
        let mut signer = Signer::start(key, 10);
        let event = signer.event();
        let SignEvent::Failed { cause, .. } = event else { panic!("{event:?}") };
        assert!(cause.contains(word), "{cause}");
        assert_eq!(signer.started.child.wait().unwrap().code(), Some(71));
    }
}

/// A token of SoftHSM with an Ed25519 key in it, made by the tools of its users.
struct Token {
    directory: tempfile::TempDir,
}

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

impl Token {
    fn new() -> Self {
        let token = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(token.directory.path().join("tokens")).unwrap();
        let tokens = token.directory.path().join("tokens");
        let config = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(token.config(), config).unwrap();
        token.run("softhsm2-util", "--init-token --free --label audit --pin 1234 --so-pin 5678");
        let make = "--login --token-label audit --pin 1234 --keypairgen --key-type EC:edwards25519 --id 01";
        token.run("pkcs11-tool", &format!("--module {MODULE} {make} --label signing"));
        token
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("softhsm2.conf")
    }

    fn run(&self, program: &str, arguments: &str) {
        let mut command = Command::new(program);
        command.args(arguments.split(' ')).env("SOFTHSM2_CONF", self.config());
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn start(&self, key: &str, pin: &str) -> Signer {
        let key = SigningKey::Pkcs11 {
            module: MODULE.to_owned(),
            token: "audit".to_owned(),
            key: key.to_owned(),
            pin: Secret::new(pin.to_owned()),
        };
        Signer::start_with(key, 10, |command| {
            command.env("SOFTHSM2_CONF", self.config());
        })
    }
}

#[test]
fn a_key_that_never_leaves_its_token_signs() {
    assert!(Path::new(MODULE).exists(), "cargo xtask ci setup installs softhsm2");
    let token = Token::new();
    let mut signer = token.start("signing", "1234");
    let key = signer.key();
    let all = leaves(7);
    signer.send(&all);
    let (notes, code) = signer.end();
    assert_eq!(code, Some(0));
    let checkpoint = notes.last().unwrap().checkpoint(&key).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (7, root(&all)));
    // The same key again, and what is not there.
    assert_eq!(token.start("signing", "1234").key(), key);
    for (label, pin, word) in [("signing", "4321", "logging in"), ("other", "1234", "'other'")] {
        let event = token.start(label, pin).event();
        let SignEvent::Failed { cause, .. } = event else { panic!("{event:?}") };
        assert!(cause.contains(word) && !cause.contains(pin), "{cause}");
    }
}
