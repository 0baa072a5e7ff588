use std::fs::FileTimes;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use super::*;
use crate::audit_settings::FullSetting;
use crate::unit::Mebibytes;

struct Host {
    directory: tempfile::TempDir,
    layout: Layout,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let layout = Layout {
            state: path("state"),
            runtime: path("run"),
            cache: path("cache"),
            config: path("config"),
            programs: path("bin"),
        };
        Self { directory, layout }
    }

    fn log(&self, name: &str, settings: AuditSettings) -> (AuditLog, File) {
        AuditLog::create(&self.layout, &name.to_owned().try_into().unwrap(), settings).unwrap()
    }
}

#[test]
fn a_writer_is_told_what_the_other_files_of_its_log_take() {
    let host = Host::new();
    let (mut log, _first) = host.log("test-0a1b2c3d", AuditSettings::default());
    let writer = log.segments().unwrap();
    let write = |name: &str, bytes: usize| fs::write(log.directory.join(name), vec![0; bytes]).unwrap();
    write(CHECKPOINTS, 100);
    write(&segments::packed_name(1), 2000);
    write("index.sqlite", 40_000);
    write(&format!("policy-{}", audit::ChainHash::START), 7);
    let mut told = [0; 8];
    log.next_segment().unwrap();
    io::Read::read_exact(&mut &writer, &mut told).unwrap();
    assert_eq!(u64::from_le_bytes(told), 107, "the present segment counts for itself");
    fs::write(log.directory.join(segments::name(1)), vec![0; 30_000]).unwrap();
    log.next_segment().unwrap();
    io::Read::read_exact(&mut &writer, &mut told).unwrap();
    assert_eq!(u64::from_le_bytes(told), 32_107);
}

/// A recorder whose writer says yes to all, and what it was told.
fn recorder() -> (Recorder, std::thread::JoinHandle<Vec<String>>) {
    recorder_that([&40_u32.to_le_bytes()[..], &[0; 40]].concat())
}

/// The same, whose writer has no room and lets it go on.
fn recorder_without_room() -> (Recorder, std::thread::JoinHandle<Vec<String>>) {
    recorder_that(vec![1, 0, 0, 0, 1])
}

fn recorder_that(answers: Vec<u8>) -> (Recorder, std::thread::JoinHandle<Vec<String>>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut prefix = [0; 4];
        while io::Read::read_exact(&mut theirs, &mut prefix).is_ok() {
            let mut event = vec![0; usize::try_from(u32::from_le_bytes(prefix)).unwrap()];
            io::Read::read_exact(&mut theirs, &mut event).unwrap();
            heard.push(String::from_utf8(event).unwrap());
            io::Write::write_all(&mut theirs, &answers).unwrap();
        }
        heard
    });
    (Recorder::new(ours, PathBuf::from("/nonexistent"), FullSetting::Deny).unwrap(), heard)
}

/// A log whose records bear this day.
fn dated(day: &str) -> String {
    let mut prev = audit::ChainHash::START;
    let golden = include_str!("../../../audit/tests/golden/record-v2.jsonl");
    let line = |line: &str| {
        let (head, _prev) = line.rsplit_once(",\"prev\":").unwrap();
        let (before, time) = head.split_once("\"time\":\"").unwrap();
        let line = format!("{before}\"time\":\"{day}{},\"prev\":\"{prev}\"}}", &time[day.len()..]);
        prev = audit::chain::digest(line.as_bytes());
        format!("{},\"hash\":\"{prev}\"}}\n", line.strip_suffix('}').unwrap())
    };
    golden.lines().map(line).collect()
}

/// Old enough, and what no host has come to.
const LONG_AGO: &str = "2020-01-01";
const TO_COME: &str = "9000-01-01";

fn make_old(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    for entry in fs::read_dir(path).unwrap() {
        let file = File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_times(FileTimes::new().set_modified(then)).unwrap();
    }
}

#[test]
fn a_log_is_new_and_nobody_elses() {
    let host = Host::new();
    let (log, _first) = host.log("test-0a1b2c3d", AuditSettings::default());
    assert_eq!(segments::list(&log.directory).unwrap(), [1]);
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!((mode(&log.directory), mode(&log.directory.join(segments::name(1)))), (0o700, 0o600));
    let again = AuditLog::create(
        &host.layout,
        &"test-0a1b2c3d".to_owned().try_into().unwrap(),
        AuditSettings::default(),
    );
    assert!(again.unwrap_err().cause.contains("exists"));
}

