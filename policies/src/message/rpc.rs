//! Calls of JSON-RPC 2.0, and of the Model Context Protocol, which speaks it over HTTP (transport "streamable HTTP" of
//! its editions 2025-03-26 to 2025-11-25): messages by `POST`, a stream of the server's by `GET`, the end by `DELETE`.
//!
//! Every member of a batch is judged. An object of the envelope has the keys of the specification and no others, so no
//! server that compares keys in another way finds another call there.

use super::json::{self, Json};
use super::{About, Finding, Message, Unreadable, Words, check_fields, is_name, worst};
use crate::Request;
use crate::answer::Answer;
use crate::parameter::folded;

/// Most members of a batch.
const MOST_CALLS: usize = 100;

/// The method that calls a tool.
const CALLS_TOOL: &str = "tools/call";

/// What a client sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// A request, or a notification: both are done by the server.
    Method { name: String, params: Option<Json> },
    /// The answer to a request of the server's.
    Answer(Substance),
}

/// Whether an answer says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Substance {
    /// An empty result, as to a `ping`, or an error.
    None,
    Some,
}

/// The level of a rule for such calls.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(crate) protocol: Protocol,
    pub(crate) methods: Words,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) most: u64,
}

/// What is spoken beside JSON-RPC.
#[derive(Debug)]
pub(crate) enum Protocol {
    JsonRpc,
    Mcp { server: String, tools: Words, server_requests: Words },
}

/// What one argument may be.
#[derive(Debug)]
pub(crate) struct Argument {
    /// Of which tools or methods.
    pub(crate) of: super::Word,
    pub(crate) pointer: Pointer,
    pub(crate) values: Words,
}

/// A JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) text: String,
    pub(crate) tokens: Vec<String>,
}

/// Reads what a body calls.
///
/// # Errors
/// It has no or more than one reading.
pub(crate) fn calls(body: &[u8]) -> Result<Vec<Call>, Unreadable> {
    match json::read(body)? {
        Json::List(members) if members.is_empty() => Err(Unreadable::new("it is an empty batch")),
        Json::List(members) if members.len() > MOST_CALLS => {
            Err(Unreadable::new(format!("it is a batch of more than {MOST_CALLS} calls")))
        }
        Json::List(members) => members.into_iter().map(call).collect(),
        single => Ok(vec![call(single)?]),
    }
}

fn call(value: Json) -> Result<Call, Unreadable> {
    let Json::Map(entries) = value else { return Err(Unreadable::new("it is not an object of JSON-RPC")) };
    let (mut version, mut id, mut method, mut params, mut result, mut error) =
        (None, None, None, None, None, None);
    for (key, value) in entries {
        let place = match key.as_str() {
            "jsonrpc" => &mut version,
            "id" => &mut id,
            "method" => &mut method,
            "params" => &mut params,
            "result" => &mut result,
            "error" => &mut error,
            _ => return Err(Unreadable::new("it has a key that JSON-RPC does not have")),
        };
        *place = Some(value);
    }
    if version.as_ref().and_then(Json::text) != Some("2.0") {
        return Err(Unreadable::new("it is not of JSON-RPC 2.0"));
    }
    if !matches!(id, None | Some(Json::Text(_) | Json::Number(_))) {
        return Err(Unreadable::new("its id is neither a text nor a number"));
    }
    match (method, result, error) {
        (Some(method), None, None) => named(method, params),
        (None, Some(result), None) if params.is_none() && id.is_some() => Ok(Call::Answer(match result {
            Json::Map(entries) if entries.is_empty() => Substance::None,
            _ => Substance::Some,
        })),
        (None, None, Some(_error)) if params.is_none() && id.is_some() => Ok(Call::Answer(Substance::None)),
        _ => Err(Unreadable::new("it is neither one call nor one answer")),
    }
}

fn named(method: Json, params: Option<Json>) -> Result<Call, Unreadable> {
    let Json::Text(name) = method else { return Err(Unreadable::new("its method is not a text")) };
    if !is_name(&name) {
        return Err(Unreadable::new("its method is not a name of visible ASCII"));
    }
    if !matches!(params, None | Some(Json::Null | Json::Map(_) | Json::List(_))) {
        return Err(Unreadable::new("its params are neither an object nor a list"));
    }
    Ok(Call::Method { name, params })
}

impl Call {
    /// The tool that is called, and its arguments.
    fn tool(&self) -> Option<Result<(&str, Option<&Json>), Unreadable>> {
        let Self::Method { name, params } = self else { return None };
        let calls = folded(name.as_bytes()) == CALLS_TOOL.as_bytes();
        calls.then(|| {
            if name != CALLS_TOOL {
                return Err(Unreadable::new(format!("its method looks like '{CALLS_TOOL}'")));
            }
            let params = params.as_ref().filter(|params| params.map().is_some());
            let params = params.ok_or_else(|| Unreadable::new("its params are not an object"))?;
            if ["name", "arguments"].iter().any(|key| params.has_double_of(key)) {
                return Err(Unreadable::new("its params have one key in two spellings"));
            }
            let tool = params.get("name").and_then(Json::text).filter(|tool| is_name(tool));
            let tool = tool.ok_or_else(|| Unreadable::new("its tool is not a name of visible ASCII"))?;
            Ok((tool, params.get("arguments")))
        })
    }

