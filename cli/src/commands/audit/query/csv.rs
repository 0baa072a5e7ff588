//! Records as rows of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it, also
//! behind a semicolon: in many countries that is where a spreadsheet divides cells, quoted or not.

use std::collections::BTreeMap;

use audit::{Decision, Event, Object, Owner, Record, Subject};
use audit_export::format::printable;

/// The first row.
pub(in crate::commands::audit) const HEAD: &str = "time,tenant,sandbox,sequence,agent,client,action,decision,binary,script,host,port,method,path,level,rule,reason,policy,request,flow,status,credentials,hash,times,bytes_sent,bytes_received,latency_us,phase,exit_code,detail,detection,severity,response,policy_put_in_force,policy_source,by_user,binary_sha256,parents,source,query_keys,sha256,sent_sha256,received_sha256,kind,size,route,server,region,model_asked,model_served,tokens_in,tokens_out,categories,left";

pub(in crate::commands::audit) fn row(record: &Record) -> String {
    let event = &record.event;
    let object = event.object.clone().unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let fields = [
        record.time.clone(),
        record.tenant.as_str().to_owned(),
        record.sandbox.as_str().to_owned(),
        record.sequence.to_string(),
        record.agent.clone(),
        record.client.clone(),
        event.action.as_str().to_owned(),
        event
            .decision
            .map_or("", |decision| if decision == Decision::Allow { "allow" } else { "deny" })
            .to_owned(),
        owners(event.subject.as_ref(), |owner| Some(owner.binary.as_str())),
        owners(event.subject.as_ref(), |owner| owner.script.as_deref()),
        object.host.unwrap_or_default(),
        number(object.port.map(u64::from)),
        object.method.unwrap_or_default(),
        object.path.unwrap_or_default(),
        event.level.clone().unwrap_or_default(),
        event.rule.clone().unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        number(event.policy.map(|policy| policy.0)),
        event.request.as_ref().map(|request| request.0.clone()).unwrap_or_default(),
        number(event.flow.map(|flow| flow.0)),
        number(event.status.map(u64::from)),
        event.credentials.join(" "),
        record.hash.to_string(),
        number(object.times),
        number(object.bytes_sent),
        number(object.bytes_received),
        number(event.latency_us),
    ];
    let fields = fields.into_iter().chain(acts(event)).chain(evidence(event)).chain(inferred(event));
    fields.map(|field| escaped(&field)).collect::<Vec<_>>().join(",")
}

/// What records of other acts than the agent's have.
fn acts(event: &Event) -> [String; 9] {
    let (life, found, change) = (&event.lifecycle, &event.detection, &event.policy_change);
    let made = event.configuration.as_ref();
    let source = change.as_ref().map(|change| &change.source).or(made.and_then(|made| made.source.as_ref()));
    let uid = change.as_ref().map(|change| change.uid).or(made.and_then(|made| made.uid));
    let new = change.as_ref().and_then(|change| change.new.as_ref());
    [
        life.as_ref().map(|life| word(&life.phase)),
        life.as_ref().and_then(|life| life.code).map(|code| code.to_string()),
        life.as_ref().and_then(|life| life.detail.clone()),
        found.as_ref().map(|found| found.name.clone()),
        found.as_ref().map(|found| word(&found.severity)),
        found.as_ref().map(|found| word(&found.response)),
        new.map(|new| new.version.to_string()),
        source.cloned(),
        uid.map(|uid| uid.to_string()),
    ]
    .map(Option::unwrap_or_default)
}

/// What shows later that it was this program, from there, and these bytes.
fn evidence(event: &Event) -> [String; 9] {
    let (subject, object) = (event.subject.as_ref(), event.object.as_ref());
    let keys = object.map(|object| object.query_keys.join("&"));
    let text = |of: fn(&Object) -> &Option<String>| object.and_then(|object| of(object).clone());
    [
        Some(owners(subject, |owner| owner.sha256.as_deref())),
        Some(owners(subject, |owner| (!owner.parents.is_empty()).then(|| owner.parents.join(" < ")))),
        event.source.map(|source| source.to_string()),
        keys,
        text(|object| &object.sha256),
        text(|object| &object.sent_sha256),
        text(|object| &object.received_sha256),
        text(|object| &object.kind),
        object.and_then(|object| object.size).map(|size| size.to_string()),
    ]
    .map(Option::unwrap_or_default)
}

