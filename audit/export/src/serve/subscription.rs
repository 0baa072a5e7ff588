//! One call of `Watch`: which logs, from where, and how far it is with each.
//!
//! ```text
//! Passing (the client has it) ─┐
//! Skipping (it wants no past) ─┴─► Live ─► Halted (the log is not whole)
//! ```
//! A log that cannot be read now is tried again, in the stage in which it was.
//!
//! One record is in memory at a time, and as many events as the channel takes wait for a client that is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::Record;
use audit::log::{LogError, Mark};
use audit_watch::FeedEvent;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::generated::feed_server::Feed;
use super::generated::watch_response::Kind;
use super::generated::{Delayed, Event, Halted, Lost, Start, Surface, WatchRequest, WatchResponse};
use crate::Pace;
use crate::logs::{self, Changes, Log};
use crate::only::Only;
use crate::records::Records;

/// Events that wait for the client.
const WAITING: usize = 64;
/// Records of one log before the others have their turn.
const TURN: usize = 256;
/// Calls at a time, of all clients together: each takes two of the user's inotify instances, which others need, too.
const MOST_CALLS: usize = 16;
/// Logs and places that a client may name.
const MOST_NAMED: usize = 1024;

/// The service over the logs in a directory.
#[derive(Debug)]
pub(super) struct Logs {
    root: PathBuf,
    only: Only,
    calls: Arc<Semaphore>,
}

impl Logs {
    pub(super) fn new(root: &Path, only: Only) -> Self {
        Self { root: root.to_owned(), only, calls: Arc::new(Semaphore::new(MOST_CALLS)) }
    }
}

#[tonic::async_trait]
impl Feed for Logs {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let wanted = Wanted::try_from(request.into_inner())?;
        let full = |_closed| Status::resource_exhausted("16 calls are being served; end one of them first");
        let call = Arc::clone(&self.calls).try_acquire_owned().map_err(full)?;
        let (to, events) = mpsc::channel(WAITING);
        let mut subscription = Subscription {
            root: self.root.clone(),
            only: self.only.clone(),
            served: BTreeMap::new(),
            wanted,
            places: BTreeMap::new(),
            to: to.clone(),
        };
        tokio::spawn(async move {
            let _until_it_ends = call;
            tokio::select! {
                ended = subscription.run() => {
                    if let Err(Ended::Refused(status)) = ended {
                        // A client that is gone needs no reason.
                        let _gone = to.send(Err(*status)).await;
                    }
                }
                () = to.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(events)))
    }
}

/// What a client asks for, checked.
#[derive(Debug)]
struct Wanted {
    sandboxes: BTreeSet<String>,
    surfaces: BTreeSet<Surface>,
    resume_after: BTreeMap<String, u64>,
    start: Start,
}

impl TryFrom<WatchRequest> for Wanted {
    type Error = Status;

    fn try_from(request: WatchRequest) -> Result<Self, Status> {
        let bad = |what: &str| Status::invalid_argument(what.to_owned());
        if request.sandboxes.len().max(request.resume_after.len()).max(request.surfaces.len()) > MOST_NAMED {
            return Err(bad("more is named than 1024 of a kind"));
        }
        let start = Start::try_from(request.start).map_err(|_number| bad("there is no such start"))?;
        let mut surfaces = BTreeSet::new();
        for number in request.surfaces {
            let surface = Surface::try_from(number).ok().filter(|known| *known != Surface::Unspecified);
            surfaces.insert(surface.ok_or_else(|| bad("there is no such surface"))?);
        }
        let sandboxes: BTreeSet<String> = request.sandboxes.into_iter().collect();
        let mut resume_after = BTreeMap::new();
        for place in request.resume_after {
            if !sandboxes.is_empty() && !sandboxes.contains(&place.sandbox) {
                return Err(bad("resume_after names a sandbox that is not asked for"));
            }
            if resume_after.insert(place.sandbox, place.sequence).is_some() {
                return Err(bad("resume_after names a sandbox twice"));
            }
        }
        if !sandboxes.iter().chain(resume_after.keys()).all(|name| wire::id::is_label(name)) {
            return Err(bad("the id of a sandbox is 1 to 63 of a-z, 0-9 and '-'"));
        }
        Ok(Self { sandboxes, surfaces, resume_after, start })
    }
}

