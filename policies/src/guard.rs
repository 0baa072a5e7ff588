//! What comes back from a server of the Model Context Protocol: it may ask the client for something, too.
//!
//! A message of the server's is an answer, a notification, or a request (`sampling/createMessage`,
//! `elicitation/create`, `roots/list`, …), which some rule of the endpoint must allow and none deny. A list of tools is
//! shortened to those that may be called.

use std::sync::Arc;

use crate::Request;
use crate::answer::Answer;
use crate::document::Effect;
use crate::message::json::{self, Json};
use crate::message::rpc::Protocol;
use crate::message::{Spoken, Unreadable, Words, is_name};
use crate::rule::Rule;

/// The error of a server that wants its user to visit a page first: a request to elicit, by another way.
const ELICITS: &str = "-32042";

/// A rule that looks into the messages of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) rule: Arc<Rule>,
    /// Whether its allow lists count. Its deny lists do.
    grants: bool,
    /// Whether the path is as the rule writes it.
    path: Answer,
}

/// What the rules of one endpoint say about what its server sends.
#[derive(Clone, Debug)]
pub struct AnswerRules(Vec<Reading>);

/// The rules for one reading of the request's path.
#[derive(Clone, Debug)]
struct Reading(Vec<Guard>);

/// One message of a server's that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// As it came.
    AsItIs,
    /// In these words: tools were left out.
    Instead(String),
}

/// Why a message of a server's may not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It has no or more than one reading.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// It asks for what no rule lets it ask.
    #[error("the server asked for '{0}', which '{1}' does not allow in 'mcp.server_requests'")]
    Asks(String, String),
}

impl Foreign {
    /// An answer that is no message, for a cause that lies outside of it.
    #[must_use]
    pub fn unreadable(why: &'static str) -> Self {
        Self::Unreadable(Unreadable::new(why))
    }
}

impl Guard {
    /// The rule, if it binds who asks and looks into what is spoken there.
    pub(crate) fn of(rule: &Arc<Rule>, request: &Request<'_>) -> Option<Self> {
        let path = rule.path(request.path);
        let guards = rule.message.as_ref()?.guards(request, path) && rule.binds(request.subject);
        let open = || {
            rule.granted(request.subject) == Answer::Allowed
                && ![path, rule.method(request.method)].contains(&Answer::Denied)
                && rule.condition(request.query, request.headers) == Answer::Allowed
        };
        guards.then(|| Self { rule: Arc::clone(rule), grants: open(), path })
    }

    pub(crate) fn only_denies(&self) -> bool {
        self.rule.effect == Effect::DenyOnly
    }

    /// What is said of tools, and of requests of the server's.
    fn lists(&self) -> Option<(&Words, &Words)> {
        let Spoken::Rpc(rpc) = &self.rule.message.as_ref()?.spoken else { return None };
        match &rpc.protocol {
            Protocol::JsonRpc => None,
            Protocol::Mcp { tools, server_requests, .. } => Some((tools, server_requests)),
        }
    }

    fn tools(&self) -> Option<&Words> {
        self.lists().map(|(tools, _)| tools)
    }

    fn requests(&self) -> Option<&Words> {
        self.lists().map(|(_, requests)| requests)
    }

    fn asks_as(&self, other: &Self) -> bool {
        self.grants == other.grants
            && self.only_denies() == other.only_denies()
            && self.lists() == other.lists()
    }
}

impl Reading {
    /// Whether a name may be said, by the lists that `of` finds. Where rules only deny, whatever they do not deny.
    fn allows(&self, name: &str, of: fn(&Guard) -> Option<&Words>) -> bool {
        let answers = |guard: &Guard, answer| of(guard).is_some_and(|words| words.answer(name) == answer);
        let denied = self.0.iter().any(|guard| answers(guard, Answer::Denied));
        let allowed = self.0.iter().any(|guard| guard.grants && answers(guard, Answer::Allowed));
        !denied && (allowed || self.0.iter().all(Guard::only_denies))
    }

    fn asks_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(one, other)| one.asks_as(other))
    }
}

impl AnswerRules {
    pub(crate) fn new(guards: Vec<Guard>) -> Option<Self> {
        let mut guards: Vec<_> = guards.into_iter().filter(|guard| guard.lists().is_some()).collect();
        // On another spelling of the path, what is said of its own counts; a rule for the very path goes before it.
        let is_here = |guard: &Guard| guard.grants && guard.path == Answer::Allowed;
        if guards.iter().any(is_here) {
            guards.iter_mut().for_each(|guard| guard.grants = is_here(guard));
        }
        (!guards.is_empty()).then(|| Self(vec![Reading(guards)]))
    }

