//! Stage two: where a classified call may go. Pure; the operator's directive decides, never the client.
//!
//! *Invariant:* a sensitive call gets a permit for [`Zone::Local`] or none.

use wire::router::Sensitive;

use crate::classify::category::Findings;

/// Who runs the server that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The operator.
    Local,
    /// Somebody else.
    Cloud,
}

/// The operator's word.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// What happens to a sensitive call.
    pub sensitive: Sensitive,
    /// The zones that have a server.
    pub zones: Zones,
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
    /// There is no cloud server.
    LocalIsAll,
    /// Sensitive, and the directive says local.
    SensitiveToLocal,
    /// Sensitive, and the directive says block.
    SensitiveBlocked,
    /// Sensitive, and there is no local server.
    SensitiveWithoutLocal,
    /// There is no server at all.
    NoServer,
}

/// Decides.
#[must_use]
pub fn decide(directive: Directive, findings: &Findings) -> Verdict {
    if directive.zones == Zones::Neither {
        return Verdict::Refuse(Rule::NoServer);
    }
    if findings.is_sensitive() {
        return sensitive(directive);
    }
    match directive.zones {
        Zones::LocalOnly | Zones::Neither => allow(Zone::Local, Rule::LocalIsAll),
        Zones::CloudOnly | Zones::Both => allow(Zone::Cloud, Rule::PlainToCloud),
    }
}

fn sensitive(directive: Directive) -> Verdict {
    match (directive.sensitive, directive.zones) {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::category::{Category, Found};

    fn route(sensitive: Sensitive, zones: Zones, is_sensitive: bool) -> Result<Zone, Rule> {
        let mut found = Found::default();
        if is_sensitive {
            found.add_anonymous(Category::personal("x"));
        }
        match decide(Directive { sensitive, zones }, &found.into_findings()) {
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
            assert_eq!(route(sensitive, zones, false), plain, "{sensitive:?} {zones:?}");
            assert_eq!(route(sensitive, zones, true), secret, "{sensitive:?} {zones:?}");
        }
    }
}
