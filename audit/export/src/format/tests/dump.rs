//! Writes events for a check against the whole published schema, which is too large to keep here.

use super::hostile::hostile_records;
use super::records;
use crate::format::Format;

#[test]
#[ignore = "writes a file for a check by hand: OCSF_EVENTS=FILE"]
fn write_events() {
    let path = std::env::var_os("OCSF_EVENTS").expect("OCSF_EVENTS names the file");
    let mut out = Vec::new();
    for record in records().into_iter().chain(hostile_records(150)) {
        Format::Ocsf.render(&record, &mut out);
        out.push(b'\n');
    }
    std::fs::write(path, out).unwrap();
}
