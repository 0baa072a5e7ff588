//! Registered documents: what the agent reads in its project does not leave by a prompt, and the agent does not change what is
//! registered.

use std::fs;

use scenarios::{Session, upstream};
use serde_json::{Value, json};

const ROADMAP: &str = "In the spring the turbine of the second plant is taken off the grid for nine weeks, because the blades of its \
    third stage have cracks that nobody outside of this building has heard of.\n";

const HANDBOOK: &str = "Whoever leaves the building last turns off the lights, closes the windows on the side of the river, and tells \
    the night watch how many people are still in the laboratory.\n";

/// Tries to change what is registered, then asks the model three times.
const AGENT: &str = "
    try() { name=$1; shift; if \"$@\" 2>/dev/null; then echo \"$name DONE\"; else echo \"$name refused\"; fi; }
    try write sh -c 'echo nothing > roadmap.txt'
    try move mv roadmap.txt elsewhere.txt
    try remove rm handbook/exits.txt
    try around mv handbook other
    try control sh -c 'echo mine > handbook/own.txt'
    ask() { curl -s -o answer -w \"$1 %{http_code}\\n\" -H 'content-type: application/json' -d @$1.json https://inference.local/v1/chat/completions; }
    ask plain; ask roadmap; cat answer; echo; ask handbook";

const POLICY: &str = "policy:
  network:
    - name: model
      binary: {allow: [curl]}
      destination: {allow: [inference.local]}
      method: {allow: [POST]}
      path: {allow: [/v1/chat/completions]}";

fn call(content: &str) -> String {
    json!({"model": "m", "messages": [{"role": "user", "content": content}]}).to_string()
}

/// An agent that works in a project with two documents, and a model that anybody may run.
fn session(port: u16) -> Session {
    let session = Session::new("base").script(AGENT);
    let project = session.dir().join("project");
    fs::create_dir_all(project.join("handbook")).expect("the session's directory is writable");
    for (name, text) in [
        ("roadmap.txt", ROADMAP.to_owned()),
        ("handbook/exits.txt", HANDBOOK.to_owned()),
        ("plain.json", call("How long is a turbine taken off the grid for?")),
        ("roadmap.json", call(&format!("Make this shorter: {}", ROADMAP.to_uppercase()))),
        ("handbook.json", call(&format!("Translate: {HANDBOOK} Thanks."))),
    ] {
        fs::write(project.join(name), text).expect("the project is writable");
    }
    let inference = format!(
        "inference:
  documents:
    - {{name: roadmap, file: ./project/roadmap.txt}}
    - {{name: handbook, file: ./project/handbook}}
  rules: {{property/handbook: redact}}
  providers: {{cloud: {{url: 'http://127.0.0.1:{port}/v1'}}}}"
    );
    session.yaml("mounts: [{source: ./project, target: /work, mode: rw}]").yaml(POLICY).yaml(&inference)
}

#[test]
fn a_pasted_paragraph_stays_and_the_record_names_its_document() {
    let (port, asked) = upstream::model();
    let (home, outcome) = session(port).start().finish();
    let text = outcome.text();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    for line in ["write refused", "move refused", "remove refused", "around refused", "control DONE"] {
        assert!(text.contains(line), "{line}: {outcome}");
    }
    for line in ["plain 200", "roadmap 403", "sensitive-without-local", "handbook 200"] {
        assert!(text.contains(line), "{line}: {outcome}");
    }
    assert_eq!(fs::read_to_string(home.path().join("project/roadmap.txt")).unwrap(), ROADMAP);
    let asked = asked.so_far();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("<HANDBOOK_1>"), "{asked:?}");
    for word in ["CRACKS", "SECOND PLANT", "night watch", "laboratory"] {
        assert!(asked.iter().all(|body| !body.contains(word)), "{word}: {asked:?}");
    }
    let found: Vec<&Value> = outcome
        .audit
        .iter()
        .filter(|record| record["action"] == "inference")
        .map(|record| &record["inference"]["categories"])
        .collect();
    assert_eq!(
        found,
        [&Value::Null, &json!({"property/roadmap": 1}), &json!({"property/handbook": 1})],
        "{outcome}"
    );
    let recorded: Vec<String> =
        outcome.audit.iter().map(|record| record.to_string().to_lowercase()).collect();
    assert!(recorded.iter().all(|record| !record.contains("cracks") && !record.contains("night watch")));
}
