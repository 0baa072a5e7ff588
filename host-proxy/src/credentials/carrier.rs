//! The forms in which a request carries a credential.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use wire::credential::{Form, SECRET_STANDS};
use wire::secret::Secret;
use zeroize::Zeroizing;

use super::search::Traces;
use crate::fields::reads_as;
use crate::upstream::Outbound;

/// How one credential is carried. The secret itself stands beside it.
#[derive(Debug)]
pub(super) enum Carrier {
    Field { name: HeaderName, format: String },
    Basic { user: String },
    Query { name: String },
    Segment { format: String, stands: String },
}

/// Why a form is none.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// Not a field's name, or that of a field which the proxy writes itself.
    #[error("'{0}' is no header field that a credential can stand in")]
    Name(String),
    /// The place of the secret does not stand in it once.
    #[error("'{0}' must hold {SECRET_STANDS} once")]
    Format(String),
    /// The secret has characters that would end its field, or be read as something else in a path.
    #[error("the secret has characters that cannot stand there")]
    Characters,
    /// A user of Basic authentication has no colon.
    #[error("a user's name has no colon and no control character")]
    User,
    /// A parameter's name is plain.
    #[error("'{0}' is no name of a parameter")]
    Parameter(String),
}

/// Fields of which the connection or the request's framing hangs, or that the proxy writes itself.
const TAKEN: [&str; 6] =
    ["host", "content-length", "content-type", "accept-encoding", "content-encoding", "expect"];

impl Carrier {
    pub(super) fn new(form: Form, placeholder: &str, secret: &Secret) -> Result<Self, CarrierError> {
        let secret = secret.expose();
        let carrier = match form {
            Form::Header { name, format } => {
                let parsed = name.to_ascii_lowercase().parse::<HeaderName>().ok();
                let free =
                    |name: &HeaderName| !TAKEN.contains(&name.as_str()) && !crate::fields::is_cleaned(name);
                let name = parsed.filter(free).ok_or(CarrierError::Name(name))?;
                check_format(&format)?;
                check(
                    format.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                    CarrierError::Format(format.clone()),
                )?;
                check(
                    secret.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
                    CarrierError::Characters,
                )?;
                Self::Field { name, format }
            }
            Form::Basic { user } => {
                check(!user.contains(|c: char| c == ':' || c.is_control()), CarrierError::User)?;
                check(!secret.contains(char::is_control), CarrierError::Characters)?;
                Self::Basic { user }
            }
            Form::Query { name } => {
                let plain = !name.is_empty() && name.bytes().all(is_plain);
                check(plain, CarrierError::Parameter(name.clone()))?;
                Self::Query { name }
            }
            Form::Segment { format } => {
                check_format(&format)?;
                let stands = format.replace(SECRET_STANDS, placeholder);
                check(stands.bytes().all(in_segment), CarrierError::Format(format.clone()))?;
                check(secret.bytes().all(in_segment), CarrierError::Characters)?;
                Self::Segment { format, stands }
            }
        };
        Ok(carrier)
    }

