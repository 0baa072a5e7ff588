//! What an agent proposes, between an operator who answers and an attacker who would like to have answered.

use std::time::Duration;

use wire::operator::{AskedTerms, Shown};
use wire::proposal::{Proposal, Terms, Wish};

use super::*;

const HOUR: u32 = 3600;

fn proposal(number: u32) -> Proposal {
    let wish = Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: format!("n{number}.example.com"),
        port: 443,
        method: "POST".to_owned(),
        path: "/v1/notes".to_owned(),
        query: Vec::new(),
    };
    let made = Moment::now().wall;
    let (asker, reason) = ("/bin/sh".to_owned(), "to save the notes".to_owned());
    Proposal { id: id(number), asker, wish, reason, made, expires: made + 600 }
}

fn id(number: u32) -> RequestId {
    RequestId(format!("0a1b2c3d{number:08}"))
}

impl Scene {
    fn propose(&mut self, number: u32) {
        self.reload.proposed(proposal(number)).unwrap();
    }

    fn asks(&mut self, ask: Ask) -> std::sync::mpsc::Receiver<Answer> {
        let (reply, answer) = Reply::channel();
        self.reload.asked(Asked { ask, uid: 7, reply }, &mut self.recorder).unwrap();
        answer
    }

    fn list(&mut self) -> Vec<Shown> {
        match self.asks(Ask::Proposals).recv().unwrap() {
            Answer::Proposals(listed) => listed.proposals,
            other => panic!("{other:?}"),
        }
    }

    /// An operator looks, and can read all of it.
    fn look_at_all(&mut self) {
        let digests = self.list().into_iter().map(|shown| shown.digest).collect();
        assert_eq!(self.asks(Ask::Seen { digests }).recv().unwrap(), Answer::Seen);
    }

    fn approve(&mut self, number: u32, terms: AskedTerms) -> std::sync::mpsc::Receiver<Answer> {
        self.asks(Ask::Approve { id: id(number), terms, digest: None })
    }

    /// An approval that takes effect.
    fn approved(&mut self, number: u32, terms: AskedTerms) -> Approved {
        self.look_at_all();
        let answer = self.approve(number, terms);
        assert!(answer.try_recv().is_err(), "confirmed before the proxy did");
        self.apply();
        match answer.try_recv().unwrap() {
            Answer::Approved(approved) => approved,
            other => panic!("{other:?}"),
        }
    }