    fn asked(&self) -> String {
        match (self, self.tool()) {
            (Self::Answer(_), _) => "answer".to_owned(),
            (Self::Method { name, .. }, Some(Ok((tool, _arguments)))) => format!("{name} {tool}"),
            (Self::Method { name, .. }, _) => name.clone(),
        }
    }
}

impl Rpc {
    pub(crate) fn find(&self, request: &Request<'_>, message: &Message) -> Finding {
        match (&self.protocol, request.method) {
            (_, "POST") => {}
            (Protocol::Mcp { .. }, "GET" | "DELETE") if message.body().is_empty() => return Finding::Allowed,
            _ => return Finding::Unreadable(Unreadable::new("only a POST carries a message")),
        }
        let calls = match check_fields(request).and_then(|()| calls(message.body())) {
            Ok(calls) => calls,
            Err(why) => return Finding::Unreadable(why),
        };
        if let Protocol::Mcp { .. } = self.protocol
            && let Err(why) = check_repeated(request, &calls)
        {
            return Finding::Unreadable(why);
        }
        worst(calls.iter().map(|call| self.judge(call)))
    }

    /// All lists are asked: what one does not allow, another may deny, and that binds other rules too.
    fn judge(&self, call: &Call) -> Finding {
        let Call::Method { name, params } = call else { return self.judge_answer(call) };
        let method = listed(&self.methods, ("method", name), self.protocol.key());
        let Protocol::Mcp { tools, .. } = &self.protocol else {
            let values = self.values(name, params.as_ref(), "json_rpc.arguments");
            return worst([method, values].into_iter());
        };
        let called = match call.tool() {
            None => Finding::Allowed,
            Some(Err(why)) => Finding::Unreadable(why),
            Some(Ok((tool, arguments))) => {
                let named = listed(tools, ("tool", tool), "mcp.tools");
                worst([named, self.values(tool, arguments, "mcp.arguments")].into_iter())
            }
        };
        worst([method, called, self.judge_inside(call)].into_iter())
    }

    /// The answers that a call brings along, in newer editions of the protocol.
    fn judge_inside(&self, call: &Call) -> Finding {
        const KEY: &str = "inputResponses";
        let Call::Method { params: Some(params), .. } = call else { return Finding::Allowed };
        if params.has_double_of(KEY) {
            return Finding::Unreadable(Unreadable::new("its params have one key in two spellings"));
        }
        match params.get(KEY) {
            Some(_answers) => self.judge_answer(&Call::Answer(Substance::Some)),
            None => Finding::Allowed,
        }
    }

    /// A client answers what it was asked; who may ask nothing is told nothing.
    fn judge_answer(&self, call: &Call) -> Finding {
        let asked = match &self.protocol {
            Protocol::JsonRpc => {
                return Finding::Unreadable(Unreadable::new("a client has nothing to answer"));
            }
            Protocol::Mcp { server_requests, .. } => !server_requests.allow.is_empty(),
        };
        if asked || *call == Call::Answer(Substance::None) {
            return Finding::Allowed;
        }
        let (what, key) = ("an answer to the server".to_owned(), "mcp.server_requests");
        Finding::NotAllowed(About { what, key, entry: None })
    }

    fn values(&self, of: &str, arguments: Option<&Json>, key: &'static str) -> Finding {
        worst(self.arguments.iter().filter(|argument| argument.of.matches(of)).map(|argument| {
            let about = || About {
                what: format!("argument '{}' of '{of}'", argument.pointer.text),
                key,
                entry: None,
            };
            match argument.pointer.find(arguments).and_then(|value| argument.answer(value)) {
                Err(why) => Finding::Unreadable(why),
                Ok(answer) => match answer {
                    Answer::Allowed => Finding::Allowed,
                    Answer::NotAllowed => Finding::NotAllowed(about()),
                    Answer::Denied => Finding::Denied(about()),
                },
            }
        }))
    }

    pub(crate) fn asked(&self, message: &Message) -> Option<String> {
        let prefix = match &self.protocol {
            Protocol::JsonRpc => String::new(),
            Protocol::Mcp { server, .. } => format!("mcp {server}: "),
        };
        let calls = calls(message.body()).ok()?;
        let asked: Vec<String> = calls.iter().map(Call::asked).collect();
        Some(format!("{prefix}{}", asked.join(", ")))
    }

    pub(crate) fn is_mcp(&self) -> bool {
        matches!(self.protocol, Protocol::Mcp { .. })
    }

