//! The compiled matcher and the rules in Rego must say the same about every request: allowed by the same rule,
//! or denied at the same level by the same rule.
//!
//! The rules are interpreted, as modules are. The engine's virtual machine is not asked: a comprehension over an empty
//! list empties those after it there.
//!
//! `cargo xtask agree` runs this on many more pairs than a test run does (`AGREE_PAIRS`, `AGREE_SEED`).

#![expect(clippy::unwrap_used, reason = "a broken generator is a failed test")]

#[path = "agree/model.rs"]
mod model;

use std::collections::BTreeMap;

use model::{PolicyModel, Random, RequestModel};
use policies::translate::{Interpreter, Translation, Verdict};
use policies::{Decision, Destination, Document, Policy, Request, Timestamp};

const PAIRS: usize = 20_000;
const REQUESTS_PER_POLICY: usize = 250;

/// One policy in both forms.
struct Forms {
    policy: Policy,
    interpreter: Interpreter,
}

impl Forms {
    /// `None` if it is not a policy: a generated rule may deny all that it allows.
    fn of(model: &PolicyModel) -> Option<Self> {
        let document = Document::parse(&model.text(), "generated").ok()?;
        let policy = Policy::compile(&document).ok()?;
        let (interpreter, _machine) = Translation::of(&document).unwrap().readers().unwrap();
        Some(Self { policy, interpreter })
    }

    fn ask(&self, model: &RequestModel) -> [Verdict; 2] {
        let subject = model.subject();
        let request = Request {
            subject: &subject,
            destination: Destination { host: &model.host, port: model.port },
            method: &model.method,
            path: &model.path,
            query: &model.query,
            headers: model,
            message: None,
            now: Timestamp(model.now),
        };
        let native = match self.policy.decide(&request) {
            Decision::Allow(permit) => match permit.would_deny() {
                Some(denial) => Verdict::Trial(denial.level().to_string(), permit.rule().to_owned()),
                None => Verdict::Allow(permit.rule().to_owned()),
            },
            Decision::Deny(denial) => {
                Verdict::Deny(denial.level().to_string(), denial.rule().map(str::to_owned))
            }
        };
        [native, self.interpreter.decide(&request).unwrap()]
    }
}

fn disagree(policy: &PolicyModel, request: &RequestModel) -> bool {
    Forms::of(policy).is_some_and(|forms| {
        let [native, interpreted] = forms.ask(request);
        native != interpreted
    })
}

/// Takes things away for as long as the two disagree.
fn shrink(mut policy: PolicyModel, mut request: RequestModel) -> (PolicyModel, RequestModel) {
    loop {
        if let Some(less) = policy.smaller().into_iter().find(|less| disagree(less, &request)) {
            policy = less;
        } else if let Some(less) = request.smaller().into_iter().find(|less| disagree(&policy, less)) {
            request = less;
        } else {
            return (policy, request);
        }
    }
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn both_readings_agree() {
    let pairs = number("AGREE_PAIRS", PAIRS);
    let mut random = Random::new(u64::try_from(number("AGREE_SEED", 1)).unwrap());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut features: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut asked, mut policies, mut owners) = (0, 0, 0);
    while asked < pairs {
        let policy = random.policy();
        let Some(forms) = Forms::of(&policy) else { continue };
        policies += 1;
        policy.features().into_iter().for_each(|feature| *features.entry(feature).or_default() += 1);
        for _request in 0..REQUESTS_PER_POLICY.min(pairs - asked) {
            let request = random.request(&policy);
            let [native, interpreted] = forms.ask(&request);
            if native != interpreted {
                let (policy, request) = shrink(policy.clone(), request);
                let answers = Forms::of(&policy).unwrap().ask(&request);
                panic!("native and Rego: {answers:#?}\n{}\n{request:#?}", policy.text());
            }
            asked += 1;
            owners += usize::from(request.owners.len() > 1);
            *seen.entry(kind(&native)).or_default() += 1;
        }
    }
    println!("{asked} pairs of {policies} policies: no disagreement; {seen:?}; {owners} with several owners");
    println!("rules that use: {features:?}");
    let passed = ["allow", "trial"].iter().filter_map(|kind| seen.get(*kind)).sum::<usize>();
    assert!(passed * 4 > asked, "too few are allowed: {seen:?}");
    assert_eq!(features.len(), 13, "{features:?}");
    assert!(features.values().all(|rules| rules * 50 > policies), "too seldom: {features:?}");
    assert!(owners * 10 > asked, "{owners}");
    for kind in ["allow", "trial", "binary", "destination", "method", "path", "condition"] {
        assert!(seen.get(kind).is_some_and(|count| count * 1000 > pairs), "too few of {kind}: {seen:?}");
    }
}

fn kind(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(_rule) => "allow".to_owned(),
        Verdict::Trial(..) => "trial".to_owned(),
        Verdict::Deny(level, _rule) => level.clone(),
    }
}
