//! Figures that are aimed at.

use std::time::Duration;

/// A figure that is aimed at.
pub(crate) struct Aim {
    what: String,
    figure: String,
    aim: String,
    met: bool,
}

impl Aim {
    /// What a decision waits: half of them, and nearly all.
    pub(crate) fn of_decisions(what: &str, (half, most): (Duration, Duration)) -> [Self; 2] {
        let of = |part: &str, time: Duration, micros: u64| Self {
            what: format!("a decision waits, {part}: {what}"),
            figure: format!("{time:.1?}"),
            aim: format!("≤ {micros} µs"),
            met: time <= Duration::from_micros(micros),
        };
        [of("p50", half, 20), of("p99", most, 1000)]
    }

    pub(crate) fn at_least(what: &str, figure: u128, aim: u128) -> Self {
        Self {
            what: what.to_owned(),
            figure: figure.to_string(),
            aim: format!("≥ {aim}"),
            met: figure >= aim,
        }
    }

    pub(crate) fn print(&self) {
        let Self { what, figure, aim, met } = self;
        println!("| {what} | {figure} | {aim} | {} |", if *met { "met" } else { "missed" });
    }
}
