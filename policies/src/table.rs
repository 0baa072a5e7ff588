//! Tables of requests and the verdicts that a policy must give them, for `openshell policy test`.
//!
//! One request to a line:
//!
//! ```text
//! PROGRAM[+PROGRAM…] METHOD HOST[:PORT] PATH[?QUERY] [NAME:VALUE…] [@TIME] [BODY]   VERDICT
//! ```
//! with the verdict `allow RULE`, `audit LEVEL RULE` (passes, because the rule is on trial),
//! `deny LEVEL RULE|-`, or `refused` (no policy is asked: the request has no reading, or more than one).
//! A row is read as the proxy reads a request, so `/%61` is `/a`. It is plain HTTP on port 80, and HTTPS on every other.
//! Instead of a program: `(unknown)` could not be told, `(nobody)` the socket has no
//! owner, `(deleted)` the file was removed while it ran. `NAME:VALUE` is a header field. `BODY` is JSON without spaces, an
//! object or a list. A line that starts
//! with `#` is a comment; `#! variable NAME=VALUE[,VALUE…]` says what a variable of the policy stands for.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use wire::subject::{Program, Subject};

use crate::canonical::{Arrived, NotCanonical, Scheme, named};
use crate::condition::Headers;
use crate::{Decision, Destination, Message, Policy, Request, Timestamp};

/// The verdict on what no policy is asked about.
const REFUSED: &str = "refused";
const VERDICTS: [&str; 4] = ["allow", "audit", "deny", REFUSED];

/// A table, read.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The requests, in order.
    pub rows: Vec<Row>,
    /// What variables stand for.
    pub variables: BTreeMap<String, Vec<String>>,
}

/// One request and what must be said about it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Line in the table, from 1.
    pub line: usize,
    /// The request and the verdict, with single spaces.
    pub text: String,
    /// The verdict, with single spaces.
    pub expected: String,
    /// Who asks.
    pub subject: Subject,
    method: String,
    host: String,
    port: u16,
    path: String,
    query: String,
    /// Nobody is asked about such a request.
    refused: Option<NotCanonical>,
    headers: Fields,
    message: Option<Message>,
    now: Timestamp,
}

/// Why a text is not a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TableError {
    /// Line in the table, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to write.
    pub remedy: String,
}

#[derive(Clone, Debug, Default)]
struct Fields(Vec<(String, String)>);

impl Table {
    /// Reads a table. Rows that name no time are decided at `now`.
    ///
    /// # Errors
    /// A line that is neither a request with a verdict nor a comment.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, TableError> {
        let mut table = Self::default();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let text = text.trim();
            if let Some(directive) = text.strip_prefix("#!") {
                let (name, values) = variable(line, directive)?;
                table.variables.insert(name, values);
            } else if !text.is_empty() && !text.starts_with('#') {
                table.rows.push(Row::parse(line, text, now)?);
            }
        }
        Ok(table)
    }
}

