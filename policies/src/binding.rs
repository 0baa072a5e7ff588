//! Where a credential goes out: hosts by their exact names, and patterns of paths. A binding allows nothing; it says
//! what an allowed request carries.

use crate::canonical::with_plain_slashes;
use crate::pattern::Side;
use crate::pattern::host::{DestinationPattern, HostPattern};
use crate::pattern::path::{Kind, PathPattern};

pub use crate::pattern::PatternError;

/// The places of one binding.
#[derive(Clone, Debug)]
pub struct Places {
    destinations: Vec<DestinationPattern>,
    /// Empty: every path.
    paths: Vec<PathPattern>,
}

impl Places {
    /// Reads hosts and paths as a rule's allow lists have them.
    ///
    /// # Errors
    /// There is no host, one of them has a wildcard or is the router's, or a text is no pattern.
    pub fn parse(hosts: &[String], paths: &[String]) -> Result<Self, PatternError> {
        if hosts.is_empty() {
            return Err(PatternError::new("no host is named", "name the hosts that the credential is for"));
        }
        let destinations = hosts.iter().map(|host| destination(host)).collect::<Result<_, _>>()?;
        let path = |text: &String| PathPattern::parse(text, Kind::Request, Side::Allow);
        Ok(Self { destinations, paths: paths.iter().map(path).collect::<Result<_, _>>()? })
    }

    /// Whether one of the hosts is this one, whatever the path.
    #[must_use]
    pub fn name(&self, host: &str, port: u16) -> bool {
        self.destinations.iter().any(|place| place.ports.contain(port) && place.host.matches(host))
    }

    /// Whether a request is for one of the places, however a server reads the escaped slashes of its path.
    #[must_use]
    pub fn include(&self, host: &str, port: u16, path: &str) -> bool {
        let fits =
            |path: &str| self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path));
        self.name(host, port) && fits(path) && with_plain_slashes(path).is_none_or(|plain| fits(&plain))
    }
}

fn destination(text: &str) -> Result<DestinationPattern, PatternError> {
    let pattern = DestinationPattern::parse(text, Side::Allow)?;
    match &pattern.host {
        HostPattern::Exactly(name) if **name == *wire::inference::HOST => {
            let reason = format!("'{name}' takes no credential of the agent's");
            Err(PatternError::new(reason, "give the key of a model server under 'inference'"))
        }
        HostPattern::Exactly(_) => Ok(pattern),
        _ => {
            let reason =
                format!("'{text}' has a wildcard: whoever owns one name of it would get the credential");
            Err(PatternError::new(reason, "write every host out"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(hosts: &[&str], paths: &[&str]) -> Result<Places, PatternError> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Places::parse(&owned(hosts), &owned(paths))
    }

    #[test]
    fn a_request_is_in_its_places_or_not() {
        let all = places(&["slack.com", "files.slack.com:8443"], &[]).unwrap();
        let some = places(&["api.github.com"], &["/repos/acme/**", "/user"]).unwrap();
        for (places, host, port, path, included) in [
            (&all, "slack.com", 443, "/api/chat.postMessage", true),
            (&all, "slack.com", 80, "/", false),
            (&all, "files.slack.com", 8443, "/", true),
            (&all, "files.slack.com", 443, "/", false),
            (&all, "evil.slack.com", 443, "/", false),
            (&some, "api.github.com", 443, "/user", true),
            (&some, "api.github.com", 443, "/users", false),
            (&some, "api.github.com", 443, "/repos/acme/x/issues", true),
            (&some, "api.github.com", 443, "/repos/evil/x", false),
            // Both readings must be in it.
            (&some, "api.github.com", 443, "/repos/acme/x%2Fy", true),
            (&some, "api.github.com", 443, "/repos/acme%2Fx", false),
            (&some, "api.github.com", 443, "/repos%2Facme/x", false),
        ] {
            assert_eq!(places.include(host, port, path), included, "{host}:{port}{path}");
        }
    }

    #[test]
    fn a_binding_names_its_hosts() {
        for hosts in [&[][..], &["*.slack.com"], &["**.slack.com"], &["https://slack.com"], &["Slack.com"]] {
            let error = places(hosts, &[]).unwrap_err();
            assert!(!error.remedy.is_empty(), "{hosts:?}");
        }
        let error = places(&[wire::inference::HOST], &[]).unwrap_err();
        assert!(error.remedy.contains("inference"), "{error:?}");
        assert!(places(&["slack.com"], &["api"]).is_err());
    }
}
