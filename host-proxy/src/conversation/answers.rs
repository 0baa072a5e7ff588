//! An answer whose messages are judged before they reach the client: a JSON text as a whole, an event stream event by
//! event. Without rules for it, an answer goes on as it comes.

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use policies::{AnswerRules, Answered, Foreign, Permit};

use super::calls::{Lengths, TooLong};
use super::download::Download;
use super::events::Events;
use super::exchange::is_call;
use super::room::{Full, Room};
use super::tally::Tally;
use crate::canonical::CanonicalRequest;
use crate::credentials::Search;
use crate::fields;
use crate::proxy::Proxy;
use crate::refusal::Refusal;

/// Longest JSON text.
const LONGEST: usize = 16 << 20;

/// The body of an answer.
pub(super) struct Inspected {
    body: Incoming,
    form: Form,
}

enum Form {
    /// It is not looked into.
    AsItIs,
    /// It was read and judged; or its end.
    Read(Option<Bytes>, Room),
    Events(Events, Room),
    /// Each of its messages is measured.
    Call(Lengths),
    /// It is judged as a file is.
    Download(Box<Download>),
}

/// By what an answer is looked into, and with what.
#[derive(Clone, Copy)]
pub(super) struct Looks<'a> {
    pub(super) permit: &'a Permit,
    pub(super) proxy: &'a Proxy,
    pub(super) request: &'a CanonicalRequest,
    pub(super) tally: &'a Tally,
}

/// Why an answer does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectError {
    /// It is broken.
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    /// It says what it may not say.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// A message of a call is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A download may not go on.
    #[error("{}", .0.error)]
    Refused(Box<Refusal>),
}

impl From<Full> for InspectError {
    fn from(_full: Full) -> Self {
        Foreign::unreadable("too much is held back of the sandbox's answers").into()
    }
}

/// What an answer claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
    /// Clients may differ on which it is, or on its characters.
    Unclear,
    Other,
}

impl Inspected {
    /// Asks the upstream for an answer that can be read: whole, and as it is.
    pub(super) fn ask_for_plain(asked: &mut HeaderMap) {
        fields::remove(asked, &["accept-encoding", "range", "request-range", "if-range", "a-im"]);
        asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }

    /// The answer with its body as what was permitted lets it go on.
    pub(super) async fn of(
        response: Response<Incoming>,
        looks: Option<Looks<'_>>,
    ) -> Result<Response<Self>, InspectError> {
        let (mut parts, mut body) = response.into_parts();
        let downloads = looks.and_then(|looks| Some((looks, looks.permit.downloads()?)));
        if let Some((looks, rules)) = downloads.filter(|_rules| !body.is_end_stream()) {
            let download = Download::begin((&mut parts, &mut body), rules, looks).await?;
            return Ok(Response::from_parts(parts, Self { body, form: Form::Download(Box::new(download)) }));
        }
        let permit = looks.map(|looks| (looks.permit, &looks.proxy.rooms.answers));
        if let Some(most) =
            permit.and_then(|(permit, _room)| permit.longest_call()).filter(|_most| is_call(&parts.headers))
        {
            let form = Form::Call(Lengths::new(most));
            return Ok(Response::from_parts(parts, Self { body, form }));
        }
        let rules = permit.and_then(|(permit, answers)| Some((permit.answers()?, answers)));
        let Some((rules, answers)) = rules.filter(|_rules| !body.is_end_stream()) else {
            return Ok(Response::from_parts(parts, Self { body, form: Form::AsItIs }));
        };
        let (kind, mut room) = (kind_of(&parts.headers), Room::new(answers));
        // Clients read what an error says, and take no message from it unless it is one.
        let form = match (kind, parts.status) {
            (Kind::Other, status) if !status.is_success() => Form::AsItIs,
            (Kind::Unclear, _) => return Err(Foreign::unreadable("its content-type is not clear").into()),
            _ if !Search::can_read(&parts.headers) => {
                return Err(Foreign::unreadable("it is compressed").into());
            }
            (Kind::Events, _) => Form::Events(Events::new(rules.clone()), room),
            (kind, _) => Form::Read(Some(judged(collect(&mut body, &mut room).await?, rules, kind)?), room),
        };
        Ok(Response::from_parts(parts, Self { body, form }))
    }

