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

mod body;
mod carrier;
mod misplaced;
mod search;
mod sigv4;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;
use http::header::{self, HeaderValue};
use memchr::memmem;
use policies::binding::{PatternError, Places, decoded, may_be_parameter};
use wire::credential::{Credential, SECRET_LENGTH};
use wire::secret::Secret;
use zeroize::Zeroizing;

use crate::canonical::{CanonicalRequest, Scheme};
use crate::upstream::Outbound;

use carrier::Carrier;
pub use carrier::CarrierError;
pub use misplaced::Misplaced;
pub use search::Search;
use search::{Known, Traces};
use sigv4::Payload;

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
const OTHER_PARAMETERS: [&str; 10] = [
    "access_token",
    "private_token",
    "api_key",
    "apikey",
    "auth_token",
    "oauth_token",
    "job_token",
    "x-amz-credential",
    "x-amz-signature",
    "awsaccesskeyid",
];

/// Longest path and query with credentials in them, in bytes: what the HTTP library takes, less what it adds.
const LONGEST_TARGET: usize = 60_000;

/// Longest body that is read whole to sign it, in bytes.
const LONGEST_SIGNED: u64 = 16 * 1024 * 1024;

/// Longest body that is read whole to put a credential into it, in bytes: it is taken apart at once, and nobody else is
/// served meanwhile.
const LONGEST_FILLED: u64 = 1024 * 1024;

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
    /// Whether all that the host knows are signatures to object storage, which give no secret away.
    stores_only: bool,
    /// Whether the body has to be read first.
    holds: bool,
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
                let holds = carrier.concerns(request) && places.hold(&host, port, path);
                if holds && !uses.iter().any(meets) {
                    uses.push((number, place));
                }
            }
        }
        let known = held.all.iter().flat_map(|bound| &bound.places);
        let known = known.filter(|(places, _)| places.name_host(&host));
        let stores: Vec<bool> = known
            .map(|(_, carrier)| matches!(carrier, Carrier::SigV4(signer) if signer.is_store()))
            .collect();
        let searched = (!stores.is_empty()).then(|| Arc::clone(&self.known));
        let stores_only = stores.into_iter().all(|is_store| is_store);
        let carried = Carried { held, uses, searched, stores_only, holds: false };
        carried.check(request, fields)?;
        let holds = carried.must_hold((request, fields))?;
        Ok(Carried { holds, ..carried })
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

    /// If the body has to be read before the request can go out: for which credential, and how many bytes at most.
    pub(crate) fn holds(&self) -> Option<(&Arc<str>, u64)> {
        let most = |carrier: &Carrier| match carrier {
            Carrier::SigV4(_) => Some(LONGEST_SIGNED),
            other => other.kind_of_body().map(|_kind| LONGEST_FILLED),
        };
        let bounds = self.uses().filter_map(|(bound, carrier)| Some((&bound.name, most(carrier)?)));
        bounds.min_by_key(|(_, most)| *most).filter(|_| self.holds)
    }

    /// The body with the secrets in their places, if any of them belongs there.
    ///
    /// # Errors
    /// A placeholder is not at its place, or stands at another one.
    pub(crate) fn fill(&self, body: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Misplaced> {
        let mut places = Vec::new();
        for (bound, carrier) in self.uses() {
            let found = carrier.find(body, &bound.placeholder).transpose().map_err(|why| {
                Misplaced::Body { name: Arc::clone(&bound.name), place: carrier.place_in_body(), why }
            })?;
            places.extend(found.map(|range| (range, bound, carrier)));
        }
        places.sort_by_key(|(range, ..)| range.start);
        let (mut filled, mut at) = (Zeroizing::new(Vec::new()), 0);
        let written: Vec<_> =
            places.iter().map(|(_, bound, carrier)| carrier.in_body(&bound.secret)).collect();
        // At once: what a buffer grows out of is not wiped.
        filled.reserve_exact(body.len() + written.iter().map(|text| text.len()).sum::<usize>());
        for ((range, ..), text) in places.iter().zip(&written) {
            filled.extend_from_slice(self.without_placeholder(&body[at..range.start])?);
            filled.extend_from_slice(text.as_bytes());
            at = range.end;
        }
        filled.extend_from_slice(self.without_placeholder(&body[at..])?);
        Ok((!places.is_empty()).then_some(filled))
    }

    fn without_placeholder<'a>(&self, text: &'a [u8]) -> Result<&'a [u8], Misplaced> {
        match self.held.find(text) {
            Some(bound) => {
                Err(Misplaced::Stray { name: Arc::clone(&bound.name), place: "the body".to_owned() })
            }
            None => Ok(text),
        }
    }

    /// Whether something has to be read of the body before the request can go out.
    fn must_hold(&self, (request, fields): (&CanonicalRequest, &HeaderMap)) -> Result<bool, Misplaced> {
        let mut holds = false;
        for (bound, carrier) in self.uses() {
            if let Some(kind) = carrier.kind_of_body() {
                if !body::is_plain(fields, kind) {
                    return Err(Misplaced::Type { name: Arc::clone(&bound.name), kind });
                }
                holds = true;
            }
            if let Carrier::SigV4(signer) = carrier {
                holds |= signer.check(&bound.name, (request, fields))? == Payload::Digest;
            }
        }
        Ok(holds)
    }

    /// Writes them into what goes out. `body`: all of it, if it was read.
    ///
    /// # Errors
    /// It could not be signed; what was to go out must not.
    pub fn add_to(&self, out: &mut Outbound, body: Option<&[u8]>) -> Result<(), Misplaced> {
        if self.searched.is_some() {
            crate::fields::remove(out.fields_mut(), &OTHER_KEYS);
        }
        if self.searched.is_some() && !self.stores_only {
            let fields = out.fields_mut();
            crate::fields::remove(fields, &HIDING);
            fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        for (bound, carrier) in self.uses() {
            carrier.write(&bound.secret, out);
        }
        // Last: it signs the others.
        for (bound, carrier) in self.uses() {
            if let Carrier::SigV4(signer) = carrier {
                signer.write(out, body).map_err(|error| {
                    tracing::warn!(%error, "a request could not be signed");
                    Misplaced::Unsigned(Arc::clone(&bound.name))
                })?;
            }
        }
        Ok(())
    }

    /// Looks for the secrets in the answer, if it comes from where one is known.
    pub fn search(&self) -> Option<Search> {
        let known = self.searched.clone()?;
        Some(if self.stores_only { Search::of_errors(known) } else { Search::new(known) })
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
            if let Some((bound, _)) = self.uses().find(|(_, carrier)| carrier.is_parameter(text)) {
                // What stands behind it was judged, and would not go out.
                if text.contains(';') {
                    return Err(Misplaced::Joined(Arc::clone(&bound.name)));
                }
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
