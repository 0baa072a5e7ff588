//! Stage two: where a classified call may go. Pure; the operator's directive decides, never the client.
//!
//! *Invariant:* a call that holds data which must stay gets a permit for [`Zone::Local`] or none; so does every call of a
//! session that stays.

use wire::inference::Providers;

/// Who runs the server that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The operator.
    Local,
    /// Somebody else.
    Cloud,
}

/// What a call holds, by the directive's word and the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing was found.
    Plain,
    /// What was found may pass.
    Passed,
    /// What was found is replaced, and nothing is left of it.
    Redacted,
    /// What was found should be replaced, and could not be.
    Unredacted,
    /// What was found stays.
    Local,
    /// What was found goes nowhere.
    Blocked,
    /// Somebody instructs the model in it who may not, and that goes nowhere.
    Injected,
}

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the call holds.
    pub content: Content,
    /// Whether sensitive data is in the session.
    pub session: Session,
    /// The zones that have a server.
    pub zones: Zones,
    /// Those that the policy names.
    pub providers: Providers,
}

/// Whether what is sensitive went to a model of this session before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// It did not.
    Open,
    /// It did: an answer may repeat it in words that no detector knows.
    Stays,
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
    /// What was found may pass.
    PassedToCloud,
    /// What was found is replaced.
    RedactedToCloud,
    /// There is no cloud server, or the policy does not name it.
    LocalIsAll,
    /// Sensitive, and the directive says local.
    SensitiveToLocal,
    /// Sensitive, and the directive says block.
    SensitiveBlocked,
    /// Marks of an injected instruction, and the directive says block.
    InjectionBlocked,
    /// Sensitive, and there is no local server, or the policy does not name it.
    SensitiveWithoutLocal,
    /// What was found could not be replaced.
    UnredactedToLocal,
    /// The same, and there is no local server, or the policy does not name it.
    UnredactedWithoutLocal,
    /// Sensitive data is in the session.
    SessionToLocal,
    /// The same, and there is no local server, or the policy does not name it.
    SessionWithoutLocal,
    /// There is no server at all.
    NoServer,
    /// There is one, and the policy does not name it.
    NotPermitted,
    /// It would be served where the operator does not permit, or nobody knows where.
    RegionNotPermitted,
}

/// Decides.
#[must_use]
pub fn decide(case: Case) -> Verdict {
    let Case { content, session, zones, providers } = case;
    if zones == Zones::Neither {
        return Verdict::Refuse(Rule::NoServer);
    }
    let zones = zones.among(providers);
    match (content, session) {
        (Content::Blocked, _) => Verdict::Refuse(Rule::SensitiveBlocked),
        (Content::Injected, _) => Verdict::Refuse(Rule::InjectionBlocked),
        (Content::Local, _) => stay(zones, Rule::SensitiveToLocal, Rule::SensitiveWithoutLocal),
        (Content::Unredacted, _) => stay(zones, Rule::UnredactedToLocal, Rule::UnredactedWithoutLocal),
        (_, Session::Stays) => stay(zones, Rule::SessionToLocal, Rule::SessionWithoutLocal),
        (Content::Plain, Session::Open) => go(zones, Rule::PlainToCloud),
        (Content::Passed, Session::Open) => go(zones, Rule::PassedToCloud),
        (Content::Redacted, Session::Open) => go(zones, Rule::RedactedToCloud),
    }
}

/// Whether a call could go to the cloud if it held nothing.
#[must_use]
pub fn reaches_cloud(case: Case) -> bool {
    let plain = Case { content: Content::Plain, ..case };
    matches!(decide(plain), Verdict::Allow(Permit { zone: Zone::Cloud, .. }))
}

fn go(zones: Zones, rule: Rule) -> Verdict {
    match zones {
        Zones::Neither => Verdict::Refuse(Rule::NotPermitted),
        Zones::LocalOnly => allow(Zone::Local, Rule::LocalIsAll),
        Zones::CloudOnly | Zones::Both => allow(Zone::Cloud, rule),
    }
}

fn stay(zones: Zones, local: Rule, without: Rule) -> Verdict {
    match zones {
        Zones::LocalOnly | Zones::Both => allow(Zone::Local, local),
        Zones::CloudOnly | Zones::Neither => Verdict::Refuse(without),
    }
}

fn allow(zone: Zone, rule: Rule) -> Verdict {
    Verdict::Allow(Permit { zone, rule })
}

