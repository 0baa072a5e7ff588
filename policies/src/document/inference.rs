//! The `inference` part, as written: what the policy asks of model calls.

use serde::{Deserialize, Deserializer, Serialize};
use wire::inference::{Conditions, Providers};
use wire::router::Sensitive;

use crate::place::At;

/// Conditions on calls through `https://inference.local`. They narrow what the operator configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'sensitive' and 'providers'")]
pub struct Inference {
    /// What happens to a sensitive prompt, at least. Without it, what the operator configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<At<Sensitive>>,
    /// Where prompts may go. Without it, wherever the operator has a server.
    #[serde(default, deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<At<Provider>>>,
}

/// One of the operator's model servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// On this host.
    Local,
    /// Anywhere else.
    Cloud,
}

impl Inference {
    /// What is asked; `None` if no provider is left.
    pub(crate) fn conditions(&self) -> Option<Conditions> {
        let may = |provider| {
            self.providers.as_ref().is_none_or(|list| list.iter().any(|entry| entry.value == provider))
        };
        let providers = match (may(Provider::Local), may(Provider::Cloud)) {
            (true, true) => Providers::Both,
            (true, false) => Providers::Local,
            (false, true) => Providers::Cloud,
            (false, false) => return None,
        };
        let sensitive = self.sensitive.as_ref().map(|sensitive| sensitive.value).unwrap_or_default();
        Some(Conditions { sensitive, providers })
    }

    /// Both conditions together: the stricter word, and the providers that both name. Places are those of what holds.
    pub(crate) fn and(self, other: &Self) -> Self {
        let strictest = |mine: Option<At<Sensitive>>| match (mine, &other.sensitive) {
            (Some(mine), Some(theirs)) if theirs.value > mine.value => Some(theirs.clone()),
            (Some(mine), _) => Some(mine),
            (None, theirs) => theirs.clone(),
        };
        let providers = match (self.providers, &other.providers) {
            (Some(mut mine), Some(theirs)) => {
                mine.retain(|entry| theirs.iter().any(|other| other.value == entry.value));
                Some(mine)
            }
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        Self { sensitive: strictest(self.sensitive), providers }
    }
}

/// A list that is written: a key with nothing after it is none, and must not mean what leaving it out means.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<At<Provider>>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}
