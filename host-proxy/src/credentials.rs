//! Credentials: added to the requests that they are bound to, and kept from everywhere else.
//!
//! ```text
//! judged request ──place──► Carried ──add_to──► what goes out       the guest's own field of that name is gone
//!        │                     └─────search────► what comes back      without the secret, however it was written
//!        └── a placeholder stands where it is not used: refused
//! ```
//! *Invariants:* the guest has placeholders only; a secret goes out to its own places only, over TLS whose certificate was
//! verified, and replaces whatever the agent wrote there, so that no credential of somebody else's takes its stead.
//!
//! What is kept here is wiped when it is replaced. The copies that a request makes on its way out are hyper's and
//! rustls', which do not wipe.

mod carrier;
mod search;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use policies::binding::{PatternError, Places, decoded, may_be_parameter};
use wire::credential::{Credential, SECRET_LENGTH};
use wire::secret::Secret;

use crate::canonical::{CanonicalRequest, Scheme};
use crate::refusal::{Refusal, Stopped};
use crate::upstream::Outbound;

use carrier::Carrier;
pub use carrier::CarrierError;
pub use search::Search;
use search::{Known, Traces};

/// Fields in which servers look for a credential: at a host that is given one of ours, the agent brings no other, by
/// which it would act for somebody else.
const OTHER_KEYS: [&str; 16] = [
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "private-token",
    "job-token",
    "deploy-token",
    "dd-api-key",
    "dd-application-key",
    "x-vault-token",
    "x-shopify-access-token",
    "x-amz-security-token",
    "ocp-apim-subscription-key",
];

/// The same as parameters of a query. What is called so is not refused by mistake, unlike `key` and `token`.
const OTHER_PARAMETERS: [&str; 7] =
    ["access_token", "private_token", "api_key", "apikey", "auth_token", "oauth_token", "job_token"];

/// Longest path and query with credentials in them, in bytes: what the HTTP library takes, less what it adds.
const LONGEST_TARGET: usize = 60_000;

/// What would hide a secret from the search: compression, and parts that the agent chooses.
const HIDING: [&str; 3] = ["accept-encoding", "range", "if-range"];

/// The credentials of one sandbox.
#[derive(Debug, Default)]
pub struct Credentials {
    held: RwLock<Arc<Held>>,
    /// Everything by which a secret can be told in an answer.
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Held {
    all: Vec<Bound>,
}

/// One credential and its places.
#[derive(Debug)]
struct Bound {
    name: Arc<str>,
    placeholder: String,
    secret: Secret,
    places: Vec<(Places, Carrier)>,
}

/// What one request carries.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    held: Arc<Held>,
    /// Numbers of credentials, and of their places.
    uses: Vec<(usize, usize)>,
    /// If the host knows a secret: what its answer is searched for.
    searched: Option<Arc<Known>>,
}

/// Looks for placeholders in what a client sends piece by piece.
pub struct Watch {
    held: Arc<Held>,
    /// The end of what was seen, in which a placeholder may have begun.
    tail: Vec<u8>,
}

/// Why credentials are not taken.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Its length, or what it is made of.
    #[error("credential '{0}': the secret or its placeholder is unfit")]
    Unfit(String),
    /// Where it goes out.
    #[error("credential '{name}'")]
    Places {
        /// Whose.
        name: String,
        /// What is wrong.
        source: PatternError,
    },
    /// How it is carried.
    #[error("credential '{name}'")]
    Carrier {
        /// Whose.
        name: String,
        /// What is wrong.
        source: CarrierError,
    },
}

/// Why a request may not go on as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// A placeholder stands where it is not used.
    #[error("the placeholder of credential '{name}' stands in {place}, where it is not used")]
    Stray {
        /// Whose.
        name: Arc<str>,
        /// Where.
        place: String,
    },
    /// It would be read on the way.
    #[error("credential '{0}' goes out over TLS only")]
    Plain(Arc<str>),
    /// The path does not begin with the segment that the form asks for.
    #[error("the first segment of the path must be the one with the placeholder of credential '{0}'")]
    Segment(Arc<str>),
    /// The agent brings a credential of its own to a host that is given one of ours.
    #[error("the parameter '{0}' may hold a credential, and this host takes none of the agent's")]
    Foreign(&'static str),
    /// The target would be longer than anything takes.
    #[error("with credential '{0}' in it, path and query are too long")]
    TooLong(Arc<str>),
    /// Two credentials are bound to one place.
    #[error("credentials '{0}' and '{1}' are bound to the same place of this request")]
    Twice(Arc<str>, Arc<str>),
}

