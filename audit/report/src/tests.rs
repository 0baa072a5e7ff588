use audit::Record;
use audit::checkpoint::Note;
use sha2::{Digest as _, Sha256};

use crate::build::document;
use crate::document::{Block, Document};
use crate::{
    Beginning, Beside, Facts, Framework, LogFacts, Period, Rules, Standing, html, is_processing, markdown,
    pdf,
};

/// A checkpoint that `openssl pkeyutl -sign` signed, and the public key.
const NOTE: &str = concat!(
    "openshell-audit/clinic-0a1b2c3d\n4\n",
    "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n",
    "— openshell-audit ",
    "ucRRslI5Bdo2u8YBr0JJs2uv4v+4axPgssuHLJdBl2kErqLaqI51OdETKWXX3RKiIv2p39tQ4KCtPol7yXVusaZx/Qc=\n"
);
const KEY: &str = "openshell-audit+b9c451b2+AZmDhdR1UcG3b4+00PYqZi8mlhP4Dd97JH39LdET1I0m";

const GOLDEN: &str = include_str!("../tests/golden/gdpr.md");

fn record(sequence: u64, event: &str) -> Record {
    let zero = "0".repeat(64);
    let text = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-{:02}T10:00:00.000000Z","monotonic_ns":1,"tenant":"local","sandbox":"clinic-0a1b2c3d","agent":"clinic","client":"proxy",{event},"prev":"{zero}","hash":"{zero}"}}"#,
        sequence % 28 + 1
    );
    let mut record: Record = serde_json::from_str(&text).unwrap();
    record.client = record.event.action.client().to_owned();
    record
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
        checkpoint: Some(Note::parse(NOTE).unwrap()),
        begins: None,
    }
}

fn ordinary() -> Facts {
    let mut facts = facts(&[
        r#""action":"configuration","decision":"allow","policy":1,"configuration":{"sha256":"ef","source":"clinic.yaml","image":"base","confinement_sha256":"01","network_sha256":"02","openshell":"0.1.0"}"#.to_owned(),
        r#""action":"inference","decision":"allow","rule":"inference","policy":1,"request":"q-1","inference":{"categories":{"medical/diagnosis":2},"route":"local","model_asked":"auto"}"#.to_owned(),
        deny("evil.test"),
        r#""action":"detection","reason":"10 times","detection":{"name":"repeated-denials","severity":"medium","response":"quarantine","evidence":[3],"references":["T1046"]}"#.to_owned(),
    ]);
    facts.log(whole());
    facts
}

fn rules(names: &[&str]) -> Rules {
    Rules { names: names.iter().map(|name| (*name).to_owned()).collect(), sha256: "02".to_owned() }
}