/// What records of model calls have.
fn inferred(event: &Event) -> [String; 9] {
    let Some(call) = event.inference.clone() else { return Default::default() };
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let found = |found: BTreeMap<String, u32>| {
        let each = found.into_iter().map(|(name, count)| format!("{name} {count}"));
        Some(each.collect::<Vec<_>>().join(" + "))
    };
    [
        call.route,
        call.server,
        call.region,
        call.model_asked,
        call.model_served,
        number(call.tokens_in),
        number(call.tokens_out),
        found(call.categories),
        found(call.left),
    ]
    .map(Option::unwrap_or_default)
}

/// A name, as records have it.
fn word(name: &impl serde::Serialize) -> String {
    serde_json::to_value(name).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn owners<'a, T: Into<String>>(
    subject: Option<&'a Subject>,
    text: impl Fn(&'a Owner) -> Option<T>,
) -> String {
    match subject {
        Some(Subject::Owners(owners)) => {
            owners.iter().filter_map(text).map(Into::into).collect::<Vec<String>>().join(" + ")
        }
        Some(Subject::Unknown(_)) | None => String::new(),
    }
}

fn escaped(field: &str) -> String {
    let field = no_formula(field);
    // Control characters mean nothing in a table and much to a terminal.
    let field = printable(&field);
    if field.starts_with('\'') || field.contains([',', ';', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into_owned()
    }
}

/// What a formula begins with, in the wide forms too; quotes and spaces may stand before it.
const BEGINS_FORMULA: [char; 12] =
    ['=', '+', '-', '@', '\t', '\r', '"', ' ', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The text with an apostrophe wherever a cell could begin with a formula.
fn no_formula(field: &str) -> String {
    let cell =
        |cell: &str| if cell.starts_with(BEGINS_FORMULA) { format!("'{cell}") } else { cell.to_owned() };
    let mut cells = field.split(';');
    // Nothing divides it before its beginning: there a quote or a space begins none.
    let first = cells.next().unwrap_or_default();
    let first = if first.starts_with(['"', ' ']) { first.to_owned() } else { cell(first) };
    std::iter::once(first).chain(cells.map(cell)).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_becomes_a_formula_another_field_or_a_command_of_the_terminal() {
        for (field, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("two\nlines\u{1b}[2J", "two\\u{a}lines\\u{1b}[2J"),
            ("\t=1", "\"'\\u{9}=1\""),
            ("/a;=HYPERLINK(\"x\")", "\"/a;'=HYPERLINK(\"\"x\"\")\""),
            ("/a; =1;b;\"@c", "\"/a;' =1;b;'\"\"@c\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
        ] {
            assert_eq!(escaped(field), expected);
        }
        let line = include_str!("../../../../../audit/tests/golden/record-v2.jsonl").lines().next().unwrap();
        let row = row(&serde_json::from_str(line).unwrap());
        assert!(
            row.starts_with("2026-11-29T05:20:47.000001Z,local,test-0a1b2c3d,1,test,proxy,inference,allow,"),
            "{row}"
        );
        assert_eq!(row.matches('\n').count(), 0);
    }

    /// A spreadsheet of all records has a cell for each column in each row, and what operators did.
    #[test]
    fn every_row_has_the_columns_of_the_head_and_says_who_did_what() {
        let records = include_str!("../../../../../audit/export/tests/golden/records.jsonl").lines();
        let mut cells = std::collections::BTreeSet::new();
        for line in records {
            let record: Record = serde_json::from_str(line).unwrap();
            let row = row(&record);
            // The golden records have commas and quotes in cells: those are taken out whole.
            let plain: String = row.split('"').step_by(2).collect();
            assert_eq!(plain.matches(',').count(), HEAD.matches(',').count(), "{row}");
            cells.extend(plain.split(',').map(str::to_owned));
        }
        let (ab, cd) = ("ab".repeat(32), "cd".repeat(32));
        let shown = [
            "agent-exited",
            "quarantine",
            "high",
            "1000",
            "/usr/bin/bash < /sbin/init",
            "page&token",
            &ab,
            &cd,
        ];
        for cell in shown {
            assert!(cells.contains(cell), "{cell}: {cells:?}");
        }
    }
}
