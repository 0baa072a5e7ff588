//! A writer and its signer on one log, killed at random moments and started again on it as the manager does, while several
//! clients append: what was acknowledged stays, what is half goes, and what is signed is never another past.
//!
//! Who closes such a log (`openshell audit recover`) is killed as well, at any moment, and so are the processes that it starts. And
//! whoever can write the log makes a part of it anew, chain and all: wherever a checkpoint covers that, it is found.
//!
//! CI kills a few times. `cargo xtask kill-audit` kills as often as it is told, through `AUDIT_KILLS`; `AUDIT_SEED` makes the same
//! choices again, though not the same moments.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken harness is a failed test, and one that ran says what became of the log"
)]

#[path = "killed/dice.rs"]
mod dice;
#[path = "killed/rig.rs"]
mod rig;
#[path = "process/start.rs"]
mod start;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use audit::client::Blocking;
use audit::log::{self, Mark, segments};
use audit::verify::{self, CHECKPOINTS, Interrupted, LastNote, Looks, VerifyError, looks};
use audit::{Action, ChainHash, Event, Receipt};
use dice::Dice;
use rig::{Pace, Rig, Running};

/// As many segments, syncs and checkpoints as there can be.
const HURRIED: Pace = Pace { segment_bytes: 16 * 1024, sync_ms: 1, sign_ms: 1 };

/// How often, where nothing else is said.
const KILLS: u64 = 40;

/// On one log: each time all of it is read, several times, so that many kills on one would mostly be reading.
const KILLS_OF_A_LOG: u64 = 50;

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
    let mut dice = Dice::new();
    println!("seed {}", dice.seed());
    let mut left = kills;
    let mut acknowledged = 0;
    while left > 0 {
        acknowledged += outlive(left.min(KILLS_OF_A_LOG), &mut dice);
        left = left.saturating_sub(KILLS_OF_A_LOG);
    }
    assert!(acknowledged > usize::try_from(kills).unwrap(), "only {acknowledged} records");
}

