//! Where a call is served: by the operator's word, by the name of the server where that says it, or not known.
//!
//! Must never know: prompts, and where a call may go for what it holds.
//!
//! *Invariant:* what is not known is never permitted where regions are named.

use wire::region::Region;

/// Who serves a call, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host of the server.
    pub server: String,
    /// Its region; `None`: not known.
    pub region: Option<Region>,
}

/// The regions that the operator permits.
#[derive(Clone, Debug, Default)]
pub struct Regions(Option<Vec<Region>>);

/// Names of hosts that say where they compute: the labels behind the region, and how many come before it at most. A name
/// that says only where it is reached (an account's region, while its deployments are global) is none of these.
const HOSTS: [(&str, usize); 6] = [
    ("amazonaws.com", 1),
    ("amazonaws.com.cn", 1),
    ("api.aws", 1),
    ("ml.cloud.ibm.com", 0),
    ("oci.oraclecloud.com", 2),
    ("inference.ml.azure.com", 1),
];

/// What stands before the region in names of AWS.
const BEDROCK: [&str; 3] = ["bedrock-runtime", "bedrock-runtime-fips", "bedrock-mantle"];

/// What begins a model's name at AWS where it is served by several regions of one geography.
const GEOGRAPHIES: [&str; 7] = ["us", "eu", "apac", "jp", "au", "ca", "us-gov"];

impl Regions {
    /// These; `None`: any, known or not.
    #[must_use]
    pub fn new(permitted: Option<Vec<Region>>) -> Self {
        Self(permitted)
    }

    /// Whether a call may be served there.
    #[must_use]
    pub fn permit(&self, place: &Place) -> bool {
        let is_within = |areas: &Vec<Region>| {
            place.region.as_ref().is_some_and(|region| areas.iter().any(|area| region.is_within(area)))
        };
        self.0.as_ref().is_none_or(is_within)
    }
}

/// The region that a server's name says.
#[must_use]
pub fn of_host(host: &str) -> Option<Region> {
    let host = host.to_ascii_lowercase();
    let google = host.strip_suffix("-aiplatform.googleapis.com");
    let google = google.or_else(|| host.strip_prefix("aiplatform.")?.strip_suffix(".rep.googleapis.com"));
    let openai = host.strip_suffix(".api.openai.com");
    let name = google.or(openai).map(str::to_owned).or_else(|| by_labels(&host))?;
    Region::try_from(name).ok()
}

fn by_labels(host: &str) -> Option<String> {
    let found = HOSTS.into_iter().find_map(|(suffix, before)| {
        let labels: Vec<&str> = host.strip_suffix(suffix)?.strip_suffix('.')?.split('.').collect();
        let (region, services) = labels.split_last()?;
        let is_whole = services.len() == before;
        let is_aws = suffix.starts_with("amazonaws.com") || suffix == "api.aws";
        let serves = !is_aws || services.first().is_some_and(|service| BEDROCK.contains(service));
        let speaks = suffix != "oci.oraclecloud.com" || services == ["inference", "generativeai"];
        (is_whole && serves && speaks).then(|| (*region).to_owned())
    });
    found.filter(|region| !region.is_empty())
}

/// The region in which `host` serves a model: some models are served by a geography, and some by the whole world.
#[must_use]
pub fn of_model(host: &str, model: &str, region: Option<Region>) -> Option<Region> {
    let host = host.to_ascii_lowercase();
    if !BEDROCK.iter().any(|service| host.starts_with(&format!("{service}."))) {
        return region;
    }
    if model.starts_with("arn:") || model.starts_with("global.") {
        return None;
    }
    let geography = GEOGRAPHIES.into_iter().find(|name| {
        model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest.contains('.'))
    });
    match geography {
        Some(geography) => Region::try_from(geography.to_owned()).ok(),
        None => region,
    }
}

/// The region where a call itself asks for one, as those of Anthropic's API may. `None`: anywhere.
#[must_use]
pub fn of_call(asked: &str) -> Option<Region> {
    (asked != "global").then(|| Region::try_from(asked.to_owned()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        Region::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn some_names_say_where_they_are() {
        for (host, expected) in [
            ("bedrock-runtime.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("bedrock-runtime-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("Bedrock-Runtime.EU-West-1.amazonaws.com", Some("eu-west-1")),
            ("bedrock-mantle.eu-west-1.api.aws", Some("eu-west-1")),
            ("europe-west4-aiplatform.googleapis.com", Some("europe-west4")),
            ("aiplatform.eu.rep.googleapis.com", Some("eu")),
            ("eu.api.openai.com", Some("eu")),
            ("eu-de.ml.cloud.ibm.com", Some("eu-de")),
            ("inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com", Some("eu-frankfurt-1")),
            ("scoring.westeurope.inference.ml.azure.com", Some("westeurope")),
            ("aiplatform.googleapis.com", None),
            ("api.openai.com", None),
            ("api.anthropic.com", None),
            ("mine.openai.azure.com", None),
            ("westeurope.api.cognitive.microsoft.com", None),
            // Somebody else's names.
            ("eu.api.openai.com.evil.test", None),
            ("bedrock-runtime.eu-central-1.amazonaws.com.evil.test", None),
            ("bedrock-runtime.eu-central-1.evil-amazonaws.com", None),
            ("s3.eu-central-1.amazonaws.com", None),
            ("x.bedrock-runtime.eu-central-1.amazonaws.com", None),
            ("a.b.api.openai.com", None),
            ("", None),
        ] {
            assert_eq!(of_host(host), expected.map(region), "{host}");
        }
    }

    #[test]
    fn a_model_may_be_served_elsewhere_than_it_is_asked_for() {
        let host = "bedrock-runtime.eu-central-1.amazonaws.com";
        let at = |model: &str| of_model(host, model, of_host(host)).map(String::from);
        assert_eq!(at("anthropic.claude-x").as_deref(), Some("eu-central-1"));
        assert_eq!(at("eu.anthropic.claude-x").as_deref(), Some("eu"));
        assert_eq!(at("us.anthropic.claude-x").as_deref(), Some("us"));
        for unknown in ["global.anthropic.claude-x", "arn:aws:bedrock:eu-central-1:1:inference-profile/x"] {
            assert_eq!(at(unknown), None, "{unknown}");
        }
        assert_eq!(of_model("llm.example.com", "global.x.y", Some(region("eu"))), Some(region("eu")));
    }

    #[test]
    fn what_is_not_known_is_not_permitted() {
        let place = |name: Option<&str>| Place { server: "x".to_owned(), region: name.map(region) };
        let regions = Regions::new(Some(vec![region("eu"), region("us-east-1")]));
        for (name, expected) in [
            (Some("eu"), true),
            (Some("eu-west-3"), true),
            (Some("us-east-1"), true),
            (Some("us"), false),
            (None, false),
        ] {
            assert_eq!(regions.permit(&place(name)), expected, "{name:?}");
        }
        assert!(!Regions::new(Some(Vec::new())).permit(&place(Some("eu"))));
        assert!(Regions::default().permit(&place(None)));
    }
}