fn written(facts: &Facts) -> Document {
    document(facts, Framework::Gdpr, &period(), &[rules(&["inference", "github"])])
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

#[test]
fn who_only_asked_for_a_name_went_nowhere() {
    let asked = |decision: &str, host: &str| {
        format!(
            r#""action":"name-query","decision":"{decision}","subject":{{"owners":[{{"binary":"/usr/bin/dig","pid":1,"uid":1}}]}},"object":{{"host":"{host}","method":"A"}}"#
        )
    };
    let facts = facts(&[asked("allow", "idle.test"), asked("deny", "evil.test")]);
    let text = markdown::render(&written(&facts));
    let (allowed, denied) = text.split_once("Hosts that were denied").unwrap();
    assert!(!text.contains("idle.test") && denied.contains("evil.test"), "{text}");
    assert!(!allowed.contains("evil.test"), "{text}");
    let programs = denied.split_once("Programs that were allowed").unwrap().1;
    assert!(!programs.split_once("Credentials that").unwrap().0.contains("dig"), "{text}");
}

fn access(facts: &Facts) -> String {
    let text = markdown::render(&document(facts, Framework::AccessReview, &period(), &[]));
    text.split_once("Who reached what").unwrap().1.split_once("\n## ").unwrap().0.replace('\\', "")
}

#[test]
fn an_access_review_says_who_reached_what_under_which_rule() {
    let asked = |script: &str, host: &str, rest: &str| {
        format!(
            r#""action":"network-request","subject":{{"owners":[{{"binary":"/usr/bin/python3","script":"{script}","pid":1,"uid":1}}]}},"object":{{"host":"{host}","port":443}},{rest}"#
        )
    };
    let allowed = r#""decision":"allow","rule":"api""#;
    let facts = facts(&[
        asked("/a.py", "api.test", allowed),
        asked("/a.py", "api.test", allowed),
        asked("/a.py", "api.test", r#""decision":"deny","rule":"api","reason":"the path""#),
        asked("/b.py", "api.test", r#""decision":"deny","rule":"closed","rule_denies":true"#),
        r#""action":"name-query","decision":"allow","object":{"host":"idle.test","method":"A"}"#.to_owned(),
        r#""action":"network-flow","decision":"allow","object":{"host":"tunnel.test","port":443}"#.to_owned(),
        r#""action":"name-query","decision":"deny","object":{"host":"evil.test","method":"A","times":7}"#
            .to_owned(),
    ]);
    let text = access(&facts);
    for row in [
        "| /a.py (/usr/bin/python3) | api.test | api | 2 | 0 |",
        "| /a.py (/usr/bin/python3) | api.test | no rule | 0 | 1 |",
        "| /b.py (/usr/bin/python3) | api.test | closed | 0 | 1 |",
        "| evil.test | no rule | 0 | 7 |",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    assert!(!text.contains("idle.test") && !text.contains("tunnel.test"), "{text}");
}

#[test]
fn hosts_that_a_guest_makes_up_do_not_hide_what_it_was_allowed() {
    let mut events: Vec<String> = (0..6000).map(|number| deny(&format!("n{number}.test"))).collect();
    let allowed = r#""action":"network-request","object":{"host":"api.test","port":443},"decision":"allow","rule":"api""#;
    events.push(allowed.to_owned());
    let text = access(&facts(&events));
    assert!(text.contains("api.test | api | 1 | 0 |"), "{text}");
    assert!(text.contains("3597") && text.contains("1904 times denied"), "{text}");
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
    is_stamped(
        Standing::Accepted("no checkpoint covers any of its 4 records".to_owned()),
        "TAKEN UNPROVEN: of the log of other-1, no checkpoint covers any",
    );
    is_stamped(Standing::Broken("record 7: it was edited".to_owned()), "NOT INTACT: the log of other-1");
    is_stamped(
        Standing::Unproven("no checkpoint covers any of its 4 records".to_owned()),
        "NOT PROVEN: of the log of other-1, no checkpoint covers",
    );
}

fn is_stamped(standing: Standing, stamp: &str) {
    let mut facts = ordinary();
    facts.log(LogFacts { sandbox: "other-1".to_owned(), standing, checkpoint: None, begins: None });
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

/// The texts that a PDF shows: each stands between parentheses, or in hexadecimal between angles, before `Tj`.
fn shown(file: &[u8]) -> Vec<String> {
    let hexadecimal = |digits: &str| {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes = digits.as_bytes().chunks(2).map(byte);
        bytes.map(|byte| if byte == 0x97 { '—' } else { char::from(byte) }).collect()
    };
    let text = |line: &str| {
        let operand = line.strip_suffix(" Tj")?;
        let literal = operand.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        literal
            .map(str::to_owned)
            .or_else(|| operand.strip_prefix('<').and_then(|text| text.strip_suffix('>')).map(hexadecimal))
    };
    String::from_utf8_lossy(file).lines().filter_map(text).collect()
}

/// Whoever has the report and the key needs nothing else to verify the checkpoint in it.
#[test]
fn the_signed_checkpoint_is_read_out_of_every_form_and_verified() {
    let document = written(&ordinary());
    let text = markdown::render(&document);
    let last: Vec<_> = text.lines().rev().skip_while(|line| line.is_empty()).collect();
    let block: Vec<_> = last.into_iter().map_while(|line| line.strip_prefix("    ")).collect();
    let markdown: String = block.iter().rev().map(|line| format!("{line}\n")).collect();

    let text = html::render(&document);
    let (_before, block) = text.split_once("<pre>").unwrap();
    let html = block.split_once("</pre>").unwrap().0.to_owned();

    let file = pdf::render(&document);
    let lines = shown(&file);
    let at = lines.iter().position(|line| line == NOTE.lines().next().unwrap()).unwrap();
    let pdf: String = lines[at..at + 5].iter().map(|line| format!("{line}\n")).collect();

    for (form, found) in [("markdown", markdown), ("html", html), ("pdf", pdf)] {
        let note = Note::parse(&found).unwrap_or_else(|error| panic!("{form}: {error}: {found}"));
        let checkpoint = note.checkpoint(&KEY.parse().unwrap()).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("openshell-audit/clinic-0a1b2c3d", 4),
            "{form}"
        );
    }
}

#[test]
fn millions_of_hosts_make_no_larger_report() {
    let small = facts(&(0..10_000).map(|number| deny(&format!("h{number}.test"))).collect::<Vec<_>>());
    let large = facts(&(0..40_000).map(|number| deny(&format!("h{number}.test"))).collect::<Vec<_>>());
    let [small, large] = [small, large].map(|facts| markdown::render(&written(&facts)).len());
    assert!(large < small + 100, "{small} {large}");
}

#[test]
fn what_was_done_many_times_counts_so_often_and_an_outcome_is_no_decision() {
    let facts = facts(&[
        r#""action":"execution","decision":"deny","level":"executable","subject":{"owners":[{"binary":"/tmp/x","pid":1,"uid":1}]},"object":{"path":"/tmp/x","times":41}"#.to_owned(),
        deny("evil.test"),
        r#""action":"network-request","decision":"allow","rule":"r","object":{"host":"good.test"}"#.to_owned(),
        r#""action":"network-outcome","decision":"deny","level":"upstream","reason":"it hung up","object":{"host":"good.test"}"#.to_owned(),
        r#""action":"approval","decision":"allow","policy_change":{"source":"proposal","uid":1,"old":{"version":1,"sha256":"02"}}"#.to_owned(),
    ]);
    let text = markdown::render(&written(&facts)).replace('\\', "");
    for part in [
        "1 decisions allowed, 42 denied",
        "1 of what was allowed was broken off, or came to nothing",
        "| execution | 1 | 0 | 41 |",
        "| network-outcome | 1 | 0 | 0 |",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let (before, broken) = text.split_once("Allowed, and broken off").unwrap();
    assert!(broken.contains("it hung up") && !before.contains("it hung up"), "{text}");
}

#[test]
fn all_requests_with_data_are_in_the_report_or_beside_it() {
    let one = || {
        let found = r#""server":"api.cloud.test","region":"eu-central-1","categories":{"personal/name":1}"#;
        prompt("cloud", "redacted-to-cloud", found)
    };
    let few = facts(&vec![one(); 200]);
    assert!(!few.lists_not_all());
    let mut many = facts(&vec![one(); 201]);
    assert!(many.lists_not_all());
    let beside = Beside { file: "r.processing.csv".to_owned(), sha256: "ab".repeat(32), rows: 201 };
    many.are_beside(beside);
    let text = markdown::render(&written(&many)).replace('\\', "");
    let said = format!(
        "all 201 in the file r.processing.csv that belongs to this report (SHA-256 {})",
        "ab".repeat(32)
    );
    assert!(text.contains(&said), "{text}");
    assert!(text.contains("| cloud, api.cloud.test, eu-central-1 |"), "{text}");
    let (of_period, marks) = (record(1, &one()), r#""categories":{"prompt-injection/hidden-text":1}"#);
    assert!(is_processing(&of_period, &period()));
    assert!(!is_processing(&of_period, &"2026-12".parse().unwrap()));
    assert!(!is_processing(&record(1, &prompt("cloud", "plain-to-cloud", marks)), &period()));
    assert!(!is_processing(&Record { client: "proxy".to_owned(), ..of_period }, &period()), "who said so");
}

/// What a log does not tell of, the report does not say.
#[test]
fn a_rule_is_unused_only_for_as_long_as_the_logs_tell_of() {
    let said = |begins: &[(&str, bool)]| {
        let mut facts = ordinary();
        facts.logs.clear();
        for (day, is_cut) in begins {
            let begins = Beginning { time: format!("{day}T00:00:00.000000Z"), is_cut: *is_cut };
            facts.log(LogFacts { begins: Some(begins), ..whole() });
        }
        markdown::render(&written(&facts)).replace('\\', "")
    };
    for (begins, since, is_short) in [
        (&[("2026-01-01", false)][..], "2026-09-02", false),
        // A sandbox that did not exist cannot have used a rule.
        (&[("2026-01-01", false), ("2026-11-20", false)], "2026-09-02", false),
        (&[("2026-11-20", false)], "2026-11-20", true),
        (&[("2026-01-01", false), ("2026-10-05", true)], "2026-10-05", true),
    ] {
        let text = said(begins);
        assert!(!text.contains("were removed in that time"), "{begins:?} {text}");
        assert!(
            text.contains(&format!("denied nothing from {since} to the period's end.")),
            "{begins:?} {text}"
        );
        assert_eq!(text.contains("do not say that a rule was unused"), is_short, "{begins:?}");
    }
}

#[test]
fn what_a_removed_log_held_is_not_known() {
    let removed = |what: &str| format!(r#""action":"log-retention","reason":"kept long enough: {what}""#);
    let mut facts = facts(&[removed("the log of old-0a1b2c3d, up to record 7"), removed("records 1 to 9")]);
    facts.log(whole());
    let text = markdown::render(&written(&facts)).replace('\\', "");
    assert!(text.contains("1 logs of ended sandboxes were removed in that time"), "{text}");
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
        markdown::render(&document(&facts, Framework::Hipaa, &period(), &[])).replace('\\', "")
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

fn unused(facts: &Facts, rules: &Rules) -> Vec<Vec<String>> {
    let blocks = document(facts, Framework::AccessReview, &period(), std::slice::from_ref(rules)).blocks;
    let is_heading =
        |block: &Block| matches!(block, Block::Heading(text) if text.starts_with("Rules unused"));
    let at = blocks.iter().position(is_heading).unwrap();
    let Block::Table(table) = &blocks[at + 2] else { panic!("a table") };
    table.rows.clone()
}

/// A rule that nothing needs is not kept alive by what is refused near it, nor by one of its name elsewhere.
#[test]
fn a_rule_is_used_when_it_decides() {
    let denied = |rule: &str, more: &str| {
        format!(
            r#""action":"network-request","decision":"deny","level":"path","rule":"{rule}","policy":1{more}"#
        )
    };
    let allowed = |rule: &str, policy: u32| {
        format!(r#""action":"network-request","decision":"allow","rule":"{rule}","policy":{policy}"#)
    };
    let started = r#""action":"configuration","decision":"allow","policy":1,"configuration":{"sha256":"ef","network_sha256":"02"}"#;
    let replaced = |decision: &str, number: u32, sha256: &str| {
        format!(
            r#""action":"policy-change","decision":"{decision}","policy":1,"policy_change":{{"new":{{"version":{number},"sha256":"{sha256}"}},"old":{{"version":1,"sha256":"02"}},"source":"p.yaml","uid":1}}"#
        )
    };
    let facts = facts(&[
        started.to_owned(),
        denied("nearest", ""),
        denied("denies", r#","rule_denies":true"#),
        allowed("reads", 1),
        replaced("deny", 2, "02"),
        replaced("allow", 2, "03"),
        allowed("elsewhere", 2),
        allowed("older", 9),
    ]);
    let all = rules(&["nearest", "denies", "reads", "elsewhere", "older"]);
    let time = |day: u32| format!("2026-11-{day:02}T10:00:00.000000Z");
    assert_eq!(
        unused(&facts, &all),
        [
            ["nearest".to_owned(), "not in this log".to_owned()],
            ["elsewhere".to_owned(), format!("{}, in policy 03", time(8))],
            ["older".to_owned(), format!("{}, in a policy that this log does not name", time(9))],
        ]
    );
    let other = Rules { sha256: "03".to_owned(), ..all };
    assert_eq!(unused(&facts, &other).len(), 4, "all but 'elsewhere'");
}

/// A proxy that was taken over cannot say in a report what an operator did.
#[test]
fn acts_that_another_process_tells_of_are_no_evidence() {
    let forged = [
        r#""action":"policy-change","decision":"allow","policy_change":{"new":{"version":2,"sha256":"03"},"old":{"version":1,"sha256":"02"},"source":"forged.yaml","uid":1}"#,
        r#""action":"detection","reason":"forged","detection":{"name":"forged","severity":"high","response":"stop","evidence":[],"references":[]}"#,
        r#""action":"lifecycle","lifecycle":{"phase":"paused","detail":"forged"}"#,
        r#""action":"configuration","policy":1,"configuration":{"sha256":"ef","source":"forged.yaml"}"#,
        r#""action":"network-request","decision":"allow","policy_change":{"old":{"version":1,"sha256":"02"},"source":"forged.yaml","uid":1}"#,
        r#""action":"log-gap","reason":"forged"}"#.trim_end_matches('}'),
    ];
    let mut facts = Facts::new();
    for (event, sequence) in forged.into_iter().zip(1..) {
        facts.observe(&Record { client: "proxy".to_owned(), ..record(sequence, event) }, &period());
    }
    let text = markdown::render(&written(&facts));
    assert!(!text.contains("forged"), "{text}");
    assert!(text.contains("another process wrote") && text.contains("log-gap by proxy"), "{text}");
}

#[test]
fn every_framework_has_a_report() {
    for framework in Framework::ALL {
        assert_eq!(framework.as_str().parse(), Ok(framework));
        let document = document(&ordinary(), framework, &period(), &[]);
        let text = markdown::render(&document);
        for part in [
            "ASI01",
            "ASI10",
            "What this log does not show",
            "Integrity of the logs",
            NOTE.lines().next().unwrap(),
        ] {
            assert!(text.contains(part), "{}: {part}", framework.as_str());
        }
    }
    assert!("pci".parse::<Framework>().is_err());
}
