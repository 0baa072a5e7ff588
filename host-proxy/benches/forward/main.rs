//! What a request, a byte and a tunnel cost through the proxy, beside other programs in its place.
//!
//! `cargo xtask bench proxy` runs it. Contenders are processes on one processor; the client and the origin share the
//! other. A round measures each of them once, in turn, freshly started; figures are medians of the rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails or prints nothing is none"
)]

mod certificates;
mod client;
mod copy;
mod figures;
mod origin;
mod ours;
mod peers;
mod process;
mod reload;

#[path = "../../tests/egress/bench.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use certificates::Authority;
use client::{Client, Entry};
use figures::{
    COPY, COPY_UNIX, DIRECT, Figure, Figures, MITMPROXY, NGINX, OURS, OURS_BARE, SQUID, microseconds,
    percentile,
};
use origin::{BULK, BULK_BYTES, SMALL};
use ours::{Digests, Ours};
use process::{Process, processor_time, resident};

/// What the client asks for.
pub(crate) const NAME: &str = "origin.bench.example";

/// How long each of the phases of a contender takes.
const PHASE: Duration = Duration::from_secs(1);
/// Connections at once, where there are many.
const MANY: usize = 32;
/// Tunnels on which nothing happens.
const IDLE_TUNNELS: usize = 1000;
/// Replacements of the policy.
const RELOADS: usize = 40;

/// One who is measured.
struct Contender {
    name: &'static str,
    client: Client,
    /// Whom its costs are counted of.
    process: Option<u32>,
    /// The audit writer, which is counted too.
    writer: Option<u32>,
}

/// What this program was asked for.
struct Asked {
    writer: PathBuf,
    mitmdump: Option<PathBuf>,
    rounds: usize,
}

/// What stays while contenders come and go.
struct Place {
    asked: Asked,
    authority: Authority,
    port: u16,
    runtime: Runtime,
    figures: Figures,
    absent: Vec<String>,
}

fn main() {
    if let Some(origin) = value("--copy") {
        copy::run(origin.parse().unwrap(), value("--socket").as_deref().map(Path::new));
        return;
    }
    let Some(writer) = value("--writer") else {
        eprintln!("the audit writer's path is wanted (--writer): use cargo xtask bench proxy");
        std::process::exit(2);
    };
    let rounds = value("--rounds").map_or(5, |rounds| rounds.parse().unwrap());
    let asked = Asked { writer: writer.into(), mitmdump: value("--mitmdump").map(Into::into), rounds };
    Place::new(asked).run();
}

