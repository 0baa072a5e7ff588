//! Takes secrets and personal data out of an event before it is written: in their place stands what they were, as in
//! `/users/<personal/email-address>`. What an operator wrote (rules, files, names of credentials) stays as it is.
//!
//! Texts are cut after that. An event that is too long even so is shortened: what was done is on the record, whatever a guest
//! calls its programs.

use classify::redact::Redactor;

use super::parts::{MAX_KEY, MAX_TEXT, RAW_TEXT, cut};
use super::{Event, Inference, Lifecycle, Object, Owner, Proposal, Subject};

/// Longest text, in bytes, where nothing else makes an event short enough.
const FLOOR: usize = 256;

/// What the reason of a shortened event begins with.
const SHORTENED: &str = "(cut) ";

/// A text of an event that came out of the guest or off the network.
struct Text<'a> {
    text: &'a mut String,
    /// The host that it is a path of, or nothing.
    host: &'a str,
    /// How long it may be in a record.
    longest: usize,
}

/// How an event becomes shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortening {
    /// Without the ancestors of the programs.
    Ancestors,
    /// With the first program only.
    Owners,
    /// With short texts.
    Texts,
}

impl Shortening {
    /// In the order in which they are tried.
    pub(crate) const ALL: [Self; 3] = [Self::Ancestors, Self::Owners, Self::Texts];
}

impl Event {
    /// Redacts every text that came out of the guest or off the network, and cuts it to the length that a record has.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        self.texts(&mut |Text { text, host, longest }| {
            if let Some(redacted) = redactor.redact_path(host, text) {
                let was_cut = text.len() + '…'.len_utf8() >= RAW_TEXT && text.ends_with('…');
                *text = redacted;
                // Behind what was taken out may be the first half of something that was cut before.
                if was_cut && text.len() <= longest {
                    text.truncate(text.rfind('>').map_or(0, |end| end + 1));
                    text.push('…');
                }
            }
            if text.len() > longest {
                *text = cut(text, longest);
            }
        });
    }

    /// Takes off what is told least about, and says so in the reason.
    pub(crate) fn shorten(&mut self, how: Shortening) {
        if let Some(Subject::Owners(owners)) = &mut self.subject {
            match how {
                Shortening::Ancestors => owners.iter_mut().for_each(|owner| owner.parents.clear()),
                Shortening::Owners => owners.truncate(1),
                Shortening::Texts => {}
            }
        }
        if how == Shortening::Texts {
            self.texts(&mut |Text { text, longest, .. }| *text = cut(text, longest.min(FLOOR)));
        }
        let reason = self.reason.get_or_insert_default();
        if !reason.starts_with(SHORTENED) {
            reason.insert_str(0, SHORTENED);
        }
    }

    /// Shows `each` every text that came out of the guest or off the network.
    fn texts(&mut self, each: &mut dyn FnMut(Text<'_>)) {
        if let Some(Object { host, path: Some(path), .. }) = &mut self.object {
            // Before the host: as long as that is whole.
            each(Text { text: path, host: host.as_deref().unwrap_or_default(), longest: MAX_TEXT });
        }
        let mut long = |text: &mut String| each(Text { text, host: "", longest: MAX_TEXT });
        self.reason.as_mut().map(&mut long);
        match &mut self.subject {
            Some(Subject::Owners(owners)) => {
                for Owner { binary, script, parents: _, sha256: _, pid: _, uid: _ } in owners {
                    long(binary);
                    script.as_mut().map(&mut long);
                }
            }
            Some(Subject::Unknown(why)) => long(why),
            None => {}
        }
        if let Some(Object { host: Some(host), .. }) = &mut self.object {
            long(host);
        }
        if let Some(Inference { model_asked, model_served, .. }) = &mut self.inference {
            model_asked.iter_mut().chain(model_served).for_each(&mut long);
        }
        if let Some(Lifecycle { detail: Some(detail), .. }) = &mut self.lifecycle {
            long(detail);
        }
        if let Some(Proposal { binary, .. }) = &mut self.proposal {
            long(binary);
        }
        let mut short = |text: &mut String| each(Text { text, host: "", longest: MAX_KEY });
        if let Some(Subject::Owners(owners)) = &mut self.subject {
            owners.iter_mut().flat_map(|owner| &mut owner.parents).for_each(&mut short);
        }
        if let Some(Object { method, query_keys, .. }) = &mut self.object {
            method.iter_mut().chain(query_keys).for_each(&mut short);
        }
    }
}

impl Subject {
    /// The same in at most `limit` bytes of JSON, if there is room for one program: what does not fit is left out as in a record
    /// that is too long.
    #[must_use]
    pub fn within(self, limit: usize) -> Self {
        let mut event = Event { subject: Some(self), ..Event::new(super::Action::NetworkRequest) };
        for how in Shortening::ALL {
            let json = serde_json::to_vec(&event.subject).expect("a subject of plain fields is JSON");
            if json.len() <= limit {
                break;
            }
            event.shorten(how);
        }
        event.subject.expect("it was put there")
    }
}