    /// The proxy is told a policy, and says that it is in force; its text.
    fn apply(&mut self) -> String {
        loop {
            match self.told() {
                Some(ProxyCommand::SetPolicy { version, policy, .. }) => {
                    self.reload.applied(version, 2, &mut self.recorder).unwrap();
                    return policy;
                }
                Some(ProxyCommand::ProposalStands { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Refused in words, and nothing is granted.
    fn refuses(&mut self, answer: &std::sync::mpsc::Receiver<Answer>, words: &str) {
        let before = self.in_force();
        let Ok(Answer::Refused { cause, remedy }) = answer.try_recv() else { panic!("not refused") };
        assert!(cause.contains(words) && !remedy.is_empty(), "{cause}");
        assert_eq!((self.told(), self.in_force()), (None, before));
    }

    fn standing(&mut self, number: u32) -> Standing {
        let entry = self.reload.proposals.get(&id(number)).unwrap();
        entry.standing.clone()
    }

    fn look(&mut self, now: Moment) -> Result<(), Failure> {
        self.reload.take_back(now, &mut self.recorder)
    }

    fn last(&self) -> Value {
        self.records().pop().unwrap()
    }
}

/// `seconds` later by both clocks.
fn later(seconds: u64) -> Moment {
    let Moment { since_boot, wall } = Moment::now();
    Moment {
        since_boot: since_boot + Duration::from_secs(seconds),
        wall: wall + i64::try_from(seconds).unwrap(),
    }
}

#[test]
fn an_approval_is_recorded_then_sent_then_confirmed_and_is_the_rule_that_was_seen() {
    let mut scene = Scene::new();
    scene.propose(1);
    let shown = scene.list().remove(0);
    let answer = scene.asks(Ask::Approve {
        id: id(1),
        terms: AskedTerms::Sandbox,
        digest: Some(shown.digest.clone()),
    });
    let record = scene.last();
    assert_eq!((&record["action"], &record["decision"]), (&"approval".into(), &"allow".into()), "{record}");
    assert_eq!((&record["request"], &record["policy_change"]["uid"]), (&json!(id(1)), &7.into()));
    assert_eq!(
        (&record["proposal"]["sha256"], &record["proposal"]["terms"]),
        (&json!(shown.digest), &"sandbox".into())
    );
    assert_eq!(
        record["object"],
        json!({"host": "n1.example.com", "port": 443, "method": "POST", "path": "/v1/notes"})
    );
    let sent = scene.apply();
    let sha256 = Digest::of_bytes(sent.as_bytes()).to_string();
    assert_eq!(record["policy_change"]["new"], json!({"version": 2, "sha256": sha256}));
    let [_before, after] = crate::proposals::candidate(&shown.proposal, "version: 1\n").unwrap();
    assert_eq!(sent, after.dynamic_text().unwrap());
    let Ok(Answer::Approved(approved)) = answer.try_recv() else { panic!("not approved") };
    assert!(approved.rule.contains("approved-0a1b2c3d00000001"), "{}", approved.rule);
    assert_eq!(scene.standing(1), Standing::Approved(Terms::Sandbox));
    let told = scene.told();
    assert!(
        matches!(told, Some(ProxyCommand::ProposalStands { standing: Standing::Approved(_), .. })),
        "{told:?}"
    );
    scene.look(later(1_000_000)).unwrap();
    assert_eq!(scene.told(), None, "it holds to the sandbox's end");
}

#[test]
fn what_was_not_seen_is_not_approved() {
    let mut scene = Scene::new();
    scene.propose(1);
    let answer = scene.approve(1, AskedTerms::Sandbox);
    scene.refuses(&answer, "nobody has looked at it yet");
    // One that came after the look.
    scene.look_at_all();
    scene.propose(2);
    let answer = scene.approve(2, AskedTerms::Sandbox);
    scene.refuses(&answer, "nobody has looked at it yet");
    let last = scene.last();
    assert_eq!((&last["action"], &last["decision"]), (&"approval".into(), &"deny".into()), "{last}");
    // One that was listed, but that whoever asked could not read.
    let mut listed = scene.list();
    assert_eq!(scene.asks(Ask::Seen { digests: vec![listed.remove(0).digest] }).recv(), Ok(Answer::Seen));
    let answer = scene.approve(2, AskedTerms::Sandbox);
    scene.refuses(&answer, "nobody has looked at it yet");
}

#[test]
fn a_no_that_an_approval_overtakes_is_refused_rather_than_lost() {
    let mut scene = Scene::new();
    (1..3).for_each(|number| scene.propose(number));
    scene.look_at_all();
    let approved = scene.approve(1, AskedTerms::Sandbox);
    let no = |number| Ask::Reject { id: id(number), reason: "no".to_owned() };
    let answer = scene.asks(no(1));
    assert!(matches!(answer.try_recv(), Ok(Answer::Refused { cause, .. }) if cause.contains("not rejected")));
    assert_eq!(scene.asks(no(2)).try_recv(), Ok(Answer::Rejected), "another one is not in its way");
    scene.apply();
    assert!(matches!(approved.try_recv(), Ok(Answer::Approved(_))));
    assert_eq!(scene.standing(1), Standing::Approved(Terms::Sandbox));
}

#[test]
fn one_request_that_is_over_before_its_approval_is_confirmed_is_taken_back() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.look_at_all();
    let _approved = scene.approve(1, AskedTerms::Once);
    scene.reload.spent("approved-0a1b2c3d00000001");
    scene.apply();
    scene.look(Moment::now()).unwrap();
    assert_eq!(scene.last()["policy_change"]["source"], "end of approval 0a1b2c3d00000001: it was used");
    assert!(!scene.apply().contains("approved-"));
    assert_eq!(scene.standing(1), Standing::Over("it was used".to_owned()));
}

#[test]
fn nothing_is_looked_at_again_and_again_while_the_proxy_has_not_answered() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.approved(1, AskedTerms::For(1));
    scene.look(later(2)).unwrap();
    assert_eq!(scene.reload.look_in(later(2)), None);
    scene.apply();
    assert!(scene.reload.in_force.grants.is_empty());
}

/// The rule for one request would bring its limit to what goes on without one.
#[test]
fn what_is_allowed_or_bound_by_now_is_not_approved() {
    let rule = |list: &str| {
        format!(
            "version: 1\nfilesystem: {{read: [/opt]}}\nnetwork: [{{name: notes, binary: {{allow: [curl]}}, \
             destination: {{allow: [n1.example.com]}}, method: {{allow: [GET, POST]}}, path: {list}}}]\n"
        )
    };
    for (list, words) in [
        ("{allow: [/v1/**]}", "rule 'notes' allows it already"),
        ("{allow: [/v2], deny: [/v1/notes]}", "no approval would allow it"),
    ] {
        let mut scene = Scene::new();
        scene.propose(1);
        let _set = scene.set(&rule(list));
        scene.apply();
        scene.look_at_all();
        let answer = scene.approve(1, AskedTerms::Once);
        scene.refuses(&answer, words);
        assert_eq!(scene.standing(1), Standing::Pending);
    }
}

#[test]
fn a_policy_that_changes_underneath_ends_what_was_seen() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.look_at_all();
    let digest = scene.list().remove(0).digest;
    let _set = scene.set("version: 1\nfilesystem: {read: [/opt]}\nnetwork: []\n");
    let answer = scene.approve(1, AskedTerms::Sandbox);
    assert!(
        matches!(answer.try_recv(), Ok(Answer::Refused { cause, .. }) if cause.contains("just taking effect"))
    );
    scene.apply();
    let answer = scene.approve(1, AskedTerms::Sandbox);
    scene.refuses(&answer, "not the one under which it was seen");
    // The same policy by another number is the same; another one is not.
    let other = "version: 1\nfilesystem: {read: [/opt]}\nnetwork: [{name: a, binary: {allow: [curl]}, destination: {allow: [a.example.com]}, method: {allow: [GET]}, path: {allow: [/a]}}]\n";
    let _set = scene.set(other);
    scene.apply();
    let answer = scene.asks(Ask::Approve { id: id(1), terms: AskedTerms::Sandbox, digest: Some(digest) });
    scene.refuses(&answer, "is not the one that was seen");
    scene.approved(1, AskedTerms::Sandbox);
}

#[test]
fn a_candidate_cannot_change_between_look_and_approval() {
    let mut scene = Scene::new();
    scene.propose(1);
    let digest = scene.list().remove(0).digest;
    // A proxy that a guest has taken over sends another one under the same number.
    let wish = Wish { host: "evil.example.com".to_owned(), ..proposal(1).wish };
    assert!(scene.reload.proposed(Proposal { wish, ..proposal(1) }).is_err(), "the sandbox goes on");
    assert_eq!(scene.list().remove(0).digest, digest);
    // Or one that is no exact request.
    let wish = Wish { host: "*.example.com".to_owned(), ..proposal(2).wish };
    assert!(scene.reload.proposed(Proposal { wish, ..proposal(2) }).is_err(), "the sandbox goes on");
    let long = Proposal { reason: "x".repeat(501), ..proposal(3) };
    assert!(scene.reload.proposed(long).is_err(), "the sandbox goes on");
    let long = Proposal { asker: "x".repeat(513), ..proposal(3) };
    assert!(scene.reload.proposed(long).is_err(), "the sandbox goes on");
    assert_eq!(scene.list().len(), 1);
}

#[test]
fn a_digest_is_of_one_sandbox_one_proposal_and_one_policy() {
    let of = |sandbox: &str, proposal: &Proposal, policy: &str| {
        crate::proposals::digest(&SandboxId::try_from(sandbox.to_owned()).unwrap(), proposal, policy).unwrap()
    };
    let fixed = Proposal { made: 1, expires: 2, ..proposal(1) };
    let base = of("a-00000001", &fixed, "version: 1\n");
    assert_eq!(base, of("a-00000001", &fixed, "version: 1\nnetwork: []\n"));
    assert_ne!(base, of("a-00000002", &fixed, "version: 1\n"));
    let reason = Proposal { reason: "other".to_owned(), ..fixed.clone() };
    assert_ne!(base, of("a-00000001", &reason, "version: 1\n"));
    let longer = Proposal { expires: 3, ..fixed.clone() };
    assert_ne!(base, of("a-00000001", &longer, "version: 1\n"));
}

#[test]
fn another_sandboxes_proposal_is_none_of_this_one() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.look_at_all();
    let answer = scene.approve(9, AskedTerms::Sandbox);
    scene.refuses(&answer, "has no proposal 0a1b2c3d00000009");
    assert!(matches!(scene.asks(Ask::HasProposal { id: id(9) }).try_recv(), Ok(Answer::HasProposal(false))));
    assert!(matches!(scene.asks(Ask::HasProposal { id: id(1) }).try_recv(), Ok(Answer::HasProposal(true))));
}

#[test]
fn nothing_is_granted_that_cannot_be_recorded() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.look_at_all();
    scene.lose_the_writer();
    let answer = scene.approve(1, AskedTerms::Once);
    scene.refuses(&answer, "audit log");
    assert_eq!(scene.standing(1), Standing::Pending);
    let answer = scene.asks(Ask::Reject { id: id(1), reason: "no".to_owned() });
    scene.refuses(&answer, "audit log");
    assert_eq!(scene.standing(1), Standing::Pending);
}

