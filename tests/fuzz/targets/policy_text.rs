//! Any bytes as a policy file: refused with a place and a remedy, or a policy that means the same when it is
//! written out and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policies::table::Table;
use policies::{Document, LoadErrors, NoFiles, Policy, Timestamp, compose};

/// Requests that come near what the seeds allow.
const ASKED: &str = "\
/usr/bin/curl GET api.slack.com /api/chat.postMessage allow ?
/usr/bin/node18+/usr/bin/curl POST a.example.com:8080 /a/b%2Bc?q=1&token=2 accept:x allow ?
/opt/x/y DELETE [2001:db8::1] / @2026-11-21T15:00:00Z allow ?
(unknown) GET 10.0.0.1:80 /Admin/ allow ?
";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match load(text) {
        Ok((document, policy)) => {
            let again = document.dynamic_text().expect("a document that loads can be written");
            let (_document, again) = load(&again).expect("what was written loads");
            assert_eq!(again.rule_count(), policy.rule_count());
            let asked = Table::parse(ASKED, Timestamp(0)).expect("the table is right");
            for row in asked.rows {
                assert_eq!(row.verdict(&again), row.verdict(&policy), "{}", row.text);
            }
        }
        Err(errors) => {
            for error in errors.iter() {
                assert!(!error.reason().is_empty() && !error.remedy().is_empty(), "{error}");
                assert!(!error.to_string().contains('\u{1b}') && !error.remedy().contains('\u{1b}'));
            }
        }
    }
});

fn load(text: &str) -> Result<(Document, Policy), LoadErrors> {
    let document = compose(Document::parse(text, "fuzzed")?, &NoFiles)?;
    let policy = Policy::compile(&document)?;
    Ok((document, policy))
}