    /// What both say.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether both say the same, in the same order.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(one, other)| one.asks_as(other))
    }

    /// Whether a rule registers the server; one that only denies does not.
    #[must_use]
    pub fn registers(&self) -> bool {
        self.0.iter().any(|reading| !reading.0.iter().all(Guard::only_denies))
    }

    /// The rule that records name: the first.
    #[must_use]
    pub fn rule(&self) -> &str {
        let first = self.0.first().and_then(|reading| reading.0.first());
        first.map_or("", |guard| &guard.rule.name)
    }

    /// Reads one message, or a batch of them.
    ///
    /// # Errors
    /// It may not reach the client.
    pub fn judge(&self, text: &[u8]) -> Result<Answered, Foreign> {
        let mut value = json::read(text)?;
        let mut changed = false;
        match &mut value {
            Json::List(members) => {
                for member in members {
                    changed |= self.member(member)?;
                }
            }
            single => changed = self.member(single)?,
        }
        if !changed {
            return Ok(Answered::AsItIs);
        }
        let text = serde_json::to_string(&value).expect("a value that was read can be written");
        Ok(Answered::Instead(text))
    }

    /// Whether tools were taken out of it.
    fn member(&self, member: &mut Json) -> Result<bool, Foreign> {
        if member.map().is_none() {
            return Err(Unreadable::new("it is not an object of JSON-RPC").into());
        }
        if ["jsonrpc", "id", "method", "params", "result", "error"]
            .iter()
            .any(|key| member.has_double_of(key))
        {
            return Err(Unreadable::new("it has one key in two spellings").into());
        }
        match (member.get("method"), member.get("result").or(member.get("error"))) {
            (Some(_), Some(_)) => Err(Unreadable::new("it is a request and an answer").into()),
            (Some(method), None) => {
                let method = method.text().filter(|method| is_name(method));
                let method = method.ok_or_else(|| Unreadable::new("its method is not a name"))?;
                self.request(method, member.get("id").is_some()).map(|()| false)
            }
            (None, _) => {
                self.inside(member)?;
                Ok(self.shorten(member))
            }
        }
    }

    /// What the server asks for in an answer, as newer editions of the protocol have it.
    fn inside(&self, member: &Json) -> Result<(), Foreign> {
        let (none, result, error) = (Json::Null, member.get("result"), member.get("error"));
        let (result, error) = (result.unwrap_or(&none), error.unwrap_or(&none));
        if result.has_double_of("inputRequests") || error.has_double_of("code") {
            return Err(Unreadable::new("its answer has one key in two spellings").into());
        }
        if error.get("code").and_then(Json::scalar).is_some_and(|code| code == ELICITS) {
            self.request("elicitation/create", true)?;
        }
        let Some(requests) = result.get("inputRequests") else { return Ok(()) };
        let odd = || Unreadable::new("its 'inputRequests' have no methods that are names");
        for (_key, request) in requests.map().ok_or_else(odd)? {
            let method = request.get("method").and_then(Json::text).filter(|method| is_name(method));
            let method = method.filter(|_method| !request.has_double_of("method")).ok_or_else(odd)?;
            self.request(method, true)?;
        }
        Ok(())
    }

    /// `waits`: the server waits for an answer.
    fn request(&self, method: &str, waits: bool) -> Result<(), Foreign> {
        let notifies = !waits && method.starts_with("notifications/");
        let allowed = self.0.iter().all(|reading| reading.allows(method, Guard::requests));
        if notifies || method == "ping" || allowed {
            return Ok(());
        }
        Err(Foreign::Asks(method.to_owned(), self.rule().to_owned()))
    }

    fn shorten(&self, member: &mut Json) -> bool {
        let Json::Map(entries) = member else { return false };
        let result = entries.iter_mut().find(|(key, _)| key == "result").map(|(_, value)| value);
        let Some(Json::Map(result)) = result else { return false };
        let Some((_, Json::List(tools))) = result.iter_mut().find(|(key, _)| key == "tools") else {
            return false;
        };
        let before = tools.len();
        tools.retain(|tool| {
            let name = tool.get("name").and_then(Json::text).filter(|name| is_name(name));
            name.is_some_and(|name| self.may_call(name))
        });
        tools.len() != before
    }

    fn may_call(&self, tool: &str) -> bool {
        self.0.iter().all(|reading| reading.allows(tool, Guard::tools))
    }
}
