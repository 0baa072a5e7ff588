//! Who reached what, and under which rule. However many hosts a guest makes up, it stays below a bound, and what it was
//! denied takes no room from what it was allowed.

use std::collections::BTreeMap;

use audit::{Action, Decision, Record};

/// Kinds that are counted each, of what was allowed and of what was denied; what is beyond them is counted together.
const MOST: usize = 4096;

/// Longest part of a kind, in characters.
const LONGEST: usize = 200;

/// How often each program reached each host under each rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    sides: [BTreeMap<Kind, u64>; 2],
    others: [u64; 2],
}

/// Program, host and rule.
type Kind = [String; 3];

/// The kinds that are shown, and how many there are besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Top {
    /// Each with how often it was allowed and denied.
    pub(crate) rows: Vec<(Kind, [u64; 2])>,
    pub(crate) omitted: u64,
    /// Times allowed and denied that are counted by no kind.
    pub(crate) others: [u64; 2],
}

impl Reach {
    /// Notes a decision on a way out of the sandbox. `program`: who asked.
    pub(crate) fn observe(&mut self, record: &Record, program: &str) {
        let event = &record.event;
        let Some(decision) = event.decision else { return };
        let is_way_out = match event.action {
            Action::NetworkRequest => true,
            // Allowed, they let nothing out yet: what goes through a tunnel or to a name is decided by itself.
            Action::NetworkFlow | Action::NameQuery => decision == Decision::Deny,
            _ => false,
        };
        let Some(host) = event.object.as_ref().and_then(|object| object.host.as_ref()) else { return };
        if !is_way_out {
            return;
        }
        // Of a denial the record may name the rule that came nearest, which did not decide it.
        let decided = decision == Decision::Allow || event.rule_denies;
        let rule = event.rule.as_deref().filter(|_rule| decided).unwrap_or("no rule");
        let times = event.object.as_ref().and_then(|object| object.times).unwrap_or(1);
        let kind = [program, host, rule].map(|text| text.chars().take(LONGEST).collect());
        let side = usize::from(decision == Decision::Deny);
        let known = &mut self.sides[side];
        let count = if known.len() < MOST || known.contains_key(&kind) {
            known.entry(kind).or_default()
        } else {
            &mut self.others[side]
        };
        *count = count.saturating_add(times);
    }

    /// What was allowed most often first, then what was denied most often.
    pub(crate) fn top(&self, most: usize) -> Top {
        let mut all = BTreeMap::<&Kind, [u64; 2]>::new();
        for (side, kinds) in self.sides.iter().enumerate() {
            for (kind, times) in kinds {
                all.entry(kind).or_default()[side] = *times;
            }
        }
        let mut rows: Vec<(Kind, [u64; 2])> =
            all.into_iter().map(|(kind, times)| (kind.clone(), times)).collect();
        rows.sort_by(|(left, many), (right, more)| more.cmp(many).then_with(|| left.cmp(right)));
        let omitted = rows.split_off(most.min(rows.len())).len();
        let omitted = u64::try_from(omitted).expect("a list's length fits in 64 bits");
        Top { rows, omitted, others: self.others }
    }
}
