//! The request and what comes back for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use serde::Deserialize;
use serde_json::value::RawValue;
use wire::secret::Secret;
use wire::vault::{Engine, VaultQuestion};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::connect::Address;

/// Longest answer, in bytes.
const LONGEST: usize = 1024 * 1024;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// By which a vault knows that no browser was tricked into asking.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// The part of an answer that holds what was asked for.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

pub(crate) async fn ask(question: &VaultQuestion) -> Result<Secret, VaultError> {
    let address = Address::parse(&question.address)?;
    let request = request(question, &address)?;
    let mut sender = address.connect(question.roots_pem.as_deref()).await?;
    let response = sender.send_request(request).await.map_err(VaultError::Http)?;
    let path = || question.path.clone();
    match response.status() {
        StatusCode::OK => {}
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(VaultError::Denied { path: path(), status: status.as_u16() });
        }
        StatusCode::NOT_FOUND => return Err(VaultError::Nothing(path())),
        status if status.is_redirection() => return Err(VaultError::Elsewhere(status.as_u16())),
        // A standby, a secondary, and a sealed one.
        status if [429, 472, 473, 501, 503].contains(&status.as_u16()) => {
            return Err(VaultError::Away(status.as_u16()));
        }
        status => return Err(VaultError::Status(status.as_u16())),
    }
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|_broken_or_too_long| VaultError::Form(path()))?.to_bytes();
    let body = Zeroizing::new(body.to_vec());
    secret(question, &body)
}

fn request(question: &VaultQuestion, address: &Address) -> Result<Request<Empty<Bytes>>, VaultError> {
    let wrong = |what: &str| VaultError::Question(format!("{what} cannot stand in a request"));
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = format!("/v1/{}", question.path).parse().map_err(|_invalid| wrong("the path"))?;
    let mut token = HeaderValue::try_from(question.token.expose()).map_err(|_invalid| wrong("the token"))?;
    token.set_sensitive(true);
    let host = HeaderValue::try_from(&address.authority).map_err(|_invalid| wrong("the address"))?;
    let fields = request.headers_mut();
    fields.insert(HOST, host);
    fields.insert(TOKEN, token);
    fields.insert(REQUEST, HeaderValue::from_static("true"));
    if let Some(namespace) = &question.namespace {
        let namespace = HeaderValue::try_from(namespace).map_err(|_invalid| wrong("the namespace"))?;
        fields.insert(NAMESPACE, namespace);
    }
    Ok(request)
}

/// What was asked for, out of the answer. Nothing is copied but what is given.
fn secret(question: &VaultQuestion, body: &[u8]) -> Result<Secret, VaultError> {
    let strange = || VaultError::Form(question.path.clone());
    let outer: Data<'_> = serde_json::from_slice(body).map_err(|_quotes_it| strange())?;
    let data = match question.engine {
        Engine::Plain => outer.data,
        Engine::Versioned => {
            let inner: Data<'_> = serde_json::from_str(outer.data.get()).map_err(|_quotes_it| strange())?;
            inner.data
        }
    };
    // Of a version that was deleted there is a record, and no data.
    if data.get() == "null" {
        return Err(VaultError::Nothing(question.path.clone()));
    }
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(data.get()).map_err(|_quotes_it| strange())?;
    let Some(field) = &question.field else { return Ok(Secret::new(data.get().to_owned())) };
    let missing = || VaultError::Field { path: question.path.clone(), field: field.clone() };
    let value = fields.get(field.as_str()).ok_or_else(missing)?.get();
    // Numbers and the like are given as they are written.
    Ok(serde_json::from_str::<Secret>(value).unwrap_or_else(|_no_text| Secret::new(value.to_owned())))
}
