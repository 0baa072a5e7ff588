//! host-proxy → router: HTTP/1.1 over a Unix socket. The proxy forwards the canonical request and adds
//! these headers; it strips any that the guest sent.

use std::fmt;
use std::str::FromStr;

use crate::router::Sensitive;

/// The name under which the guest reaches the router.
pub const HOST: &str = "inference.local";

/// The sandbox.
pub const SANDBOX: &str = "x-openshell-sandbox";

/// The proxy's request id, under which both processes write audit records.
pub const REQUEST: &str = "x-openshell-request";

/// Resolved path of the program that asked.
pub const BINARY: &str = "x-openshell-binary";

/// The [`Conditions`] under which the policy allows the call.
pub const CONDITIONS: &str = "x-openshell-conditions";

/// Prefix of every header above: a guest header that starts so is removed.
pub const PREFIX: &str = "x-openshell-";

/// What a policy asks of a model call. Beside what the operator configured it can only narrow: the policy is
/// replaced while the router runs, so each call carries the conditions of the policy that allowed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// What happens to a sensitive prompt, at least.
    pub sensitive: Sensitive,
    /// Where prompts may go at all.
    pub providers: Providers,
}

/// Which of the operator's two model servers may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Providers {
    /// Either.
    #[default]
    Both,
    /// The local one.
    Local,
    /// The cloud's.
    Cloud,
}

/// A text that is no [`Conditions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no conditions of an inference call")]
pub struct NoConditions;

impl Conditions {
    /// Every value, and how a header says it.
    const SAID: [(Self, &str); 6] = {
        use {Providers as P, Sensitive as S};
        const fn under(sensitive: S, providers: P) -> Conditions {
            Conditions { sensitive, providers }
        }
        [
            (under(S::Local, P::Both), "sensitive=local providers=local,cloud"),
            (under(S::Local, P::Local), "sensitive=local providers=local"),
            (under(S::Local, P::Cloud), "sensitive=local providers=cloud"),
            (under(S::Block, P::Both), "sensitive=block providers=local,cloud"),
            (under(S::Block, P::Local), "sensitive=block providers=local"),
            (under(S::Block, P::Cloud), "sensitive=block providers=cloud"),
        ]
    };

    /// As a header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let said = Self::SAID.iter().find(|(conditions, _text)| *conditions == self);
        said.map(|(_conditions, text)| *text).expect("the table holds every value")
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Conditions {
    type Err = NoConditions;

    fn from_str(text: &str) -> Result<Self, NoConditions> {
        let said = Self::SAID.iter().find(|(_conditions, said)| *said == text);
        said.map(|(conditions, _text)| *conditions).ok_or(NoConditions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_said() {
        for sensitive in [Sensitive::Local, Sensitive::Block] {
            for providers in [Providers::Both, Providers::Local, Providers::Cloud] {
                let conditions = Conditions { sensitive, providers };
                assert_eq!(conditions.as_str().parse(), Ok(conditions));
            }
        }
        for text in ["", "sensitive=local", "sensitive=block providers=", "SENSITIVE=local providers=local"] {
            assert_eq!(text.parse::<Conditions>(), Err(NoConditions), "{text:?}");
        }
        assert!(Sensitive::Local < Sensitive::Block);
    }
}