/// A call that goes on.
struct Subscription {
    root: PathBuf,
    only: Only,
    /// Whether a log is of the tenants that are served, of each whose first record was read: a log's tenant never changes.
    served: BTreeMap<String, bool>,
    wanted: Wanted,
    places: BTreeMap<String, Place>,
    to: mpsc::Sender<Result<WatchResponse, Status>>,
}

/// How far it is with a log.
struct Place {
    mark: Mark,
    /// How often in a row it could not be read.
    failures: u32,
    /// The last record that the client has, or does not want.
    last: Option<u64>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client has the records up to `last`.
    Passing,
    /// It does not want what is there.
    Skipping,
    Live,
    Halted,
}

/// Why a call ends.
enum Ended {
    Gone,
    Refused(Box<Status>),
}

/// Whether there is more of a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    None,
    More,
    /// It cannot be read before then.
    Later(Instant),
}

impl Subscription {
    async fn run(&mut self) -> Result<(), Ended> {
        let unwatched =
            |_source: std::io::Error| refused(Status::internal("the logs cannot be listed or watched"));
        self.begin().map_err(unwatched)?;
        if let Some(sandbox) = self.wanted.resume_after.keys().find(|name| !self.places.contains_key(*name)) {
            return Err(refused(Status::not_found(format!("there is no log of {sandbox}"))));
        }
        let mut changes = Changes::new(&self.root, Duration::ZERO).map_err(unwatched)?;
        let mut left = BTreeSet::new();
        let mut later: BTreeMap<String, Instant> = BTreeMap::new();
        loop {
            left.extend(due(&mut later));
            let next = later.values().min().copied();
            let changed = tokio::select! {
                changed = changes.next(std::mem::take(&mut left)) => changed.map_err(unwatched)?,
                () = until(next) => continue,
            };
            for log in changed {
                let is_wanted = self.wants(&log.sandbox) && self.serves(&log);
                let rest = if is_wanted { self.turn(&log).await? } else { Rest::None };
                match rest {
                    Rest::None => {}
                    Rest::More => drop(left.insert(log.sandbox)),
                    Rest::Later(then) => drop(later.insert(log.sandbox, then)),
                }
                // Going over a long past, it does not keep the other calls waiting.
                tokio::task::yield_now().await;
            }
        }
    }

    fn wants(&self, sandbox: &str) -> bool {
        self.wanted.sandboxes.is_empty() || self.wanted.sandboxes.contains(sandbox)
    }

    /// Whether a log is one of those that are served, by its first record. Of any other the client does not even hear that it is
    /// there, or what is wrong with it; and so of one whose first record cannot be read.
    fn serves(&mut self, log: &Log) -> bool {
        if !self.only.is_for_sandbox(&log.sandbox) {
            return false;
        }
        if self.only.is_for_every_tenant() {
            return true;
        }
        if let Some(known) = self.served.get(&log.sandbox) {
            return *known;
        }
        let first = Records::open(&log.path, &Mark::START).and_then(|mut records| records.next(&mut 0));
        let Ok(Some(first)) = first else { return false };
        let is_served = self.only.is_for(&first);
        self.served.insert(log.sandbox.clone(), is_served);
        is_served
    }

    /// Where the logs of now begin. Later ones come whole.
    fn begin(&mut self) -> std::io::Result<()> {
        for log in logs::list(&self.root)? {
            let last = self.wanted.resume_after.get(&log.sandbox).copied();
            let stage = match (last, self.wanted.start) {
                (Some(_has), _) => Stage::Passing,
                (None, Start::First) => Stage::Live,
                (None, Start::Unspecified) => Stage::Skipping,
            };
            if self.serves(&log) {
                self.places.insert(log.sandbox, Place { mark: Mark::START, failures: 0, last, stage });
            }
        }
        Ok(())
    }

    /// Some records of one log.
    async fn turn(&mut self, log: &Log) -> Result<Rest, Ended> {
        let whole = || Place { mark: Mark::START, failures: 0, last: None, stage: Stage::Live };
        let mut place = self.places.remove(&log.sandbox).unwrap_or_else(whole);
        let rest = self.read(log, &mut place).await;
        self.places.insert(log.sandbox.clone(), place);
        rest
    }

