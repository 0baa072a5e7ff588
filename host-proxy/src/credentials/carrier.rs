//! The forms in which a request carries a credential.

use std::ops::Range;

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use http::header::{self, HeaderName, HeaderValue};
use policies::binding::{PatternError, check_form, encoded, in_segment, may_be_parameter};
use wire::credential::{Form, SECRET_STANDS};
use wire::secret::Secret;
use zeroize::Zeroizing;

use super::body::{self, Unfound};
use super::search::Traces;
use super::sigv4::{KeysError, Signer};
use crate::canonical::CanonicalRequest;
use crate::fields::{is_cleaned, reads_as};
use crate::upstream::Outbound;

/// How one credential is carried. The secret itself stands beside it.
#[derive(Debug)]
pub(super) enum Carrier {
    Field { name: HeaderName, format: String },
    Basic { user: String },
    Query { name: String },
    Segment { format: String, stands: String },
    Json { pointer: String },
    Urlencoded { name: String },
    SigV4(Box<Signer>),
}

/// Why a form is none.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// It cannot carry anything.
    #[error(transparent)]
    Form(#[from] PatternError),
    /// The field belongs to the connection or the framing, or the proxy writes it itself.
    #[error("'{0}' is a header field in which no credential can stand")]
    Taken(HeaderName),
    /// The secret has characters that would end its field, or be read as something else in a path.
    #[error("the secret has characters that cannot stand there")]
    Characters,
    /// There is nothing to sign with.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// Fields of which the request's framing hangs, or that the proxy writes itself.
const TAKEN: [&str; 6] =
    ["host", "content-length", "content-type", "accept-encoding", "content-encoding", "expect"];

impl Carrier {
    pub(super) fn new(form: Form, placeholder: &str, secret: &Secret) -> Result<Self, CarrierError> {
        check_form(&form)?;
        let made_of = |fits: fn(char) -> bool| {
            if secret.expose().chars().all(fits) { Ok(()) } else { Err(CarrierError::Characters) }
        };
        match form {
            Form::Header { name, format } => {
                let name = HeaderName::try_from(name).expect("a checked form's name is one");
                if TAKEN.contains(&name.as_str()) || is_cleaned(&name) {
                    return Err(CarrierError::Taken(name));
                }
                made_of(|c| matches!(c, ' '..='~'))?;
                Ok(Self::Field { name, format })
            }
            Form::Basic { user } => {
                made_of(|c| !c.is_control())?;
                Ok(Self::Basic { user })
            }
            Form::Query { name } => {
                made_of(|c| !c.is_control())?;
                Ok(Self::Query { name })
            }
            // The search of answers relies on it.
            Form::Json { pointer } => {
                made_of(|c| !c.is_control())?;
                Ok(Self::Json { pointer })
            }
            Form::Urlencoded { name } => {
                made_of(|c| !c.is_control())?;
                Ok(Self::Urlencoded { name })
            }
            Form::SigV4 { service, region, access_key_id } => {
                let signer = Signer::new((service, region), access_key_id, secret)?;
                Ok(Self::SigV4(Box::new(signer)))
            }
            Form::Segment { format } => {
                made_of(|c| u8::try_from(c).is_ok_and(in_segment))?;
                let stands = format.replace(SECRET_STANDS, placeholder);
                Ok(Self::Segment { format, stands })
            }
        }
    }

    /// Whether both are written to one place.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Query { name }, Self::Query { name: other }) => may_be_parameter(name, other),
            (Self::Segment { .. }, Self::Segment { .. }) => true,
            (Self::Json { pointer }, Self::Json { pointer: other }) => pointer == other,
            (Self::Urlencoded { name }, Self::Urlencoded { name: other }) => may_be_parameter(name, other),
            // A body has one type.
            (Self::Json { .. }, Self::Urlencoded { .. }) | (Self::Urlencoded { .. }, Self::Json { .. }) => {
                true
            }
            (one, other) => other.field().is_some_and(|field| one.is_field(&field)),
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

    /// Whether the form replaces what stands between two `&` of a query.
    pub(super) fn is_parameter(&self, text: &str) -> bool {
        match self {
            Self::Query { name } => may_be_parameter(text, name),
            Self::SigV4(_) => Signer::is_parameter(text),
            _ => false,
        }
    }

    /// Whether the form replaces this field, or one that a server could take for it.
    pub(super) fn is_field(&self, field: &HeaderName) -> bool {
        if let Self::SigV4(_) = self {
            return Signer::is_field(field);
        }
        self.field().is_some_and(|mine| reads_as(field, mine.as_str()) || reads_as(&mine, field.as_str()))
    }

    /// Whether it concerns a request of this method: one that never has a body carries nothing in it.
    pub(super) fn concerns(&self, request: &CanonicalRequest) -> bool {
        let bodiless = matches!(request.method.as_str(), "GET" | "HEAD" | "WEBSOCKET");
        !bodiless || self.kind_of_body().is_none()
    }

    /// The type of the body that it stands in.
    pub(super) fn kind_of_body(&self) -> Option<&'static str> {
        match self {
            Self::Json { .. } => Some("application/json"),
            Self::Urlencoded { .. } => Some("application/x-www-form-urlencoded"),
            _ => None,
        }
    }

    /// Where in the body the placeholder stands; `None`: it does not belong in a body.
    pub(super) fn find(&self, body: &[u8], placeholder: &str) -> Option<Result<Range<usize>, Unfound>> {
        match self {
            Self::Json { pointer } => Some(body::in_json(body, pointer, placeholder)),
            Self::Urlencoded { name } => Some(body::in_form(body, name, placeholder)),
            _ => None,
        }
    }

    /// What of the body stands for the secret, as people write it.
    pub(super) fn place_in_body(&self) -> String {
        match self {
            Self::Json { pointer } => format!("'{pointer}'"),
            Self::Urlencoded { name } => format!("the field '{name}'"),
            _ => "no part".to_owned(),
        }
    }

    /// What comes in the stead of what was found in the body.
    pub(super) fn in_body(&self, secret: &Secret) -> Zeroizing<String> {
        match self {
            Self::Json { .. } => Zeroizing::new(serde_json::Value::from(secret.expose()).to_string()),
            Self::Urlencoded { name } => Zeroizing::new(format!("{name}={}", encoded(secret.expose()))),
            _ => Zeroizing::default(),
        }
    }

    /// Writes the secret to its place, and removes what else stands there. What stands in bodies, and signatures of
    /// everything else, are not of the head.
    pub(super) fn write(&self, secret: &Secret, out: &mut Outbound) {
        match self {
            Self::Field { name, format } => {
                let value = Zeroizing::new(format.replace(SECRET_STANDS, secret.expose()));
                self.write_field(name, &value, out);
            }
            Self::Basic { user } => {
                let value = Zeroizing::new(format!("Basic {}", *basic(user, secret)));
                self.write_field(&header::AUTHORIZATION, &value, out);
            }
            Self::Query { name } => self.write_query(&format!("{name}={}", encoded(secret.expose())), out),
            Self::Segment { format, stands } => {
                let segment = Zeroizing::new(format.replace(SECRET_STANDS, secret.expose()));
                let rest = out.target().as_str()[1 + stands.len()..].to_owned();
                write_target(&format!("/{}{rest}", *segment), out);
            }
            Self::Json { .. } | Self::Urlencoded { .. } | Self::SigV4(_) => {}
        }
    }

    fn write_field(&self, name: &HeaderName, value: &str, out: &mut Outbound) {
        let fields = out.fields_mut();
        let others: Vec<HeaderName> = fields.keys().filter(|field| self.is_field(field)).cloned().collect();
        others.iter().for_each(|field| drop(fields.remove(field)));
        let mut value = HeaderValue::from_str(value).expect("format and secret were checked");
        // HTTP/2 must not keep it in the connection's table.
        value.set_sensitive(true);
        fields.insert(name, value);
    }

    fn write_query(&self, parameter: &str, out: &mut Outbound) {
        let (path, query) = (out.target().path(), out.target().query().unwrap_or_default());
        let others = query.split('&').filter(|text| !text.is_empty() && !self.is_parameter(text));
        let query: Vec<&str> = others.chain([parameter]).collect();
        write_target(&format!("{path}?{}", query.join("&")), out);
    }

    /// How much longer it may make the target.
    pub(super) fn length(&self, secret: &Secret) -> usize {
        match self {
            Self::Field { .. } | Self::Basic { .. } => 0,
            Self::Json { .. } | Self::Urlencoded { .. } | Self::SigV4(_) => 0,
            Self::Query { name } => name.len() + encoded(secret.expose()).len() + 2,
            Self::Segment { format, .. } => format.len() + secret.expose().len(),
        }
    }

    /// By what the secret can be told.
    pub(super) fn trace(&self, secret: &Secret, traces: &mut Traces) {
        match self {
            Self::SigV4(signer) => signer.trace(traces),
            Self::Basic { user } => {
                traces.add(secret.expose());
                traces.add(&basic(user, secret));
            }
            _ => traces.add(secret.expose()),
        }
    }

    fn field(&self) -> Option<HeaderName> {
        match self {
            Self::Field { name, .. } => Some(name.clone()),
            Self::Basic { .. } | Self::SigV4(_) => Some(header::AUTHORIZATION),
            Self::Query { .. } | Self::Segment { .. } | Self::Json { .. } | Self::Urlencoded { .. } => None,
        }
    }
}

/// Takes Base64 with padding and without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User and password of Basic authentication, if the value is one.
pub(super) fn decoded_basic(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, rest) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    LENIENT.decode(rest.trim_ascii()).ok()
}

fn basic(user: &str, secret: &Secret) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
    Zeroizing::new(STANDARD.encode(pair.as_bytes()))
}

fn write_target(target: &str, out: &mut Outbound) {
    out.set_target(target.parse().expect("a canonical target with plain or encoded characters in it"));
}

fn first_segment(path: &str) -> &str {
    let body = path.strip_prefix('/').unwrap_or(path);
    body.split('/').next().unwrap_or(body)
}
