//! What a rule says about messages in bodies.

use super::{Compiler, PATH};
use crate::document::{self, ArgumentEntry, Grpc, JsonRpc, Lists, Mcp, RuleEntry};
use crate::message::{
    Argument, CALL_METHODS, GIT_METHODS, GRAPHQL_METHODS, Git, Graphql, LONGEST, MCP_METHODS, MessageLevel,
    Pointer, Protocol, Rpc, Spoken, USUAL, Word, Words, is_hash, is_ref,
};
use crate::pattern::{PatternError, Side};
use crate::place::{At, Place};
use crate::quantity;

/// What a session and its tools need.
const USUAL_METHODS: [&str; 8] = [
    "initialize",
    "ping",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "tools/list",
    "tools/call",
];

impl Compiler<'_> {
    /// `Some(None)`: the rule does not look into messages.
    pub(super) fn message(&mut self, entry: &RuleEntry) -> Option<Option<Box<MessageLevel>>> {
        let present = [
            entry.mcp.as_ref().map(|mcp| ("mcp", mcp.place)),
            entry.json_rpc.as_ref().map(|rpc| ("json_rpc", rpc.place)),
            entry.graphql.as_ref().map(|graphql| ("graphql", graphql.place)),
            entry.grpc.as_ref().map(|grpc| ("grpc", grpc.place)),
            entry.git.as_ref().map(|git| ("git", git.place)),
        ];
        let mut present = present.into_iter().flatten();
        let (first, second) = (present.next(), present.next());
        let Some((key, _place)) = first else { return Some(None) };
        if let Some((other, place)) = second {
            let remedy = format!("keep '{key}' or '{other}'; write another rule for the other path");
            self.refuse(place, other, "an endpoint speaks one protocol", remedy);
            return None;
        }
        let mcp = entry.mcp.as_ref().map(|mcp| self.mcp(mcp));
        let rpc = entry.json_rpc.as_ref().map(|rpc| self.json_rpc(rpc));
        let graphql = entry.graphql.as_ref().map(|graphql| self.graphql(graphql));
        let grpc = entry.grpc.as_ref().map(|grpc| self.grpc(grpc));
        let git = entry.git.as_ref().map(|git| self.git(git));
        let level = mcp.or(rpc).or(graphql).or(grpc).or(git).flatten();
        let methods: &[&str] = match key {
            "mcp" => MCP_METHODS,
            "graphql" => GRAPHQL_METHODS,
            "git" => GIT_METHODS,
            _ => CALL_METHODS,
        };
        let spoken = self.spoken(entry, key, methods);
        let paths = entry.path.iter().flat_map(|lists| &lists.value.allow);
        // A path that is no pattern was reported with its level.
        let guarded = paths.filter_map(|path| (PATH.parse)(&path.value, Side::Deny).ok()).flatten().collect();
        Some(Some(Box::new(MessageLevel { guarded, spoken: spoken.and(level)? })))
    }

    /// Methods that carry no message of the protocol would be allowed without one.
    fn spoken(&mut self, entry: &RuleEntry, key: &str, methods: &[&str]) -> Option<()> {
        let listed = entry.method.iter().flat_map(|lists| &lists.value.allow);
        let other = listed.into_iter().find(|method| !methods.contains(&method.value.as_str()));
        let Some(At { value, place }) = other else { return Some(()) };
        let reason = format!("'{value}' carries no message of '{key}'");
        let remedy =
            format!("allow {} only, and other methods in a rule without '{key}'", methods.join(", "));
        self.refuse(*place, "method.allow", reason, remedy);
        None
    }

    fn mcp(&mut self, At { value, place }: &At<Mcp>) -> Option<Spoken> {
        let server = self.server(value, *place);
        let usual = || {
            let allow = USUAL_METHODS.iter().map(|name| At::nowhere((*name).to_owned())).collect();
            At::nowhere(Lists { allow, deny: Vec::new() })
        };
        let methods = self.names("mcp.methods", Some(value.methods.as_ref().unwrap_or(&usual())));
        let tools = self.names("mcp.tools", value.tools.as_ref());
        let server_requests = self.names("mcp.server_requests", value.server_requests.as_ref());
        let arguments = self.arguments("mcp.arguments", "tool", &value.arguments);
        let most = self.most("mcp.max_message", value.max_message.as_ref());
        let protocol = Protocol::Mcp { server: server?, tools: tools?, server_requests: server_requests? };
        Some(Spoken::Rpc(Rpc { protocol, methods: methods?, arguments: arguments?, most: most? }))
    }

    fn server(&mut self, mcp: &Mcp, place: Place) -> Option<String> {
        const LONGEST: usize = 64;
        let plain = |name: &str| {
            (1..=LONGEST).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match &mcp.server {
            Some(At { value, .. }) if plain(value) => Some(value.clone()),
            written => {
                let place = written.as_ref().map_or(place, |server| server.place);
                let reason = "an MCP server has a name of 1 to 64 letters, digits, '-', '_' and '.'";
                self.refuse(place, "mcp.server", reason, "add 'server: NAME': the audit log uses it");
                None
            }
        }
    }

    fn json_rpc(&mut self, At { value, place }: &At<JsonRpc>) -> Option<Spoken> {
        if value.methods.is_none() {
            let remedy = "add 'methods: {allow: […]}' to it";
            self.refuse(*place, "json_rpc", "it allows no method", remedy);
        }
        let methods = self.names("json_rpc.methods", value.methods.as_ref());
        let arguments = self.arguments("json_rpc.arguments", "method", &value.arguments);
        let most = self.most("json_rpc.max_message", value.max_message.as_ref());
        let protocol = Protocol::JsonRpc;
        Some(Spoken::Rpc(Rpc { protocol, methods: methods?, arguments: arguments?, most: most? }))
    }

    fn graphql(&mut self, At { value, place }: &At<document::Graphql>) -> Option<Spoken> {
        if value.fields.is_none() && value.persisted.is_empty() {
            let remedy = "add 'fields: {allow: [query.NAME]}' to it";
            self.refuse(*place, "graphql", "it allows no field", remedy);
        }
        let listed = value.fields.iter().flat_map(|lists| lists.value.allow.iter().chain(&lists.value.deny));
        let kinds = listed.map(|entry| self.checked("graphql.fields", entry, field_of)).collect::<Vec<_>>();
        let fields = self.names("graphql.fields", value.fields.as_ref());
        let names = self.names("graphql.names", value.names.as_ref());
        let hash = |entry: &At<String>| self.checked("graphql.persisted", entry, hash_of);
        let persisted: Vec<Option<String>> = value.persisted.iter().map(hash).collect();
        let most = self.most("graphql.max_message", value.max_message.as_ref());
        kinds.into_iter().collect::<Option<Vec<()>>>()?;
        let persisted = persisted.into_iter().collect::<Option<_>>()?;
        Some(Spoken::Graphql(Graphql { fields: fields?, names: names?, persisted, most: most? }))
    }

    fn grpc(&mut self, At { value, place }: &At<Grpc>) -> Option<Spoken> {
        let Some(written) = &value.max_message else {
            self.refuse(*place, "grpc", "it asks for nothing", "add 'max_message: 4MiB' to it");
            return None;
        };
        let most = self.checked("grpc.max_message", written, |text| {
            quantity::size(text).filter(|bytes| *bytes > 0).ok_or_else(|| {
                let reason = format!("'{text}' is not a size");
                PatternError::new(reason, "write a whole number and KiB or MiB, for example 4MiB")
            })
        });
        most.map(Spoken::Grpc)
    }

    fn git(&mut self, At { value, .. }: &At<document::Git>) -> Option<Spoken> {
        let both = [&value.push, &value.delete].into_iter().flatten();
        let listed = both.flat_map(|lists| lists.value.allow.iter().chain(&lists.value.deny));
        let refs = listed.map(|entry| self.checked("git", entry, ref_of)).collect::<Vec<_>>();
        let (push, delete) =
            (self.names("git.push", value.push.as_ref()), self.names("git.delete", value.delete.as_ref()));
        refs.into_iter().collect::<Option<Vec<()>>>()?;
        Some(Spoken::Git(Git { push: push?, delete: delete? }))
    }

    fn names(&mut self, key: &str, lists: Option<&At<Lists>>) -> Option<Words> {
        let Some(At { value, place }) = lists else { return Some(Words::default()) };
        if value.allow.is_empty() && value.deny.is_empty() {
            let remedy = format!("list names under '{key}.allow' or '{key}.deny', or remove it");
            self.refuse(*place, key, "the lists name nothing", remedy);
            return None;
        }
        self.words(key, (&value.allow, &value.deny), Word::name)
    }

    fn words(
        &mut self,
        key: &str,
        (allow, deny): (&[At<String>], &[At<String>]),
        parse: fn(&str, Side) -> Result<Word, PatternError>,
    ) -> Option<Words> {
        let mut list = |which: &str, entries: &[At<String>], side| -> Option<Vec<Word>> {
            let key = format!("{key}.{which}");
            let read = |entry: &At<String>| self.checked(&key, entry, |text| parse(text, side));
            entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
        };
        let (allow, deny) = (list("allow", allow, Side::Allow), list("deny", deny, Side::Deny));
        Some(Words { allow: allow?, deny: deny? })
    }

    fn arguments(&mut self, key: &str, owner: &str, entries: &[At<ArgumentEntry>]) -> Option<Vec<Argument>> {
        let read = |entry: &At<ArgumentEntry>| self.argument(key, owner, entry);
        entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    fn argument(
        &mut self,
        key: &str,
        owner: &str,
        At { value, place }: &At<ArgumentEntry>,
    ) -> Option<Argument> {
        let (named, other) =
            if owner == "tool" { (&value.tool, &value.method) } else { (&value.method, &value.tool) };
        let (Some(named), Some(pointer), None) = (named, &value.pointer, other) else {
            let reason = format!("an argument has '{owner}' and 'pointer'");
            let remedy = format!("write '{{{owner}: NAME, pointer: /KEY, allow: […]}}'");
            self.refuse(*place, key, reason, remedy);
            return None;
        };
        if value.allow.is_empty() && value.deny.is_empty() {
            let remedy = "list values under 'allow' or 'deny', or remove it";
            self.refuse(*place, key, "the argument is held to nothing", remedy);
            return None;
        }
        // Wide, as in a deny list: an argument that is held to something must not get away by its tool's spelling.
        let of = self.checked(key, named, |text| Word::name(text, Side::Deny));
        let pointer = self.checked(key, pointer, pointer_of);
        let values = self.words(key, (&value.allow, &value.deny), Word::value);
        Some(Argument { of: of?, pointer: pointer?, values: values? })
    }

    fn most(&mut self, key: &str, written: Option<&At<String>>) -> Option<u64> {
        let Some(written) = written else { return Some(USUAL) };
        self.checked(key, written, |text| {
            quantity::size(text).filter(|bytes| (1..=LONGEST).contains(bytes)).ok_or_else(|| {
                let reason = format!("'{text}' is not a size from 1KiB to 4MiB");
                PatternError::new(reason, "write a whole number and KiB or MiB, for example 1MiB")
            })
        })
    }
}

/// RFC 6901.
fn pointer_of(text: &str) -> Result<Pointer, PatternError> {
    let wrong = || {
        let reason = format!("'{text}' is not a JSON pointer");
        PatternError::new(reason, "write '/KEY' or '/KEY/KEY', with '~1' for '/' and '~0' for '~' in a key")
    };
    let rest = text.strip_prefix('/').ok_or_else(wrong)?;
    let token = |token: &str| {
        let bad = token.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
        if bad { Err(wrong()) } else { Ok(token.replace("~1", "/").replace("~0", "~")) }
    };
    let tokens = rest.split('/').map(token).collect::<Result<_, _>>()?;
    Ok(Pointer { text: text.to_owned(), tokens })
}

/// The kind of operation is written out.
fn field_of(text: &str) -> Result<(), PatternError> {
    let kind = text.split_once('.').filter(|(_kind, field)| !field.is_empty()).map(|(kind, _field)| kind);
    if matches!(kind, Some("query" | "mutation" | "subscription")) {
        return Ok(());
    }
    let reason = format!("'{text}' does not say which operations it is about");
    Err(PatternError::new(reason, "write 'query.NAME', 'mutation.NAME' or 'subscription.NAME'"))
}

/// A ref is written out, so that nobody takes a branch for it.
fn ref_of(text: &str) -> Result<(), PatternError> {
    if text == "*" || is_ref(&text.replace('*', "x")) {
        return Ok(());
    }
    let reason = format!("'{text}' is not the whole name of a ref");
    Err(PatternError::new(reason, "write 'refs/heads/NAME' for a branch, 'refs/tags/NAME' for a tag"))
}

fn hash_of(text: &str) -> Result<String, PatternError> {
    if is_hash(text) {
        return Ok(text.to_owned());
    }
    let reason = format!("'{text}' is not a SHA-256 in lower-case hexadecimal");
    Err(PatternError::new(reason, "write the 64 digits of 'sha256sum' over the query's text"))
}
