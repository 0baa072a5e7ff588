//! Credentials that host-proxy adds to the agent's requests. The guest has a placeholder in their stead.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Shortest and longest credential, in bytes. A shorter one could not be told from other text in an answer.
pub const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 8..=16_384;

/// What stands for the secret in a [`Form`].
pub const SECRET_STANDS: &str = "{}";

/// One credential of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// How the audit log calls it, and the variable of the agent's environment that holds the placeholder.
    pub name: String,
    /// What the agent has in its stead: letters, digits, `-` and `_`.
    pub placeholder: String,
    /// What goes out.
    pub secret: Secret,
    /// Where; at least one.
    pub bindings: Vec<Binding>,
}

/// Where a credential goes out. Nowhere else does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Destinations, as a rule's allow list names them, but without wildcards; at least one.
    pub hosts: Vec<String>,
    /// Patterns of paths, as a rule's allow list has them. Empty: every path.
    pub paths: Vec<String>,
    /// How it is carried.
    pub form: Form,
}

/// How a request carries a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Form {
    /// A header field, in place of every field of that name.
    Header {
        /// Its name.
        name: String,
        /// Its value; [`SECRET_STANDS`] for the secret.
        format: String,
    },
    /// `Authorization: Basic`, with the secret as the password.
    Basic {
        /// The user.
        user: String,
    },
    /// A parameter of the query, in place of every one of that name.
    Query {
        /// Its name.
        name: String,
    },
    /// The first segment of the path, which must be this with the placeholder for the secret.
    Segment {
        /// The segment; [`SECRET_STANDS`] for the secret.
        format: String,
    },
    /// A string in a JSON body, which must be the placeholder.
    Json {
        /// Which (RFC 6901).
        pointer: String,
    },
    /// A field of an `application/x-www-form-urlencoded` body, which must be the placeholder.
    Urlencoded {
        /// Its name.
        name: String,
    },
    /// A signature of AWS, version 4, made with the secret in place of the client's: a secret access key, or a JSON
    /// document with the key, its id and, if there is one, its session token.
    SigV4 {
        /// The service that is signed for, as the scope of a signature names it.
        service: String,
        /// The region, likewise.
        region: String,
        /// The id of the key, where the secret is the key alone.
        access_key_id: Option<String>,
    },
}
