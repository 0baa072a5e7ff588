//! How soon a replaced policy decides, while requests are made without a pause.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use wire::proxy::ProxyEvent;

use crate::client::Client;
use crate::origin::SMALL;
use crate::ours::{Allowed, Ours, policy};

/// How long requests are made before a replacement and after it.
const AROUND: Duration = Duration::from_millis(20);

/// One request's verdict.
struct Verdict {
    sent: Instant,
    answered: Instant,
    status: u16,
}

/// What replacements showed.
#[derive(Default)]
pub(crate) struct Reloads {
    /// From the command to the first answer by the new policy.
    pub(crate) visible: Vec<Duration>,
    /// From the command to the proxy's word that the policy holds.
    pub(crate) confirmed: Vec<Duration>,
    /// Answers by the old policy to requests that were sent after that word, or by the new one before the command.
    pub(crate) wrong: usize,
    /// Answers that were looked at.
    pub(crate) verdicts: usize,
}

/// Replaces the policy so many times, each time by its opposite.
pub(crate) fn measure(runtime: &Runtime, ours: &Ours, count: usize) -> Reloads {
    let mut reloads = Reloads::default();
    for number in 0..count {
        let allowed = if number % 2 == 0 { Allowed::Other } else { Allowed::All };
        let done = AtomicBool::new(false);
        let (sent, confirmed, verdicts) = std::thread::scope(|scope| {
            let replacing = scope.spawn(|| replace(ours, allowed, &done));
            let verdicts = runtime.block_on(ask(&ours.client, &done));
            let (sent, confirmed) = replacing.join().unwrap();
            (sent, confirmed, verdicts)
        });
        reloads.add((sent, confirmed), &verdicts, allowed);
    }
    reloads
}

impl Reloads {
    fn add(&mut self, (sent, confirmed): (Instant, Instant), verdicts: &[Verdict], allowed: Allowed) {
        let new = if allowed == Allowed::All { 200 } else { 403 };
        let is_new = |verdict: &&Verdict| verdict.status == new;
        let first = verdicts.iter().find(is_new).expect("the new policy decides in the end");
        self.visible.push(first.answered.saturating_duration_since(sent));
        self.confirmed.push(confirmed - sent);
        let late = |verdict: &&Verdict| verdict.sent > confirmed && verdict.status != new;
        let early = |verdict: &&Verdict| verdict.answered < sent && verdict.status == new;
        self.wrong += verdicts.iter().filter(|verdict| late(verdict) || early(verdict)).count();
        self.verdicts += verdicts.len();
    }
}

/// When the command went out, and when it was confirmed.
fn replace(ours: &Ours, allowed: Allowed, done: &AtomicBool) -> (Instant, Instant) {
    let policy = policy(ours.client.port, allowed);
    std::thread::sleep(AROUND);
    let sent = Instant::now();
    let event = ours.proxy.set_policy(&policy);
    let confirmed = Instant::now();
    std::thread::sleep(AROUND);
    done.store(true, Ordering::Relaxed);
    assert!(matches!(event, ProxyEvent::PolicyApplied { .. }), "{event:?}");
    (sent, confirmed)
}

/// Asks until it is over. A connection that the new policy ends is opened again.
async fn ask(client: &Client, done: &AtomicBool) -> Vec<Verdict> {
    let (mut verdicts, mut tunnel) = (Vec::new(), None);
    while !done.load(Ordering::Relaxed) {
        let Some(open) = &mut tunnel else {
            tunnel = client.open().await.ok();
            continue;
        };
        let sent = Instant::now();
        match open.get(SMALL).await {
            Ok(answer) => {
                verdicts.push(Verdict { sent, answered: Instant::now(), status: answer.status });
            }
            Err(_closed) => tunnel = None,
        }
    }
    verdicts
}
