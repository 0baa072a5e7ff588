//! The demo, as a user runs it: a real agent, real servers, and what the host wrote down.

use std::path::Path;
use std::process::Command;

use scenarios::residue::Residue;
use scenarios::{openshell, program};

#[test]
fn the_researcher_does_its_work_and_nothing_else() {
    let before = Residue::now();
    let home = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/demo.sh");
    let mut demo = openshell(home.path());
    let output = Command::new("bash")
        .arg(script)
        .arg(program("openshell"))
        .envs(demo.env("LANG", "C.UTF-8").get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let all = format!("{text}\n--- stderr\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{all}");
    // The report: read by curl and by git, as the model asked.
    for line in
        ["# How does a microVM isolate", "read with curl", "read with git", "social security number: local"]
    {
        assert!(text.contains(line), "'{line}' is missing: {all}");
    }
    // Three attempts, each stopped at its level and told so in the denial's own words.
    for level in ["binary", "method", "path"] {
        assert!(text.contains(&format!("\"level\": \"{level}\"")), "{level}: {all}");
        assert!(
            text.lines()
                .any(|line| line.contains(" DENY ") && line.split_whitespace().any(|cell| cell == level)),
            "{level}: {all}"
        );
    }
    assert!(text.contains("unbroken"), "{all}");
    // The servers are the witnesses of what went out.
    let seen = text.split("what the upstreams saw").nth(1).unwrap();
    assert!(
        seen.contains("files saw 2 requests") && !seen.contains("private") && !seen.contains("DELETE"),
        "{all}"
    );
    assert!(!seen.contains("536-22-1234") && !seen.contains("4111 1111"), "{all}");
    assert_eq!(Residue::now(), before);
}
