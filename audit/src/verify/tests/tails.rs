//! What stands behind the newest checkpoint, as a writer leaves it and as somebody who has no key makes it up.

use super::*;

/// A record that is made up: nanoseconds since the host's start, time of the day, client, action and agent.
type Made<'a> = (u64, &'a str, &'a str, &'a str, &'a str);

const S: u64 = 1_000_000_000;

/// What a closing takes this end for, behind 24 records that were signed.
fn tail(records: &[Made<'_>]) -> Result<Tail, VerifyError> {
    let mut log = Signed::new();
    for (monotonic, clock, client, action, agent) in records {
        log.push((*monotonic, clock), agent, &format!(r#""client":"{client}","action":"{action}""#));
    }
    log.write(&log.lines);
    Interrupted::read(&log.path, &[], std::slice::from_ref(&log.key.public))?.unsigned()
}

fn event(monotonic: u64, clock: &str) -> Made<'_> {
    (monotonic, clock, "manager", "lifecycle", "test")
}

fn own<'a>(monotonic: u64, clock: &'a str, action: &'a str) -> Made<'a> {
    (monotonic, clock, "audit", action, "test")
}

#[test]
fn what_a_writer_leaves_is_as_long_as_it_took() {
    for (records, seconds) in [
        (&[][..], 0),
        (&[event(S, "06:00:00")], 0),
        (&[event(S, "06:00:00"), event(3 * S, "06:00:02")], 2),
        // Small corrections are not told.
        (&[event(S, "06:00:04"), event(2 * S, "06:00:00")], 4),
        // The clock was set, which is told.
        (&[event(S, "06:00:00"), own(2 * S, "04:00:00", "clock-change"), event(3 * S, "04:00:01")], 2),
        // Whoever closed it in vain, a day and a start of the host later.
        (&[event(5 * S, "06:00:00"), event(6 * S, "06:00:01"), own(S, "23:00:00", "log-repair")], 1),
    ] {
        let tail = tail(records).unwrap();
        assert_eq!(tail, Tail { lasted: Duration::from_secs(seconds), back_at: None }, "{records:?}");
    }
}

/// Whoever makes up an end chooses its times: between the first and the last of them the others may be anything.
#[test]
fn no_choice_of_times_makes_a_long_end_short() {
    let long = |records: &[Made<'_>]| {
        let tail = tail(records).unwrap();
        assert!(tail.back_at.is_some() || tail.lasted >= Duration::from_secs(3600), "{records:?}: {tail:?}");
    };
    long(&[event(1 << 63, "06:00:00"), event(S, "06:00:00"), event(9000 * S, "06:00:00")]);
    long(&[event(S, "06:00:00"), event(9000 * S, "06:00:00"), event(1, "06:00:00")]);
    long(&[event(S, "06:00:00"), event(S, "07:00:00")]);
    long(&[event(S, "06:00:00"), event(S, "07:00:00"), event(S, "06:00:00")]);
    long(&[event(S, "06:00:00"), event(S, "05:59:00")]);
    let set = |clock| own(S, clock, "clock-change");
    long(&[
        event(S, "06:00:00"),
        event(S, "06:30:00"),
        set("03:00:00"),
        event(S, "03:30:00"),
        set("06:30:00"),
    ]);
    // Only the last one is what somebody wrote who closed it.
    long(&[
        event(S, "06:00:00"),
        own(4000 * S, "06:00:00", "log-repair"),
        own(5000 * S, "06:00:00", "log-repair"),
    ]);
    long(&[event(S, "06:00:00"), own(4000 * S, "06:00:00", "log-repair"), event(S, "06:00:00")]);
}

#[test]
fn an_end_is_the_logs_own() {
    for foreign in [
        (S, "06:00:00", "manager", "lifecycle", "other"),
        (S, "06:00:00", "proxy", "lifecycle", "test"),
        (S, "06:00:61", "manager", "lifecycle", "test"),
    ] {
        let all_alike = [foreign, foreign];
        assert!(matches!(tail(&all_alike), Err(VerifyError::Foreign(25))), "{foreign:?}");
    }
}
