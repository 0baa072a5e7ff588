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

/// The program that asked, as the audit log has it: JSON of its `Subject`.
pub const SUBJECT: &str = "x-openshell-subject";

/// Longest [`SUBJECT`], in bytes.
pub const LONGEST_SUBJECT: usize = 16 * 1024;

/// Number of the flow.
pub const FLOW: &str = "x-openshell-flow";

/// Number of the policy that allowed the call.
pub const POLICY: &str = "x-openshell-policy";

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
    /// Whether what meets these meets `others` too.
    #[must_use]
    pub fn cover(self, others: Self) -> bool {
        let providers = others.providers == Providers::Both || others.providers == self.providers;
        self.sensitive >= others.sensitive && providers
    }
}

impl Providers {
    fn word(self) -> &'static str {
        match self {
            Self::Both => "local,cloud",
            Self::Local => "local",
            Self::Cloud => "cloud",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Both, Self::Local, Self::Cloud].into_iter().find(|providers| providers.word() == word)
    }
}

impl Sensitive {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Redact => "redact",
            Self::Local => "local",
            Self::Block => "block",
        }
    }

    fn of(word: &str) -> Option<Self> {
        let mut all = [Self::Pass, Self::Redact, Self::Local, Self::Block].into_iter();
        all.find(|sensitive| sensitive.word() == word)
    }
}

/// As a header's value: `sensitive=pass providers=local,cloud`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sensitive={} providers={}", self.sensitive.word(), self.providers.word())
    }
}

impl FromStr for Conditions {
    type Err = NoConditions;

    fn from_str(text: &str) -> Result<Self, NoConditions> {
        let read = || {
            let (sensitive, providers) = text.strip_prefix("sensitive=")?.split_once(" providers=")?;
            Some(Self { sensitive: Sensitive::of(sensitive)?, providers: Providers::of(providers)? })
        };
        read().ok_or(NoConditions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_said() {
        for sensitive in [Sensitive::Pass, Sensitive::Redact, Sensitive::Local, Sensitive::Block] {
            for providers in [Providers::Both, Providers::Local, Providers::Cloud] {
                let conditions = Conditions { sensitive, providers };
                assert_eq!(conditions.to_string().parse(), Ok(conditions));
            }
        }
        for text in ["", "sensitive=local", "sensitive=block providers=", "SENSITIVE=local providers=local"] {
            assert_eq!(text.parse::<Conditions>(), Err(NoConditions), "{text:?}");
        }
    }

    #[test]
    fn what_is_stricter_covers() {
        let of = |text: &str| text.parse::<Conditions>().unwrap();
        let open = of("sensitive=pass providers=local,cloud");
        let strict = of("sensitive=block providers=local");
        assert!(strict.cover(open) && strict.cover(strict) && open.cover(open));
        assert!(!open.cover(strict));
        assert!(!of("sensitive=block providers=cloud").cover(strict));
        assert!(!of("sensitive=local providers=local").cover(strict));
    }
}