impl Credentials {
    /// Takes the sandbox's credentials.
    ///
    /// # Errors
    /// One of them is malformed, or could not be told from other text.
    pub fn new(credentials: Vec<Credential>) -> Result<Self, CredentialError> {
        let new = Self::default();
        new.replace(credentials).map(|()| new)
    }

    /// Replaces them; requests under way keep what they carry.
    ///
    /// # Errors
    /// As of [`Self::new`]; those from before stay.
    pub fn replace(&self, credentials: Vec<Credential>) -> Result<(), CredentialError> {
        let (held, traces) = Held::new(credentials)?;
        // Nothing goes out that is not looked for.
        self.known.learn(traces);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
        Ok(())
    }

    /// What a request carries beside what the agent wrote.
    ///
    /// # Errors
    /// A placeholder stands where it is not used, or a credential that is bound here cannot go out.
    pub fn place(&self, request: &CanonicalRequest, fields: &HeaderMap) -> Result<Carried, Misplaced> {
        let held = self.current();
        if held.all.is_empty() {
            return Ok(Carried::default());
        }
        let (host, port) = (request.authority.host.to_string(), request.authority.port);
        let path = request.resource.path();
        let mut uses = Vec::new();
        for (number, bound) in held.all.iter().enumerate() {
            for (place, (places, carrier)) in bound.places.iter().enumerate() {
                let meets = |(other, place): &(usize, usize)| {
                    *other == number && bound.places[*place].1.meets(carrier)
                };
                if places.hold(&host, port, path) && !uses.iter().any(meets) {
                    uses.push((number, place));
                }
            }
        }
        let knows = |bound: &Bound| bound.places.iter().any(|(places, _)| places.name_host(&host));
        let searched = held.all.iter().any(knows).then(|| Arc::clone(&self.known));
        let carried = Carried { held, uses, searched };
        carried.check(request, fields)?;
        Ok(carried)
    }

    /// Watches what a client sends, if there is anything to look for.
    pub fn watch(&self) -> Option<Watch> {
        let held = self.current();
        (!held.all.is_empty()).then(|| Watch { held, tail: Vec::new() })
    }

    fn current(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn new(credentials: Vec<Credential>) -> Result<(Self, Traces), CredentialError> {
        let all = credentials.into_iter().map(Bound::new).collect::<Result<Vec<_>, _>>()?;
        let mut traces = Traces::default();
        for bound in &all {
            traces.add(bound.secret.expose());
            bound.places.iter().for_each(|(_, carrier)| carrier.trace(&bound.secret, &mut traces));
        }
        Ok((Self { all }, traces))
    }

    /// Whose placeholder stands in `text`.
    fn find(&self, text: &[u8]) -> Option<&Bound> {
        self.all.iter().find(|bound| memmem::find(text, bound.placeholder.as_bytes()).is_some())
    }

    fn longest_placeholder(&self) -> usize {
        self.all.iter().map(|bound| bound.placeholder.len()).max().unwrap_or_default()
    }
}

impl Bound {
    fn new(credential: Credential) -> Result<Self, CredentialError> {
        let Credential { name, placeholder, secret, bindings } = credential;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fit = SECRET_LENGTH.contains(&secret.expose().len())
            && SECRET_LENGTH.contains(&placeholder.len())
            && placeholder.bytes().all(plain);
        if !fit {
            return Err(CredentialError::Unfit(name));
        }
        let place = |binding: wire::credential::Binding| {
            let places = Places::parse(&binding.hosts, &binding.paths)
                .map_err(|source| CredentialError::Places { name: name.clone(), source })?;
            let carrier = Carrier::new(binding.form, &placeholder, &secret)
                .map_err(|source| CredentialError::Carrier { name: name.clone(), source })?;
            Ok((places, carrier))
        };
        let places = bindings.into_iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { name: name.as_str().into(), placeholder, secret, places })
    }
}

impl Carried {
    /// Names of the credentials that go out.
    pub fn names(&self) -> Vec<String> {
        self.uses.iter().map(|(number, _)| self.held.all[*number].name.to_string()).collect()
    }

