//! Where a credential goes out, and in which form: hosts by their exact names, patterns of paths, and what of a request
//! carries it. A binding allows nothing; it says what an allowed request carries.

use std::borrow::Cow;

use http::header::HeaderName;
use wire::credential::{Form, SECRET_STANDS};

use crate::canonical::with_plain_slashes;
use crate::parameter::{self, folded, parameters};
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

    /// Whether one of the hosts is this one, whatever port and path.
    #[must_use]
    pub fn name_host(&self, host: &str) -> bool {
        self.destinations.iter().any(|place| place.host.matches(host))
    }

    /// Whether a request is for one of the places, however a server reads the escaped slashes of its path.
    #[must_use]
    pub fn hold(&self, host: &str, port: u16, path: &str) -> bool {
        let fits =
            |path: &str| self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path));
        self.name(host, port) && fits(path) && with_plain_slashes(path).is_none_or(|plain| fits(&plain))
    }
}

impl Places {
    fn name(&self, host: &str, port: u16) -> bool {
        self.destinations.iter().any(|place| place.ports.contain(port) && place.host.matches(host))
    }
}

/// Checks all of a form that can be told without the secret.
///
/// # Errors
/// What it names cannot carry anything.
pub fn check_form(form: &Form) -> Result<(), PatternError> {
    let refuse = |reason: String, remedy: &str| Err(PatternError::new(reason, remedy));
    match form {
        Form::Header { name, format } => {
            if name.parse::<HeaderName>().is_err() {
                return refuse(
                    format!("'{name}' is not the name of a header field"),
                    "write a name such as X-Api-Key",
                );
            }
            stands_once(format)?;
            if !format.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return refuse(
                    format!("'{format}' cannot stand in a header field"),
                    "use visible ASCII characters",
                );
            }
            Ok(())
        }
        Form::Basic { user } if user.contains(|c: char| c == ':' || c.is_control()) => {
            refuse(format!("'{user}' is no user of Basic authentication"), "write the user without a colon")
        }
        Form::Basic { .. } => Ok(()),
        Form::Query { name } | Form::Urlencoded { name }
            if name.is_empty() || parameter::encoded(name) != *name =>
        {
            refuse(format!("'{name}' is no plain name of a parameter"), "use letters, digits and '-._~'")
        }
        Form::Query { .. } | Form::Urlencoded { .. } => Ok(()),
        Form::Json { pointer } if !is_pointer(pointer) => {
            refuse(format!("'{pointer}' is no JSON pointer"), "write the way to it, for example /auth/token")
        }
        Form::Json { .. } => Ok(()),
        Form::SigV4 { service, region, access_key_id } => {
            check_scope(service, region)?;
            let is_id = |id: &String| {
                (16..=128).contains(&id.len())
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            match access_key_id {
                Some(id) if !is_id(id) => refuse(
                    format!("'{id}' is not the id of an access key"),
                    "write one such as AKIA…, or leave it out",
                ),
                _ => Ok(()),
            }
        }
        Form::Segment { format } => {
            stands_once(format)?;
            if !format.replacen(SECRET_STANDS, "", 1).bytes().all(in_segment) {
                return refuse(
                    format!("'{format}' is not one segment of a path"),
                    "use letters, digits and '-._~:@+=,$'",
                );
            }
            Ok(())
        }
    }
}

/// Services that are there to answer with keys that can be used from everywhere.
const ISSUERS: [&str; 18] = [
    "account-access",
    "awsssoportal",
    "codeartifact",
    "cognito-identity",
    "cognito-idp",
    "deadline",
    "ecr",
    "ecr-public",
    "eks-auth",
    "iam",
    "lakeformation",
    "redshift",
    "redshift-serverless",
    "rolesanywhere",
    "signin",
    "sso",
    "sso-oauth",
    "sts",
];

fn check_scope(service: &str, region: &str) -> Result<(), PatternError> {
    let is_name = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
    };
    if let Some(wrong) = [service, region].into_iter().find(|text| !is_name(text)) {
        let remedy = "write them as signatures name them, for example service: s3 and region: eu-central-1";
        return Err(PatternError::new(format!("'{wrong}' is no service or region of AWS"), remedy));
    }
    if ISSUERS.contains(&service) {
        let reason = format!(
            "'{service}' answers with keys, which the agent would have and could use from everywhere"
        );
        return Err(PatternError::new(reason, "ask it on the host, and give the agent what it needs of it"));
    }
    Ok(())
}

/// Whether it is one of RFC 6901, to something inside of a document.
fn is_pointer(text: &str) -> bool {
    let escaped = |token: &str| token.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.starts_with('/')
        && text.len() <= 256
        && text.split('/').all(escaped)
        && !text.contains(char::is_control)
}

/// Whether a byte can stand in a segment of a canonical path without being encoded or meaning something.
#[must_use]
pub fn in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@+=,$".contains(&byte)
}

/// Whether some server takes the text between two `&` of a query, or a part of it, for the parameter of this name.
#[must_use]
pub fn may_be_parameter(text: &str, name: &str) -> bool {
    parameters(text).any(|(given, _value)| folded(&given) == folded(name.as_bytes()))
}

/// A text as a value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    parameter::encoded(text)
}

/// A query, or a part of one, with `%XX` and `+` as what they stand for.
#[must_use]
pub fn decoded(text: &str) -> Cow<'_, [u8]> {
    parameter::decoded(text)
}

fn stands_once(format: &str) -> Result<(), PatternError> {
    if format.matches(SECRET_STANDS).count() == 1 {
        return Ok(());
    }
    let reason = format!("'{format}' does not say where the secret goes");
    Err(PatternError::new(reason, format!("write {SECRET_STANDS} once, where the secret goes")))
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
            assert_eq!(places.hold(host, port, path), included, "{host}:{port}{path}");
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
