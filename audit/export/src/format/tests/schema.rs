//! OCSF events against the published schema, cut down to the attributes that we use. `tests/ocsf/README.md` says how
//! it was made and how to check against all of it.

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

use super::hostile::hostile_records;
use super::records;
use crate::format::{Format, ocsf};

const SCHEMA: &str = include_str!("../../../tests/ocsf/schema.json");

struct Validator {
    schemas: Schemas,
    compiler: Compiler,
}

impl Validator {
    fn new() -> Self {
        let mut compiler = Compiler::new();
        compiler.add_resource("urn:ocsf", serde_json::from_str(SCHEMA).unwrap()).unwrap();
        Self { schemas: Schemas::new(), compiler }
    }

    fn check(&mut self, event: &Value) -> Result<(), String> {
        let class = format!("urn:ocsf#/$defs/class_{}", event["class_uid"]);
        let class = self.compiler.compile(&class, &mut self.schemas).map_err(|error| error.to_string())?;
        self.schemas.validate(event, class).map_err(|error| format!("{error:#}\n{event}"))
    }
}

/// `OCSF_EVENTS=FILE` keeps the events too, for a check against the whole published schema, which is too large to stand here.
#[test]
fn every_event_is_valid() {
    let mut validator = Validator::new();
    let mut classes = std::collections::BTreeSet::new();
    let all = records().into_iter().chain(hostile_records(60));
    let events: Vec<Value> = all.map(|record| ocsf::event(&record)).collect();
    // Before they are checked: an attribute that the schema here does not have yet comes from the whole one.
    if let Some(path) = std::env::var_os("OCSF_EVENTS") {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(path, lines).unwrap();
    }
    for event in events {
        validator.check(&event).unwrap_or_else(|error| panic!("{error}"));
        classes.insert(event["class_uid"].as_u64().unwrap());
    }
    let known = [1001, 1007, 2004, 3004, 4001, 4002, 4003, 6002, 6003];
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), known);
}

/// The schema that was cut down still refuses what the whole one refuses.
#[test]
fn what_is_not_valid_is_refused() {
    let mut validator = Validator::new();
    for record in records() {
        let event = ocsf::event(&record);
        for key in ["metadata", "time", "severity_id", "type_uid", "activity_id", "category_uid"] {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(key);
            assert!(validator.check(&less).is_err(), "without {key}");
        }
        let changes = [
            ("surprise", json!(1)),
            ("severity_id", json!(7)),
            ("time", json!("now")),
            ("metadata", json!({})),
        ];
        for (key, value) in changes {
            let mut more = event.clone();
            more[key] = value;
            assert!(validator.check(&more).is_err(), "{key}");
        }
    }
}

#[test]
fn every_line_of_the_feed_is_as_its_schema_says() {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("feed", serde_json::from_str(audit_watch::feed::SCHEMA).unwrap()).unwrap();
    let schema = compiler.compile("feed", &mut schemas).unwrap();
    for record in records() {
        let mut line = Vec::new();
        Format::Feed.render(&record, &mut line);
        let line: Value = serde_json::from_slice(&line).unwrap();
        schemas.validate(&line, schema).unwrap_or_else(|error| panic!("{error:#}\n{line}"));
    }
}
