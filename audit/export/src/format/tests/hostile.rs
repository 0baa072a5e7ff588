//! Records whose texts attack the formats, made from a seed.

use std::collections::BTreeMap;

use audit::record::Owner;
use audit::{Record, Subject};

use super::{parse, records};
use crate::format::{Format, MAX_LINE, MAX_RENDERED};

/// xorshift64*: the same texts in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % sides
    }

    /// Pieces that mean something to one of the formats, and lengths at and over the limits.
    fn text(&mut self) -> String {
        const PIECES: [&str; 32] = [
            "|",
            "=",
            "\\",
            "\"",
            "]",
            "[",
            "\t",
            "\n",
            "\r\n",
            "\0",
            "\u{1b}[31m",
            "\u{202e}",
            "\u{2028}",
            "\u{85}",
            " hash=",
            " hash=\"0\"",
            "CEF:0|a|b|c|d|e|1|",
            "LEEF:2.0|",
            "<14>1 - -",
            "{\"a\":",
            "}",
            "é",
            "𝄞",
            "\u{feff}",
            "\u{7f}",
            "\\\"",
            "\\=",
            "=cmd|",
            " ",
            "a",
            "\\\\",
            "\thash=0",
        ];
        let long = self.roll(40) == 0;
        let length = if long { 1300 } else { self.roll(24) };
        (0..length).map(|_| PIECES[self.roll(PIECES.len())]).collect()
    }

    fn some(&mut self) -> Option<String> {
        (self.roll(4) > 0).then(|| self.text())
    }
}

fn attack(record: &mut Record, dice: &mut Dice) {
    record.agent = dice.text();
    record.client = dice.text();
    if dice.roll(4) == 0 {
        record.time = dice.text();
    }
    let event = &mut record.event;
    event.level = dice.some();
    event.rule = dice.some();
    event.reason = dice.some();
    event.credentials = (0..dice.roll(4)).map(|_| dice.text()).collect();
    let mut object = event.object.clone().unwrap_or_default();
    object.host = dice.some();
    object.method = dice.some();
    object.path = dice.some();
    object.sha256 = dice.some();
    object.query_keys = (0..dice.roll(32)).map(|_| dice.text()).collect();
    object.bytes_sent = Some(u64::MAX);
    event.object = Some(object);
    let owner = Owner {
        binary: dice.text(),
        sha256: dice.some(),
        script: dice.some(),
        pid: u32::MAX,
        uid: 0,
        parents: (0..dice.roll(32)).map(|_| dice.text()).collect(),
    };
    event.subject = Some(if dice.roll(8) == 0 {
        Subject::Unknown(dice.text())
    } else {
        Subject::Owners(vec![owner; dice.roll(3) + 1])
    });
    if let Some(inference) = &mut event.inference {
        inference.categories = BTreeMap::from([(dice.text(), 1), (dice.text(), u32::MAX)]);
        inference.model_asked = dice.some();
        inference.model_served = dice.some();
        inference.server = dice.some();
        inference.region = dice.some();
        inference.left = BTreeMap::from([(dice.text(), 1)]);
    }
    if let Some(lifecycle) = &mut event.lifecycle {
        lifecycle.detail = dice.some();
    }
    if let Some(change) = &mut event.policy_change {
        change.source = dice.text();
    }
    if let Some(proposal) = &mut event.proposal {
        (proposal.binary, proposal.expires, proposal.until) = (dice.text(), dice.some(), dice.some());
    }
    if let Some(detection) = &mut event.detection {
        detection.name = dice.text();
        detection.references = (0..dice.roll(4)).map(|_| dice.text()).collect();
    }
}

pub(super) fn hostile_records(rounds: u64) -> impl Iterator<Item = Record> {
    (1..=rounds).flat_map(|seed| {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        records().into_iter().map(move |mut record| {
            attack(&mut record, &mut dice);
            record
        })
    })
}

fn render(format: Format, record: &Record) -> String {
    let mut out = Vec::new();
    format.render(record, &mut out);
    String::from_utf8(out).unwrap()
}

