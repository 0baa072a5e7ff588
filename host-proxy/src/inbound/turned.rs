//! Who was turned away at a door: told at once, and while it goes on once a second with how many more there were. So a
//! flood costs the log a line a second, and every one is counted.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use wire::id::PolicyVersion;

use super::record::Refused;

/// Between two records of one door and one reason.
const PAUSE: Duration = Duration::from_secs(1);

/// Of one door.
#[derive(Debug, Default)]
pub(super) struct Turned(Vec<Reason>);

/// Who was turned away for the same reason, since that was last told.
#[derive(Debug)]
struct Reason {
    level: &'static str,
    told: Instant,
    more: Option<More>,
}

/// Those who were not told of yet.
#[derive(Debug)]
pub(super) struct More {
    /// The last of them.
    pub(super) source: SocketAddr,
    /// The policy under which it came.
    pub(super) policy: PolicyVersion,
    pub(super) refused: Refused,
    pub(super) times: u64,
}

impl Turned {
    /// Whether this one is to be told now; if not, it is counted from now on.
    pub(super) fn is_told_now(
        &mut self,
        (source, policy): (SocketAddr, PolicyVersion),
        refused: &Refused,
        now: Instant,
    ) -> bool {
        let Some(reason) = self.0.iter_mut().find(|reason| reason.level == refused.level) else {
            self.0.push(Reason { level: refused.level, told: now, more: None });
            return true;
        };
        if reason.more.is_none() && now >= reason.told + PAUSE {
            reason.told = now;
            return true;
        }
        let times = reason.more.as_ref().map_or(0, |more| more.times) + 1;
        reason.more = Some(More { source, policy, refused: refused.clone(), times });
        false
    }

    /// When there is something to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter(|reason| reason.more.is_some()).map(|reason| reason.told + PAUSE).min()
    }

    /// What is to be told by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<More> {
        let reason = self.0.iter_mut().find(|reason| reason.more.is_some() && reason.told + PAUSE <= now)?;
        reason.told = now;
        reason.more.take()
    }

    /// What is not told, as nothing follows.
    pub(super) fn into_rest(self) -> impl Iterator<Item = More> {
        self.0.into_iter().filter_map(|reason| reason.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_counted_by_reason() {
        let (address, start) = (SocketAddr::from(([192, 0, 2, 1], 9)), Instant::now());
        let source = (address, PolicyVersion::FIRST);
        let after = |millis| start + Duration::from_millis(millis);
        let (stranger, full) = (Refused::source(address.ip()), Refused::full());
        let mut turned = Turned::default();
        assert!(turned.is_told_now(source, &stranger, start));
        assert!(turned.is_told_now(source, &full, start));
        assert_eq!(turned.due(), None);
        for _one in 0..3 {
            assert!(!turned.is_told_now(source, &stranger, after(500)));
        }
        assert!(!turned.is_told_now(source, &full, after(600)));
        assert_eq!(turned.due(), Some(after(1000)));
        assert!(turned.take(after(999)).is_none());
        let mut told: Vec<(&str, u64)> = Vec::new();
        while let Some(more) = turned.take(after(1000)) {
            told.push((more.refused.level, more.times));
        }
        assert_eq!(told, [("source", 3), ("limit", 1)]);
        assert!(!turned.is_told_now(source, &stranger, after(1999)));
        // What was counted is told before anything new is, however long it took.
        assert!(!turned.is_told_now(source, &stranger, after(5000)));
        assert_eq!(turned.take(after(5000)).unwrap().times, 2);
        assert!(turned.is_told_now(source, &stranger, after(6000)));
        assert!(!turned.is_told_now(source, &stranger, after(6001)));
        let rest: Vec<u64> = turned.into_rest().map(|more| more.times).collect();
        assert_eq!(rest, [1]);
    }
}
