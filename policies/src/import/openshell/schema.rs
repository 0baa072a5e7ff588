//! OpenShell's policy schema, version 1: every key that its reference and its parser know.
//!
//! Facts from NVIDIA/OpenShell: the policy schema reference (`docs/how-it-works/policies/schema.mdx`)
//! and the keys that its parser accepts (`crates/openshell-policy/src/lib.rs`). Like that parser, this
//! one refuses what it does not know. A key whose value decides nothing here is [`Ignored`]: that it
//! stands there is enough to report it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::place::At;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an OpenShell policy (a mapping)")]
pub(super) struct PolicyFile {
    pub(super) version: At<u32>,
    pub(super) filesystem_policy: Option<At<FilesystemPolicy>>,
    pub(super) landlock: Option<At<Landlock>>,
    pub(super) process: Option<At<Process>>,
    #[serde(default)]
    pub(super) network_policies: Entries<At<NetworkPolicy>>,
    #[serde(default)]
    pub(super) network_middlewares: Entries<At<Ignored>>,
    /// Older policies of version 1 only.
    pub(super) inference: Option<At<Ignored>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'include_workdir', 'read_only', 'read_write'")]
pub(super) struct FilesystemPolicy {
    #[serde(default)]
    pub(super) include_workdir: bool,
    #[serde(default)]
    pub(super) read_only: Vec<At<String>>,
    #[serde(default)]
    pub(super) read_write: Vec<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'compatibility'")]
pub(super) struct Landlock {
    pub(super) compatibility: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'run_as_user' and 'run_as_group'")]
pub(super) struct Process {
    pub(super) run_as_user: Option<At<Ignored>>,
    pub(super) run_as_group: Option<At<Ignored>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'name', 'endpoints', 'binaries'")]
pub(super) struct NetworkPolicy {
    pub(super) name: Option<At<String>>,
    #[serde(default)]
    pub(super) endpoints: Vec<At<Endpoint>>,
    #[serde(default)]
    pub(super) binaries: Vec<At<Binary>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'path'")]
pub(super) struct Binary {
    pub(super) path: At<String>,
    /// Deprecated there, and without effect.
    pub(super) harness: Option<At<Ignored>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an endpoint (a mapping)")]
pub(super) struct Endpoint {
    pub(super) host: Option<At<String>>,
    pub(super) path: Option<At<String>>,
    pub(super) port: Option<At<u16>>,
    #[serde(default)]
    pub(super) ports: Vec<At<u16>>,
    pub(super) protocol: Option<At<String>>,
    pub(super) tls: Option<At<String>>,
    pub(super) enforcement: Option<At<String>>,
    pub(super) access: Option<At<String>>,
    #[serde(default)]
    pub(super) rules: Vec<At<AllowRule>>,
    #[serde(default)]
    pub(super) deny_rules: Vec<At<Matcher>>,
    #[serde(default)]
    pub(super) allowed_ips: Vec<At<String>>,
    pub(super) allow_encoded_slash: Option<At<bool>>,
    // Credentials: nothing here lets more through when it is left out.
    pub(super) credential_binding: Option<At<Ignored>>,
    pub(super) credential_signing: Option<At<Ignored>>,
    pub(super) signing_service: Option<At<Ignored>>,
    pub(super) signing_region: Option<At<Ignored>>,
    pub(super) request_body_credential_rewrite: Option<At<bool>>,
    pub(super) websocket_credential_rewrite: Option<At<bool>>,
    pub(super) allow_uninspected_credentials: Option<At<bool>>,
    // Options of protocols whose endpoints are left out.
    pub(super) persisted_queries: Option<At<Ignored>>,
    pub(super) graphql_persisted_queries: Option<At<Ignored>>,
    pub(super) graphql_max_body_bytes: Option<At<Ignored>>,
    pub(super) json_rpc: Option<At<Ignored>>,
    pub(super) mcp: Option<At<Ignored>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'allow'")]
pub(super) struct AllowRule {
    pub(super) allow: At<Matcher>,
}

/// What an allow or a deny rule matches. The keys after `query` are those of other protocols than REST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'method' and 'path'")]
pub(super) struct Matcher {
    pub(super) method: Option<At<String>>,
    pub(super) path: Option<At<String>>,
    #[serde(default)]
    pub(super) query: Entries<Ignored>,
    pub(super) command: Option<At<Ignored>>,
    pub(super) operation_type: Option<At<Ignored>>,
    pub(super) operation_name: Option<At<Ignored>>,
    pub(super) fields: Option<At<Ignored>>,
    pub(super) tool: Option<At<Ignored>>,
    pub(super) params: Option<At<Ignored>>,
    /// Older policies of version 1 only.
    pub(super) rpc_method: Option<At<Ignored>>,
}

/// A value that is read and not looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ignored;

/// A mapping in the order of the file.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl Matcher {
    /// Whether it looks at what a request carries and not only at its method, path and query.
    pub(super) fn looks_inside(&self) -> bool {
        let keys = [
            &self.command,
            &self.operation_type,
            &self.operation_name,
            &self.fields,
            &self.tool,
            &self.params,
            &self.rpc_method,
        ];
        keys.iter().any(|key| key.is_some())
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_content| Self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_unit<E>(self) -> Result<Entries<T>, E> {
                Ok(Entries::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}