    pub(crate) fn denies_anything(&self) -> bool {
        let own =
            !self.methods.deny.is_empty() || self.arguments.iter().any(|one| !one.values.deny.is_empty());
        own || match &self.protocol {
            Protocol::JsonRpc => false,
            Protocol::Mcp { tools, server_requests, .. } => {
                !tools.deny.is_empty() || !server_requests.deny.is_empty()
            }
        }
    }
}

impl Protocol {
    fn key(&self) -> &'static str {
        match self {
            Self::JsonRpc => "json_rpc.methods",
            Self::Mcp { .. } => "mcp.methods",
        }
    }
}

impl Argument {
    /// What must be something must be there, and be it. Of a list every value counts.
    fn answer(&self, value: Option<&Json>) -> Result<Answer, Unreadable> {
        let mut leaves = Vec::new();
        value.into_iter().for_each(|value| collect(value, &mut leaves));
        if value.is_some_and(|value| !value.is_exact()) {
            let pointer = &self.pointer.text;
            return Err(Unreadable::new(format!(
                "its argument '{pointer}' is a number that readers differ on"
            )));
        }
        if !self.values.deny.is_empty() && leaves.iter().any(|leaf| holds_values(leaf)) {
            let pointer = &self.pointer.text;
            return Err(Unreadable::new(format!(
                "its argument '{pointer}' is a text with a list or an object in it"
            )));
        }
        let answers: Vec<Answer> = leaves.iter().map(|leaf| self.values.answer(leaf)).collect();
        if answers.contains(&Answer::Denied) {
            return Ok(Answer::Denied);
        }
        let flat = match value {
            Some(Json::List(values)) => values.iter().all(|value| value.scalar().is_some()),
            Some(Json::Map(_)) => false,
            _ => true,
        };
        let all = flat && !answers.is_empty() && answers.iter().all(|answer| *answer == Answer::Allowed);
        Ok(if self.values.allow.is_empty() || all { Answer::Allowed } else { Answer::NotAllowed })
    }
}

/// What a list says about a name.
fn listed(words: &Words, (what, name): (&str, &str), key: &'static str) -> Finding {
    match words.answer(name) {
        Answer::Allowed => Finding::Allowed,
        Answer::NotAllowed => Finding::NotAllowed(About::listed(what, name, key)),
        Answer::Denied => Finding::Denied(About::listed(what, name, key)),
    }
}

/// Whether some servers would read the text once more, and find a list or an object in it. They differ on what else they
/// take for JSON, so its ends decide.
fn holds_values(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
    (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'))
}

/// Every single value in a value.
fn collect(value: &Json, leaves: &mut Vec<String>) {
    match value {
        Json::List(values) => values.iter().for_each(|value| collect(value, leaves)),
        Json::Map(entries) => entries.iter().for_each(|(_key, value)| collect(value, leaves)),
        single => leaves.extend(single.scalar()),
    }
}

impl Pointer {
    /// What it points at. On the way no object may have the key in a second spelling, and nothing may stand in the place
    /// of the list or the object: a server that takes the arguments in more than one shape would find it there.
    fn find<'a>(&self, root: Option<&'a Json>) -> Result<Option<&'a Json>, Unreadable> {
        let mut at = root;
        for token in &self.tokens {
            let Some(value) = at.filter(|value| **value != Json::Null) else { return Ok(None) };
            if value.has_double_of(token) {
                return Err(Unreadable::new(format!("its argument '{}' has two spellings", self.text)));
            }
            let is_index = token.bytes().all(|byte| byte.is_ascii_digit()) && !token.is_empty();
            at = match value {
                Json::List(values) if is_index => {
                    token.parse().ok().and_then(|index: usize| values.get(index))
                }
                Json::Map(entries) if !is_index || entries.is_empty() => value.get(token),
                Json::Map(_) if value.get(token).is_some() => value.get(token),
                _ => {
                    let why = format!("its argument '{}' has another shape on the way", self.text);
                    return Err(Unreadable::new(why));
                }
            };
        }
        Ok(at)
    }
}

/// What the protocol's header fields repeat must be what the body says: a server may go by either.
fn check_repeated(request: &Request<'_>, calls: &[Call]) -> Result<(), Unreadable> {
    let [call] = calls else { return Ok(()) };
    let mut differs = false;
    request.headers.each(&mut |name, value| match (&*folded(name.as_bytes()), call) {
        (b"mcp_method", Call::Method { name, .. }) => differs |= value != name.as_bytes(),
        (b"mcp_name", _) => {
            let tool = call.tool().and_then(Result::ok).map(|(tool, _arguments)| tool);
            differs |= tool.is_some_and(|tool| value != tool.as_bytes());
        }
        _ => {}
    });
    if differs { Err(Unreadable::new("its header fields name another method or tool")) } else { Ok(()) }
}
