use audit::Record;
use sha2::{Digest as _, Sha256};

use crate::build::document;
use crate::document::{Block, Document};
use crate::{Facts, Framework, LogFacts, Period, Standing, html, markdown, pdf};

const GOLDEN: &str = include_str!("../tests/golden/gdpr.md");

fn record(sequence: u64, event: &str) -> Record {
    let zero = "0".repeat(64);
    let text = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-{:02}T10:00:00.000000Z","monotonic_ns":1,"tenant":"local","sandbox":"clinic-0a1b2c3d","agent":"clinic","client":"proxy",{event},"prev":"{zero}","hash":"{zero}"}}"#,
        sequence % 28 + 1
    );
    serde_json::from_str(&text).unwrap()
}

fn deny(host: &str) -> String {
    let host = serde_json::to_string(host).unwrap();
    format!(
        r#""action":"network-request","object":{{"host":{host},"port":443,"path":{host}}},"decision":"deny","level":"destination","reason":{host}"#
    )
}

fn facts(events: &[String]) -> Facts {
    let mut facts = Facts::new();
    let period = period();
    for (event, sequence) in events.iter().zip(1..) {
        facts.observe(&record(sequence, event), &period);
    }
    facts
}

fn period() -> Period {
    "2026-11".parse().unwrap()
}

fn whole() -> LogFacts {
    LogFacts {
        sandbox: "clinic-0a1b2c3d".to_owned(),
        standing: Standing::Proven("4 records, unbroken; signed".to_owned()),
        checkpoint: Some("openshell/audit/clinic-0a1b2c3d\n4\nAAAA=\n\n— key AbCd\n".to_owned()),
    }
}

fn ordinary() -> Facts {
    let mut facts = facts(&[
        r#""action":"configuration","decision":"allow","policy":1,"configuration":{"sha256":"ef","source":"clinic.yaml","image":"base","confinement_sha256":"01","network_sha256":"02","openshell":"0.1.0"}"#.to_owned(),
        r#""action":"inference","decision":"allow","rule":"inference","request":"q-1","inference":{"categories":{"medical/diagnosis":2},"route":"local","model_asked":"auto"}"#.to_owned(),
        deny("evil.test"),
        r#""action":"detection","reason":"10 times","detection":{"name":"repeated-denials","severity":"medium","response":"quarantine","evidence":[3],"references":["T1046"]}"#.to_owned(),
    ]);
    facts.log(whole());
    facts
}

fn written(facts: &Facts) -> Document {
    document(facts, Framework::Gdpr, &period(), Some(&["inference".to_owned(), "github".to_owned()]))
}

#[test]
fn the_golden_report_stays_as_it_is() {
    let document = written(&ordinary());
    let text = markdown::render(&document);
    assert!(text == GOLDEN, "<<<{text}>>>");
    let pdf = pdf::render(&document);
    assert_eq!(pdf, pdf::render(&written(&ordinary())), "the same facts give the same bytes");
    assert_eq!(Sha256::digest(html::render(&document)), Sha256::digest(html::render(&written(&ordinary()))));
}

/// What a guest calls its hosts stands in the report as text, and is nothing else.
#[test]
fn guest_text_is_no_markup() {
    let attacks = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "a|b\n\n# heading\n- item",
        "[link](javascript:alert(1)) ![x](http://evil.test/p.png) <http://evil.test> http://evil.test www.evil.test",
        "`code` *bold* _it_ ~~no~~ \\",
        ") Tj ET Q endstream endobj (",
        "\u{1b}[2J\u{202e}gnp.exe\u{0}",
        "a\u{61c}b\u{ad}c\u{3164}d\u{2028}e\u{e0041}f\u{9b}g",
    ];
    let document = written(&facts(&attacks.map(deny)));
    let html = html::render(&document);
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("\u{202e}"));
    assert!(
        html.contains("&lt;script&gt;alert(1)") && html.contains("&lt;U+202E&gt;gnp.exe"),
        "it is there as text"
    );
    let text = markdown::render(&document);
    for markup in
        ["<script", "](", "![", "http:", "www.", "\n# heading", "\n- item", "*bold*", "\u{1b}", "\u{202e}"]
    {
        let found = text.match_indices(markup).find(|(at, _)| !text[..*at].ends_with('\\'));
        assert!(found.is_none(), "{markup:?}: {found:?}");
    }
    // Columns stay: no cell begins another.
    let row = text.lines().find(|line| line.contains("heading")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), row.matches(" | ").count() + 2, "{row}");
    for form in [&html, &text] {
        assert!(!form.chars().any(|c| c != '\n' && audit::text::drives(c)));
        assert!(
            form.contains("a&lt;U+061C&gt;b&lt;U+00AD&gt;c&lt;U+3164&gt;d&lt;U+2028&gt;e&lt;U+E0041&gt;f")
        );
    }
    let pdf = pdf::render(&document);
    let escaped = br"\) Tj ET Q endstream";
    assert!(
        pdf.windows(escaped.len()).any(|window| window == escaped),
        "the parenthesis does not end the text"
    );
}

