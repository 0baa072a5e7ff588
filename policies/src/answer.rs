//! What a level of a rule says about a request.

/// How a level answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    NotAllowed,
    Denied,
}