/// Kills so often on one log; returns how many records were acknowledged.
fn outlive(kills: u64, dice: &mut Dice) -> usize {
    let rig = Rig::new(HURRIED);
    let mut receipts = Vec::new();
    let mut mark = Mark::START;
    let mut halves = 0;
    let [mut recoveries, mut forgeries, mut found] = [0_u64; 3];
    // A log of which nothing was acknowledged can be empty, and then there is nothing to sign or to forge.
    let mut delay = Duration::from_millis(1);
    while receipts.is_empty() {
        let acknowledged = kill(rig.go_on(["proxy"]), Victim::Both, delay);
        delay *= 2;
        mark = check(&rig, &mark, &acknowledged);
        receipts.extend(acknowledged);
    }
    for round in 0..kills {
        let victim = dice.one_of([Victim::Writer, Victim::Signer, Victim::Both]);
        let running = rig.go_on(["manager", "proxy", "router"]);
        let acknowledged = kill(running, victim, Duration::from_micros(dice.below(4096)));
        mark = check(&rig, &mark, &acknowledged);
        receipts.extend(acknowledged);
        if dice.below(8) == 0 {
            found += u64::from(forge(&rig, dice));
            forgeries += 1;
        }
        if dice.below(4) == 0 {
            leave_halves(&rig.log);
            halves += 1;
            assert_eq!(looks(&rig.log).unwrap(), Looks::Interrupted);
        }
        if dice.below(4) == 0 {
            recoveries += recover(&rig, dice);
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
    println!(
        "{kills} kills: {} records, {} of them acknowledged, {} repairs, {} segments; {recoveries} recoveries killed; {forgeries} \
         forgeries, {found} of them of signed records and found, the others told as not signed",
        records.len(),
        receipts.len(),
        repairs.count(),
        segments::list(&rig.log).unwrap().len()
    );
    receipts.len()
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
    is_closed(rig);
}

fn is_closed(rig: &Rig) {
    let verified = verify::verify(&rig.log, &rig.keys(), &verify::Elsewhere::default()).unwrap();
    assert_eq!(verified.newest.unwrap().size, verified.summary.records);
    assert_eq!(verified.last, LastNote::Whole);
    assert_eq!(looks(&rig.log).unwrap(), Looks::Ended);
    assert!(Interrupted::read(&rig.log, &[], &rig.keys()).unwrap().is_whole());
}

/// Closes the log with the real command, which is killed at any moment before; returns how often.
fn recover(rig: &Rig, dice: &mut Dice) -> u64 {
    let kills = dice.below(4);
    for _kill in 0..kills {
        let mut recovering = rig.recover().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
        recovering.kill().unwrap();
        recovering.wait().unwrap();
        rig.until_nobody_writes();
    }
    let output = rig.recover().output().unwrap();
    assert!(output.status.success(), "after {kills} kills: {output:?}");
    is_closed(rig);
    kills
}

/// Makes a copy of the log anew from a record on, as whoever can write it can. Where a checkpoint covers it, it is found, by who
/// verifies and by who closes it; where none does, that is told. Returns whether one did.
fn forge(rig: &Rig, dice: &mut Dice) -> bool {
    let left = Interrupted::read(&rig.log, &[], &rig.keys()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("log");
    fs::create_dir(&copy).unwrap();
    let from = 1 + dice.below(left.records);
    fs::write(copy.join(segments::name(1)), made_anew(&rig.log, left.records, from)).unwrap();
    fs::copy(rig.log.join(CHECKPOINTS), copy.join(CHECKPOINTS)).unwrap();
    let verified = verify::verify(&copy, &rig.keys(), &verify::Elsewhere::default());
    let is_signed = from <= left.writer.signed;
    if is_signed {
        assert!(matches!(verified, Err(VerifyError::Root { .. })), "record {from}: {verified:?}");
        assert!(Interrupted::read(&copy, &[], &rig.keys()).is_err(), "record {from} would be gone on with");
    } else {
        let unproven = verified.unwrap().unproven(verify::Writer::Gone, SystemTime::now());
        assert!(unproven.is_some(), "record {from} of {} passes for signed", left.records);
    }
    is_signed
}

/// The records of a log, of which that number `from` is another one, and the chain fits.
fn made_anew(log: &Path, records: u64, from: u64) -> String {
    let mut reader = log::read(log).unwrap();
    let (mut text, mut prev) = (String::new(), ChainHash::START);
    for number in 1..=records {
        let line = String::from_utf8(reader.next_line().unwrap().unwrap().to_vec()).unwrap();
        let (head, _sealed) = line.rsplit_once(",\"prev\":\"").unwrap();
        let head = if number == from {
            head.replace("\"agent\":\"test\"", "\"agent\":\"tess\"")
        } else {
            head.to_owned()
        };
        let body = format!("{head},\"prev\":\"{prev}\"");
        prev = audit::chain::digest(format!("{body}}}").as_bytes());
        text.push_str(&format!("{body},\"hash\":\"{prev}\"}}\n"));
    }
    text
}

/// Cut back to an older checkpoint together with its checkpoints, a log is whole, and signed to its end: but nothing in it says how
/// its sandbox ended.
#[test]
fn a_log_without_an_end_proves_nothing_until_it_is_closed() {
    let rig = Rig::new(HURRIED);
    let Running { mut writer, mut signer, clients, feeding } = rig.go_on(["manager"]);
    let mut clients: Vec<_> = clients.into_iter().map(Blocking::new).collect();
    let receipt = clients[0].append(&Event::new(Action::CredentialChange)).unwrap();
    assert!(receipt.receipt().is_some());
    drop(clients);
    assert!(writer.wait().unwrap().success() && signer.wait().unwrap().success());
    feeding.join().unwrap();
    let unproven = || {
        let verified = verify::verify(&rig.log, &rig.keys(), &verify::Elsewhere::default()).unwrap();
        assert_eq!(verified.newest.as_ref().unwrap().size, verified.summary.records);
        verified.unproven(verify::Writer::Gone, SystemTime::now())
    };
    assert_eq!(unproven(), Some(verify::Unproven::NoEnd));
    assert_eq!(looks(&rig.log).unwrap(), Looks::Endless);
    assert!(rig.recover().status().unwrap().success());
    assert_eq!(unproven(), None);
}

/// A log that somebody changed is not gone on with, whatever a crash did to it: neither its reader nor its signer does.
#[test]
fn a_changed_past_is_not_gone_on_with() {
    let rig = Rig::new(HURRIED);
    let mut receipts = Vec::new();
    while receipts.len() < 50 {
        receipts.extend(kill(rig.go_on(["proxy"]), Victim::Writer, Duration::from_millis(2)));
    }
    close(&rig);
    while with_records(&rig.log).is_none() {
        close(&rig);
    }
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
    assert!(Rig::new(HURRIED).refused(left.signer.clone()).contains("cannot go on"));
    // A record that is another one now. The last segment may hold none but that of the repair, or be packed.
    let segment = with_records(&rig.log).unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replace("\"agent\":\"test\"", "\"agent\":\"tess\"")).unwrap();
    assert!(Interrupted::read(&rig.log, &[], &rig.keys()).is_err());
}

/// The last segment that is not packed and holds a record.
fn with_records(log: &Path) -> Option<PathBuf> {
    let mut plain = segments::list(log).unwrap().into_iter().map(|number| log.join(segments::name(number)));
    let holds = |path: &PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| text.contains("\"agent\":\"test\"") && text.contains('\n'))
    };
    plain.rfind(holds)
}