#[test]
fn what_is_for_a_time_is_taken_back_at_its_end_whatever_the_clock_says() {
    let end = later(u64::from(HOUR) + 60);
    let back = Moment { wall: 0, ..end };
    let forward = Moment { since_boot: Moment::now().since_boot, ..end };
    for end in [end, back, forward] {
        let mut scene = Scene::new();
        scene.propose(1);
        let approved = scene.approved(1, AskedTerms::For(HOUR));
        let Terms::Until(until) = approved.terms else { panic!("{approved:?}") };
        assert!((until - Moment::now().wall - i64::from(HOUR)).abs() < 60);
        assert!(approved.rule.contains("until"), "the proxy ends it too: {}", approved.rule);
        assert!(scene.reload.look_in(Moment::now()).is_some());
        let before = Moment { since_boot: later(3500).since_boot, wall: 0 };
        scene.look(before).unwrap();
        assert!(scene.last()["action"] == "approval", "too early");
        scene.look(end).unwrap();
        let record = scene.last();
        let source = "end of approval 0a1b2c3d00000001: its time is up";
        assert_eq!(
            (&record["action"], &record["policy_change"]["source"]),
            (&"policy-change".into(), &source.into())
        );
        assert_eq!(
            (&record["decision"], scene.apply()),
            (&"allow".into(), scene.reload.in_force.text.clone())
        );
        assert!(scene.reload.in_force.grants.is_empty() && !scene.in_force().policy.contains("approved-"));
        assert_eq!(scene.standing(1), Standing::Over("its time is up".to_owned()));
        // And once only.
        let records = scene.records().len();
        scene.look(later(u64::from(HOUR) * 2)).unwrap();
        assert_eq!(scene.records().len(), records);
    }
}

