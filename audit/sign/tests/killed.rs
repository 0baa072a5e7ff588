//! A writer and its signer on one log, killed at random moments and started again on it as the manager does, while several
//! clients append: what was acknowledged stays, what is half goes, and what is signed is never another past.
//!
//! CI kills a few times. `cargo xtask kill-audit` kills as often as it is told, through `AUDIT_KILLS`.

#![expect(clippy::unwrap_used, reason = "a broken harness is a failed test")]

#[path = "killed/rig.rs"]
mod rig;

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::log::{self, Mark, segments};
use audit::verify::{self, CHECKPOINTS, Interrupted, LastNote, looks_interrupted};
use audit::{Action, Receipt};
use rig::{Rig, Running};

/// How often, where nothing else is said.
const KILLS: u64 = 40;

/// Rounds after which the log is closed as it is after the last one: recovered, and nothing more comes.
const CLOSED_EVERY: u64 = 20;

/// Which process a round kills.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Writer,
    Signer,
    Both,
}

#[test]
fn one_log_outlives_every_kill() {
    let kills = std::env::var("AUDIT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let rig = Rig::new();
    let mut receipts = Vec::new();
    let mut mark = Mark::START;
    let mut halves = 0;
    for round in 0..kills {
        let choice = RandomState::new().hash_one(round);
        let victim = [Victim::Writer, Victim::Signer, Victim::Both][usize::try_from(choice % 3).unwrap()];
        let running = rig.go_on(["manager", "proxy", "router"]);
        let acknowledged = kill(running, victim, Duration::from_micros(choice >> 8 & 0xfff));
        mark = check(&rig, &mark, &acknowledged);
        receipts.extend(acknowledged);
        if choice >> 40 & 3 == 0 {
            leave_halves(&rig.log);
            halves += 1;
            assert!(looks_interrupted(&rig.log).unwrap());
        }
        if (round + 1) % CLOSED_EVERY == 0 || round + 1 == kills {
            close(&rig);
        }
    }
    let records: Vec<_> = log::read(&rig.log).unwrap().map(Result::unwrap).collect();
    for receipt in &receipts {
        assert_eq!(records[usize::try_from(receipt.sequence - 1).unwrap()].hash, receipt.hash);
    }
    let repairs = records.iter().filter(|record| record.event.action == Action::LogRepair);
    let taken_off =
        repairs.clone().filter(|record| record.event.reason.as_ref().unwrap().contains("was taken off"));
    assert!(taken_off.count() >= halves, "a half was not taken off");
    assert!(receipts.len() > usize::try_from(kills).unwrap(), "only {} records", receipts.len());
    println!(
        "{kills} kills: {} records, {} of them acknowledged, {} repairs, {} segments",
        records.len(),
        receipts.len(),
        repairs.count(),
        segments::list(&rig.log).unwrap().len()
    );
}

/// Lets clients append until the victim is dead, and returns every receipt that came.
fn kill(running: Running, victim: Victim, delay: Duration) -> Vec<Receipt> {
    let Running { mut writer, mut signer, clients, feeding } = running;
    let appending: Vec<_> = clients.into_iter().zip(1..).map(rig::append_on_a_thread).collect();
    std::thread::sleep(delay);
    if matches!(victim, Victim::Signer | Victim::Both) {
        signer.kill().unwrap();
    }
    if matches!(victim, Victim::Writer | Victim::Both) {
        writer.kill().unwrap();
    }
    // Without its signer the writer ends by itself, without the writer the signer.
    writer.wait().unwrap();
    signer.wait().unwrap();
    feeding.join().unwrap();
    appending.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

/// What was acknowledged since `mark` is there, whole and in its place; returns where the next round begins.
fn check(rig: &Rig, mark: &Mark, acknowledged: &[Receipt]) -> Mark {
    let left = Interrupted::read(&rig.log, &[], &rig.keys()).unwrap();
    let mut reader = log::read_from(&rig.log, mark).unwrap();
    let mut hashes = Vec::new();
    let mut after = *mark;
    while after.sequence < left.records {
        hashes.push(reader.next().unwrap().unwrap().hash);
        after = reader.mark();
    }
    for receipt in acknowledged {
        let index = usize::try_from(receipt.sequence - mark.sequence - 1).unwrap();
        assert_eq!(hashes[index], receipt.hash, "record {}", receipt.sequence);
    }
    after
}

/// What a machine that loses power may leave: half a record, and half a checkpoint.
fn leave_halves(log: &Path) {
    let add = |path: &Path, half: &str| {
        let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
        file.write_all(half.as_bytes()).unwrap();
    };
    // An empty segment may stand behind the one that was written last; if that one is packed, the writer has left it.
    let plain: Vec<_> =
        segments::list(log).unwrap().into_iter().map(|number| log.join(segments::name(number))).collect();
    let is_written = |path: &&PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    let last = plain.iter().rfind(is_written).or(plain.last()).unwrap();
    add(last, "{\"version\":2,\"sequen");
    add(&log.join(CHECKPOINTS), "openshell-audit/test-0a1b2c3d\n12");
}

/// Recovers the log and ends it: after that it verifies, and all of it is signed.
fn close(rig: &Rig) {
    let running = rig.go_on([]);
    let Running { mut writer, mut signer, clients, feeding } = running;
    drop(clients);
    assert!(writer.wait().unwrap().success() && signer.wait().unwrap().success());
    feeding.join().unwrap();
    let verified = verify::verify(&rig.log, &rig.keys(), &verify::Elsewhere::default()).unwrap();
    assert_eq!(verified.newest.unwrap().size, verified.summary.records);
    assert_eq!(verified.last, LastNote::Whole);
    assert!(!looks_interrupted(&rig.log).unwrap());
    assert!(Interrupted::read(&rig.log, &[], &rig.keys()).unwrap().is_whole());
}

/// A log that somebody changed is not gone on with, whatever a crash did to it: neither its reader nor its signer does.
#[test]
fn a_changed_past_is_not_gone_on_with() {
    let rig = Rig::new();
    let mut receipts = Vec::new();
    while receipts.len() < 50 {
        receipts.extend(kill(rig.go_on(["proxy"]), Victim::Writer, Duration::from_millis(2)));
    }
    close(&rig);
    leave_halves(&rig.log);
    let left = Interrupted::read(&rig.log, &[], &rig.keys()).unwrap();
    assert!(left.is_unfinished && !left.is_whole());
    // Another tree under the same checkpoint.
    let mut other = audit::tree::Frontier::default();
    (0..left.records).for_each(|number| other.push(audit::tree::leaf(&number.to_be_bytes())));
    let signer = wire::audit::SignResumed {
        tree: serde_json::to_string(&other).unwrap(),
        note: left.signer.note.clone(),
    };
    assert!(rig.refused(signer).contains("cannot go on"));
    // A checkpoint of somebody else's key.
    assert!(Rig::new().refused(left.signer.clone()).contains("cannot go on"));
    // Records made again, chain and all, behind the ones that are signed: read, and told of.
    let first = rig.log.join(segments::name(left.segment));
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replace("/item/", "/itam/")).unwrap();
    assert!(Interrupted::read(&rig.log, &[], &rig.keys()).is_err());
}
