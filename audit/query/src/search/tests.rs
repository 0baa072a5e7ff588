use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use audit::chain::ChainHash;
use audit::log::segments::name;
use audit::{Action, Decision, Object, Owner, Subject};

use super::*;
use crate::filter::Pattern;

/// Numbers without a pattern that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

const HOSTS: [&str; 6] =
    ["api.slack.com", "slack.com", "pypi.example", "10.0.0.1", "x'; DROP TABLE record; --", "\u{1b}[31mred"];
const PATHS: [&str; 5] = ["/", "/v1/a", "/v1/b?", "/100%25_", "/Ünï"];
const PROGRAMS: [&str; 6] =
    ["/usr/bin/curl", "/usr/bin/python3.11", "/work/tool", "/bin/sh", "/tmp/evil\ntool", "/tmp/a\\nb"];

fn event(random: &mut Random) -> audit::Event {
    let action = Action::ALL[random.below(Action::ALL.len())];
    let owner = |random: &mut Random| {
        let sha256 = Some(random.of(&["ab", "cd"]).repeat(32)).filter(|_known| random.below(3) > 0);
        Owner {
            binary: random.of(&PROGRAMS).to_owned(),
            sha256,
            script: None,
            pid: 7,
            uid: 1000,
            parents: Vec::new(),
        }
    };
    let mut event = audit::Event::new(action);
    if random.below(3) > 0 {
        let (host, path) = (random.of(&HOSTS), random.of(&PATHS));
        let object =
            Object::destination(host, 443).with_request(random.of(&["GET", "POST"]), path, Some("k=v"));
        let mut digest =
            || Some(random.of(&["cd", "ef", "12"]).repeat(32)).filter(|_ended| random.below(2) > 0);
        event.object =
            Some(Object { sha256: digest(), sent_sha256: digest(), received_sha256: digest(), ..object });
        let owners = (0..=random.below(2)).map(|_owner| owner(random)).collect();
        event.subject = Some(Subject::Owners(owners));
        event.decision = Some(if random.below(4) == 0 { Decision::Deny } else { Decision::Allow });
        event.rule = Some(random.of(&["slack", "pip", "a\nb", "TOKEN"]).to_owned());
        // A credential may be called as the rule is that lets it through.
        event.credentials = vec![random.of(&["TOKEN", "slack"]).to_owned()];
        event.level = Some(random.of(&["path", "binary"]).to_owned());
        event.request =
            Some(wire::id::RequestId(format!("{}-{}", random.of(&["r", "R"]), random.below(1000))));
    } else {
        event.reason = Some(random.of(&["because", "of the WEATHER", "curl"]).to_owned());
        event.credentials = vec![random.of(&["TOKEN", "KEY"]).to_owned()];
    }
    event
}

/// A line of the log behind `before`.
fn line(before: &mut (u64, ChainHash), clock: u64, event: &audit::Event) -> String {
    let (sequence, prev) = *before;
    let sequence = sequence + 1;
    let event = serde_json::to_string(event).unwrap();
    let (minute, second) = (sequence % clock / 60 % 60, sequence % clock % 60);
    let line = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T00:{minute:02}:{second:02}.000000Z","monotonic_ns":{sequence},"tenant":"local","sandbox":"test-0a1b2c3d","agent":"test","client":"proxy",{},"prev":"{prev}"}}"#,
        &event[1..event.len() - 1],
    );
    let hash = audit::chain::digest(line.as_bytes());
    *before = (sequence, hash);
    format!("{},\"hash\":\"{hash}\"}}\n", line.strip_suffix('}').unwrap())
}

/// Adds `count` records to the segment `number` of the log, which has `before`.
fn grow(
    log: &Path,
    (number, before, clock): (u64, &mut (u64, ChainHash), u64),
    count: u64,
    random: &mut Random,
) {
    let mut text = fs::read(log.join(name(number))).unwrap_or_default();
    for _record in 0..count {
        text.extend_from_slice(line(before, clock, &event(random)).as_bytes());
    }
    fs::write(log.join(name(number)), text).unwrap();
}

