//! What the operator wants done with each category of data.
//!
//! Owns: the table of `inference.rules`, and what holds where it says nothing. Must never know: servers, zones, prompts.

use std::collections::BTreeMap;

use ::classify::{Category, Findings};
use wire::router::{self, AfterLocal, CLASSES, Sensitive};

/// The operator's word.
#[derive(Clone, Debug, Default)]
pub struct Directive {
    otherwise: Option<Sensitive>,
    rules: BTreeMap<String, Sensitive>,
    after_local: AfterLocal,
}

/// A rule that would never hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' in the rules names no class of data")]
pub struct NoSuchClass(String);

impl Directive {
    /// Reads the operator's word.
    ///
    /// # Errors
    /// A rule names a class that there is not.
    pub fn new(written: router::Directive) -> Result<Self, NoSuchClass> {
        let router::Directive { sensitive, rules, after_local } = written;
        match rules.keys().find(|name| !is_class(class_of(name))) {
            Some(name) => Err(NoSuchClass(name.clone())),
            None => Ok(Self { otherwise: sensitive, rules, after_local }),
        }
    }

    /// What happens to data of this category: the word for the category, for its class, for everything, or the one that
    /// holds without any.
    #[must_use]
    pub fn word(&self, category: Category) -> Sensitive {
        let name = category.to_string();
        let class = class_of(&name);
        let written = self.rules.get(&name).or_else(|| self.rules.get(class)).copied();
        let by_class = || CLASSES.iter().find(|(name, _)| *name == class).map(|(_, word)| *word);
        written.or(self.otherwise).or_else(by_class).unwrap_or(Sensitive::Local)
    }

    /// The strictest word for what was found; `None`: nothing was.
    #[must_use]
    pub fn strictest(&self, findings: &Findings) -> Option<Sensitive> {
        findings.iter().map(|(category, _count)| self.word(category)).max()
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

fn is_class(name: &str) -> bool {
    CLASSES.iter().any(|(class, _)| *class == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::classify::Found;
    use Sensitive::{Block, Local, Pass, Redact};

    fn directive(
        sensitive: Option<Sensitive>,
        rules: &[(&str, Sensitive)],
    ) -> Result<Directive, NoSuchClass> {
        let rules = rules.iter().map(|(name, word)| ((*name).to_owned(), *word)).collect();
        Directive::new(router::Directive { sensitive, rules, ..router::Directive::default() })
    }

    #[test]
    fn the_nearest_word_holds() {
        let (card, iban) = (Category::financial("payment-card"), Category::financial("iban"));
        let (mail, key) = (Category::personal("email-address"), Category::credential("x"));
        let bare = directive(None, &[]).unwrap();
        assert_eq!([card, mail, key].map(|category| bare.word(category)), [Local, Redact, Redact]);
        assert_eq!(bare.word(Category::unclassifiable("image")), Local);
        let all = directive(Some(Block), &[("personal", Pass)]).unwrap();
        assert_eq!([card, mail, key].map(|category| all.word(category)), [Block, Pass, Block]);
        let one = directive(None, &[("financial", Block), ("financial/iban", Redact)]).unwrap();
        assert_eq!([card, iban].map(|category| one.word(category)), [Block, Redact]);
    }

    #[test]
    fn of_all_that_was_found_the_strictest_word_holds() {
        let directive = directive(None, &[("personal", Pass), ("financial/iban", Block)]).unwrap();
        let strictest = |categories: &[Category]| {
            let mut found = Found::default();
            categories.iter().for_each(|category| found.add_anonymous(*category));
            directive.strictest(&found.into_findings())
        };
        let (mail, key) = (Category::personal("email-address"), Category::credential("x"));
        assert_eq!(strictest(&[]), None);
        assert_eq!(strictest(&[mail]), Some(Pass));
        assert_eq!(strictest(&[mail, key]), Some(Redact));
        assert_eq!(strictest(&[key, Category::unclassifiable("image")]), Some(Local));
        assert_eq!(strictest(&[key, Category::financial("iban"), mail]), Some(Block));
    }

    #[test]
    fn a_rule_for_no_class_is_a_mistake() {
        assert_eq!(directive(None, &[("finance", Block)]).unwrap_err(), NoSuchClass("finance".to_owned()));
        assert!(directive(None, &[("personal/whatever", Block)]).is_ok());
    }
}
