//! What the operator wants done with each category of data.
//!
//! Owns: the table of `inference.rules`, and what holds where it says nothing. Must never know: servers, zones, prompts.

use std::collections::{BTreeMap, BTreeSet};

use ::classify::{Category, Class, Findings};
use wire::router::{self, AfterLocal, CLASSES, Sensitive};

/// The operator's word.
#[derive(Clone, Debug, Default)]
pub struct Directive {
    otherwise: Option<Sensitive>,
    rules: BTreeMap<String, Sensitive>,
    after_local: AfterLocal,
}

/// Why a rule would not do what it says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// It names nothing that can be found.
    #[error("'{0}' in the rules names nothing that is found")]
    NoSuch(String),
    /// It wants a mark of an injected instruction replaced or kept.
    #[error("'{0}' in the rules can only pass or block")]
    Misplaced(String),
}

impl Directive {
    /// Reads the operator's word; `own` may be found beside what is found anyway.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn new(
        written: router::Directive,
        own: impl IntoIterator<Item = Category>,
    ) -> Result<Self, RuleError> {
        if let Some(name) = written.misplaced() {
            return Err(RuleError::Misplaced(name.to_owned()));
        }
        let router::Directive { sensitive, rules, after_local } = written;
        let own: BTreeSet<String> = own.into_iter().map(|category| category.to_string()).collect();
        match rules.keys().find(|name| !is_known(name) && !own.contains(*name)) {
            Some(name) => Err(RuleError::NoSuch(name.clone())),
            None => Ok(Self { otherwise: sensitive, rules, after_local }),
        }
    }

    /// What happens to data of this category where the policy asks for `least`: the word for the category, for its class,
    /// for everything, or the one that holds without any. Marks of injected instructions are no data, and only a rule
    /// for them holds.
    #[must_use]
    pub fn word(&self, category: Category, least: Sensitive) -> Sensitive {
        let name = category.to_string();
        let class = class_of(&name);
        let written = self.rules.get(&name).or_else(|| self.rules.get(class)).copied();
        if category.class() == Class::Injection {
            return written.unwrap_or(Sensitive::Pass);
        }
        let by_class = || CLASSES.iter().find(|(name, _)| *name == class).map(|(_, word)| *word);
        written.or(self.otherwise).or_else(by_class).unwrap_or(Sensitive::Local).max(least)
    }

    /// The strictest word for the data that was found; `None`: there is none.
    #[must_use]
    pub fn strictest(&self, findings: &Findings, least: Sensitive) -> Option<Sensitive> {
        let data = findings.iter().filter(|(category, _count)| category.class() != Class::Injection);
        data.map(|(category, _count)| self.word(category, least)).max()
    }

    /// Whether marks of an injected instruction were found that are blocked.
    #[must_use]
    pub fn blocks_marks(&self, findings: &Findings) -> bool {
        let mut marks = findings.iter().filter(|(category, _count)| category.class() == Class::Injection);
        marks.any(|(category, _count)| self.word(category, Sensitive::Pass) == Sensitive::Block)
    }

    /// What happens to the other prompts once one was local for what it held.
    #[must_use]
    pub fn after_local(&self) -> AfterLocal {
        self.after_local
    }
}

fn class_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(class, _kind)| class)
}

fn is_known(name: &str) -> bool {
    CLASSES.iter().any(|(class, _)| *class == name)
        || ::classify::categories().any(|category| category.to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::classify::Found;
    use Sensitive::{Block, Local, Pass, Redact};

    fn directive(sensitive: Option<Sensitive>, rules: &[(&str, Sensitive)]) -> Result<Directive, RuleError> {
        let rules = rules.iter().map(|(name, word)| ((*name).to_owned(), *word)).collect();
        Directive::new(router::Directive { sensitive, rules, ..router::Directive::default() }, [])
    }

    #[test]
    fn the_nearest_word_holds() {
        let (card, iban) = (Category::financial("payment-card"), Category::financial("iban"));
        let (mail, key) = (Category::personal("email-address"), Category::credential("x"));
        let bare = directive(None, &[]).unwrap();
        assert_eq!([card, mail, key].map(|category| bare.word(category, Pass)), [Local, Redact, Redact]);
        assert_eq!(bare.word(Category::unclassifiable("image"), Pass), Local);
        assert_eq!([card, mail].map(|category| bare.word(category, Block)), [Block, Block]);
        let all = directive(Some(Block), &[("personal", Pass)]).unwrap();
        assert_eq!([card, mail, key].map(|category| all.word(category, Pass)), [Block, Pass, Block]);
        let one = directive(None, &[("financial", Block), ("financial/iban", Redact)]).unwrap();
        assert_eq!([card, iban].map(|category| one.word(category, Pass)), [Block, Redact]);
    }

    fn findings(categories: &[Category]) -> Findings {
        let mut found = Found::default();
        categories.iter().for_each(|category| found.add_anonymous(*category));
        found.into_findings()
    }

    #[test]
    fn of_all_that_was_found_the_strictest_word_holds() {
        let directive = directive(None, &[("personal", Pass), ("financial/iban", Block)]).unwrap();
        let strictest = |categories: &[Category]| directive.strictest(&findings(categories), Pass);
        let (mail, key) = (Category::personal("email-address"), Category::credential("x"));
        assert_eq!(strictest(&[]), None);
        assert_eq!(strictest(&[mail]), Some(Pass));
        assert_eq!(strictest(&[mail, key]), Some(Redact));
        assert_eq!(strictest(&[key, Category::unclassifiable("image")]), Some(Local));
        assert_eq!(strictest(&[key, Category::financial("iban"), mail]), Some(Block));
    }

    #[test]
    fn marks_are_no_data() {
        let (hidden, role) = (Category::injection("hidden-text"), ::classify::FORGED_ROLE);
        let marked = findings(&[hidden, role]);
        let all = directive(Some(Block), &[]).unwrap();
        assert_eq!(all.strictest(&marked, Block), None);
        assert!(!all.blocks_marks(&marked));
        let one = directive(None, &[("prompt-injection/hidden-text", Block)]).unwrap();
        assert!(one.blocks_marks(&marked) && !one.blocks_marks(&findings(&[role])));
        assert!(directive(None, &[("prompt-injection", Block)]).unwrap().blocks_marks(&marked));
        for word in [Redact, Local] {
            let wrong = directive(None, &[("prompt-injection", word)]).unwrap_err();
            assert_eq!(wrong, RuleError::Misplaced("prompt-injection".to_owned()));
        }
    }

    #[test]
    fn a_rule_for_nothing_is_a_mistake() {
        for name in ["finance", "personal/whatever", "personal/", "prompt-injection/overrides"] {
            assert_eq!(directive(None, &[(name, Block)]).unwrap_err(), RuleError::NoSuch(name.to_owned()));
        }
        for name in
            ["personal/email-address", "credential/github-token", "unclassifiable/image", "property/term"]
        {
            assert!(directive(None, &[(name, Block)]).is_ok(), "{name}");
        }
        let rules = [("health/study".to_owned(), Block)].into();
        let written = router::Directive { rules, ..router::Directive::default() };
        assert!(Directive::new(written.clone(), []).is_err());
        assert!(Directive::new(written, [Category::health("study")]).is_ok());
    }
}
