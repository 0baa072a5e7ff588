//! Which model of a catalogue this host can serve: [`Host`] is what there is, [`Wish`] what is wanted, [`plan`] says with
//! what it is served and why, or with numbers why nothing is. Nothing here starts anything, and only
//! [`memory_available`] and a look at whether weights are there ask somebody: the kernel.

#![forbid(unsafe_code)]

mod host;
mod plan;
mod quantity;

pub use host::{Device, Host, Reserved, memory_available};
pub use plan::{Fit, On, Plan, Refusal, Unfit, Wish, plan, survey, ten_thousandths};
pub use quantity::Gigabytes;
