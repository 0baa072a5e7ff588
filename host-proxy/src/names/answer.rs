//! One DNS question: parsed, decided, answered.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use wire::name::Query;
use wire::subject::Subject;

use super::Names;
use crate::canonical::Name;
use crate::journal::Asked;
use crate::judge::Judge;

/// Seconds for which a client may keep an address. Short, so that a changed policy is noticed soon.
const TTL: u32 = 5;

/// Longest question in bytes. A question is one name; the rest of a longer one would be a message to us.
const LONGEST: usize = 1024;

/// What a question gets.
enum Verdict {
    /// An address.
    Address(RData),
    /// This code and no record.
    Code(ResponseCode),
}

impl Names {
    /// The answer to one question; empty when it deserves none.
    pub(super) async fn answer(&self, query: &Query, judge: &Judge, now: Instant) -> Vec<u8> {
        let Some(question) = parse(&query.message) else { return format_error(&query.message) };
        let verdict = self.decide(&question, &query.subject, judge, now).await;
        let mut reply = Message::response(question.metadata.id, OpCode::Query);
        reply.metadata.recursion_desired = question.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.add_queries(question.queries.iter().cloned());
        match (verdict, question.queries.first()) {
            (Verdict::Address(data), Some(asked)) => {
                reply.add_answer(Record::from_rdata(asked.name().clone(), TTL, data));
            }
            (Verdict::Address(_), None) => {}
            (Verdict::Code(code), _) => reply.metadata.response_code = code,
        }
        if question.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(1232);
            reply.set_edns(edns);
        }
        reply.to_vec().unwrap_or_default()
    }

    async fn decide(&self, question: &Message, subject: &Subject, judge: &Judge, now: Instant) -> Verdict {
        let Some(asked) = question.queries.first() else { return Verdict::Code(ResponseCode::FormErr) };
        let (asked, verdict) = self.decided((asked, subject), judge, now);
        // A refusal that is not on the record is not given either: nobody would know who tried.
        match self.tell(asked, judge, now).await {
            Ok(()) => verdict,
            Err(_unrecorded) => Verdict::Code(ResponseCode::ServFail),
        }
    }

    /// What is asked, as the record says it, and what it gets.
    fn decided(
        &self,
        (asked, subject): (&Question, &Subject),
        judge: &Judge,
        now: Instant,
    ) -> (Asked, Verdict) {
        let kind = asked.query_type();
        let text = asked.name().to_ascii();
        let text = text.strip_suffix('.').unwrap_or(&text);
        let refused = |policy, reason, code| {
            let (name, kind) = (text.to_owned(), kind.to_string());
            let asked = Asked { name, kind, subject: subject.clone(), policy, refused: Some(reason) };
            (asked, Verdict::Code(code))
        };
        if asked.query_class() != DNSClass::IN {
            let reason = format!("questions of class {} are not answered", asked.query_class());
            return refused(judge.policy(), reason, ResponseCode::Refused);
        }
        let wanted = match kind {
            RecordType::A | RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB => Name::parse(text),
            RecordType::PTR => {
                let reason = "addresses have no names".to_owned();
                return refused(judge.policy(), reason, ResponseCode::NXDomain);
            }
            _ => {
                let reason = format!("questions of type {kind} are not answered");
                return refused(judge.policy(), reason, ResponseCode::Refused);
            }
        };
        let Ok(name) = wanted else {
            let reason = "the name is not canonical".to_owned();
            return refused(judge.policy(), reason, ResponseCode::NXDomain);
        };
        let (policy, denial) = judge.name(&name);
        if let Some(reason) = denial {
            return refused(policy, reason, ResponseCode::NXDomain);
        }
        match self.pool.address_of(&name, now) {
            Ok(addresses) => {
                let (name, kind_of) = (name.as_str().to_owned(), kind.to_string());
                let asked = Asked { name, kind: kind_of, subject: subject.clone(), policy, refused: None };
                (asked, verdict(addresses, kind))
            }
            Err(full) => refused(policy, full.to_string(), ResponseCode::ServFail),
        }
    }
}

fn verdict((v4, v6): (Ipv4Addr, Ipv6Addr), kind: RecordType) -> Verdict {
    match kind {
        RecordType::A => Verdict::Address(RData::A(A(v4))),
        RecordType::AAAA => Verdict::Address(RData::AAAA(AAAA(v6))),
        // The name exists and has no such record: no ECH, no QUIC, no other port.
        _ => Verdict::Code(ResponseCode::NoError),
    }
}

/// A plain question: one name, nothing else that is ours to read.
fn parse(message: &[u8]) -> Option<Message> {
    if message.len() > LONGEST {
        return None;
    }
    let parsed = Message::from_vec(message).ok()?;
    let plain = parsed.metadata.message_type == MessageType::Query
        && parsed.metadata.op_code == OpCode::Query
        && parsed.queries.len() == 1
        && parsed.answers.is_empty()
        && parsed.authorities.is_empty();
    plain.then_some(parsed)
}

/// `FORMERR` for what has at least the head of a question; nothing for the rest, and nothing for answers.
fn format_error(message: &[u8]) -> Vec<u8> {
    match message {
        [high, low, flags, _, ..] if message.len() >= 12 && flags & 0x80 == 0 => {
            let id = u16::from_be_bytes([*high, *low]);
            Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
