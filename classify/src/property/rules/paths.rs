//! Values by where they stand in the body of a call. Must never know: how a body is parsed.

use wire::rules::PathRule;

use super::mistake::{List, RuleMistake, Wrong};
use super::names;
use crate::category::Category;

/// Pointers of one rule, and the bytes of one.
const MOST: usize = 32;
const LONGEST: usize = 256;

/// All paths.
#[derive(Debug, Default)]
pub struct Paths(Vec<Path>);

#[derive(Debug)]
struct Path {
    category: Category,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// A member or an index.
    Named(String),
    Any,
}

impl Paths {
    pub(super) fn new(written: &[PathRule]) -> Result<Self, RuleMistake> {
        names::count(List::Paths, written.len())?;
        let mut paths = Vec::new();
        for (index, rule) in written.iter().enumerate() {
            let wrong = |wrong: Wrong| RuleMistake::of(List::Paths, index, wrong);
            let category = names::category(rule.class, &rule.name).map_err(wrong)?;
            if !(1..=MOST).contains(&rule.at.len()) {
                let remedy = format!("write 1 to {MOST} pointers: [/metadata/customer]");
                return Err(wrong((format!("it names {} places", rule.at.len()), remedy)));
            }
            for pointer in &rule.at {
                paths.push(Path { category, steps: steps(pointer).map_err(wrong)? });
            }
        }
        Ok(Self(paths))
    }

    pub(super) fn categories(&self) -> impl Iterator<Item = Category> {
        self.0.iter().map(|path| path.category)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a text is that stands at `place`: the names and indices that lead to it.
    pub fn at(&self, place: &[String]) -> impl Iterator<Item = Category> {
        self.0.iter().filter(|path| path.leads_to(place)).map(|path| path.category)
    }
}

impl Path {
    fn leads_to(&self, place: &[String]) -> bool {
        let fits = |(step, name): (&Step, &String)| match step {
            Step::Named(named) => named == name,
            Step::Any => true,
        };
        self.steps.len() <= place.len() && self.steps.iter().zip(place).all(fits)
    }
}

fn steps(pointer: &str) -> Result<Vec<Step>, Wrong> {
    let remedy = "write a JSON pointer, with * for any member or element: /messages/*/name";
    let wrong = || (format!("'{pointer}' is no pointer into a body"), remedy.to_owned());
    let inner = pointer.strip_prefix('/').filter(|inner| !inner.is_empty() && inner.len() <= LONGEST);
    let step = |name: &str| match name {
        "*" => Step::Any,
        name => Step::Named(name.replace("~1", "/").replace("~0", "~")),
    };
    let steps: Vec<Step> = inner.ok_or_else(wrong)?.split('/').map(step).collect();
    let is_wide = steps.iter().all(|step| matches!(step, Step::Any));
    if is_wide { Err(wrong()) } else { Ok(steps) }
}