struct Log {
    directory: tempfile::TempDir,
    end: (u64, ChainHash),
    random: Random,
    /// After so many seconds somebody sets the clock back.
    clock: u64,
}

impl Log {
    fn new() -> Self {
        Self::with_clock(3600)
    }

    fn with_clock(clock: u64) -> Self {
        let (directory, end) = (tempfile::tempdir().unwrap(), (0, ChainHash::START));
        let mut log = Self { directory, end, random: Random(7), clock };
        log.grow(1, 400);
        log.grow(2, 300);
        audit::log::packed::pack(log.path(), 1).unwrap();
        log
    }

    fn grow(&mut self, segment: u64, count: u64) {
        grow(self.directory.path(), (segment, &mut self.end, self.clock), count, &mut self.random);
    }

    /// Adds a record about a host.
    fn add(&mut self, segment: u64, host: &str) {
        let mut event = audit::Event::new(Action::NetworkRequest);
        event.object = Some(Object::destination(host, 443));
        let line = line(&mut self.end, self.clock, &event);
        let file = self.path().join(name(segment));
        fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        append(&file, line.as_bytes());
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ask(&self, filter: &Filter, how: How, newest_first: bool) -> Vec<u64> {
        let found = search(self.path().to_owned(), filter.clone(), (how, newest_first));
        found.iter().map(|found| found.unwrap().record.sequence).collect()
    }

    /// The answer by the index, which is that of a scan.
    fn agree(&self, filter: &Filter) -> Vec<u64> {
        let answer = self.ask(filter, How::Index, false);
        assert_eq!(answer, self.ask(filter, How::Scan, false), "{filter:?}");
        answer
    }
}

fn filter(random: &mut Random) -> Filter {
    let mut filter = Filter::default();
    let patterns =
        |random: &mut Random, texts: &[&str]| vec![Pattern::from(random.of(texts)), Pattern::from("nothing")];
    for _condition in 0..=random.below(3) {
        match random.below(13) {
            0 => filter.since = Some(format!("2026-11-29T00:{:02}:00.000000Z", random.below(8))),
            1 => filter.until = Some(format!("2026-11-29T00:{:02}:30.000000Z", random.below(8))),
            2 => filter.decision = Some(if random.below(2) == 0 { Decision::Allow } else { Decision::Deny }),
            3 => filter.action = vec![Action::ALL[random.below(17)], Action::NetworkRequest],
            4 => {
                filter.host = patterns(
                    random,
                    &["*.slack.com", "*slack*", HOSTS[4], "*' OR '1'='1", "10.0.0.1", "*\u{1b}*"],
                )
            }
            5 => {
                filter.binary =
                    patterns(random, &["curl", "/usr/bin/*", "python*", "sh", "/tmp/evil*tool", "a\\nb", "*"])
            }
            6 => filter.path = patterns(random, &["/v1/*", "/100%25_", "/%", "/ünï"]),
            7 => filter.rule = patterns(random, &["slack", "a*b", "*"]),
            8 => {
                filter.text = Some(
                    random
                        .of(&[
                            "curl", "weather", "k", "'", "%", "token", "network", "zzz", "proxy", "l\nt",
                            "R-17", "r-1",
                        ])
                        .to_owned(),
                )
            }
            9 => filter.credential = patterns(random, &["TOKEN", "KEY", "slack"]),
            10 => filter.request = patterns(random, &["R-17", "r-1*", "r-999"]),
            11 => {
                let whole = |text: &str| text.repeat(32);
                filter.digest = patterns(random, &[&whole("cd"), &whole("EF"), &whole("99"), "abab*", "*12"]);
            }
            _ => filter.method = patterns(random, &["get", "P*"]),
        }
    }
    filter
}

#[test]
fn the_index_and_the_log_give_the_same_answers() {
    agree_on_questions(&Log::new());
}

#[test]
fn a_clock_that_was_set_back_hides_no_record() {
    agree_on_questions(&Log::with_clock(290));
}

fn agree_on_questions(log: &Log) {
    let mut random = Random(11);
    let mut found = 0;
    for _round in 0..200 {
        let filter = filter(&mut random);
        let answer = log.agree(&filter);
        found += usize::from(!answer.is_empty());
        let newest: Vec<u64> = answer.into_iter().rev().collect();
        assert_eq!(log.ask(&filter, How::Index, true), newest, "{filter:?}");
        assert_eq!(log.ask(&filter, How::Scan, true), newest, "{filter:?}");
    }
    assert!(found > 100, "only {found} questions had an answer");
    assert_eq!(log.agree(&Filter::default()).len(), 700);
}

#[test]
fn an_index_grows_with_its_log_and_is_made_anew_for_another() {
    let mut log = Log::new();
    let denied = Filter { decision: Some(Decision::Deny), ..Filter::default() };
    let before = log.agree(&denied).len();
    log.grow(2, 100);
    log.grow(3, 100);
    assert!(log.agree(&denied).len() > before);
    // The index of another log in its place: it is longer, and its words are others.
    let other = Log::new();
    other.agree(&denied);
    fs::copy(other.path().join("index.sqlite"), log.path().join("index.sqlite")).unwrap();
    log.agree(&denied);
    // A log that was cut back behind its index.
    fs::remove_file(log.path().join(name(3))).unwrap();
    log.agree(&denied);
}

#[test]
fn no_damage_to_an_index_changes_an_answer() {
    let log = Log::new();
    let asked = Filter { host: vec![Pattern::from("*slack*")], ..Filter::default() };
    let answer = log.agree(&asked);
    let file = log.path().join("index.sqlite");
    let good = fs::read(&file).unwrap();
    let mut random = Random(3);
    for bad in [vec![], b"no database".to_vec(), good[..good.len() / 2].to_vec(), vec![0; 4096]] {
        fs::write(&file, bad).unwrap();
        assert_eq!(log.ask(&asked, How::Index, false), answer);
    }
    let connection = |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    connection("PRAGMA user_version = 99");
    assert_eq!(log.ask(&asked, How::Index, false), answer);
    for lie in ["place + 1", "(SELECT place FROM record WHERE sequence = 3)", "-place", "9000000000000000000"]
    {
        connection(&format!("UPDATE record SET place = {lie} WHERE sequence > 20"));
        for newest_first in [false, true] {
            let mut shown = log.ask(&asked, How::Index, newest_first);
            shown.sort_unstable();
            assert_eq!(shown, answer, "{lie}");
        }
    }
    Index::rebuild(log.path()).unwrap();
    for _round in 0..40 {
        let mut bad = fs::read(&file).unwrap();
        let at = random.below(bad.len());
        bad[at] ^= 1 << random.below(8);
        fs::write(&file, bad).unwrap();
        let found = search(log.path().to_owned(), asked.clone(), (How::Index, false));
        for record in found.iter().map_while(Result::ok) {
            assert!(asked.matches(&record.record) && answer.contains(&record.record.sequence));
        }
        Index::rebuild(log.path()).unwrap();
    }
}

#[test]
fn several_may_ask_while_the_log_grows() {
    let mut log = Log::new();
    for _round in 0..5 {
        log.grow(2, 50);
        let path = log.path().to_owned();
        let answers: Vec<_> = (0..4)
            .map(|_asker| search(path.clone(), Filter::default(), (How::Index, false)))
            .map(|found| found.iter().filter(Result::is_ok).count())
            .collect();
        let records = usize::try_from(log.end.0).unwrap();
        assert!(answers.iter().all(|answer| *answer == records), "{answers:?}");
    }
}

#[test]
fn answers_of_several_logs_come_in_the_order_of_time() {
    let logs = [Log::new(), Log::new()];
    for newest_first in [false, true] {
        let asked = logs
            .iter()
            .map(|log| search(log.path().to_owned(), Filter::default(), (How::Index, newest_first)));
        let times: Vec<String> =
            merged(asked.collect(), newest_first).map(|found| found.unwrap().record.time).collect();
        assert_eq!(times.len(), 1400);
        assert!(times.windows(2).all(|pair| if newest_first {
            pair[0] >= pair[1]
        } else {
            pair[0] <= pair[1]
        }));
    }
}

#[test]
fn a_log_that_was_edited_gives_no_answer_beyond_the_edit() {
    let log = Log::new();
    let segment = log.path().join(name(2));
    let mut text = fs::read(&segment).unwrap();
    text[200] ^= 1;
    fs::write(&segment, text).unwrap();
    for how in [How::Index, How::Scan] {
        let found = search(log.path().to_owned(), Filter::default(), (how, false));
        let answers: Vec<_> = found.iter().collect();
        assert!(matches!(answers.last(), Some(Err(SearchError::Log(..)))), "{how:?}");
        assert!(answers.len() <= 401);
    }
}

/// A word of the index for each: more than stand in a question as they are.
#[test]
fn many_words_are_asked_for_without_making_the_index_anew() {
    let mut log = Log::new();
    for host in 0..1501 {
        log.add(3, &format!("h{host}.many.example"));
    }
    let asked = Filter { host: vec![Pattern::from("*.many.example")], ..Filter::default() };
    assert_eq!(log.agree(&Filter::default()).len(), 2201);
    let inode = |log: &Log| fs::metadata(log.path().join("index.sqlite")).unwrap().ino();
    let before = inode(&log);
    for (asked, answers) in [
        (asked.clone(), 1501),
        (Filter { text: Some("many.example".to_owned()), ..Filter::default() }, 1501),
        (Filter { host: vec![Pattern::from("h1*.many.example")], ..Filter::default() }, 612),
    ] {
        assert_eq!(log.agree(&asked).len(), answers);
        let ready = Index::of(log.path()).unwrap();
        let (sender, _found) = sync_channel(4096);
        let question = Question { filter: &asked, newest_first: false, found: &sender };
        assert!(ask(&ready, log.path(), &question, &mut None).is_ok());
    }
    assert_eq!(inode(&log), before);
}

/// More words than a question can have as they are: a bit is kept for each, and no list of them becomes a part of the question.
#[test]
fn a_question_does_not_grow_with_the_words_that_fit() {
    const RECORDS: usize = 100_100;
    let mut log = Log::new();
    let mut text = String::new();
    for nth in 0..RECORDS {
        let mut event = audit::Event::new(Action::NetworkRequest);
        let (method, path) = (if nth % 1000 == 0 { "PUT" } else { "GET" }, format!("/many/{nth}"));
        let key = format!("k{nth}=v");
        event.object = Some(Object::destination("h.example", 443).with_request(method, &path, Some(&key)));
        event.credentials = vec![(if nth % 7 == 0 { "SEVENTH" } else { "OTHER" }).to_owned()];
        text += &line(&mut log.end, log.clock, &event);
    }
    fs::write(log.path().join(name(3)), text).unwrap();
    let pattern = |text: &str| vec![Pattern::from(text)];
    let all = Filter { path: pattern("/many/*"), ..Filter::default() };
    let index = Index::of(log.path()).unwrap();
    let connection = index.read().unwrap();
    let sql = |filter: &Filter| plan::Plan::of(&connection, filter, (None, false)).unwrap().sql();
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    for filter in [&all, &text("many"), &text("k")] {
        assert!(sql(filter).len() < 10_000, "{} bytes", sql(filter).len());
    }
    let count = |filter: &Filter| log.ask(filter, How::Index, false).len();
    assert_eq!(count(&Filter { path: pattern("/many/1*7"), ..Filter::default() }), 1121);
    // Several sets of one column, and one that is a list.
    let rest =
        Filter { method: pattern("PUT"), agent: pattern("test"), client: pattern("proxy"), ..all.clone() };
    assert_eq!(count(&rest), 101);
    assert_eq!(count(&Filter { credential: pattern("seventh"), ..rest.clone() }), 15);
    assert_eq!(count(&Filter { tenant: pattern("nobody"), ..rest }), 0);
}

/// Only the words of the time that was asked are looked at.
#[test]
fn a_time_bounds_the_words_that_are_looked_at() {
    let mut log = Log::new();
    for host in 0..1501 {
        log.add(3, &format!("h{host}.many.example"));
    }
    let (since, until) = ("2026-11-29T00:20:00.000000Z".to_owned(), "2026-11-29T00:20:30.000000Z".to_owned());
    let host = vec![Pattern::from("*.many.example")];
    let filter = Filter { since: Some(since), until: Some(until), host, ..Filter::default() };
    assert_eq!(log.agree(&filter).len(), 30);
    let index = Index::of(log.path()).unwrap();
    let sql = plan::Plan::of(&index.read().unwrap(), &filter, (None, false)).unwrap().sql();
    assert_eq!(
        sql.split("host IN (").nth(1).unwrap().split(')').next().unwrap().split(", ").count(),
        30,
        "{sql}"
    );
}

/// What the writer had not finished when its machine stopped.
#[test]
fn what_stands_before_a_fault_is_told_and_then_the_fault() {
    type Damage = fn(&Path);
    let faults: [(&str, Damage); 3] = [
        ("torn", |segment| append(segment, b"{\"version\":2,\"sequen")),
        ("foreign", |segment| append(segment, b"no record\n")),
        ("cut", |segment| {
            let text = fs::read(segment).unwrap();
            fs::write(segment, &text[..text.len() - 3]).unwrap();
        }),
    ];
    for (what, damage) in faults {
        for indexed_before in [false, true] {
            let log = Log::new();
            if indexed_before {
                log.agree(&Filter::default());
            }
            damage(&log.path().join(name(2)));
            let whole: u64 = if what == "cut" { 699 } else { 700 };
            let inode = || fs::metadata(log.path().join("index.sqlite")).unwrap().ino();
            for (how, newest_first) in
                [(How::Index, false), (How::Index, true), (How::Scan, false), (How::Scan, true)]
            {
                let found = search(log.path().to_owned(), Filter::default(), (how, newest_first));
                let mut answers: Vec<_> = found.iter().collect();
                if newest_first {
                    answers.reverse();
                }
                let fault = answers.pop().unwrap();
                assert!(matches!(fault, Err(SearchError::Log(..))), "{what}: {fault:?}");
                let told: Vec<u64> =
                    answers.into_iter().map(|found| found.unwrap().record.sequence).collect();
                assert_eq!(told, (1..=whole).collect::<Vec<_>>(), "{what} {how:?} {newest_first}");
            }
            // A fault does not make the index anew with each question.
            let before = inode();
            let count = || {
                let connection = rusqlite::Connection::open(log.path().join("index.sqlite")).unwrap();
                let count = "SELECT count(*) FROM record";
                connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
            };
            assert!(Index::of(log.path()).unwrap().fault.is_some());
            assert_eq!((inode(), count()), (before, whole));
        }
    }
}

fn append(file: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::OpenOptions::new().append(true).open(file).unwrap().write_all(bytes).unwrap();
}

#[test]
fn one_bad_log_hides_nothing_of_the_others() {
    let logs = [Log::new(), Log::new()];
    append(&logs[0].path().join(name(2)), b"{");
    for newest_first in [false, true] {
        let asked = logs
            .iter()
            .map(|log| search(log.path().to_owned(), Filter::default(), (How::Index, newest_first)));
        let mut answers: Vec<_> = merged(asked.collect(), newest_first).collect();
        if newest_first {
            answers.reverse();
        }
        assert_eq!(answers.len(), 1401);
        assert!(answers[..1400].iter().all(Result::is_ok) && answers[1400].is_err());
    }
}

/// Who put a policy in force is asked with every answer, of logs that hold millions of other records.
#[test]
fn acts_that_are_few_are_found_without_reading_the_others() {
    let log = Log::new();
    let index = Index::of(log.path()).unwrap();
    let connection = index.read().unwrap();
    let steps = |action: Action| -> String {
        let filter = Filter { action: vec![action], decision: Some(Decision::Allow), ..Filter::default() };
        let sql = plan::Plan::of(&connection, &filter, (None, false)).unwrap().sql();
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explained.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    for action in [Action::Configuration, Action::PolicyChange, Action::Approval, Action::Detection] {
        assert!(steps(action).contains("record_rare"), "{action:?}: {}", steps(action));
    }
    for action in [Action::NetworkRequest, Action::FileAccess, Action::SystemCall] {
        assert!(!steps(action).contains("record_rare"), "{action:?}: {}", steps(action));
    }
}