impl Row {
    fn parse(line: usize, text: &str, now: Timestamp) -> Result<Self, TableError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let verdict = words.iter().position(|word| VERDICTS.contains(word));
        let (request, expected) = words.split_at(verdict.unwrap_or(words.len()));
        let [programs, method, destination, target, extras @ ..] = request else {
            return Err(wrong(
                line,
                "a program, a method, a host and a path are expected before the verdict",
            ));
        };
        if expected.is_empty() {
            return Err(wrong(line, "the verdict is missing"));
        }
        let (host, port) = authority(destination)
            .ok_or_else(|| wrong(line, &format!("'{destination}' is not a host with a port")))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut row = Self {
            line,
            text: words.join(" "),
            expected: expected.join(" "),
            subject: subject(programs),
            method: (*method).to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            query: query.to_owned(),
            refused: None,
            headers: Fields::default(),
            message: None,
            now,
        };
        row.canonicalise(target);
        extras.iter().try_for_each(|extra| row.extra(extra))?;
        Ok(row)
    }

    /// Reads the request as the proxy does.
    fn canonicalise(&mut self, target: &str) {
        let scheme = if self.port == 80 { Scheme::Http } else { Scheme::Https };
        let host = format!("{}:{}", self.host, self.port);
        match named(Arrived { method: &self.method, target, host: &host }, scheme) {
            Ok(request) => {
                self.host = request.authority.host.to_string();
                request.resource.path().clone_into(&mut self.path);
                request.resource.query().unwrap_or_default().clone_into(&mut self.query);
            }
            Err(why) => self.refused = Some(why),
        }
    }

    fn extra(&mut self, text: &str) -> Result<(), TableError> {
        if let Some(time) = text.strip_prefix('@') {
            self.now = Timestamp::parse(time).map_err(|error| wrong(self.line, &error.reason))?;
        } else if text.starts_with(['{', '[']) {
            self.message = Some(Message::new(text.to_owned().into()));
            self.headers.0.push(("content-type".to_owned(), "application/json".to_owned()));
        } else if let Some((name, value)) = text.split_once(':') {
            self.headers.0.push((name.to_ascii_lowercase(), value.to_owned()));
        } else {
            return Err(wrong(self.line, &format!("'{text}' is neither 'NAME:VALUE' nor '@TIME' nor JSON")));
        }
        Ok(())
    }

    /// Why the proxy refuses the request before any policy is asked, if it does.
    #[must_use]
    pub fn refused(&self) -> Option<&NotCanonical> {
        self.refused.as_ref()
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            subject: &self.subject,
            destination: Destination { host: &self.host, port: self.port },
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            message: self.message.as_ref(),
            now: self.now,
        }
    }

    /// What `policy` says, in the words of a verdict.
    #[must_use]
    pub fn verdict(&self, policy: &Policy) -> String {
        if self.refused.is_some() {
            return REFUSED.to_owned();
        }
        match policy.decide(&self.request()) {
            Decision::Allow(permit) => match permit.would_deny() {
                Some(denial) => format!("audit {} {}", denial.level(), permit.rule()),
                None => format!("allow {}", permit.rule()),
            },
            Decision::Deny(denial) => format!("deny {} {}", denial.level(), denial.rule().unwrap_or("-")),
        }
    }
}

impl Headers for Fields {
    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name, value.as_bytes()));
    }
}

fn wrong(line: usize, reason: &str) -> TableError {
    let remedy = "write 'PROGRAM METHOD HOST PATH allow RULE' or '… deny LEVEL RULE' or '… refused'; '#' starts a comment";
    TableError { line, reason: reason.to_owned(), remedy: remedy.to_owned() }
}

fn variable(line: usize, directive: &str) -> Result<(String, Vec<String>), TableError> {
    let written = directive.trim().strip_prefix("variable ").and_then(|rest| rest.split_once('='));
    let (name, values) = written.ok_or_else(|| wrong(line, "'#!' is followed by 'variable NAME=VALUE'"))?;
    Ok((name.trim().to_owned(), values.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn authority(text: &str) -> Option<(&str, u16)> {
    let port_at = text.rfind(':').filter(|at| !text[*at..].contains(']'));
    match port_at {
        Some(at) => Some((&text[..at], text[at + 1..].parse().ok()?)),
        None => Some((text, 443)),
    }
}

fn subject(programs: &str) -> Subject {
    match programs {
        "(unknown)" => Subject::Unknown("the socket was closed".to_owned()),
        "(nobody)" => Subject::Owners(Vec::new()),
        "(deleted)" => Subject::Owners(vec![program("/usr/bin/curl (deleted)")]),
        _ => Subject::Owners(programs.split('+').map(program).collect()),
    }
}

fn program(path: &str) -> Program {
    Program { path: path.to_owned(), sha256: None, script: None, pid: 1, uid: 1000, parents: Vec::new() }
}