/// What joins an export to the log must be what the record has, whatever its texts say.
#[test]
fn no_text_ends_its_field_or_its_line() {
    for record in hostile_records(150) {
        let (sandbox, sequence, hash) =
            (record.sandbox.to_string(), record.sequence.to_string(), record.hash.to_string());
        let cef = render(Format::Cef, &record);
        let (header, values) = parse::cef(&cef);
        assert_eq!(header[..3], ["CEF:0", "openshell", "vm"]);
        assert_eq!(header[4], record.event.action.as_str());
        assert_eq!((&values["dvchost"], &values["externalId"], &values["cs1"]), (&sandbox, &sequence, &hash));
        let leef = render(Format::Leef, &record);
        let (header, values) = parse::leef(&leef);
        assert_eq!(header[4], record.event.action.as_str());
        assert_eq!(
            (&values["identHostName"], &values["sequence"], &values["recordHash"]),
            (&sandbox, &sequence, &hash)
        );
        let syslog = render(Format::Syslog, &record);
        let (header, values, message) = parse::syslog(&syslog);
        assert_eq!(
            (&*header[2], &*header[3], &*header[5]),
            (&*sandbox, "openshell", record.event.action.as_str())
        );
        assert_eq!((&values["sandbox"], &values["sequence"], &values["hash"]), (&sandbox, &sequence, &hash));
        assert!(message.starts_with(record.event.action.as_str()));
        for line in [&cef, &leef, &syslog] {
            assert!(line.len() <= MAX_LINE, "{}", line.len());
            let stray = line.chars().find(|c| c.is_control() && !(*c == '\t' && line.starts_with("LEEF")));
            assert_eq!(stray, None, "{line}");
            assert!(!line.contains(['\u{202e}', '\u{2028}']));
        }
        // Bytes that are no letters of the guest's must not come back as a parameter.
        assert!(values.len() <= crate::format::fields::ALL.len() + 1);
    }
}

#[test]
fn every_json_format_is_one_line_that_names_the_record() {
    for record in hostile_records(60) {
        for (name, format) in Format::BY_NAME.into_iter().filter(|(_, format)| format.is_json()) {
            let line = render(format, &record);
            assert!(line.len() <= MAX_RENDERED, "{name}: {}", line.len());
            // What is hashed must stay as it is; all others hold nothing that any reader takes for an end of a line.
            let is_exact = matches!(name, "json" | "splunk-hec");
            let bad = |c: char| if is_exact { c.is_ascii_control() && c != '\u{7f}' } else { c.is_control() };
            assert!(!line.contains(bad), "{name}: {line}");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let (sequence, hash) = match name {
                "json" => (value["sequence"].clone(), value["hash"].clone()),
                "ocsf" => (value["metadata"]["sequence"].clone(), value["metadata"]["uid"].clone()),
                "ecs" => (value["event"]["sequence"].clone(), value["event"]["hash"].clone()),
                // Sandbox and sequence are its id.
                "feed" => (value["sequence"].clone(), record.hash.to_string().into()),
                "splunk-hec" => (value["fields"]["sequence"].clone(), value["fields"]["hash"].clone()),
                _ => {
                    let of = |key: &str| {
                        let all = value["attributes"].as_array().unwrap();
                        let mut with_key = all.iter().filter(|attribute| attribute["key"] == key);
                        let found = with_key.next().unwrap()["value"].clone();
                        assert_eq!(with_key.next(), None, "{key} twice");
                        found
                    };
                    let number =
                        of("openshell.sequence")["intValue"].as_str().unwrap().parse::<u64>().unwrap();
                    (number.into(), of("openshell.hash")["stringValue"].clone())
                }
            };
            assert_eq!((sequence, hash), (record.sequence.into(), record.hash.to_string().into()), "{name}");
        }
    }
}

/// The largest record that the writer takes, with nothing but what escapes to the longest.
#[test]
fn the_largest_record_stays_within_the_bounds() {
    let mut record = records().remove(4);
    let worst = "\u{1b}".repeat(audit::MAX_EVENT / 6 / 4);
    let object = record.event.object.as_mut().unwrap();
    object.path = Some(worst.clone());
    object.host = Some(worst.clone());
    record.event.reason = Some(worst.clone());
    record.event.rule = Some(worst);
    for (name, format) in Format::BY_NAME {
        let length = render(format, &record).len();
        let limit = if format.is_json() { MAX_RENDERED } else { MAX_LINE };
        assert!(length <= limit, "{name}: {length}");
    }
}
