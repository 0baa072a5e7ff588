//! An allowed request: to the upstream, and its response back to the client, both as they come.
//!
//! It knows a client only as somebody who sends a body ([`Upload`]) and takes an answer ([`Reply`]).

use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use policies::Permit;
use tokio::time::timeout;
use wire::id::PolicyVersion;

use super::Named;
use super::age;
use super::answers::{InspectError, Inspected, Looks};
use super::calls::Calls;
use super::held::Held;
use super::link::{Kept, Link, Ways};
use super::tally::Tally;
use crate::credentials::{Misplaced, Search, Watch};
use crate::digest::Passing;
use crate::ending;
use crate::fields;
use crate::http1::{Head, Length, ReadError};
use crate::journal;
use crate::judge::Granted;
use crate::proxy::Proxy;
use crate::refusal::{Refusal, chain};
use crate::upstream::{Feeder, Outbound, Outgoing, Trailers};

pub(super) use super::ends::{Extent, Fault, More, Reply, Upload};

/// How long an upstream may be silent. A model may think for minutes before its first word.
pub(super) const UPSTREAM_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What became of an allowed request; it stands in the log.
pub(super) enum Done<T> {
    /// It is answered.
    Over(T),
    /// It is answered, and the log did not take it: the connection must end.
    Unrecorded,
    /// It is not answered: the client gets this.
    Refused(Refusal),
    /// The answer was broken off.
    BrokenOff,
    /// The sandbox ended meanwhile.
    Ended,
}

/// Why a client's body did not reach its end.
enum Unfed {
    /// It is not what was announced, or the client is gone.
    Client(ReadError),
    /// It may not go on.
    Misplaced(Misplaced),
    /// It may not go on, either: a message of it is too long.
    TooLong(Box<Refusal>),
}

/// One exchange.
pub(super) struct Exchange<'a, U, D> {
    pub(super) named: Named<'a>,
    pub(super) ways: Ways<'a>,
    pub(super) upload: &'a mut U,
    pub(super) reply: &'a mut D,
    pub(super) tally: &'a Tally,
}

/// The way of a response to the client.
struct Relay<'a, D> {
    reply: &'a mut D,
    method: &'a Method,
    tally: &'a Tally,
    /// For secrets, if it comes from where one is known.
    search: Option<Search>,
    /// For what its server may say, and what may be in it.
    looks: Option<Looks<'a>>,
}

/// Does `work` while the policy in force permits it and the sandbox lives, and records what came of it. `conforms` becomes
/// the policy that permitted it last.
///
/// The work is boxed: every layer that owns it would hold it twice, as its argument and pinned, in each connection even
/// between two requests. Owned it must be, because a layer that says no drops it, which cuts what is under way.
pub(super) async fn see_through<T>(
    named: Named<'_>,
    (granted, tally): (&Granted, &Tally),
    conforms: &mut PolicyVersion,
    work: Pin<Box<impl Future<Output = Result<T, Fault>>>>,
) -> Done<T> {
    let (Named { proxy, case, id }, Granted { permit, stay, .. }) = (named, granted);
    let refuse = async |refusal| {
        let judge = &proxy.judge;
        judge.fail_request(case.asker, id, case.request, (refusal, tally.outcome())).await
    };
    let upheld = tokio::select! {
        biased;
        () = stay.ended() => {
            let outcome = tally.outcome().with_note(ending::REASON);
            let _nobody_to_tell = proxy.judge.record_outcome(case.asker, id, case.request, outcome).await;
            return Done::Ended;
        }
        upheld = proxy.judge.uphold_request(case, permit, conforms, work) => upheld,
    };
    let result = match upheld {
        Ok(result) => result.map_err(|fault| explained(fault, tally.limit(permit))),
        Err(revoked) if !tally.answering.load(Ordering::Relaxed) => Err(Fault::Before(revoked)),
        Err(revoked) => {
            let _told_by_breaking_off = refuse(revoked).await;
            return Done::BrokenOff;
        }
    };
    if let (Err(Fault::During), Some(cut)) = (&result, tally.cut.get()) {
        let _told_by_breaking_off = refuse(cut.clone()).await;
        return Done::BrokenOff;
    }
    if let Err(Fault::Before(refusal)) = result {
        return Done::Refused(refuse(refusal).await);
    }
    let recorded = proxy.judge.record_outcome(case.asker, id, case.request, tally.outcome()).await;
    match (result, recorded) {
        (Err(_), _) => Done::BrokenOff,
        (Ok(_), Err(_)) => Done::Unrecorded,
        (Ok(done), Ok(())) => Done::Over(done),
    }
}

impl From<ReadError> for Unfed {
    fn from(error: ReadError) -> Self {
        Self::Client(error)
    }
}

