//! What comes back from a server of the Model Context Protocol: it may ask the client for something, too.
//!
//! A message of the server's is an answer, a notification, or a request (`sampling/createMessage`,
//! `elicitation/create`, `roots/list`, …), which some rule of the endpoint must allow and none deny. A list of tools is
//! shortened to those that may be called.

use std::sync::Arc;

use super::json::{self, Json};
use super::rpc::Protocol;
use super::{Spoken, Unreadable, Words, is_name};
use crate::rule::{Answer, Rule};

/// What the rules of one endpoint say about what its server sends.
#[derive(Clone, Debug)]
pub struct AnswerRules(Vec<Arc<Rule>>);

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

impl AnswerRules {
    pub(crate) fn new(rules: Vec<Arc<Rule>>) -> Option<Self> {
        let answers = |rule: &Arc<Rule>| {
            let level = rule.message.as_ref();
            level.is_some_and(|level| matches!(&level.spoken, Spoken::Rpc(rpc) if rpc.is_mcp()))
        };
        let rules: Vec<_> = rules.into_iter().filter(answers).collect();
        (!rules.is_empty()).then_some(Self(rules))
    }

    /// The rule that records name: the first.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.0.first().map_or("", |rule| &rule.name)
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
            (None, _) => Ok(self.shorten(member)),
        }
    }

    /// `waits`: the server waits for an answer.
    fn request(&self, method: &str, waits: bool) -> Result<(), Foreign> {
        let notifies = !waits && method.starts_with("notifications/");
        let answers: Vec<Answer> = self.requests().map(|words| words.answer(method)).collect();
        let allowed = answers.contains(&Answer::Allowed) && !answers.contains(&Answer::Denied);
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
        let answers: Vec<Answer> = self.spoken().map(|(tools, _)| tools.answer(tool)).collect();
        answers.contains(&Answer::Allowed) && !answers.contains(&Answer::Denied)
    }

    fn requests(&self) -> impl Iterator<Item = &Words> {
        self.spoken().map(|(_, requests)| requests)
    }

    fn spoken(&self) -> impl Iterator<Item = (&Words, &Words)> {
        self.0.iter().filter_map(|rule| {
            let Spoken::Rpc(rpc) = &rule.message.as_ref()?.spoken else { return None };
            match &rpc.protocol {
                Protocol::JsonRpc => None,
                Protocol::Mcp { tools, server_requests, .. } => Some((tools, server_requests)),
            }
        })
    }
}