#[test]
fn checkpoints_go_to_every_copy_and_a_copy_that_cannot_be_written_is_a_failure() {
    let host = Host::new();
    let copies = host.directory.path().join("elsewhere");
    fs::create_dir(&copies).unwrap();
    let mut settings = AuditSettings::default();
    settings.signing.copies = vec![copies.clone()];
    let (log, _first) = host.log("test-0a1b2c3d", settings);
    assert_eq!(log.checkpoints().unwrap().len(), 2);
    assert!(copies.join("test-0a1b2c3d.checkpoints").exists() && log.directory.join(CHECKPOINTS).exists());
    fs::remove_dir_all(&copies).unwrap();
    assert!(log.checkpoints().unwrap_err().cause.contains("elsewhere"));
}

#[test]
fn a_key_is_made_once_and_stays() {
    let host = Host::new();
    let (log, _first) = host.log("test-0a1b2c3d", AuditSettings::default());
    let settings = AuditSettings::default();
    assert_eq!(public_key(&host.layout, &settings).unwrap(), None);
    let one = key::signing_key(&host.layout, &settings.signing).unwrap();
    assert_eq!(one, key::signing_key(&host.layout, &settings.signing).unwrap());
    let public = public_key(&host.layout, &settings).unwrap().unwrap();
    for _twice in 0..2 {
        log.signed_by(&public.to_string()).unwrap();
    }
    assert_eq!(known_keys(&host.layout).unwrap(), [public]);
    fs::write(host.layout.audit().join("key.pem"), "no key").unwrap();
    assert!(public_key(&host.layout, &settings).unwrap_err().cause.contains("key.pem"));
}

/// Whoever asks a log makes its index: that must not keep the log longer than the operator wants.
#[test]
fn questions_do_not_keep_a_log() {
    let host = Host::new();
    let (log, _first) = host.log("test-0a1b2c3d", AuditSettings::default());
    make_old(&log.directory, 40);
    let changed = || all(&host.layout.audit()).unwrap()[0].0;
    let before = changed();
    fs::write(log.directory.join("index.sqlite"), "anew").unwrap();
    assert_eq!(changed(), before);
    fs::write(log.directory.join(segments::packed_name(1)), "").unwrap();
    assert!(changed() > before);
}

#[test]
fn a_key_that_others_can_read_does_not_sign() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let path = host.directory.path().join("key.pem");
    fs::write(&path, audit::checkpoint::new_pem().unwrap().as_bytes()).unwrap();
    let mut settings = AuditSettings::default();
    settings.signing.key = Some(crate::audit_settings::KeySource::File(path.clone()));
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let signing = key::signing_key(&host.layout, &settings.signing);
        assert_eq!(signing.is_ok(), good, "{mode:o}");
        if let Err(failure) = signing {
            assert!(failure.cause.contains(&format!("mode {mode:o}")), "{}", failure.cause);
            assert!(failure.remedy.starts_with("chmod 600 "), "{}", failure.remedy);
        }
    }
}

/// What a receiver has not got is not removed, however old it is; nor is the log of a sandbox that runs.
#[test]
fn what_is_not_delivered_and_what_runs_stays() {
    let host = Host::new();
    let yaml = "log: {keep_days: 30}\nexports: {siem: {to: {file: /var/log/siem}}}\n";
    fs::create_dir_all(&host.layout.config).unwrap();
    fs::write(host.layout.config.join("audit.yaml"), yaml).unwrap();
    let settings = AuditSettings::load(&host.layout).unwrap();
    let (log, _first) = host.log("own-0a1b2c3d", settings);
    let (old, mut first) = host.log("old-0a1b2c3d", AuditSettings::default());
    io::Write::write_all(&mut first, dated(LONG_AGO).as_bytes()).unwrap();
    make_old(&old.directory, 40);
    clock_seen(&host, (60, 60), DAY);
    let cursors = host.layout.state.join(EXPORTS).join("siem");
    fs::create_dir_all(&cursors).unwrap();
    let (mut told, _heard) = recorder();
    let mut mark = serde_json::to_value(audit::log::Mark::START).unwrap();
    for (sequence, stays) in [(None, true), (Some(8), true), (Some(9), false)] {
        if let Some(sequence) = sequence {
            mark["sequence"] = sequence.into();
            let cursor = serde_json::json!({"version": 1, "mark": mark}).to_string();
            fs::write(cursors.join("old-0a1b2c3d.json"), cursor).unwrap();
        }
        if !stays {
            // Delivered, and its sandbox runs: whoever holds the lock of its run directory says so.
            let run = host.layout.runtime.join("old-0a1b2c3d");
            fs::create_dir_all(&run).unwrap();
            let lock = File::create(run.join("lock")).unwrap();
            lock.lock().unwrap();
            log.remove_others(&mut told).unwrap();
            assert!(old.directory.exists(), "the log of a sandbox that runs went");
            // A process that another test starts just now has the file, too, until it executes its program.
            lock.unlock().unwrap();
        }
        log.remove_others(&mut told).unwrap();
        assert_eq!(old.directory.exists(), stays, "delivered up to {sequence:?}");
    }
}