    /// How long the body is, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.form {
            Form::AsItIs | Form::Call(_) => self.body.size_hint().exact(),
            Form::Read(rest, _room) => Some(rest.as_ref().map_or(0, |rest| rest.len() as u64)),
            Form::Events(..) => None,
            Form::Download(download) => download.length(),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match &self.form {
            Form::Read(rest, _room) => rest.is_none(),
            Form::AsItIs | Form::Call(_) => self.body.is_end_stream(),
            Form::Events(events, _room) => events.cut().is_none() && self.body.is_end_stream(),
            Form::Download(download) => download.is_over(),
        }
    }

    /// What goes on next.
    pub(super) async fn frame(&mut self) -> Option<Result<Frame<Bytes>, InspectError>> {
        match &mut self.form {
            Form::Read(rest, _room) => rest.take().map(|rest| Ok(Frame::data(rest))),
            Form::AsItIs => Some(self.body.frame().await?.map_err(InspectError::from)),
            Form::Call(lengths) => match self.body.frame().await? {
                Ok(frame) => {
                    let seen = frame.data_ref().map_or(Ok(()), |data| lengths.see(data));
                    Some(seen.map(|()| frame).map_err(InspectError::from))
                }
                Err(error) => Some(Err(error.into())),
            },
            Form::Download(download) => download.piece(&mut self.body).await,
            Form::Events(events, room) => loop {
                if let Some(why) = events.cut() {
                    return Some(Err(why.clone().into()));
                }
                let data = match self.body.frame().await? {
                    Ok(frame) => frame.into_data(),
                    Err(error) => return Some(Err(error.into())),
                };
                // Trailers say nothing to a client of events. An event without an end is none.
                let Ok(data) = data else { continue };
                let whole = events.piece(&data);
                if let Err(full) = room.fit(events.held() as u64) {
                    return Some(Err(full.into()));
                }
                if !whole.is_empty() {
                    return Some(Ok(Frame::data(whole)));
                }
            },
        }
    }
}

async fn collect(body: &mut Incoming, room: &mut Room) -> Result<Bytes, InspectError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + data.len() > LONGEST {
            return Err(Foreign::unreadable("it is too long").into());
        }
        room.fit((whole.len() + data.len()) as u64)?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The body as it may go on.
fn judged(body: Bytes, rules: &AnswerRules, kind: Kind) -> Result<Bytes, Foreign> {
    if body.is_empty() {
        return Ok(body);
    }
    match kind {
        Kind::Json => match rules.judge(&body) {
            Ok(Answered::AsItIs) => Ok(body),
            Ok(Answered::Instead(text)) => Ok(Bytes::from(text)),
            Err(why) => Err(why),
        },
        Kind::Events | Kind::Unclear | Kind::Other => {
            Err(Foreign::unreadable("it is neither JSON nor an event stream"))
        }
    }
}

fn kind_of(fields: &HeaderMap) -> Kind {
    let mut kinds = fields.get_all(header::CONTENT_TYPE).iter().map(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = match parts.next() {
            Some(b"application/json") => Kind::Json,
            Some(b"text/event-stream") => Kind::Events,
            _ => return Kind::Other,
        };
        let plain = parts.all(|part| matches!(part, b"charset=utf-8" | b"charset=\"utf-8\""));
        if plain { kind } else { Kind::Unclear }
    });
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        (None, _) => Kind::Other,
        // Of two, a client may take either.
        _ => Kind::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_of_a_kind_only_if_its_characters_are_known() {
        let kind = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value)));
            kind_of(&pairs.collect())
        };
        assert_eq!(kind(&["application/json"]), Kind::Json);
        assert_eq!(kind(&["Text/Event-Stream; charset=UTF-8"]), Kind::Events);
        assert_eq!(kind(&["text/html; charset=utf-7"]), Kind::Other);
        assert_eq!(kind(&[]), Kind::Other);
        for odd in [
            &["text/event-stream; charset=utf-7"][..],
            &["application/json; charset=utf-16"],
            &["application/json; charset=utf-8; charset=utf-7"],
            &["application/json; x=y"],
            &["application/json", "text/html"],
        ] {
            assert_eq!(kind(odd), Kind::Unclear, "{odd:?}");
        }
    }
}
