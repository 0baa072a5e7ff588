//! A clinic's agent: who the patient is and what was found stays on the host, the instruction and the department's structure go to
//! the cloud, the physicians' schedule goes there without their names; and the report for HIPAA says so of each call.

use std::fs;

use scenarios::{Session, openshell, upstream};
use serde_json::{Value, json};

/// What is found in a prompt, by category.
type Found = &'static [(&'static str, u32)];

/// What is asked, whether the whole of it goes to the cloud, stays, or goes with placeholders, and what was found in it.
const ROWS: [(&str, &str, &str, Found); 5] = [
    (
        "identity",
        "Patient Margaret Ellison, born 04/12/1958, MRN 00481516, was admitted.",
        "local",
        &[("health/medical-record-number", 1), ("personal/date-of-birth", 1), ("personal/name", 1)],
    ),
    (
        "findings",
        "Diagnosis: hypertension. Labs: HbA1c 9.1 %, creatinine 1.4 mg/dL. Metformin 500 mg twice daily.",
        "local",
        &[("health/condition", 1), ("health/lab-result", 2), ("health/medication", 1)],
    ),
    (
        "instruction",
        "Summarize in SOAP format, with the headings Subjective, Objective, Assessment and Plan.",
        "cloud",
        &[],
    ),
    (
        "structure",
        "The cardiology department has two wards and a clinic; both wards report to the head of medicine.",
        "cloud",
        &[],
    ),
    (
        "schedule",
        "Dr. Eleanor Whitcombe is on call on Tuesday from 7 to 19 h, Dr. James Okafor on Wednesday night.",
        "redacted",
        &[("personal/name", 2)],
    ),
];

/// What nobody outside of the clinic may learn, each long enough that no hash, time or number of a record holds it by chance.
const KEPT: [&str; 10] = [
    "Margaret",
    "Ellison",
    "04/12/1958",
    "00481516",
    "hypertension",
    "HbA1c",
    "Metformin",
    "Eleanor",
    "Whitcombe",
    "Okafor",
];

const AGENT: &str = "for row in identity findings instruction structure schedule; do
    curl -s -o answer -w \"$row %{http_code}\\n\" -H 'content-type: application/json' -d @$row.json https://inference.local/v1/chat/completions
done";

const POLICY: &str = "policy:
  network:
    - name: model
      binary: {allow: [curl]}
      destination: {allow: [inference.local]}
      method: {allow: [POST]}
      path: {allow: [/v1/chat/completions]}";

fn session(local: u16, cloud: u16) -> Session {
    let session = Session::new("base").script(AGENT);
    let project = session.dir().join("project");
    fs::create_dir(&project).expect("the session's directory is writable");
    for (row, text, ..) in ROWS {
        let call = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        fs::write(project.join(row).with_extension("json"), call.to_string()).expect("it is writable");
    }
    let inference = format!(
        "inference:
  rules: {{health: local, personal: redact}}
  after_local: judge
  providers:
    local: {{url: 'http://127.0.0.1:{local}/v1', model: nemotron}}
    cloud: {{url: 'http://127.0.0.1:{cloud}/v1'}}"
    );
    session.yaml("mounts: [{source: ./project, target: /work, mode: rw}]").yaml(POLICY).yaml(&inference)
}

#[test]
fn each_part_of_the_work_goes_where_it_may_and_the_report_proves_it() {
    let ((local, kept), (cloud, sent)) = (upstream::model(), upstream::model());
    let (home, outcome) = session(local, cloud).start().finish();
    let said: String = ROWS.iter().map(|(row, ..)| format!("{row} 200\n")).collect();
    assert_eq!((outcome.code, outcome.text()), (Some(0), said), "{outcome}");
    let (kept, sent) = (kept.so_far(), sent.so_far());
    assert_eq!((kept.len(), sent.len()), (2, 3), "{kept:?} {sent:?}");
    for ((_, text, ..), body) in ROWS.iter().zip(&kept).chain(ROWS[2..4].iter().zip(&sent)) {
        assert!(body.contains(text), "it arrives as it was written: {body}");
    }
    let schedule = &sent[2];
    for part in ["<PERSON_1>", "<PERSON_2>", "on call on Tuesday from 7 to 19 h"] {
        assert!(schedule.contains(part), "{part}: {schedule}");
    }
    for word in KEPT {
        assert!(sent.iter().all(|body| !body.contains(word)), "{word}: {sent:?}");
        assert!(
            outcome.audit.iter().all(|record| !record.to_string().contains(word)),
            "{word} is in the log"
        );
    }
    let inference = |record: &&Value| record["action"] == "inference";
    let recorded: Vec<&Value> = outcome.audit.iter().filter(inference).collect();
    assert_eq!(recorded.len(), ROWS.len(), "{outcome}");
    for ((row, _, route, found), record) in ROWS.iter().zip(recorded) {
        let told = &record["inference"];
        let zone = if *route == "local" { "local" } else { "cloud" };
        assert_eq!(told["route"], zone, "{row}: {record}");
        let found: serde_json::Map<_, _> =
            found.iter().map(|(category, times)| ((*category).to_owned(), json!(times))).collect();
        let categories = if found.is_empty() { Value::Null } else { Value::Object(found) };
        assert_eq!(told["categories"], categories, "{row}: {record}");
    }
    let report = home.path().join("hipaa.md");
    let written = openshell(home.path())
        .args(["audit", "report", "--for", "hipaa", "--period", "2020-01-01..2100-01-01", "--output"])
        .arg(&report)
        .output()
        .expect("it is built");
    let report = fs::read_to_string(report).unwrap_or_else(|error| panic!("{error}: {written:?}"));
    for word in KEPT {
        assert!(!report.contains(word), "{word} is in the report");
    }
}
