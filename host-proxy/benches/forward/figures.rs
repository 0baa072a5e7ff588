//! What was measured of whom, and the table of it.

use std::collections::BTreeMap;
use std::time::Duration;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Processor time of a request, one connection, in µs.
    Alone,
    /// Of it that of the audit writer.
    AloneWriter,
    /// Processor time of a request among many connections, in µs.
    Among,
    /// Of it that of the audit writer.
    AmongWriter,
    /// Requests for each second of processor time, among many connections.
    Requests,
    /// Median time of a request, one connection, in µs.
    Median,
    /// 99th percentile.
    Late,
    /// Bytes of long bodies for each second of processor time, in MB.
    BulkCpu,
    /// Bytes of long bodies for each second, in MB.
    Bulk,
    /// Processor time of a new tunnel with one request, in µs.
    Tunnel,
    /// Of it that of the audit writer.
    TunnelWriter,
    /// Resident memory after the start, in MB.
    Idle,
    /// Of it that of the audit writer.
    IdleWriter,
    /// Resident memory with many idle tunnels, in MB.
    Tunnels,
}

/// All figures, of all rounds.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<(Figure, &'static str), Vec<f64>>);

/// What ours is to reach beside another.
struct Aim {
    figure: Figure,
    beside: &'static str,
    factor: f64,
    /// Whether more is better.
    more: bool,
}

const ROWS: [(Figure, &str); 14] = [
    (Figure::Alone, "CPU per request, one connection, µs"),
    (Figure::AloneWriter, "— of it the audit writer"),
    (Figure::Among, "CPU per request, 32 connections, µs"),
    (Figure::AmongWriter, "— of it the audit writer"),
    (Figure::Requests, "requests per second of CPU, 32 connections"),
    (Figure::Median, "p50, one connection, µs"),
    (Figure::Late, "p99, one connection, µs"),
    (Figure::BulkCpu, "bulk, MB per second of CPU"),
    (Figure::Bulk, "bulk, MB/s"),
    (Figure::Tunnel, "CPU per new tunnel and request, µs"),
    (Figure::TunnelWriter, "— of it the audit writer"),
    (Figure::Idle, "resident, idle, MB"),
    (Figure::IdleWriter, "— of it the audit writer"),
    (Figure::Tunnels, "resident, 1,000 idle tunnels, MB"),
];

/// Who is measured, as the columns are called.
pub(crate) const DIRECT: &str = "direct";
pub(crate) const COPY: &str = "tokio copy";
pub(crate) const COPY_UNIX: &str = "tokio copy, Unix";
pub(crate) const OURS: &str = "openshell";
/// The same, whose records have no digests of bodies.
pub(crate) const OURS_BARE: &str = "openshell, no digests";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const SQUID: &str = "squid";
pub(crate) const MITMPROXY: &str = "mitmproxy";
pub(crate) const ALL: [&str; 8] = [DIRECT, COPY, COPY_UNIX, OURS, OURS_BARE, NGINX, SQUID, MITMPROXY];

const AIMS: [Aim; 7] = [
    Aim { figure: Figure::Alone, beside: COPY, factor: 1.6, more: false },
    Aim { figure: Figure::Among, beside: COPY, factor: 1.6, more: false },
    Aim { figure: Figure::Median, beside: COPY, factor: 2.5, more: false },
    Aim { figure: Figure::Requests, beside: NGINX, factor: 1.0, more: true },
    Aim { figure: Figure::Requests, beside: SQUID, factor: 2.5, more: true },
    Aim { figure: Figure::Requests, beside: MITMPROXY, factor: 40.0, more: true },
    Aim { figure: Figure::BulkCpu, beside: COPY, factor: 0.6, more: true },
];

impl Figures {
    pub(crate) fn add(&mut self, who: &'static str, figure: Figure, value: f64) {
        self.0.entry((figure, who)).or_default().push(value);
    }

    /// The median of all rounds.
    pub(crate) fn of(&self, who: &'static str, figure: Figure) -> Option<f64> {
        let mut values = self.0.get(&(figure, who))?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    pub(crate) fn print(&self) {
        println!("| median of the rounds | {} |", ALL.join(" | "));
        println!("|---|{}", "---:|".repeat(ALL.len()));
        for (figure, name) in ROWS {
            let cells = ALL.map(|who| self.of(who, figure).map_or_else(|| "–".to_owned(), written));
            println!("| {name} | {} |", cells.join(" | "));
            if matches!(figure, Figure::Median | Figure::Late) {
                let cells = ALL.map(|who| self.added(who, figure).map_or_else(|| "–".to_owned(), written));
                println!("| — added to direct | {} |", cells.join(" | "));
            }
        }
    }

    /// What somebody adds to the way without anybody.
    fn added(&self, who: &'static str, figure: Figure) -> Option<f64> {
        (who != DIRECT).then_some(self.of(who, figure)? - self.of(DIRECT, figure)?)
    }

    /// How ours stands beside the others.
    pub(crate) fn print_aims(&self) {
        println!("\n| openshell beside | what | ratio | aim | |\n|---|---|---:|---:|---|");
        for Aim { figure, beside, factor, more } in AIMS {
            let value = |who| match figure {
                Figure::Median => self.added(who, figure),
                _ => self.of(who, figure),
            };
            let Some(ratio) = value(OURS).zip(value(beside)).map(|(ours, other)| ours / other) else {
                continue;
            };
            let (sign, met) = if more { ("≥", ratio >= factor) } else { ("≤", ratio <= factor) };
            let name = ROWS.iter().find(|(row, _)| *row == figure).map_or("", |(_, name)| name);
            let added = if figure == Figure::Median { ", added" } else { "" };
            println!("| {beside} | {name}{added} | {ratio:.2} | {sign} {factor} | {} |", verdict(met));
        }
    }
}

/// A figure that stands beside no other.
pub(crate) fn print_single(what: &str, value: f64, (limit, unit): (f64, &str)) {
    println!("| {what} | {} {unit} | ≤ {limit} {unit} | {} |", written(value), verdict(value <= limit));
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn written(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

pub(crate) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The value below which so many hundredths lie.
pub(crate) fn percentile(times: &mut [Duration], hundredths: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * hundredths / 100]
}