/// Says what the host's clocks showed at the last look, which was so many seconds ago by the clock of the day, and so many by
/// the one that nobody sets.
fn clock_seen(host: &Host, (wall, up): (u64, u64), steady: u64) {
    let now = steady::Now::read().unwrap();
    let since = |seconds: u64, ago: u64| seconds.saturating_sub(ago);
    let seen = serde_json::json!({
        "boot": now.boot,
        "wall": since(now.wall, wall),
        "up": since(now.up, up),
        "steady": steady,
    });
    fs::write(host.layout.audit().join("clock"), seen.to_string()).unwrap();
}

const DAY: u64 = 24 * 60 * 60;

/// A host's clock that stands a year ahead for a minute takes nothing with it.
#[test]
fn nothing_goes_on_the_word_of_a_clock_that_jumped() {
    let host = Host::new();
    let mut settings = AuditSettings::default();
    settings.log.keep_days = Some(30);
    let (log, _first) = host.log("own-0a1b2c3d", settings);
    let (old, _first) = host.log("old-0a1b2c3d", AuditSettings::default());
    // As it looks from a year ahead.
    make_old(&old.directory, 366);
    clock_seen(&host, (365 * DAY, 60), 100 * DAY);
    let (mut told, _heard) = recorder();
    log.remove_others(&mut told).unwrap();
    assert!(old.directory.exists(), "a jump of the clock removed it");
    // It stands right again, and has done so for less than a day.
    clock_seen(&host, (60, 60), DAY - 3600);
    log.remove_others(&mut told).unwrap();
    assert!(old.directory.exists());
    clock_seen(&host, (60, 60), DAY);
    log.remove_others(&mut told).unwrap();
    assert!(!old.directory.exists());
}

/// Segments of the log that is being written no more than the logs of others.
#[test]
fn no_segment_goes_on_the_word_of_a_clock_that_jumped() {
    let host = Host::new();
    let mut settings = AuditSettings::default();
    settings.log.keep_days = Some(30);
    let (mut log, mut first) = host.log("test-0a1b2c3d", settings);
    io::Write::write_all(&mut first, dated(LONG_AGO).as_bytes()).unwrap();
    make_old(&log.directory, 366);
    drop(new_segment(&log.directory, 2).unwrap());
    log.last = 2;
    for (jumped, stays) in [(365 * DAY, true), (60, false)] {
        clock_seen(&host, (jumped, 60), 100 * DAY);
        log.segment_closed(&mut recorder().0).unwrap();
        // While it is packed it has two names, of which one is new.
        log.packing.drain(..).for_each(|packing| packing.join().unwrap());
        let left = segments::list(&log.directory).unwrap();
        assert_eq!(left.contains(&1), stays, "{left:?}");
    }
}

/// At its end a log is packed whole: most of them never fill a segment.
#[test]
fn what_nobody_writes_is_packed_but_for_what_a_crash_left() {
    let host = Host::new();
    let (mut log, mut first) = host.log("own-0a1b2c3d", AuditSettings::default());
    let (plain, packed) =
        (log.directory.join(segments::name(1)), log.directory.join(segments::packed_name(1)));
    io::Write::write_all(&mut first, dated(TO_COME).as_bytes()).unwrap();
    log.ended();
    assert!(plain.exists() && !packed.exists(), "a writer has it");
    let whole = first.metadata().unwrap().len();
    io::Write::write_all(&mut first, b"{\"half").unwrap();
    drop(first);
    log.ended();
    assert!(plain.exists() && !packed.exists(), "it is closed first");
    File::options().write(true).open(&plain).unwrap().set_len(whole).unwrap();
    make_old(&log.directory, 3000);
    let age = last_change(&log.directory).unwrap();
    log.ended();
    assert_eq!(last_change(&log.directory).unwrap(), age, "packing makes no log younger");
    assert!(!plain.exists() && packed.exists());
    let records = u64::try_from(dated(TO_COME).lines().count()).unwrap();
    assert_eq!(audit::log::verify(&log.directory).unwrap().records, records);
}