/// What follows a word of the command line.
fn value(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

impl Place {
    fn new(asked: Asked) -> Self {
        process::step_aside();
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let limit = rustix::process::Rlimit { current: most, maximum: most };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        let authority = Authority::new();
        let port = origin::start(authority.leaf().server());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { asked, authority, port, runtime, figures: Figures::default(), absent: Vec::new() }
    }

    fn run(mut self) {
        for round in 1..=self.asked.rounds {
            eprintln!("  round {round} of {}", self.asked.rounds);
            self.round();
        }
        let reloads = {
            let ours = self.ours(Digests::On);
            reload::measure(&self.runtime, &ours, RELOADS)
        };
        self.figures.print();
        self.figures.print_aims();
        self.print_singles(reloads);
        self.absent.sort();
        self.absent.dedup();
        self.absent.iter().for_each(|line| println!("\nnot measured: {line}"));
    }

    fn round(&mut self) {
        let tls = certificates::client(&self.authority.pem());
        let origin = Entry::Tcp(([127, 0, 0, 1], self.port).into());
        self.measure(&Contender::new(DIRECT, Client { entry: origin, tls: tls.clone(), port: self.port }));
        let folder = tempfile::tempdir().unwrap();
        for (name, socket) in [(COPY, None), (COPY_UNIX, Some(folder.path().join("copy.sock")))] {
            let (process, entry) = start_copy(self.port, socket);
            let client = Client { entry, tls: tls.clone(), port: self.port };
            self.measure(&Contender { process: Some(process.id()), ..Contender::new(name, client) });
        }
        for (name, digests) in [(OURS, Digests::On), (OURS_BARE, Digests::Off)] {
            let ours = self.ours(digests);
            let (process, writer) = (Some(ours.proxy.child.id()), Some(ours.writer.id()));
            let Ours { client, proxy, writer: _running, .. } = ours;
            self.measure(&Contender { process, writer, ..Contender::new(name, client) });
            drop(proxy);
        }
        for name in [NGINX, SQUID, MITMPROXY] {
            match self.peer(name) {
                Ok(peers::Peer { process, entry, root_pem, .. }) => {
                    let client = Client { entry, tls: certificates::client(&root_pem), port: self.port };
                    let id = Some(process.id());
                    self.measure(&Contender { process: id, ..Contender::new(name, client) });
                }
                Err(why) => self.absent.push(format!("{name}: {why}")),
            }
        }
    }

    fn peer(&self, name: &str) -> Result<peers::Peer, String> {
        match name {
            NGINX => peers::nginx(&self.authority, self.port),
            SQUID => peers::squid(&self.authority, self.port),
            _ => peers::mitmproxy(self.asked.mitmdump.as_deref(), &self.authority, self.port),
        }
    }

    fn ours(&self, digests: Digests) -> Ours {
        Ours::start(&self.asked.writer, digests, self.port, &self.authority.pem())
    }

    /// One contender's part of a round.
    fn measure(&mut self, contender: &Contender) {
        let Self { runtime, figures, .. } = self;
        contender.at_rest(figures);
        runtime.block_on(async {
            contender.idle_tunnels(figures).await;
            contender.alone(figures).await;
            contender.among(figures).await;
            contender.bulk(figures).await;
            contender.new_tunnels(figures).await;
        });
    }

    fn print_singles(&self, mut reloads: reload::Reloads) {
        println!("\n| openshell alone | figure | aim | |\n|---|---:|---:|---|");
        let single = |what, figure, aim| {
            if let Some(value) = self.figures.of(OURS, figure) {
                figures::print_single(what, value, aim);
            }
        };
        single("CPU per new tunnel and request", Figure::Tunnel, (350.0, "µs"));
        single("resident, 1,000 idle tunnels, audit writer included", Figure::Tunnels, (30.0, "MB"));
        let of = |figure| self.figures.of(OURS, figure).unwrap_or_default();
        let proxy = of(Figure::Idle) - of(Figure::IdleWriter);
        figures::print_single("resident, idle, without the audit writer", proxy, (10.0, "MB"));
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        for (what, times) in [
            ("new policy to first new verdict", &mut reloads.visible),
            ("new policy to its confirmation", &mut reloads.confirmed),
        ] {
            for (name, hundredths) in [("p50", 50), ("most", 100)] {
                let time = milliseconds(percentile(times, hundredths));
                figures::print_single(&format!("{what}, {name} of {RELOADS}"), time, (50.0, "ms"));
            }
        }
        let wrong = format!("wrong verdicts of {}", reloads.verdicts);
        println!(
            "| {wrong} | {} | 0 | {} |",
            reloads.wrong,
            if reloads.wrong == 0 { "met" } else { "**missed**" }
        );
    }
}

impl Contender {
    fn new(name: &'static str, client: Client) -> Self {
        Self { name, client, process: None, writer: None }
    }

    fn at_rest(&self, figures: &mut Figures) {
        if let Some(memory) = self.resident() {
            figures.add(self.name, Figure::Idle, memory);
        }
        if let Some(writer) = self.writer {
            figures.add(self.name, Figure::IdleWriter, megabytes(resident(writer)));
        }
    }

    async fn idle_tunnels(&self, figures: &mut Figures) {
        if self.process.is_none() {
            return;
        }
        let tunnels = self.client.open_many(IDLE_TUNNELS, SMALL).await;
        if let Some(memory) = self.resident() {
            figures.add(self.name, Figure::Tunnels, memory);
        }
        drop(tunnels);
    }

    /// One connection.
    async fn alone(&self, figures: &mut Figures) {
        let mut tunnel = self.client.open().await.unwrap();
        let _warm = tunnel.get_for(PHASE / 4, SMALL).await;
        let before = self.ran();
        let mut times = tunnel.get_for(PHASE, SMALL).await;
        self.costs(figures, (before, times.len()), [Figure::Alone, Figure::AloneWriter]);
        figures.add(self.name, Figure::Median, microseconds(percentile(&mut times, 50)));
        figures.add(self.name, Figure::Late, microseconds(percentile(&mut times, 99)));
    }

    /// Many connections at once.
    async fn among(&self, figures: &mut Figures) {
        let tunnels = self.client.open_many(MANY, SMALL).await;
        let before = self.ran();
        let mut asking = tokio::task::JoinSet::new();
        for mut tunnel in tunnels {
            asking.spawn(async move { tunnel.get_for(PHASE, SMALL).await.len() });
        }
        let count: usize = asking.join_all().await.into_iter().sum();
        let total = self.costs(figures, (before, count), [Figure::Among, Figure::AmongWriter]);
        if let Some(total) = total {
            figures.add(self.name, Figure::Requests, count as f64 / total.as_secs_f64());
        }
    }

    async fn bulk(&self, figures: &mut Figures) {
        let mut tunnel = self.client.open().await.unwrap();
        let _warm = tunnel.get(BULK).await.unwrap();
        let (before, started) = (self.ran(), Instant::now());
        let times = tunnel.get_for(PHASE, BULK).await;
        let (after, elapsed) = (self.ran(), started.elapsed());
        let megabytes = (times.len() * BULK_BYTES) as f64 / 1e6;
        figures.add(self.name, Figure::Bulk, megabytes / elapsed.as_secs_f64());
        if self.process.is_some() {
            let ran = (after.0 + after.1).saturating_sub(before.0 + before.1);
            figures.add(self.name, Figure::BulkCpu, megabytes / ran.as_secs_f64());
        }
    }

    async fn new_tunnels(&self, figures: &mut Figures) {
        let (before, started, mut count) = (self.ran(), Instant::now(), 0);
        while started.elapsed() < PHASE {
            self.client.open().await.unwrap().get(SMALL).await.unwrap();
            count += 1;
        }
        self.costs(figures, (before, count), [Figure::Tunnel, Figure::TunnelWriter]);
    }

    /// Adds what each of `count` cost since `before`; returns what all did.
    fn costs(
        &self,
        figures: &mut Figures,
        (before, count): ((Duration, Duration), usize),
        [all, writer]: [Figure; 2],
    ) -> Option<Duration> {
        self.process?;
        let after = self.ran();
        let (process, writing) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        let each = |time: Duration| microseconds(time) / count as f64;
        figures.add(self.name, all, each(process + writing));
        if self.writer.is_some() {
            figures.add(self.name, writer, each(writing));
        }
        Some(process + writing)
    }

    /// What its process and its audit writer ran so far.
    fn ran(&self) -> (Duration, Duration) {
        let time = |id: Option<u32>| id.map_or(Duration::ZERO, processor_time);
        (time(self.process), time(self.writer))
    }

    fn resident(&self) -> Option<f64> {
        Some(megabytes(resident(self.process?) + self.writer.map_or(0, resident)))
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// This program as a copy between sockets.
fn start_copy(origin: u16, socket: Option<PathBuf>) -> (Process, Entry) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--copy", &origin.to_string()]).stdout(Stdio::piped());
    if let Some(socket) = &socket {
        command.arg("--socket").arg(socket);
    }
    let mut process = Process::start(&mut command);
    let mut line = String::new();
    BufReader::new(process.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    (process, socket.map_or(Entry::Tcp(([127, 0, 0, 1], port).into()), Entry::Unix))
}
