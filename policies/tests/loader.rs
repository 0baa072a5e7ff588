//! The loader on damaged texts: whatever the bytes, it answers with a policy or with errors that can be
//! printed, and it answers soon.

#![expect(clippy::unwrap_used, reason = "a broken seed is a failed test")]

use policies::confinement::{BASELINE, Workspace};
use policies::{Document, Policy};

const ROUNDS: usize = 30_000;

const FRAGMENTS: &[&str] = &[
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!str ",
    "|",
    ">",
    "#",
    "<<: ",
    "---\n",
    "...\n",
    "? ",
    "null",
    "~",
    "yes",
    "0x1",
    "1e999",
    ".nan",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\\u0000",
    "%",
    "**",
    "/*",
    "version: 1\n",
    "network:",
    "allow",
    "extends: [a]\n",
    "999999999999999999999",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

#[test]
fn damaged_policies_are_answered() {
    let filesystem = BASELINE
        .replace("\n  - ", "\n    - ")
        .replace("\nread", "\n  read")
        .replace("\nexecute", "\n  execute");
    let filesystem = filesystem.replace("\nwrite", "\n  write");
    let seeds = [
        include_str!("verdicts/slack.yaml").to_owned(),
        include_str!("verdicts/hipaa.yaml").to_owned(),
        include_str!("verdicts/wide.yaml").to_owned(),
        format!("version: 1\nprocess: {{limits: {{processes: 9}}}}\nfilesystem:\n{filesystem}"),
    ];
    for seed in &seeds {
        let document = Document::parse(seed, "seed").unwrap();
        Policy::compile(&document).unwrap();
        document.confinement(&workspace()).unwrap();
    }
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let (mut loaded, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let text = damage(&seeds[round % seeds.len()], &mut random);
        if answer(&text) {
            loaded += 1;
        } else {
            refused += 1;
        }
    }
    assert!(loaded > ROUNDS / 100 && refused > ROUNDS / 2, "{loaded} loaded, {refused} refused");
}

/// Whether the text loads; if not, every error must be fit to print.
fn answer(text: &str) -> bool {
    let result = Document::parse(text, "fuzz").and_then(|document| {
        document.confinement(&workspace())?;
        let written = document.dynamic_text().unwrap();
        let policy = Policy::compile(&document)?;
        // What loads is written out again as the same policy.
        let again = Policy::compile(&Document::parse(&written, "again")?)?;
        assert_eq!(again.rule_count(), policy.rule_count(), "{text}");
        Ok(())
    });
    if let Err(errors) = &result {
        for error in errors.iter() {
            let line = error.to_string();
            assert!(line.starts_with("fuzz:") && !line.contains(char::is_control), "{line:?} of {text:?}");
            assert!(!error.remedy().is_empty() && !error.remedy().contains(char::is_control), "{line}");
        }
    }
    result.is_ok()
}

fn damage(seed: &str, random: &mut Random) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for _edit in 0..=random.below(4) {
        let at = random.below(text.len());
        let end = (at + random.below(12)).min(text.len());
        match random.below(5) {
            0 => drop(text.drain(at..end)),
            1 => text[at] = char::from_u32(u32::try_from(random.below(0x3000)).unwrap()).unwrap_or('x'),
            2 => drop(text.splice(at..at, FRAGMENTS[random.below(FRAGMENTS.len())].chars())),
            3 => {
                let copied: Vec<char> = text[at..end].to_vec();
                let to = random.below(text.len());
                drop(text.splice(to..to, copied));
            }
            _ => text.truncate(text.len() - random.below(text.len() / 4)),
        }
        if text.is_empty() {
            text.push('x');
        }
    }
    text.into_iter().collect()
}

fn workspace() -> Workspace {
    Workspace { own: vec!["/work".to_owned()], shared: Vec::new() }
}