/// Whoever gives a file an old date does not have its records removed, and the removal recorded as what the operator wanted.
#[test]
fn the_date_of_a_file_takes_nothing_away() {
    let mut settings = AuditSettings::default();
    settings.log.keep_days = Some(30);
    for (day, stays) in [(TO_COME, true), (LONG_AGO, false)] {
        let host = Host::new();
        let (mut log, mut first) = host.log("own-0a1b2c3d", settings.clone());
        io::Write::write_all(&mut first, dated(day).as_bytes()).unwrap();
        let (other, mut ended) = host.log("other-0a1b2c3d", AuditSettings::default());
        io::Write::write_all(&mut ended, dated(day).as_bytes()).unwrap();
        make_old(&log.directory, 3000);
        make_old(&other.directory, 3000);
        drop(new_segment(&log.directory, 2).unwrap());
        log.last = 2;
        clock_seen(&host, (60, 60), 100 * DAY);
        log.segment_closed(&mut recorder().0).unwrap();
        assert_eq!(segments::list(&log.directory).unwrap().contains(&1), stays, "{day}");
        log.remove_others(&mut recorder().0).unwrap();
        assert_eq!(other.directory.exists(), stays, "{day}");
    }
}

/// Nor does what no longer says how old it is: only the operator's limit on all logs takes it.
#[test]
fn a_damaged_log_does_not_go_for_its_age() {
    let host = Host::new();
    let mut settings = AuditSettings::default();
    settings.log.keep_days = Some(30);
    let (log, _first) = host.log("own-0a1b2c3d", settings);
    let (other, mut first) = host.log("other-0a1b2c3d", AuditSettings::default());
    io::Write::write_all(&mut first, dated(LONG_AGO).replace("2020", "2019").as_bytes()).unwrap();
    make_old(&other.directory, 3000);
    clock_seen(&host, (60, 60), 100 * DAY);
    log.remove_others(&mut recorder().0).unwrap();
    assert!(other.directory.exists());
}

/// The one that was written last goes last.
#[test]
fn the_date_of_a_file_does_not_make_its_log_the_oldest() {
    let host = Host::new();
    for (name, day, days) in [("new-0a1b2c3d", TO_COME, 3000), ("old-0a1b2c3d", LONG_AGO, 10)] {
        let (log, mut first) = host.log(name, AuditSettings::default());
        io::Write::write_all(&mut first, dated(day).as_bytes()).unwrap();
        make_old(&log.directory, days);
        let closed = segments::list(&log.directory).unwrap();
        // Packed, its last record is found as well.
        if day == TO_COME {
            packed::pack(&log.directory, closed[0]).unwrap();
            make_old(&log.directory, days);
        }
    }
    let oldest = all(&host.layout.audit()).unwrap();
    assert!(oldest[0].1.ends_with("old-0a1b2c3d"), "{oldest:?}");
}

#[test]
fn logs_that_are_too_old_or_too_many_go_and_that_is_recorded_first() {
    let host = Host::new();
    let mut settings = AuditSettings::default();
    settings.log.keep_days = Some(30);
    let (log, _first) = host.log("own-0a1b2c3d", settings);
    for (name, days, bytes) in
        [("old-0a1b2c3d", 40, 0), ("young-0a1b2c3d", 20, 3 << 20), ("younger-0a1b2c3d", 10, 0)]
    {
        let (other, mut first) = host.log(name, AuditSettings::default());
        io::Write::write_all(&mut first, &vec![b'x'; bytes]).unwrap();
        make_old(&other.directory, days);
    }
    clock_seen(&host, (60, 60), DAY);
    let names = || {
        let logs = all(&host.layout.audit()).unwrap();
        logs.iter().map(|(_, log)| log.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // What would go without a record of it stays: it would be missing.
    log.remove_others(&mut recorder_without_room().0).unwrap();
    assert_eq!(names().len(), 4);
    let (mut told, heard) = recorder();
    log.remove_others(&mut told).unwrap();
    assert_eq!(names(), ["young-0a1b2c3d", "younger-0a1b2c3d", "own-0a1b2c3d"]);
    let mut settings = AuditSettings::default();
    settings.log.keep = Some(Mebibytes(1));
    AuditLog { settings, ..log }.remove_others(&mut told).unwrap();
    assert_eq!(names(), ["younger-0a1b2c3d", "own-0a1b2c3d"]);
    drop(told);
    let heard = heard.join().unwrap();
    assert!(
        heard.len() == 2 && heard[0].contains("log-retention") && heard[0].contains("old-0a1b2c3d"),
        "{heard:?}"
    );
    assert!(heard[1].contains("young-0a1b2c3d, which was not whole"), "{heard:?}");
}
