//! Synthetic addresses: each stands for one name, in this boot, until long after its last use.
//!
//! A slot is *free*, *live* (handed out or connected to less than [`GRACE`] ago, or a flow is open) or *stale*.
//! Only free and stale slots are given to another name: a client that kept an old address must never reach the
//! new name with it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::canonical::Name;

/// 198.18.0.0/15, which no network uses (RFC 2544).
const BASE4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// fd00:6f73::/64; the slot stands in the last 32 bits.
const BASE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x6f73, 0, 0, 0, 0, 0, 0);

/// The first slots stay unused: guest-init takes its own addresses from them.
const FIRST: u32 = 256;

/// One past the last slot.
const END: u32 = 1 << 17;

/// How long a slot belongs to its name after its last use, though its TTL is seconds: many clients keep
/// addresses for as long as they keep a connection pool.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// How many slots are looked at for a stale one before a question is answered with a failure.
const SEARCH: u32 = 512;

/// Names and their slots.
#[derive(Debug)]
pub struct Pool(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<Name, u32>,
    /// The slot `FIRST + i` at index `i`.
    slots: Vec<Slot>,
    cursor: u32,
}

#[derive(Debug)]
struct Slot {
    name: Name,
    last_use: Instant,
    flows: u32,
}

/// A flow's hold on a slot: the address keeps its meaning while it lives.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    slot: u32,
    name: Name,
}

/// Why a name gets no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// More names than addresses within an hour.
    #[error("all synthetic addresses are in use")]
    Full,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// The address that stands for `name`, as IPv4 and as IPv6.
    ///
    /// # Errors
    /// Every address belongs to another name.
    pub fn address_of(&self, name: &Name, now: Instant) -> Result<(Ipv4Addr, Ipv6Addr), PoolError> {
        let slot = self.slots().slot_of(name, now)?;
        let v4 = Ipv4Addr::from(u32::from(BASE4) + slot);
        let v6 = Ipv6Addr::from(u128::from(BASE6) + u128::from(slot));
        Ok((v4, v6))
    }

    /// Whether `address` is one that this pool may hand out, whether or not it did.
    #[must_use]
    pub fn covers(address: IpAddr) -> bool {
        slot_at(address).is_some()
    }

    /// The name that `address` stands for, held for the life of the lease.
    #[must_use]
    pub fn lease(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Lease> {
        let slot = slot_at(address)?;
        let mut slots = self.slots();
        let held = slots.get_mut(slot)?;
        held.flows += 1;
        held.last_use = now;
        Some(Lease { name: held.name.clone(), pool: Arc::clone(self), slot })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn slot_of(&mut self, name: &Name, now: Instant) -> Result<u32, PoolError> {
        if let Some(&slot) = self.by_name.get(name) {
            if let Some(held) = self.get_mut(slot) {
                held.last_use = now;
            }
            return Ok(slot);
        }
        let fresh = Slot { name: name.clone(), last_use: now, flows: 0 };
        let slot = match u32::try_from(self.slots.len()) {
            Ok(used) if used < END - FIRST => {
                self.slots.push(fresh);
                FIRST + used
            }
            _ => self.recycle(fresh, now)?,
        };
        self.by_name.insert(name.clone(), slot);
        Ok(slot)
    }

    fn recycle(&mut self, fresh: Slot, now: Instant) -> Result<u32, PoolError> {
        for _ in 0..SEARCH {
            let slot = FIRST + self.cursor;
            self.cursor = (self.cursor + 1) % (END - FIRST);
            let Some(held) = self.get_mut(slot) else { continue };
            if held.flows == 0 && now.duration_since(held.last_use) > GRACE {
                let old = std::mem::replace(held, fresh);
                self.by_name.remove(&old.name);
                return Ok(slot);
            }
        }
        Err(PoolError::Full)
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        let index = usize::try_from(slot.checked_sub(FIRST)?).ok()?;
        self.slots.get_mut(index)
    }
}

impl Lease {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(held) = self.pool.slots().get_mut(self.slot) {
            held.flows -= 1;
            held.last_use = Instant::now().max(held.last_use);
        }
    }
}

fn slot_at(address: IpAddr) -> Option<u32> {
    let slot = match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(u32::from(BASE4))?,
        IpAddr::V6(v6) => u32::try_from(u128::from(v6).checked_sub(u128::from(BASE6))?).ok()?,
    };
    (slot < END).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> Name {
        Name::parse(&format!("n{number}.example")).unwrap()
    }

    #[test]
    fn an_address_means_its_name_in_both_families() {
        let (pool, now) = (Pool::new(), Instant::now());
        let (v4, v6) = pool.address_of(&name(1), now).unwrap();
        assert_eq!(v4, Ipv4Addr::new(198, 18, 1, 0));
        assert_eq!(v6, "fd00:6f73::100".parse::<Ipv6Addr>().unwrap());
        for address in [IpAddr::from(v4), IpAddr::from(v6)] {
            assert_eq!(pool.lease(address, now).unwrap().name(), &name(1));
        }
        assert_eq!(pool.address_of(&name(1), now).unwrap(), (v4, v6));
        assert_ne!(pool.address_of(&name(2), now).unwrap().0, v4);
        for unknown in
            ["198.18.0.1", "198.19.255.255", "198.17.255.255", "198.20.0.0", "fd00:6f73::1", "fd00:6f74::100"]
        {
            assert!(pool.lease(unknown.parse().unwrap(), now).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_hundred_thousand_names_and_no_confusion() {
        let (pool, start) = (Pool::new(), Instant::now());
        let all = END - FIRST;
        assert!(all >= 100_000);
        let first = pool.address_of(&name(0), start).unwrap().0;
        for number in 1..all {
            pool.address_of(&name(number), start).unwrap();
        }
        assert_eq!(pool.address_of(&name(all), start + GRACE), Err(PoolError::Full));
        // A flow to the oldest name is open: its address is not given away, however late it is.
        let lease = pool.lease(first.into(), start).unwrap();
        let late = start + GRACE * 2;
        let given = pool.address_of(&name(all), late).unwrap().0;
        assert_ne!(given, first);
        assert_eq!(lease.name(), &name(0));
        assert_eq!(pool.lease(given.into(), late).unwrap().name(), &name(all));
        drop(lease);
        assert_eq!(pool.slots().by_name.len(), usize::try_from(all).unwrap());
    }
}