impl Verdict {
    /// The same, if the server of its zone is where calls may be served.
    #[must_use]
    pub fn where_permitted(self, is_permitted: impl FnOnce(Zone) -> bool) -> Self {
        match self {
            Self::Allow(permit) if !is_permitted(permit.zone) => Self::Refuse(Rule::RegionNotPermitted),
            other => other,
        }
    }
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
    /// Whether the session holds what must stay once a call went by this rule.
    #[must_use]
    pub fn stays(self) -> bool {
        matches!(self, Self::SensitiveToLocal | Self::UnredactedToLocal | Self::SessionToLocal)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlainToCloud => "plain-to-cloud",
            Self::PassedToCloud => "passed-to-cloud",
            Self::RedactedToCloud => "redacted-to-cloud",
            Self::LocalIsAll => "local-is-all",
            Self::SensitiveToLocal => "sensitive-to-local",
            Self::SensitiveBlocked => "sensitive-blocked",
            Self::InjectionBlocked => "injection-blocked",
            Self::SensitiveWithoutLocal => "sensitive-without-local",
            Self::UnredactedToLocal => "unredacted-to-local",
            Self::UnredactedWithoutLocal => "unredacted-without-local",
            Self::SessionToLocal => "session-to-local",
            Self::SessionWithoutLocal => "session-without-local",
            Self::NoServer => "no-server",
            Self::NotPermitted => "provider-not-permitted",
            Self::RegionNotPermitted => "region-not-permitted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENTS: [Content; 6] = [
        Content::Plain,
        Content::Passed,
        Content::Redacted,
        Content::Unredacted,
        Content::Local,
        Content::Blocked,
    ];
    const ALL_ZONES: [Zones; 4] = [Zones::Neither, Zones::LocalOnly, Zones::CloudOnly, Zones::Both];
    const ALL_PROVIDERS: [Providers; 3] = [Providers::Both, Providers::Local, Providers::Cloud];

    fn route(case: Case) -> Result<Zone, Rule> {
        match decide(case) {
            Verdict::Allow(permit) => Ok(permit.zone()),
            Verdict::Refuse(rule) => Err(rule),
        }
    }

    #[test]
    fn the_whole_table() {
        use Rule::{NoServer, SensitiveBlocked, SensitiveWithoutLocal, UnredactedWithoutLocal};
        let (local, cloud) = (Ok(Zone::Local), Ok(Zone::Cloud));
        for (zones, expected) in [
            (Zones::Neither, [Err(NoServer); 6]),
            (Zones::LocalOnly, [local, local, local, local, local, Err(SensitiveBlocked)]),
            (
                Zones::CloudOnly,
                [
                    cloud,
                    cloud,
                    cloud,
                    Err(UnredactedWithoutLocal),
                    Err(SensitiveWithoutLocal),
                    Err(SensitiveBlocked),
                ],
            ),
            (Zones::Both, [cloud, cloud, cloud, local, local, Err(SensitiveBlocked)]),
        ] {
            let routes = CONTENTS.map(|content| {
                route(Case { content, session: Session::Open, zones, providers: Providers::Both })
            });
            assert_eq!(routes, expected, "{zones:?}");
        }
    }

    #[test]
    fn what_must_stay_never_goes_whatever_else_holds() {
        for (content, zones, providers) in CONTENTS.into_iter().flat_map(|content| {
            ALL_ZONES.into_iter().flat_map(move |zones| {
                ALL_PROVIDERS.into_iter().map(move |providers| (content, zones, providers))
            })
        }) {
            let to = |session| route(Case { content, session, zones, providers });
            assert_ne!(to(Session::Stays), Ok(Zone::Cloud), "{content:?} {zones:?} {providers:?}");
            let stays = matches!(content, Content::Unredacted | Content::Local | Content::Blocked);
            assert!(!stays || to(Session::Open) != Ok(Zone::Cloud), "{content:?} {zones:?} {providers:?}");
            let named = |zone| match zone {
                Zone::Local => providers != Providers::Cloud,
                Zone::Cloud => providers != Providers::Local,
            };
            for zone in [to(Session::Open), to(Session::Stays)].into_iter().flatten() {
                assert!(zones.contain(zone) && named(zone), "{content:?} {zones:?} {providers:?}");
            }
        }
    }

    #[test]
    fn a_policy_that_names_no_server_there_is_refuses() {
        let case =
            |zones, providers| Case { content: Content::Plain, session: Session::Open, zones, providers };
        assert_eq!(route(case(Zones::CloudOnly, Providers::Local)), Err(Rule::NotPermitted));
        assert_eq!(route(case(Zones::LocalOnly, Providers::Cloud)), Err(Rule::NotPermitted));
    }
}
