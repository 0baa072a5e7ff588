use super::*;

const GOLDEN: &str = include_str!("../../../tests/golden/record-v2.jsonl");

fn records() -> Vec<Record> {
    GOLDEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn patterns() {
    for (pattern, value, fits) in [
        ("api.slack.com", "API.slack.com", true),
        ("*.slack.com", "api.slack.com", true),
        ("*.slack.com", "slack.com", false),
        ("*", "", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("*ab*ab*", "ab", false),
        ("", "x", false),
        ("100%_", "100%_", true),
        ("100%_", "100xx", false),
    ] {
        assert_eq!(Pattern::from(pattern).is(value), fits, "{pattern} {value}");
    }
    for (pattern, program, fits) in [
        ("curl", "/usr/bin/curl", true),
        ("/usr/bin/*", "/usr/bin/curl", true),
        ("python3*", "/usr/bin/python3.11", true),
        ("url", "/usr/bin/curl", false),
    ] {
        assert_eq!(Pattern::from(pattern).is_program(program), fits, "{pattern} {program}");
    }
}

#[test]
fn each_condition_finds_its_record_and_no_other() {
    let pattern = |text: &str| vec![Pattern::from(text)];
    let none = Filter::default;
    let table: [(Filter, &[u64]); 35] = [
        (none(), &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Filter { since: Some("2026-11-29T05:20:47.000003Z".to_owned()), ..none() }, &[3, 4, 5, 6, 7, 8, 9]),
        (Filter { until: Some("2026-11-29T05:20:47.000003Z".to_owned()), ..none() }, &[1, 2]),
        (Filter { decision: Some(Decision::Allow), ..none() }, &[1, 4, 5, 8]),
        (Filter { action: vec![Action::Lifecycle, Action::NameQuery], ..none() }, &[2, 3]),
        (Filter { host: pattern("inference.*"), ..none() }, &[1]),
        (Filter { method: pattern("post"), ..none() }, &[1, 7, 8]),
        (Filter { path: pattern("/v1/*"), ..none() }, &[1, 7, 8]),
        (Filter { binary: pattern("python3.11"), ..none() }, &[1]),
        (Filter { binary: pattern("/work/agent.py"), ..none() }, &[1]),
        (Filter { rule: pattern("inference"), ..none() }, &[1]),
        (Filter { region: vec!["us".to_owned(), "eu".to_owned()], ..none() }, &[1]),
        (Filter { region: vec!["eu-central-1".to_owned()], ..none() }, &[1]),
        (Filter { region: vec!["eu-c".to_owned()], ..none() }, &[]),
        (Filter { region: vec!["unknown".to_owned()], ..none() }, &[]),
        (Filter { level: pattern("path"), ..none() }, &[1]),
        (Filter { request: pattern("r-1"), ..none() }, &[1]),
        (Filter { flow: Some(7), ..none() }, &[1]),
        (Filter { credential: pattern("slack_token"), ..none() }, &[1]),
        (Filter { category: pattern("pan"), ..none() }, &[1]),
        (
            Filter { tenant: pattern("local"), agent: pattern("test"), client: pattern("proxy"), ..none() },
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ),
        (Filter { tenant: pattern("other"), ..none() }, &[]),
        (Filter { digest: pattern(&"12".repeat(32)), ..none() }, &[1]),
        (Filter { digest: pattern(&"34".repeat(32)), ..none() }, &[1]),
        (Filter { digest: pattern(&"CD".repeat(32)), ..none() }, &[1]),
        (Filter { digest: pattern("abab*"), ..none() }, &[1]),
        (Filter { digest: pattern(&"ab".repeat(31)), ..none() }, &[]),
        (Filter { digest: pattern(&"56".repeat(32)), ..none() }, &[9]),
        (Filter { level: pattern("download"), ..none() }, &[9]),
        (Filter { digest: pattern(&"ef".repeat(32)), ..none() }, &[]),
        (Filter { text: Some("TEAM".to_owned()), ..none() }, &[4]),
        (Filter { text: Some("socket closed".to_owned()), ..none() }, &[3, 7]),
        (Filter { text: Some("/usr/bin/curl".to_owned()), ..none() }, &[7, 8]),
        (Filter { text: Some("repeated".to_owned()), ..none() }, &[6]),
        (Filter { text: Some("agent.yaml".to_owned()), decision: Some(Decision::Deny), ..none() }, &[]),
    ];
    for (filter, expected) in table {
        let found: Vec<u64> =
            records().iter().filter(|record| filter.matches(record)).map(|record| record.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}
