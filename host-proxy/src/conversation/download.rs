//! An answer that is judged as a file is: by its length, its kind, its digest, and what is in it.
//!
//! States: *beginning* (its first bytes tell its kind) → *held* until all of it is there and judged, where a verdict needs
//! that → *going on*, piece by piece → over. What is refused before anything of it went on is answered with a refusal, and
//! later it is broken off.
//!
//! *Invariant:* what is judged are the bytes that the client gets, all of them: the upstream is asked for no part and no
//! coding, and an answer that is one, or is coded, does not go on.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use http::response::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use policies::{DownloadRules, Inside, Judgement, Kind, Objection, Scan, Seen};
use ring::digest::{Context, SHA256};
use tokio::sync::Semaphore;
use wire::subject::Digest;

use super::answers::{InspectError, Looks};
use super::exchange::is_call;
use super::tally::Fetched;
use crate::credentials::Search;
use crate::download::{BEGINNING, Spool, kind_of, look};
use crate::refusal::Refusal;
use crate::room::{Full, Room};
use crate::scanner::{Origin, Scanners};

/// A body on its way through the rules.
pub(super) struct Download {
    rules: DownloadRules,
    kind: Kind,
    /// Bytes that came.
    seen: u64,
    /// Bytes that were announced.
    announced: Option<u64>,
    context: Option<Context>,
    /// What is there and has not gone on.
    ready: Spool,
    /// A copy of what went on, for who looks into it at the end without holding it back.
    copy: Option<Spool>,
    room: Room,
    searches: Arc<Semaphore>,
    scanners: Arc<Scanners>,
    /// What scanners are told of where it comes from: host and path.
    origin: (String, String),
    scans: Vec<(String, Scan)>,
    stage: Stage,
    fetched: Fetched,
    /// Where what was found is kept for the record.
    record: Arc<OnceLock<Fetched>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// More comes from the upstream.
    Coming,
    /// All is there, and judged.
    Judged,
    /// It is left out: its status says enough.
    LeftOut,
}

impl Download {
    /// Reads as much as tells whether it may begin to go on.
    pub(super) async fn begin(
        (parts, body): (&mut Parts, &mut Incoming),
        rules: &DownloadRules,
        looks: Looks<'_>,
    ) -> Result<Self, InspectError> {
        let mut download = Self::new(rules, looks, body.size_hint().exact());
        if let Some(why) = unjudgeable(parts, looks) {
            return Err(download.unfit(why));
        }
        parts.headers.remove(header::CONTENT_RANGE);
        parts.headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        while download.seen < BEGINNING as u64 && download.read(body).await? {}
        let begin = download.beginning();
        download.kind = kind_of(&begin);
        let known = download.announced.unwrap_or(download.seen);
        download.judge(known, None)?.map_or(Ok(()), |why| download.object(&why, parts.status))?;
        if download.stage == Stage::LeftOut {
            return Ok(download);
        }
        if rules.hold() {
            while download.read(body).await? {}
            if let Some(why) = download.finish().await? {
                download.object(&why, parts.status)?;
            }
        } else if rules.look_inside() {
            download.copy = Some(download.ready.clone());
        }
        Ok(download)
    }

    fn new(rules: &DownloadRules, looks: Looks<'_>, announced: Option<u64>) -> Self {
        let Looks { proxy, tally, request, .. } = looks;
        let origin = (request.authority.to_field(request.scheme), request.resource.path().to_owned());
        Self {
            rules: rules.clone(),
            kind: Kind::Other,
            seen: 0,
            announced,
            context: Some(Context::new(&SHA256)),
            ready: Spool::default(),
            copy: None,
            room: Room::new(&proxy.rooms.downloads),
            searches: Arc::clone(&proxy.rooms.searches),
            scanners: Arc::clone(&proxy.scanners),
            origin,
            scans: Vec::new(),
            stage: Stage::Coming,
            fetched: Fetched::default(),
            record: tally.fetched(),
        }
    }

