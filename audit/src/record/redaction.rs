//! Takes secrets and personal data out of an event before it is written: in their place stands what they were, as in
//! `/users/<personal/email-address>`. What an operator wrote (rules, files, names of credentials) stays as it is.

use classify::redact::Redactor;

use super::{Event, Inference, Lifecycle, Object, Owner, Proposal, Subject};

impl Event {
    /// Redacts every text that came out of the guest or off the network.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        let redact = |text: &mut String| {
            if let Some(redacted) = redactor.redact(text) {
                *text = redacted;
            }
        };
        self.reason.as_mut().map(redact);
        match &mut self.subject {
            Some(Subject::Owners(owners)) => {
                for Owner { binary, script, parents, sha256: _, pid: _, uid: _ } in owners {
                    redact(binary);
                    script.iter_mut().chain(parents).for_each(redact);
                }
            }
            Some(Subject::Unknown(why)) => redact(why),
            None => {}
        }
        if let Some(Object { host, method, path, query_keys, .. }) = &mut self.object {
            host.iter_mut().chain(method).chain(path).chain(query_keys).for_each(redact);
        }
        if let Some(Inference { model_asked, model_served, .. }) = &mut self.inference {
            model_asked.iter_mut().chain(model_served).for_each(redact);
        }
        if let Some(Lifecycle { detail: Some(detail), .. }) = &mut self.lifecycle {
            redact(detail);
        }
        if let Some(Proposal { binary, .. }) = &mut self.proposal {
            redact(binary);
        }
    }
}