    /// Writes them into what goes out.
    pub fn add_to(&self, out: &mut Outbound) {
        if self.searched.is_some() {
            let fields = out.fields_mut();
            crate::fields::remove(fields, &OTHER_KEYS);
            crate::fields::remove(fields, &HIDING);
            fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        for (bound, carrier) in self.uses() {
            carrier.write(&bound.secret, out);
        }
    }

    /// Looks for the secrets in the answer, if it comes from where one is known.
    pub fn search(&self) -> Option<Search> {
        self.searched.clone().map(Search::new)
    }

    fn uses(&self) -> impl Iterator<Item = (&Bound, &Carrier)> {
        self.uses.iter().map(|(number, place)| {
            let bound = &self.held.all[*number];
            (bound, &bound.places[*place].1)
        })
    }

    fn check(&self, request: &CanonicalRequest, fields: &HeaderMap) -> Result<(), Misplaced> {
        for (number, (bound, carrier)) in self.uses().enumerate() {
            if request.scheme != Scheme::Https {
                return Err(Misplaced::Plain(Arc::clone(&bound.name)));
            }
            if let Some((other, _)) = self.uses().take(number).find(|(_, other)| other.meets(carrier)) {
                return Err(Misplaced::Twice(Arc::clone(&other.name), Arc::clone(&bound.name)));
            }
            if !carrier.fits(request.resource.path()) {
                return Err(Misplaced::Segment(Arc::clone(&bound.name)));
            }
        }
        let stray = |bound: &Bound, place: String| Misplaced::Stray { name: Arc::clone(&bound.name), place };
        let mut path = request.resource.path();
        for (_, carrier) in self.uses() {
            path = carrier.rest_of_path(path);
        }
        if let Some(bound) = self.held.find(path.as_bytes()) {
            return Err(stray(bound, "the path".to_owned()));
        }
        self.check_query(request.resource.query().unwrap_or_default())?;
        let added: usize = self.uses().map(|(bound, carrier)| carrier.length(&bound.secret)).sum();
        if let Some((bound, _)) = self.uses().next()
            && request.resource.as_target().as_str().len() + added > LONGEST_TARGET
        {
            return Err(Misplaced::TooLong(Arc::clone(&bound.name)));
        }
        for (name, value) in fields {
            let used = self.uses().any(|(_, carrier)| carrier.is_field(name));
            let decoded = carrier::decoded_basic(value);
            let found = self.held.find(value.as_bytes()).or_else(|| self.held.find(decoded.as_deref()?));
            if let Some(bound) = found.filter(|_| !used) {
                return Err(stray(bound, format!("the header field '{name}'")));
            }
        }
        Ok(())
    }
}

/// Without what it has seen.
impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Carried {
    /// Nothing in a query but what is replaced may be a placeholder, however it is written, or at a host that is given
    /// a credential of ours another one.
    fn check_query(&self, query: &str) -> Result<(), Misplaced> {
        let found = self.held.find(query.as_bytes()).or_else(|| self.held.find(&decoded(query)));
        if found.is_none() && self.searched.is_none() {
            return Ok(());
        }
        for text in query.split('&') {
            if self.uses().any(|(_, carrier)| carrier.is_parameter(text)) {
                continue;
            }
            if let Some(bound) = self.held.find(text.as_bytes()).or_else(|| self.held.find(&decoded(text))) {
                return Err(Misplaced::Stray {
                    name: Arc::clone(&bound.name),
                    place: "the query".to_owned(),
                });
            }
            let other = OTHER_PARAMETERS.iter().find(|name| may_be_parameter(text, name));
            if let (Some(other), true) = (other, self.searched.is_some()) {
                return Err(Misplaced::Foreign(other));
            }
        }
        Ok(())
    }
}

impl Watch {
    /// Looks at the next piece.
    ///
    /// # Errors
    /// A placeholder ends in it.
    pub fn see(&mut self, piece: &[u8]) -> Result<(), Misplaced> {
        let before = self.held.longest_placeholder().saturating_sub(1);
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(&piece[..piece.len().min(before)]);
        if let Some(bound) = self.held.find(&seam).or_else(|| self.held.find(piece)) {
            let name = Arc::clone(&bound.name);
            return Err(Misplaced::Stray { name, place: "the body".to_owned() });
        }
        let seen = if piece.len() >= before { piece } else { &seam };
        self.tail = seen[seen.len().saturating_sub(before)..].to_vec();
        Ok(())
    }
}

impl From<&Misplaced> for Refusal {
    fn from(misplaced: &Misplaced) -> Self {
        let (error, hint) = (misplaced.to_string(), misplaced.hint().to_owned());
        Self { status: StatusCode::FORBIDDEN, level: Stopped::Credential, rule: None, error, hint }
    }
}

impl Misplaced {
    /// What could be done about it, in one line.
    fn hint(&self) -> &'static str {
        match self {
            Self::Stray { .. } => {
                "send it only where the operator bound it; the proxy writes it there by itself"
            }
            Self::Plain(_) => "use https",
            Self::Segment(_) => "write the placeholder from the environment into the path",
            Self::Foreign(_) => "leave it out: the proxy writes the operator's credential where it belongs",
            Self::TooLong(_) => "send a shorter path and query",
            Self::Twice(..) => "the operator can narrow the paths of one of them in agent.yaml",
        }
    }
}