#[test]
fn what_cannot_be_taken_back_ends_the_sandbox() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.approved(1, AskedTerms::For(HOUR));
    scene.lose_the_writer();
    let failure = scene.look(later(u64::from(HOUR))).unwrap_err();
    assert!(failure.cause.contains("could not be taken back, and the sandbox was stopped"), "{failure:?}");
}

#[test]
fn what_is_for_one_request_is_taken_back_when_that_is_over() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.propose(2);
    let approved = scene.approved(1, AskedTerms::Once);
    assert!(approved.rule.contains("requests: 1"), "{}", approved.rule);
    scene.approved(2, AskedTerms::Sandbox);
    scene.reload.spent("files");
    scene.look(Moment::now()).unwrap();
    assert_eq!(scene.last()["action"], "approval", "a rule of the operator's is his own");
    // Another change is under way: it is taken back after that.
    scene.propose(3);
    scene.look_at_all();
    let _third = scene.approve(3, AskedTerms::Sandbox);
    scene.reload.spent("approved-0a1b2c3d00000001");
    scene.look(Moment::now()).unwrap();
    assert_eq!(scene.last()["action"], "approval");
    scene.apply();
    scene.look(Moment::now()).unwrap();
    assert_eq!(scene.last()["policy_change"]["source"], "end of approval 0a1b2c3d00000001: it was used");
    let left = scene.apply();
    assert!(!left.contains("00000001") && left.contains("00000002") && left.contains("00000003"), "{left}");
    assert_eq!(scene.standing(1), Standing::Over("it was used".to_owned()));
}

