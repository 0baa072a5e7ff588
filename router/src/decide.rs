//! Stage two: where a classified call may go. Pure; the operator's directive decides, never the client.
//!
//! *Invariant:* a sensitive call gets a permit for [`Zone::Local`] or none.

use wire::inference::{Conditions, Providers};
use wire::router::Sensitive;

use ::classify::Findings;

/// Who runs the server that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The operator.
    Local,
    /// Somebody else.
    Cloud,
}

/// The operator's word, and the policy's.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// What happens to a sensitive call.
    pub sensitive: Sensitive,
    /// The zones that have a server.
    pub zones: Zones,
    /// What the policy asks beside: it narrows both.
    pub conditions: Conditions,
}

/// Which zones have a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zones {
    /// No server at all.
    Neither,
    /// Only the operator's.
    LocalOnly,
    /// Only somebody else's.
    CloudOnly,
    /// Both.
    Both,
}

/// The right to send one call to one zone. Only this module makes one.
#[derive(Debug)]
pub struct Permit {
    zone: Zone,
    rule: Rule,
}

/// What was decided.
#[derive(Debug)]
pub enum Verdict {
    /// The call may go.
    Allow(Permit),
    /// It may not.
    Refuse(Rule),
}

/// Why, as the audit record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing sensitive was found, and there is a cloud server.
    PlainToCloud,
    /// There is no cloud server, or the policy does not name it.
    LocalIsAll,
    /// Sensitive, and the directive says local.
    SensitiveToLocal,
    /// Sensitive, and the directive says block.
    SensitiveBlocked,
    /// Sensitive, and there is no local server, or the policy does not name it.
    SensitiveWithoutLocal,
    /// There is no server at all.
    NoServer,
    /// There is one, and the policy does not name it.
    NotPermitted,
}

/// Decides.
#[must_use]
pub fn decide(directive: Directive, findings: &Findings) -> Verdict {
    let Directive { sensitive, zones, conditions } = directive;
    if zones == Zones::Neither {
        return Verdict::Refuse(Rule::NoServer);
    }
    let zones = zones.among(conditions.providers);
    if findings.is_sensitive() {
        return for_sensitive(sensitive.max(conditions.sensitive), zones);
    }
    match zones {
        Zones::Neither => Verdict::Refuse(Rule::NotPermitted),
        Zones::LocalOnly => allow(Zone::Local, Rule::LocalIsAll),
        Zones::CloudOnly | Zones::Both => allow(Zone::Cloud, Rule::PlainToCloud),
    }
}

fn for_sensitive(sensitive: Sensitive, zones: Zones) -> Verdict {
    match (sensitive, zones) {
        (Sensitive::Block, _) => Verdict::Refuse(Rule::SensitiveBlocked),
        (Sensitive::Local, Zones::LocalOnly | Zones::Both) => allow(Zone::Local, Rule::SensitiveToLocal),
        (Sensitive::Local, Zones::CloudOnly | Zones::Neither) => Verdict::Refuse(Rule::SensitiveWithoutLocal),
    }
}

fn allow(zone: Zone, rule: Rule) -> Verdict {
    Verdict::Allow(Permit { zone, rule })
}

impl Permit {
    /// Where the call may go.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Why.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }
}

impl Zones {
    /// By the servers that are configured.
    #[must_use]
    pub fn of<T>(local: Option<&T>, cloud: Option<&T>) -> Self {
        match (local, cloud) {
            (None, None) => Self::Neither,
            (Some(_), None) => Self::LocalOnly,
            (None, Some(_)) => Self::CloudOnly,
            (Some(_), Some(_)) => Self::Both,
        }
    }

    /// Those of them that are named.
    #[must_use]
    pub fn among(self, named: Providers) -> Self {
        match (self, named) {
            (zones, Providers::Both) => zones,
            (Self::LocalOnly | Self::Both, Providers::Local) => Self::LocalOnly,
            (Self::CloudOnly | Self::Both, Providers::Cloud) => Self::CloudOnly,
            _ => Self::Neither,
        }
    }

