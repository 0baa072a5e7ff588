//! When each rule was used last, and under which policy: rules of different policies may have one name.

use std::collections::BTreeMap;

use audit::{Decision, Record};

/// Most rules whose last use is remembered, and most policies that are known by their number.
const MOST: usize = 8192;

/// When each rule was used last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// By rule and the SHA-256 of the policy that it was in; `None` where the log does not say which.
    last: BTreeMap<(String, Option<String>), String>,
    /// SHA-256 of each policy, by its sandbox and number.
    in_force: BTreeMap<(String, String), String>,
}

/// The last use of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use<'a> {
    /// When: as the record has it.
    pub(crate) time: &'a str,
    /// Under which policy, if the log says it.
    pub(crate) policy: Option<&'a str>,
}

impl Uses {
    /// Notes a record of whatever time. A rule was used if it allowed something, or said no itself.
    pub(crate) fn observe(&mut self, record: &Record) {
        let event = &record.event;
        if event.decision == Some(Decision::Allow) {
            let first = event.configuration.as_ref().and_then(|made| made.network_sha256.as_ref());
            let later = event.policy_change.as_ref().and_then(|change| change.new.as_ref());
            let put = later.map(|new| (new.version, &new.sha256)).or(event.policy.zip(first));
            if let Some((version, sha256)) = put
                && self.in_force.len() < MOST
            {
                let number = (record.sandbox.as_str().to_owned(), version.to_string());
                self.in_force.insert(number, sha256.clone());
            }
        }
        let is_use = event.decision == Some(Decision::Allow) || event.rule_denies;
        let Some(rule) = event.rule.as_ref().filter(|_rule| is_use) else { return };
        let number = event.policy.map(|version| (record.sandbox.as_str().to_owned(), version.to_string()));
        let policy = number.and_then(|number| self.in_force.get(&number)).cloned();
        let key = (rule.clone(), policy);
        if self.last.len() < MOST || self.last.contains_key(&key) {
            let last = self.last.entry(key).or_default();
            if record.time > *last {
                last.clone_from(&record.time);
            }
        }
    }

    /// Whether the policy took effect in any of the logs.
    pub(crate) fn knows(&self, policy: &str) -> bool {
        self.in_force.values().any(|sha256| sha256 == policy)
    }

    /// The last use of a rule under `policy`, or else under any.
    pub(crate) fn last(&self, rule: &str, policy: &str) -> Option<Use<'_>> {
        let of_rule =
            self.last.range((rule.to_owned(), None)..).take_while(|((name, _policy), _)| name == rule);
        let uses = of_rule.map(|((_name, policy), time)| Use { time, policy: policy.as_deref() });
        uses.max_by_key(|used| (used.policy == Some(policy), used.time))
    }
}
