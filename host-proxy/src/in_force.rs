//! The policy in force: replaced whole, while requests are decided and responses flow.
//!
//! One *edition* is in force at a time, and a request is decided by the edition of that moment. What a decision
//! allowed then goes on under [`InForce::uphold`], which asks each later edition the same question and drops the work
//! at the first no. It asks again, too, whenever a rule of the edition begins or ceases to be in force (`from`, `until`).
//! Whoever is in there holds its edition, so the last one to let go of an old edition tells that
//! nothing goes on by it any more.
//!
//! *Invariant:* once [`InForce::replace`] has returned, nothing that the new edition does not allow goes on, and none
//! of it starts.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policies::outline::Outline;
use policies::{LoadErrors, Policy, Timestamp};
use tokio::sync::{Notify, watch};
use wire::id::PolicyVersion;
use wire::proxy::Doors;

use crate::clock::now;

/// Seconds after which the clock is read again, however far the next turn is.
const LONGEST_WAIT: i64 = 10;

/// The policy in force.
#[derive(Debug)]
pub struct InForce(watch::Sender<Arc<Edition>>);

/// One policy, from when it took effect until nobody acts by it any more.
#[derive(Debug)]
pub struct Edition {
    /// Its number.
    pub version: PolicyVersion,
    /// What it says.
    pub policy: Policy,
    /// The same, for the agent to read.
    pub outline: Vec<Outline>,
    /// Whether anybody may come in from outside.
    pub doors: Doors,
    /// How much it ended that an earlier one had allowed.
    ended: AtomicU64,
    /// Told when the last holder lets go.
    gone: Arc<Notify>,
}

/// A policy in both forms.
#[derive(Debug)]
pub struct Loaded {
    policy: Policy,
    outline: Vec<Outline>,
}

/// Reads a policy as the manager sends it.
///
/// # Errors
/// It does not load.
pub fn load(text: &str) -> Result<Loaded, LoadErrors> {
    let document = policies::Document::parse(text, "policy")?;
    Ok(Loaded { policy: Policy::compile(&document)?, outline: document.outline() })
}

impl InForce {
    /// Begins with `policy`.
    #[must_use]
    pub fn new(policy: Loaded) -> Self {
        Self(watch::Sender::new(Arc::new(Edition::new(PolicyVersion::FIRST, policy, Doors::Open))))
    }

    /// The edition of this moment. Who keeps it longer than for one decision delays [`InForce::replace`].
    #[must_use]
    pub fn current(&self) -> Arc<Edition> {
        Arc::clone(&self.0.borrow())
    }

    /// The number of the edition of this moment.
    #[must_use]
    pub fn version(&self) -> PolicyVersion {
        self.0.borrow().version
    }

    /// Does `work` while no edition says no. `conforms` is the edition by which the work was last found in order:
    /// another one is asked before the work begins. It is kept true.
    ///
    /// # Errors
    /// What an edition has against it, which ended the work wherever it stood; it is dropped.
    pub async fn uphold<T, E>(
        &self,
        conforms: &mut PolicyVersion,
        forbids: impl Fn(&Edition) -> Option<E>,
        work: impl Future<Output = T>,
    ) -> Result<T, E> {
        let mut editions = self.0.subscribe();
        let mut work = pin!(work);
        let mut turn = None;
        loop {
            let edition = Arc::clone(&editions.borrow_and_update());
            // One look at the clock for both: a rule may end between two. What was decided before may have been so before
            // a rule ended, too, and is asked about once more.
            let at = now();
            let turned = edition.policy.has_turns() && turn.is_none_or(|turn| turn <= at);
            if edition.version != *conforms || turned {
                if let Some(denial) = forbids(&edition) {
                    edition.ended.fetch_add(1, Ordering::Relaxed);
                    return Err(denial);
                }
                *conforms = edition.version;
            }
            turn = edition.policy.changes_after(at);
            tokio::select! {
                biased;
                // The sender lives in `self`: there is always another edition to come.
                _changed = editions.changed() => {}
                () = reached(turn) => {}
                done = &mut work => return Ok(done),
            }
        }
    }

    /// Puts `policy` in force. Returns, once nothing goes on by an earlier edition, how much was ended.
    pub async fn replace(&self, version: PolicyVersion, (policy, doors): (Loaded, Doors)) -> u64 {
        let next = Arc::new(Edition::new(version, policy, doors));
        let old = self.0.send_replace(Arc::clone(&next));
        let gone = Arc::clone(&old.gone);
        drop(old);
        gone.notified().await;
        next.ended.load(Ordering::Relaxed)
    }
}

/// Waits until the host's clock may show `turn`; for ever, if there is none. The clock may be set meanwhile, so it is
/// read again from time to time.
async fn reached(turn: Option<Timestamp>) {
    let Some(turn) = turn else { return std::future::pending().await };
    let seconds = turn.0.saturating_sub(now().0).clamp(0, LONGEST_WAIT);
    tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())).await;
}

impl Edition {
    /// Whether the sandbox is cut off.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.doors == Doors::Shut
    }

    fn new(version: PolicyVersion, Loaded { policy, outline }: Loaded, doors: Doors) -> Self {
        Self { version, policy, outline, doors, ended: AtomicU64::new(0), gone: Arc::default() }
    }
}

impl Drop for Edition {
    fn drop(&mut self) {
        // Kept for who asks later: the last holder may let go before anybody waits.
        self.gone.notify_one();
    }
}