    /// Whether the zone is one of them.
    #[must_use]
    pub fn contain(self, zone: Zone) -> bool {
        match self {
            Self::Both => true,
            Self::Neither => false,
            Self::LocalOnly => zone == Zone::Local,
            Self::CloudOnly => zone == Zone::Cloud,
        }
    }
}

impl Zone {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cloud => "cloud",
        }
    }
}

impl Rule {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlainToCloud => "plain-to-cloud",
            Self::LocalIsAll => "local-is-all",
            Self::SensitiveToLocal => "sensitive-to-local",
            Self::SensitiveBlocked => "sensitive-blocked",
            Self::SensitiveWithoutLocal => "sensitive-without-local",
            Self::NoServer => "no-server",
            Self::NotPermitted => "provider-not-permitted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::classify::{Category, Found};

    fn route(
        sensitive: Sensitive,
        zones: Zones,
        conditions: Conditions,
        is_sensitive: bool,
    ) -> Result<Zone, Rule> {
        let mut found = Found::default();
        if is_sensitive {
            found.add_anonymous(Category::personal("x"));
        }
        let directive = Directive { sensitive, zones, conditions };
        match decide(directive, &found.into_findings()) {
            Verdict::Allow(permit) => Ok(permit.zone()),
            Verdict::Refuse(rule) => Err(rule),
        }
    }

    #[test]
    fn the_whole_table() {
        use Sensitive::{Block, Local};
        for (sensitive, zones, plain, secret) in [
            (Local, Zones::Both, Ok(Zone::Cloud), Ok(Zone::Local)),
            (Local, Zones::LocalOnly, Ok(Zone::Local), Ok(Zone::Local)),
            (Local, Zones::CloudOnly, Ok(Zone::Cloud), Err(Rule::SensitiveWithoutLocal)),
            (Local, Zones::Neither, Err(Rule::NoServer), Err(Rule::NoServer)),
            (Block, Zones::Both, Ok(Zone::Cloud), Err(Rule::SensitiveBlocked)),
            (Block, Zones::LocalOnly, Ok(Zone::Local), Err(Rule::SensitiveBlocked)),
            (Block, Zones::CloudOnly, Ok(Zone::Cloud), Err(Rule::SensitiveBlocked)),
            (Block, Zones::Neither, Err(Rule::NoServer), Err(Rule::NoServer)),
        ] {
            let open = Conditions::default();
            assert_eq!(route(sensitive, zones, open, false), plain, "{sensitive:?} {zones:?}");
            assert_eq!(route(sensitive, zones, open, true), secret, "{sensitive:?} {zones:?}");
        }
    }

    #[test]
    fn a_policy_narrows_and_never_widens() {
        use Sensitive::{Block, Local};
        let under = |sensitive, providers| Conditions { sensitive, providers };
        for (operator, zones, conditions, plain, secret) in [
            (Local, Zones::Both, under(Local, Providers::Local), Ok(Zone::Local), Ok(Zone::Local)),
            (
                Local,
                Zones::Both,
                under(Local, Providers::Cloud),
                Ok(Zone::Cloud),
                Err(Rule::SensitiveWithoutLocal),
            ),
            (Local, Zones::Both, under(Block, Providers::Both), Ok(Zone::Cloud), Err(Rule::SensitiveBlocked)),
            (Block, Zones::Both, under(Local, Providers::Both), Ok(Zone::Cloud), Err(Rule::SensitiveBlocked)),
            (
                Local,
                Zones::CloudOnly,
                under(Local, Providers::Local),
                Err(Rule::NotPermitted),
                Err(Rule::SensitiveWithoutLocal),
            ),
            (
                Local,
                Zones::LocalOnly,
                under(Local, Providers::Cloud),
                Err(Rule::NotPermitted),
                Err(Rule::SensitiveWithoutLocal),
            ),
            (Local, Zones::Neither, under(Block, Providers::Local), Err(Rule::NoServer), Err(Rule::NoServer)),
        ] {
            assert_eq!(route(operator, zones, conditions, false), plain, "{zones:?} {conditions}");
            assert_eq!(route(operator, zones, conditions, true), secret, "{zones:?} {conditions}");
        }
    }
}