    /// How long it is as it goes on, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self.stage {
            Stage::Coming => self.announced,
            Stage::Judged => Some(self.ready.len()),
            Stage::LeftOut => Some(0),
        }
    }

    /// Whether all of it has gone on.
    pub(super) fn is_over(&self) -> bool {
        match self.stage {
            Stage::Coming => false,
            Stage::Judged => self.ready.is_empty(),
            Stage::LeftOut => true,
        }
    }

    /// What goes on next. Trailers do not: nobody judges them.
    pub(super) async fn piece(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, InspectError>> {
        loop {
            if self.stage == Stage::LeftOut {
                return None;
            }
            // Who could stop here has all of it, and nobody would have looked: the end comes first.
            let is_last = self.copy.is_some() && self.announced == Some(self.seen);
            if !is_last && let Some(piece) = self.ready.take() {
                // What is gone leaves its room to others.
                let _less_always_fits = self.fit();
                return Some(Ok(Frame::data(piece)));
            }
            if self.stage == Stage::Judged {
                return None;
            }
            match self.read(body).await {
                Ok(true) => {}
                Ok(false) => match self.finish().await {
                    Ok(None) => {}
                    Ok(Some(why)) => return Some(Err(self.refused(&why))),
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Takes what comes next; `false` at the end.
    async fn read(&mut self, body: &mut Incoming) -> Result<bool, InspectError> {
        let Some(frame) = body.frame().await else { return Ok(false) };
        let Ok(data) = frame?.into_data() else { return Ok(true) };
        self.seen = self.seen.saturating_add(data.len() as u64);
        if self.rules.most().is_some_and(|most| self.seen > most)
            && let Some(why) = self.judge(self.seen, None)?
        {
            return Err(self.refused(&why));
        }
        if let Some(context) = &mut self.context {
            context.update(&data);
        }
        self.ready.push(&data);
        if let Some(copy) = &mut self.copy {
            copy.push(&data);
        }
        if self.fit().is_ok() {
            return Ok(true);
        }
        if self.copy.take().is_none() {
            return Err(self.full());
        }
        // Nobody has to know what is in it.
        self.fetched.note("it was not looked into: too much is held back".to_owned());
        self.fit().map_err(|_full| self.full()).map(|()| true)
    }

    /// Takes as much room as it needs now.
    fn fit(&mut self) -> Result<(), Full> {
        let copied = self.copy.as_ref().map_or(0, Spool::len);
        self.room.fit(self.ready.len() + copied)
    }

    /// All of it came: what the rules say of it as a whole.
    async fn finish(&mut self) -> Result<Option<Objection>, InspectError> {
        self.stage = Stage::Judged;
        let digest = self.context.take().map(Context::finish);
        let digest = digest.map(|digest| Digest(digest.as_ref().try_into().expect("SHA-256 has 32 bytes")));
        self.fetched.sha256 = digest;
        let inside = if self.rules.look_inside() { self.search().await } else { None };
        if self.rules.hold() {
            self.scan().await;
        }
        let verdict = self.judge(self.seen, inside.as_ref())?;
        // Whoever objects has more to note.
        if verdict.is_none() {
            self.keep();
        }
        Ok(verdict)
    }

    /// Looks for programs in what is held back, or in the copy of what was not, on a thread of its own.
    async fn search(&mut self) -> Option<Inside> {
        let held = self.rules.hold();
        let body = if held { Some(std::mem::take(&mut self.ready)) } else { self.copy.take() }?;
        let turn = Arc::clone(&self.searches).acquire_owned().await.expect("the turns never end");
        // With its room: who no longer waits for the answer does not end the search.
        let (kind, room) = (self.kind, self.room.hand_over());
        let work = tokio::task::spawn_blocking(move || {
            let inside = look(&body, kind);
            drop(turn);
            (body, room, inside)
        });
        let (body, room, inside) = work.await.expect("a search that panics ends the process");
        self.room = room;
        if held {
            self.ready = body;
        }
        Some(inside)
    }

    /// Has what is held back scanned by all whom a rule names.
    async fn scan(&mut self) {
        let (host, path) = &self.origin;
        let origin = Origin { host, path };
        for name in self.rules.scanners() {
            let said = self.scanners.scan(name, &self.ready, origin).await;
            self.scans.push((name.to_owned(), said));
        }
    }

    /// What the rules say of it as far as it is known; what they have to note is noted.
    fn judge(&mut self, bytes: u64, inside: Option<&Inside>) -> Result<Option<Objection>, InspectError> {
        let seen = Seen { kind: self.kind, bytes, sha256: self.fetched.sha256, inside, scans: &self.scans };
        let Judgement { refused, notes } = self.rules.judge(&seen);
        notes.into_iter().for_each(|note| self.fetched.note(note));
        (self.fetched.kind, self.fetched.bytes) = (Some(self.kind), bytes);
        Ok(refused)
    }

    /// Refuses it, or only its body: of what is no file, status and fields say what the client has to know.
    fn object(&mut self, why: &Objection, status: StatusCode) -> Result<(), InspectError> {
        if status.is_success() || why.is_listed {
            return Err(self.refused(why));
        }
        self.fetched.note(format!("its body was left out: {}", why.reason));
        self.stage = Stage::LeftOut;
        self.ready = Spool::default();
        self.keep();
        Ok(())
    }

    fn refused(&mut self, why: &Objection) -> InspectError {
        self.keep();
        InspectError::Refused(Box::new(Refusal::download(&why.rule, why.reason.clone(), why.hint.clone())))
    }

    /// It cannot be judged.
    fn unfit(&self, why: &str) -> InspectError {
        let rule = self.rules.names().next().unwrap_or_default();
        let reason = format!("rule '{rule}' judges downloads, and {why}");
        let hint = "the server must send the whole file as it is".to_owned();
        InspectError::Refused(Box::new(Refusal::download(rule, reason, hint)))
    }

    fn full(&self) -> InspectError {
        let rule = self.rules.names().next().unwrap_or_default();
        InspectError::Refused(Box::new(Refusal::held_back(rule)))
    }

    fn keep(&self) {
        let _first_is_kept = self.record.set(self.fetched.clone());
    }

    fn beginning(&self) -> Vec<u8> {
        let mut begin = Vec::new();
        let reader = self.ready.reader().take(BEGINNING as u64).read_to_end(&mut begin);
        reader.expect("memory can be read");
        begin
    }
}

/// Whoever ends it early takes nothing off the record.
impl Drop for Download {
    fn drop(&mut self) {
        if self.fetched.kind.is_none() || self.record.get().is_some() {
            return;
        }
        self.fetched.bytes = self.seen;
        if self.stage == Stage::Coming {
            self.fetched.note("it was not judged as a whole: it did not come to its end".to_owned());
        }
        self.keep();
    }
}

/// Why what comes back is not the whole file as the client will have it.
fn unjudgeable(parts: &Parts, looks: Looks<'_>) -> Option<&'static str> {
    let measures = looks.permit.longest_call().is_some() && is_call(&parts.headers);
    if measures || looks.permit.answers().is_some() {
        return Some("another looks for messages in the same answer");
    }
    if matches!(parts.status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED) {
        return Some("the server sent a part of a file");
    }
    (!Search::can_read(&parts.headers)).then_some("the server sent it compressed")
}