    /// Whether both are written to one place.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Query { name }, Self::Query { name: other }) => name == other,
            (Self::Segment { .. }, Self::Segment { .. }) => true,
            (one, other) => match (one.field(), other.field()) {
                (Some(one), Some(other)) => reads_as(&one, other.as_str()) || reads_as(&other, one.as_str()),
                _ => false,
            },
        }
    }

    /// Whether the path has the placeholder where the form asks for it.
    pub(super) fn fits(&self, path: &str) -> bool {
        match self {
            Self::Segment { stands, .. } => first_segment(path) == stands,
            _ => true,
        }
    }

    /// What of the path is not the form's.
    pub(super) fn rest_of_path<'a>(&self, path: &'a str) -> &'a str {
        match self {
            Self::Segment { stands, .. } if self.fits(path) => &path[1 + stands.len()..],
            _ => path,
        }
    }

    /// Whether the form replaces this parameter of a query.
    pub(super) fn is_parameter(&self, parameter: &str) -> bool {
        let Self::Query { name } = self else { return false };
        let (given, _value) = parameter.split_once('=').unwrap_or((parameter, ""));
        given == name || *percent_decoded(given) == *name.as_bytes()
    }

    /// Whether the form replaces this field, or one that a server could take for it.
    pub(super) fn is_field(&self, field: &HeaderName) -> bool {
        self.field().is_some_and(|mine| reads_as(field, mine.as_str()) || reads_as(&mine, field.as_str()))
    }

    /// Writes the secret to its place, and removes what else stands there.
    pub(super) fn write(&self, secret: &Secret, out: &mut Outbound) {
        if let Some(name) = self.field() {
            let fields = out.fields_mut();
            let others: Vec<HeaderName> =
                fields.keys().filter(|field| self.is_field(field)).cloned().collect();
            others.iter().for_each(|field| drop(fields.remove(field)));
            let mut value =
                HeaderValue::from_str(&self.value(secret)).expect("it was checked when it was made");
            // HTTP/2 must not keep it in the connection's table.
            value.set_sensitive(true);
            fields.insert(name, value);
            return;
        }
        let (path, query) = (out.target().path(), out.target().query());
        let target = match self {
            Self::Segment { format, stands } => {
                let secret = format.replace(SECRET_STANDS, secret.expose());
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                format!("/{secret}{}{query}", &path[1 + stands.len()..])
            }
            Self::Query { name } => {
                let others = query.unwrap_or_default().split('&');
                let others =
                    others.filter(|parameter| !parameter.is_empty() && !self.is_parameter(parameter));
                let mut query: Vec<String> = others.map(str::to_owned).collect();
                query.push(format!("{name}={}", percent_encoded(secret.expose())));
                format!("{path}?{}", query.join("&"))
            }
            Self::Field { .. } | Self::Basic { .. } => unreachable!("both stand in a field"),
        };
        out.set_target(target.parse().expect("a canonical target with plain or encoded characters in it"));
    }

    /// How else than by itself the secret can be told.
    pub(super) fn trace(&self, secret: &Secret, traces: &mut Traces) {
        if let Self::Basic { user } = self {
            let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
            traces.add(&STANDARD.encode(pair.as_bytes()));
        }
    }

    fn field(&self) -> Option<HeaderName> {
        match self {
            Self::Field { name, .. } => Some(name.clone()),
            Self::Basic { .. } => Some(header::AUTHORIZATION),
            Self::Query { .. } | Self::Segment { .. } => None,
        }
    }

    fn value(&self, secret: &Secret) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Field { format, .. } => format.replace(SECRET_STANDS, secret.expose()),
            Self::Basic { user } => {
                let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
                format!("Basic {}", STANDARD.encode(pair.as_bytes()))
            }
            Self::Query { .. } | Self::Segment { .. } => String::new(),
        })
    }
}

/// User and password of Basic authentication, if the value is one.
pub(super) fn decoded_basic(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, rest) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok()
}

/// Every byte that is not plain in a query, encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                decoded.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => decoded.extend(std::iter::once(b'%').chain(part.bytes())),
        }
    }
    Cow::Owned(decoded)
}

fn first_segment(path: &str) -> &str {
    let body = path.strip_prefix('/').unwrap_or(path);
    body.split('/').next().unwrap_or(body)
}

fn check(fit: bool, error: CarrierError) -> Result<(), CarrierError> {
    if fit { Ok(()) } else { Err(error) }
}

fn check_format(format: &str) -> Result<(), CarrierError> {
    check(format.matches(SECRET_STANDS).count() == 1, CarrierError::Format(format.to_owned()))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What can stand in a segment of a canonical path without being encoded or meaning something.
fn in_segment(byte: u8) -> bool {
    is_plain(byte) || b":@+=,$".contains(&byte)
}