impl From<Misplaced> for Unfed {
    fn from(misplaced: Misplaced) -> Self {
        Self::Misplaced(misplaced)
    }
}

impl<'a> Named<'a> {
    /// Where a way for this request comes from.
    pub(super) fn ways(self, granted: &'a Granted) -> Ways<'a> {
        let Proxy { dialer, pool, .. } = self.proxy;
        let Granted { permit, policy, carried, .. } = granted;
        Ways { dialer, pool, permit, request: self.case.request, policy: *policy, carried }
    }

    /// The request as it goes out. The fields of `head` are those that were judged.
    /// `body`: all of it, if it was read.
    ///
    /// # Errors
    /// A credential could not be put in.
    pub(super) fn outbound(
        self,
        Ways { permit, carried, policy, .. }: Ways<'_>,
        head: Head,
        body: Option<&[u8]>,
    ) -> Result<Outbound, Misplaced> {
        let trailers = if head.accepts_trailers { Trailers::Wanted } else { Trailers::Unwanted };
        let mut out = Outbound::new(permit, self.case.request, head.fields, head.length);
        carried.add_to(&mut out, body)?;
        if permit.answers().is_some() || permit.downloads().is_some() {
            Inspected::ask_for_plain(out.fields_mut());
        }
        if self.proxy.judge.is_model_host(permit.host()) {
            self.vouch(out.fields_mut(), permit, policy);
        }
        Ok(out.with_trailers(trailers))
    }

    /// Tells the router whose request this is, and under what it is allowed. The guest's own fields of these names
    /// were removed before.
    fn vouch(self, fields: &mut HeaderMap, permit: &Permit, policy: PolicyVersion) {
        let conditions = permit.inference().to_string();
        let (flow, policy) = (self.case.asker.flow.0.to_string(), policy.0.to_string());
        let claims = [
            (wire::inference::SANDBOX, self.proxy.sandbox.as_str()),
            (wire::inference::REQUEST, self.id.0.as_str()),
            (wire::inference::FLOW, &flow),
            (wire::inference::POLICY, &policy),
            (wire::inference::CONDITIONS, &conditions),
        ];
        for (name, value) in claims {
            let value = value.escape_default().to_string();
            fields.insert(name, HeaderValue::try_from(value).expect("escaped text is plain ASCII"));
        }
        fields.insert(wire::inference::SUBJECT, journal::header_of(&self.case.asker.subject));
    }
}

impl<U: Upload, D: Reply> Exchange<'_, U, D> {
    /// Sends the request on and relays the response; gives the upstream back for the next request.
    pub(super) async fn run(self, mut head: Head, kept: Option<Kept>) -> Result<Option<Kept>, Fault> {
        let Self { named, ways, tally, .. } = self;
        Box::pin(age::check(named, ways.permit, tally)).await.map_err(Fault::Before)?;
        let held = match ways.carried.holds() {
            Some(bound) => {
                let client = (&mut *self.upload, &mut *self.reply);
                Some(Box::pin(Held::read((named, ways, tally), (&mut head, bound), client)).await?)
            }
            None => None,
        };
        let mut link = ways.reach(kept).await.map_err(Fault::Before)?;
        if head.expects_continue && head.length != Length::Exact(0) {
            tally.answering.store(true, Ordering::Relaxed);
            self.reply.carry_on().await.map_err(|_client_is_gone| Fault::During)?;
            tally.answering.store(false, Ordering::Relaxed);
        }
        let announced = announced(head.length);
        let (feeder, body) = body_of(announced);
        let passing = tally.passing_up(announced);
        let out = named.outbound(ways, head, held.as_ref().map(Held::body));
        let out = out.map_err(|why| Fault::Before(tally.misplaced(why)))?;
        let (method, search) = (&named.case.request.method, ways.carried.search());
        let looks =
            Some(Looks { permit: ways.permit, proxy: named.proxy, request: named.case.request, tally });
        let client = self.upload;
        let relay = Relay { reply: self.reply, method, tally, search, looks };
        let watch = named.proxy.judge.watch(ways.permit.host());
        let look = Look { passing, watch, calls: Calls::of(ways.permit) };
        let upload = async move {
            match held {
                Some(held) => {
                    held.feed(feeder, tally).await;
                    Ok(())
                }
                None => feed(client, feeder, (tally, look)).await,
            }
        };
        both(upload, relay.run(&mut link, (&out, body)), tally).await?;
        Ok(link.keep())
    }
}

/// Relays a response that was not followed by what the request asked for.
pub(super) async fn relay_answer<D: Reply>(
    response: Response<Incoming>,
    reply: &mut D,
    (method, tally): (&Method, &Tally),
    search: Option<Search>,
) -> Result<(), Fault> {
    Relay { reply, method, tally, search, looks: None }.answer(response).await
}