    async fn read(&self, log: &Log, place: &mut Place) -> Result<Rest, Ended> {
        if place.stage == Stage::Halted || !log.path.exists() {
            return Ok(Rest::None);
        }
        let mut records = match Records::open(&log.path, &place.mark) {
            Ok(records) => records,
            Err(error) => return self.failed(log, place, &error).await,
        };
        for _nth in 0..TURN {
            let record = match records.next(&mut 0) {
                Ok(Some(record)) if record.sandbox.as_str() == log.sandbox => record,
                Ok(Some(_other)) => {
                    return self.halt(log, place, "it holds the log of another sandbox").await;
                }
                Ok(None) => return place.ended(&log.sandbox),
                Err(error) => return self.failed(log, place, &error).await,
            };
            place.failures = 0;
            place.mark = records.reader().mark();
            if !self.only.is_for(&record) {
                return self.halt(log, place, "it holds records of another tenant").await;
            }
            if let Some(lost) = place.passes(&record) {
                self.send(log, lost, record).await?;
            }
        }
        Ok(Rest::More)
    }

    async fn send(&self, log: &Log, lost: u64, record: Record) -> Result<(), Ended> {
        if lost > 0 {
            self.say(Kind::Lost(Lost { sandbox: log.sandbox.clone(), records: lost })).await?;
        }
        let event = FeedEvent::from(record);
        let surface = Surface::from(event.surface);
        if !self.wanted.surfaces.is_empty() && !self.wanted.surfaces.contains(&surface) {
            return Ok(());
        }
        let (sequence, json) = (event.sequence, event.to_json());
        let (surface, sandbox) = (surface.into(), log.sandbox.clone());
        self.say(Kind::Event(Event { surface, sandbox, sequence, json })).await
    }

    /// What is wrong with the log ends it; what passes is told once, and tried again.
    async fn failed(&self, log: &Log, place: &mut Place, error: &LogError) -> Result<Rest, Ended> {
        let cause = crate::service::one_line(error);
        if !error.passes() {
            return self.halt(log, place, &cause).await;
        }
        place.failures += 1;
        if place.failures == 1 {
            let sandbox = log.sandbox.clone();
            self.say(Kind::Delayed(Delayed { sandbox, cause })).await?;
        }
        Ok(Rest::Later(Instant::now() + Pace::default().wait(place.failures, None)))
    }

    async fn halt(&self, log: &Log, place: &mut Place, cause: &str) -> Result<Rest, Ended> {
        place.stage = Stage::Halted;
        let (sandbox, cause) = (log.sandbox.clone(), cause.to_owned());
        self.say(Kind::Halted(Halted { sandbox, cause })).await?;
        Ok(Rest::None)
    }

    async fn say(&self, kind: Kind) -> Result<(), Ended> {
        let response = WatchResponse { kind: Some(kind) };
        self.to.send(Ok(response)).await.map_err(|_unsent| Ended::Gone)
    }
}

impl Place {
    /// `Some`, if the record is for the client: how many before it are no longer kept.
    fn passes(&mut self, record: &Record) -> Option<u64> {
        let number = record.sequence;
        if self.stage == Stage::Skipping {
            self.last = Some(number);
            return None;
        }
        if self.last.is_some_and(|last| number <= last) {
            return None;
        }
        let lost = self.last.map_or(0, |last| number - last - 1);
        (self.last, self.stage) = (Some(number), Stage::Live);
        Some(lost)
    }

    /// Nothing more is there for now.
    fn ended(&mut self, sandbox: &str) -> Result<Rest, Ended> {
        let read = self.mark.sequence;
        match self.last {
            Some(last) if self.stage == Stage::Passing && read < last => {
                let cause = format!("the log of {sandbox} ends at record {read}, before {last}");
                Err(refused(Status::out_of_range(cause)))
            }
            _reached => {
                self.stage = Stage::Live;
                Ok(Rest::None)
            }
        }
    }
}

impl From<audit_watch::Surface> for Surface {
    fn from(surface: audit_watch::Surface) -> Self {
        match surface {
            audit_watch::Surface::AgentInput => Self::AgentInput,
            audit_watch::Surface::AgentOutput => Self::AgentOutput,
            audit_watch::Surface::AgentBehaviour => Self::AgentBehaviour,
            audit_watch::Surface::Finding => Self::Finding,
        }
    }
}

fn refused(status: Status) -> Ended {
    Ended::Refused(Box::new(status))
}

/// The logs whose time has come.
fn due(later: &mut BTreeMap<String, Instant>) -> BTreeSet<String> {
    let now = Instant::now();
    later.extract_if(.., |_sandbox, then| *then <= now).map(|(sandbox, _then)| sandbox).collect()
}

async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
