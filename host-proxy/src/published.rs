//! When versions of packages were published: it does not change, so it is remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use policies::Timestamp;

/// Most versions of which it is remembered.
const MOST: usize = 4096;

/// When versions were published. The oldest answer makes room for the newest.
#[derive(Debug, Default)]
pub struct Published(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    times: BTreeMap<String, Timestamp>,
    order: VecDeque<String>,
}

impl Published {
    pub(crate) fn get(&self, key: &str) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).times.get(key).copied()
    }

    pub(crate) fn put(&self, key: String, time: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.times.insert(key.clone(), time).is_some() {
            return;
        }
        known.order.push_back(key);
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.times.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn what_is_remembered_has_a_bound() {
        let published = Published::default();
        for number in 0..=MOST {
            published.put(number.to_string(), Timestamp(7));
        }
        assert_eq!((published.get("0"), published.get("1")), (None, Some(Timestamp(7))));
        assert_eq!(published.0.lock().unwrap().times.len(), MOST);
    }
}
