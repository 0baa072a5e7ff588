//! Approvals in force, and when they are over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wire::id::RequestId;
use wire::operator::AskedTerms;
use wire::proposal::Terms;

/// How long the clocks go unread while an approval for a time is in force: nobody tells when one of them is set.
const LOOK: Duration = Duration::from_secs(5);

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) id: RequestId,
    pub(super) terms: Terms,
    ends: Option<Ends>,
}

/// The end of a time, by both clocks. The earlier one counts: setting a clock back gives nobody more time, and neither does
/// letting the host sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    since_boot: Duration,
    wall: i64,
}

/// What both clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since the host started, with the time that it slept.
    pub(crate) since_boot: Duration,
    /// Seconds since 1970, as somebody has set it.
    pub(crate) wall: i64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since_boot = clock_gettime(ClockId::Boottime);
        let seconds = Duration::from_secs(since_boot.tv_sec.unsigned_abs());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            since_boot: seconds + Duration::from_nanos(since_boot.tv_nsec.unsigned_abs()),
            wall: i64::try_from(since_1970).unwrap_or(i64::MAX),
        }
    }
}

impl Grant {
    pub(super) fn new(id: RequestId, asked: AskedTerms, now: Moment) -> Self {
        let (terms, ends) = match asked {
            AskedTerms::Once => (Terms::Once, None),
            AskedTerms::Sandbox => (Terms::Sandbox, None),
            AskedTerms::For(seconds) => {
                let wall = now.wall.saturating_add(i64::from(seconds));
                let since_boot = now.since_boot + Duration::from_secs(u64::from(seconds));
                (Terms::Until(wall), Some(Ends { since_boot, wall }))
            }
        };
        Self { id, terms, ends }
    }

    /// Whether its time is up.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.ends.is_some_and(|ends| ends.since_boot <= now.since_boot || ends.wall <= now.wall)
    }

    /// How long nobody needs to look whether its time is up.
    pub(super) fn look_in(&self, now: Moment) -> Option<Duration> {
        self.ends.map(|ends| ends.since_boot.saturating_sub(now.since_boot).min(LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_up_by_the_earlier_of_two_clocks() {
        let start = Moment { since_boot: Duration::from_secs(100), wall: 1000 };
        let grant = Grant::new(RequestId("1".to_owned()), AskedTerms::For(60), start);
        let at =
            |since_boot, wall| grant.is_over(Moment { since_boot: Duration::from_secs(since_boot), wall });
        assert!(!at(159, 1059) && at(160, 1060));
        assert!(at(160, 0), "the clock was set back");
        assert!(at(101, 1060), "the clock was set forward");
        assert!(at(5000, 900), "the host slept, and its clock was wrong afterwards");
        assert_eq!(grant.look_in(start), Some(LOOK));
        let late = Moment { since_boot: Duration::from_millis(159_500), wall: 1000 };
        assert_eq!(grant.look_in(late), Some(Duration::from_millis(500)));
        for asked in [AskedTerms::Once, AskedTerms::Sandbox] {
            let grant = Grant::new(RequestId("1".to_owned()), asked, start);
            let end = Moment { since_boot: Duration::MAX, wall: i64::MAX };
            assert!(!grant.is_over(end) && grant.look_in(start).is_none(), "{asked:?}");
        }
    }
}