impl<D: Reply> Relay<'_, D> {
    /// Sends the request and relays the response.
    async fn run(self, link: &mut Link<'_>, (out, body): (&Outbound, Outgoing)) -> Result<(), Fault> {
        let answered = tokio::select! {
            answered = timeout(UPSTREAM_PATIENCE, link.send(out, body)) => answered,
            () = self.reply.unwanted() => return Err(Fault::During),
        };
        match answered {
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let error = "the upstream switched protocols unasked".to_owned();
                self.tally.status.store(response.status().as_u16(), Ordering::Relaxed);
                Err(Fault::Before(Refusal::broken_upstream(StatusCode::BAD_GATEWAY, error)))
            }
            Ok(Ok(response)) => self.answer(response).await,
            Ok(Err(refusal)) => Err(Fault::Before(refusal)),
            Err(_elapsed) => Err(Fault::Before(late())),
        }
    }

    async fn answer(mut self, response: Response<Incoming>) -> Result<(), Fault> {
        self.tally.status.store(response.status().as_u16(), Ordering::Relaxed);
        let inspected = Inspected::of(response, self.looks);
        let response = tokio::select! {
            response = timeout(UPSTREAM_PATIENCE, inspected) => response,
            () = self.reply.unwanted() => return Err(Fault::During),
        };
        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => return Err(Fault::Before(self.refusal(&why))),
            Err(_elapsed) => return Err(Fault::Before(late())),
        };
        self.search = self.search.take().filter(|search| search.concerns(response.status()));
        let has_body = !matches!(self.extent(&response), Extent::None | Extent::Head(_));
        if self.search.is_some() && has_body && !Search::can_read(response.headers()) {
            let error = "the upstream compressed an answer that must be searched for credentials".to_owned();
            return Err(Fault::Before(Refusal::broken_upstream(StatusCode::BAD_GATEWAY, error)));
        }
        let is_judged = self.looks.is_some_and(|looks| looks.permit.downloads().is_some());
        if is_judged && self.extent(&response) == Extent::Unknown && !self.reply.shows_its_end() {
            return Err(Fault::Before(Refusal::unending()));
        }
        self.tally.answering.store(true, Ordering::Relaxed);
        self.relay(response).await.map_err(|error| {
            tracing::debug!(error = %chain(error.as_ref()), "a response was broken off");
            Fault::During
        })
    }

    async fn relay(
        mut self,
        response: Response<Inspected>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let extent = self.extent(&response);
        let (mut parts, mut body) = response.into_parts();
        fields::clean_response(&mut parts.headers);
        self.search_fields(&mut parts.headers);
        let searched = !is_call(&parts.headers);
        let mut passing = self.tally.passing_down(extent.announced());
        self.reply.head(&Response::from_parts(parts, ()), extent)?;
        let mut trailers = None;
        loop {
            let frame = tokio::select! {
                frame = timeout(UPSTREAM_PATIENCE, body.frame()) => frame?,
                () = self.reply.unwanted() => return Err("the client wants it no more".into()),
            };
            let frame = frame.transpose().inspect_err(|why| self.note_cut(why))?;
            let Some(frame) = frame else { break };
            match frame.into_data() {
                Ok(data) => {
                    self.tally.spend(data.len())?;
                    self.tally.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                    // What the upstream already ended goes out with its end; everything else at once.
                    let more = if body.is_end_stream() { More::Soon } else { More::Later };
                    let data = match &mut self.search {
                        Some(search) if searched => search.piece(data),
                        _ => data,
                    };
                    if !data.is_empty() {
                        passing.see(&data);
                        self.reply.piece(data, more).await?;
                        passing.has_passed();
                    }
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        if let Some(trailers) = &mut trailers {
            fields::clean_trailers(trailers);
            self.search_fields(trailers);
        }
        if let Some(mut search) = self.search.take() {
            let rest = search.end();
            if !rest.is_empty() {
                passing.see(&rest);
                self.reply.piece(rest, More::Soon).await?;
            }
            if search.found() > 0 {
                let note = format!("a credential was taken out of the answer {} times", search.found());
                let _set_once = self.tally.note.set(note);
            }
        }
        passing.has_ended();
        self.reply.end(trailers).await?;
        Ok(())
    }

    fn refusal(&self, why: &InspectError) -> Refusal {
        let rule = self.looks.map_or("", |looks| looks.permit.rule());
        match why {
            InspectError::Upstream(error) => Refusal::unspoken(error),
            InspectError::Foreign(why) => Refusal::foreign(rule, why),
            InspectError::TooLong(why) => Refusal::long_call(rule, why),
            InspectError::Refused(refusal) => (**refusal).clone(),
        }
    }

    /// What the record says about an answer that is broken off by us.
    fn note_cut(&self, why: &InspectError) {
        if !matches!(why, InspectError::Upstream(_)) {
            let _first_is_kept = self.tally.cut.set(self.refusal(why));
        }
    }

    fn search_fields(&mut self, fields: &mut HeaderMap) {
        if let Some(search) = &mut self.search {
            search.fields(fields);
        }
    }

    fn extent(&self, response: &Response<Inspected>) -> Extent {
        let announced = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        match (response.status(), response.body().length()) {
            (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => Extent::None,
            _ if self.method == Method::HEAD => Extent::Head(announced),
            (_, Some(length)) => Extent::Exact(length),
            (_, None) => Extent::Unknown,
        }
    }
}

/// What looks at a client's body as it passes.
struct Look<'a> {
    passing: Passing<'a>,
    watch: Option<Watch>,
    calls: Option<Calls<'a>>,
}

/// What the client hears: a limit that was reached is why all the rest went wrong.
fn explained(fault: Fault, limit: Option<Refusal>) -> Fault {
    match (fault, limit) {
        (Fault::Before(_), Some(limit)) => Fault::Before(limit),
        (fault, _) => fault,
    }
}

/// Whether an answer is one of gRPC, whose messages both sides wait for: nothing of them can be held back.
pub(super) fn is_call(fields: &HeaderMap) -> bool {
    fields.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pub(super) fn late() -> Refusal {
    let error = "the upstream did not answer in time".to_owned();
    Refusal::broken_upstream(StatusCode::GATEWAY_TIMEOUT, error)
}

fn announced(length: Length) -> Option<u64> {
    match length {
        Length::Exact(bytes) => Some(bytes),
        Length::Chunked => None,
    }
}

/// A body for the upstream, and what feeds it.
fn body_of(announced: Option<u64>) -> (Option<Feeder>, Outgoing) {
    if announced == Some(0) {
        return (None, Outgoing::Nothing);
    }
    let (feeder, body) = Outgoing::fed(announced);
    (Some(feeder), body)
}

/// Reads the client's body and feeds it to the upstream, as fast as the upstream takes it. An upstream that
/// wants no more ends it early, and so does a limit.
async fn feed<U: Upload>(
    upload: &mut U,
    feeder: Option<Feeder>,
    (tally, mut look): (&Tally, Look<'_>),
) -> Result<(), Unfed> {
    let Some(feeder) = feeder else { return Ok(()) };
    while let Some(piece) = upload.piece().await? {
        let length = piece.len() as u64;
        tally.watch(&mut look.watch, &piece)?;
        look.calls.as_mut().map_or(Ok(()), |calls| calls.see(&piece)).map_err(Unfed::TooLong)?;
        if tally.spend(piece.len()).is_err() {
            // Dropped before its end, the feeder breaks the body off.
            return Ok(());
        }
        look.passing.see(&piece);
        if !feeder.piece(piece).await {
            return Ok(());
        }
        tally.sent.fetch_add(length, Ordering::Relaxed);
        look.passing.has_passed();
    }
    // Before the upstream can hear of the end, and answer.
    look.passing.has_ended();
    let _or_unwanted = feeder.end().await;
    Ok(())
}

/// Runs both ways at once until the response is relayed; what is then left of the body is nobody's. A body that may not
/// go on ends both, whatever the upstream says to the part that it has.
async fn both(
    upload: impl Future<Output = Result<(), Unfed>>,
    download: impl Future<Output = Result<(), Fault>>,
    tally: &Tally,
) -> Result<(), Fault> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut cause = None;
    let mut uploading = true;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut download => break result,
            result = &mut upload, if uploading => {
                uploading = false;
                match result {
                    Ok(()) => {}
                    Err(Unfed::Client(error)) => cause = Some(error),
                    Err(Unfed::Misplaced(_)) if tally.answering.load(Ordering::Relaxed) => {
                        break Err(Fault::During);
                    }
                    Err(Unfed::Misplaced(why)) => break Err(Fault::Before(Refusal::from(&why))),
                    Err(Unfed::TooLong(why)) if tally.answering.load(Ordering::Relaxed) => {
                        let _first_is_kept = tally.cut.set(*why);
                        break Err(Fault::During);
                    }
                    Err(Unfed::TooLong(why)) => break Err(Fault::Before(*why)),
                }
            }
        }
    };
    match (result, cause) {
        // The upstream failed because the client's body did: that is what the client must hear.
        (Err(Fault::Before(_)), Some(cause)) => Err(Fault::Before(Refusal::malformed(&cause))),
        (result, _) => result,
    }
}