#[test]
fn a_log_that_does_not_verify_is_stamped_in_every_form() {
    is_stamped(Standing::Broken("record 7: it was edited".to_owned()), "NOT INTACT: the log of other-1");
    is_stamped(
        Standing::Unproven("no checkpoint covers any of its 4 records".to_owned()),
        "NOT PROVEN: of the log of other-1, no checkpoint covers",
    );
}

fn is_stamped(standing: Standing, stamp: &str) {
    let mut facts = ordinary();
    facts.log(LogFacts { sandbox: "other-1".to_owned(), standing, checkpoint: None });
    let document = written(&facts);
    let first = |text: &str| {
        text.find(stamp).is_some_and(|at| text.find("Summary").is_some_and(|summary| at < summary))
    };
    assert!(first(&html::render(&document)) && document.stamps.len() == 1);
    assert!(first(&markdown::render(&document).replace("&#58;", ":")));
    let pdf = pdf::render(&document);
    let text = String::from_utf8_lossy(&pdf);
    assert!(first(&text), "before anything else on the first page");
    assert_eq!(text.matches("(NOT INTACT)").count(), text.matches("/Type /Page\n").count(), "on every page");
    assert!(!String::from_utf8_lossy(&pdf::render(&written(&ordinary()))).contains("NOT INTACT"));
}

#[test]
fn millions_of_hosts_make_no_larger_report() {
    let small = facts(&(0..10_000).map(|number| deny(&format!("h{number}.test"))).collect::<Vec<_>>());
    let large = facts(&(0..40_000).map(|number| deny(&format!("h{number}.test"))).collect::<Vec<_>>());
    let [small, large] = [small, large].map(|facts| markdown::render(&written(&facts)).len());
    assert!(large < small + 100, "{small} {large}");
}

#[test]
fn rules_that_nobody_used_are_named() {
    let document = written(&ordinary());
    let at = document
        .blocks
        .iter()
        .position(|block| matches!(block, Block::Heading(text) if text.contains("unused")))
        .unwrap();
    let Block::Table(table) = &document.blocks[at + 2] else { panic!("a table") };
    assert_eq!(table.rows, [["github", "not in this log"]]);
}

fn prompt(route: &str, rule: &str, inference: &str) -> String {
    format!(
        r#""action":"inference","decision":"allow","rule":"{rule}","inference":{{"route":"{route}",{inference}}}"#
    )
}

#[test]
fn transfers_are_told_by_region() {
    let facts = facts(&[
        prompt("cloud", "plain-to-cloud", r#""region":"eu-central-1","server":"a""#),
        prompt("cloud", "redacted-to-cloud", r#""region":"eu-central-1","categories":{"personal/name":1}"#),
        prompt("cloud", "plain-to-cloud", r#""categories":{"prompt-injection/hidden-text":1}"#),
        prompt("local", "sensitive-to-local", r#""region":"de","categories":{"financial/iban":1}"#),
    ]);
    let text = markdown::render(&written(&facts));
    for part in [
        "| eu-central-1 | 2 | 1 |",
        "| not known | 1 | 0 |",
        "3 prompts to cloud models (1 with classified data), the region known of 2",
    ] {
        assert!(text.replace('\\', "").contains(part), "{part}\n{text}");
    }
    assert!(text.contains("1 prompts with marks of injected instructions"));
    assert!(!text.replace('\\', "").contains("| prompt-injection/hidden-text |"), "a mark is no data");
}

#[test]
fn it_is_told_whether_health_data_went_to_a_cloud() {
    let diagnosis = r#""categories":{"health/diagnosis-code":1,"personal/name":1}"#;
    let stayed = [
        prompt("local", "sensitive-to-local", diagnosis),
        prompt("refused", "sensitive-blocked", diagnosis),
        prompt("cloud", "redacted-to-cloud", &format!(r#"{diagnosis},"left":{{"personal/name":1}}"#)),
        prompt("cloud", "passed-to-cloud", r#""categories":{"personal/name":1}"#),
    ];
    let said = |events: &[String]| {
        let mut facts = facts(events);
        facts.log(whole());
        markdown::render(&document(&facts, Framework::Hipaa, &period(), None)).replace('\\', "")
    };
    let text = said(&stayed);
    assert!(
        text.contains("no prompt went to a cloud model with health data that was found in it. Of 3 prompts"),
        "{text}"
    );
    assert!(text.contains("0 of 3 prompts with health data went to a cloud model as they were"));
    for crossed in [
        prompt("cloud", "passed-to-cloud", diagnosis),
        prompt("cloud", "redacted-to-cloud", &format!(r#"{diagnosis},"left":{{"health/diagnosis-code":1}}"#)),
        prompt("elsewhere", "new-rule", diagnosis),
    ] {
        let text = said(&[&stayed[..], &[crossed]].concat());
        assert!(text.contains("1 prompts went to a cloud model WITH health data"), "{text}");
    }
}

#[test]
fn every_framework_has_a_report() {
    for framework in Framework::ALL {
        assert_eq!(framework.as_str().parse(), Ok(framework));
        let document = document(&ordinary(), framework, &period(), None);
        let text = markdown::render(&document);
        for part in ["ASI01", "ASI10", "What this log does not show", "Integrity of the logs", "AAAA="] {
            assert!(text.contains(part), "{}: {part}", framework.as_str());
        }
    }
    assert!("pci".parse::<Framework>().is_err());
}