#[test]
fn a_policy_that_is_set_ends_every_approval_and_says_so() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.approved(1, AskedTerms::Sandbox);
    let answer = scene.set("version: 1\nfilesystem: {read: [/opt]}\nnetwork: []\n");
    assert_eq!(scene.last()["reason"], "ends the approvals 0a1b2c3d00000001");
    let sent = scene.apply();
    assert!(!sent.contains("approved-"), "{sent}");
    let Ok(Answer::PolicySet(set)) = answer.try_recv() else { panic!("not set") };
    assert_eq!(set.ended, [id(1)]);
    assert_eq!(scene.standing(1), Standing::Over("the operator has set another policy".to_owned()));
}

#[test]
fn nothing_is_approved_in_quarantine_and_nothing_survives_it() {
    let mut scene = Scene::new();
    scene.propose(1);
    scene.propose(2);
    scene.approved(1, AskedTerms::Sandbox);
    let answer = scene.quarantine();
    assert_eq!(scene.last()["reason"], "ends the approvals 0a1b2c3d00000001");
    let sent = scene.apply();
    assert!(!sent.contains("approved-"), "{sent}");
    assert!(matches!(answer.try_recv(), Ok(Answer::PolicySet(set)) if set.ended == [id(1)]));
    while scene.told().is_some() {}
    scene.look_at_all();
    let answer = scene.approve(2, AskedTerms::Once);
    scene.refuses(&answer, "in quarantine");
    assert_eq!(scene.in_force().version, PolicyVersion(3));
}

#[test]
fn a_rejection_is_recorded_and_told_and_final() {
    let mut scene = Scene::new();
    scene.propose(1);
    let answer = scene.asks(Ask::Reject { id: id(1), reason: " ".to_owned() });
    scene.refuses(&answer, "for a reason");
    let answer = scene.asks(Ask::Reject { id: id(1), reason: "use the mirror".to_owned() });
    assert_eq!(answer.try_recv(), Ok(Answer::Rejected));
    let record = scene.last();
    assert_eq!((&record["action"], &record["decision"]), (&"approval".into(), &"deny".into()), "{record}");
    assert_eq!((&record["reason"], &record["policy_change"]["uid"]), (&"use the mirror".into(), &7.into()));
    let standing = Standing::Rejected("use the mirror".to_owned());
    assert_eq!(scene.told(), Some(ProxyCommand::ProposalStands { id: id(1), standing: standing.clone() }));
    scene.look_at_all();
    let answer = scene.approve(1, AskedTerms::Once);
    scene.refuses(&answer, "it was rejected");
    assert_eq!(scene.standing(1), standing);
}

#[test]
fn what_has_expired_and_what_is_too_long_is_not_approved() {
    let mut scene = Scene::new();
    let made = Moment::now().wall - 600;
    scene.reload.proposed(Proposal { made, expires: made + 60, ..proposal(1) }).unwrap();
    scene.propose(2);
    scene.look_at_all();
    let answer = scene.approve(1, AskedTerms::Once);
    scene.refuses(&answer, "it has expired");
    for seconds in [0, u32::MAX] {
        let answer = scene.approve(2, AskedTerms::For(seconds));
        scene.refuses(&answer, "for a year at most");
    }
}

#[test]
fn no_more_is_kept_than_a_person_can_look_at() {
    let mut scene = Scene::new();
    let most = u32::try_from(wire::proposal::MAX_KEPT).unwrap();
    (0..most).for_each(|number| scene.propose(number));
    let _rejected = scene.asks(Ask::Reject { id: id(3), reason: "no".to_owned() });
    scene.reload.proposals.stands(&id(4), Standing::Over("it was used".to_owned()));
    scene.propose(most);
    assert!(scene.reload.has(&id(3)) && !scene.reload.has(&id(4)), "a no is kept longer");
    scene.propose(most + 1);
    assert_eq!(scene.list().len(), wire::proposal::MAX_KEPT);
    assert!(!scene.reload.has(&id(3)));
    (100..100 + most).for_each(|number| scene.propose(number));
    assert!(scene.reload.proposed(proposal(99)).is_err(), "a proxy that sends more is not to be trusted");
}
