//! The server for prompts that must not leave: one at an address, or one that this host's serving manages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::region::Region;
use wire::router::Api;

use super::Provider;
use crate::secret::SecretSource;

/// The local server, as written: `url` or `serving`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalProvider {
    /// Base URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of a server in `inference.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// What it speaks.
    #[serde(default)]
    pub api: Api,
    /// Where its key comes from; the agent never sees it.
    #[serde(default)]
    pub api_key: Option<SecretSource>,
    /// Replaces the model that the agent names.
    #[serde(default)]
    pub model: Option<String>,
    /// Models by the names that the agent has for them; another name goes as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Where it computes; without it, what its name says.
    #[serde(default)]
    pub region: Option<Region>,
}

/// Which server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// One at an address.
    At(Provider),
    /// A managed one.
    Managed {
        /// Its name.
        server: String,
        /// Where it computes.
        region: Option<Region>,
    },
}

impl LocalProvider {
    /// Which server it is; `None`: what is written names none, or two.
    #[must_use]
    pub fn server(&self) -> Option<Local> {
        let Self { url, serving, api, api_key, model, models, region } = self.clone();
        match (url, serving) {
            (Some(url), None) => Some(Local::At(Provider { url, api, api_key, model, models, region })),
            (None, Some(server)) => {
                let is_plain =
                    api == Api::OpenAi && api_key.is_none() && model.is_none() && models.is_empty();
                (is_plain && wire::id::is_label(&server)).then_some(Local::Managed { server, region })
            }
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.server().is_some() {
            return Ok(());
        }
        let cause = match (&self.url, &self.serving) {
            (None, None) => "names no server",
            (Some(_), Some(_)) => "names two servers",
            (_, Some(_)) => "has more than 'serving', the name of a server, and 'region'",
            (Some(_), None) => "names no server that can be used",
        };
        Err((
            format!("inference.providers.local {cause}"),
            "write 'url' with what belongs to it, or 'serving' with the name of a server in inference.yaml"
                .to_owned(),
        ))
    }
}
