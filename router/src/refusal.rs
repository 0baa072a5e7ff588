//! How a call is refused: JSON in the shape that clients of this API already read, with the reason, the
//! categories (never the data) and what to do.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use crate::body::BodyError;
use crate::budget::{More, Spent};
use crate::context::ContextError;
use crate::decide::Rule;
use crate::forward::ForwardError;
use crate::known::Known;
use crate::region::Place;
use crate::trail::{Denied, TrailError, Why};
use crate::wire_api::CallError;
use wire::router::Api;

/// Why a call got no answer from a model.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: &'static str,
    classified: Option<Box<Known>>,
    why: Box<Why>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self {
            status,
            code,
            message: message.to_string(),
            hint: "",
            classified: None,
            why: Box::new(Why::Itself),
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The directive does not let the call through.
    #[must_use]
    pub fn by_directive(rule: Rule, known: Known) -> Self {
        let forbidden = |message: &str| {
            let mut refusal = Self::new(StatusCode::FORBIDDEN, rule.as_str(), message);
            refusal.classified = Some(Box::new(known));
            refusal.hint("remove the data that the categories name from the prompt, or ask the operator")
        };
        let without_local =
            "the prompt holds sensitive data, and there is no local model server for it that may be used";
        match rule {
            Rule::SensitiveBlocked => forbidden("the prompt holds sensitive data, which the operator blocks"),
            Rule::InjectionBlocked => {
                forbidden("the prompt carries marks of an injected instruction, which the operator blocks")
                    .hint("leave out the text that the categories name, or ask the operator")
            }
            Rule::SensitiveWithoutLocal => forbidden(without_local),
            Rule::UnredactedWithoutLocal => forbidden(
                "not all of the prompt's sensitive data can be replaced, and there is no local model server for it that may \
                 be used",
            ),
            Rule::SessionWithoutLocal => forbidden(
                "sensitive data is in this session, and there is no local model server that may be used",
            )
            .hint("begin a new session, or ask the operator"),
            Rule::NotPermitted => forbidden("the policy names no provider that is configured")
                .hint("ask the operator: `inference.providers` in the policy, and in agent.yaml"),
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                rule.as_str(),
                "no model server is configured that speaks this API",
            )
            .hint("the operator must name a server under `inference.providers`, with its `api`"),
        }
    }

    /// It would be served where it may not.
    #[must_use]
    pub fn outside(place: Place, known: Known) -> Self {
        let region =
            place.region.as_ref().map_or("a region that is not known".to_owned(), ToString::to_string);
        let message = format!("the call would be served in {region}, which the operator does not permit");
        let mut refusal = Self::new(StatusCode::FORBIDDEN, Rule::RegionNotPermitted.as_str(), message)
            .hint("ask the operator: `inference.regions`, and `region` of the provider, in agent.yaml");
        (refusal.classified, refusal.why) = (Some(Box::new(known)), Box::new(Why::Outside(place)));
        refusal
    }

    /// It would pass a limit. What is known of it, if it is more than a question for models.
    #[must_use]
    pub fn spent(spent: Spent, known: Option<Known>) -> Self {
        let hint = match spent {
            Spent::Calls { .. } => "wait, or ask the operator: `inference.limits` in agent.yaml",
            Spent::Tokens { .. } => {
                "ask for a shorter answer (`max_tokens`), or ask the operator: `inference.limits` in agent.yaml"
            }
        };
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", spent).hint(hint);
        (refusal.classified, refusal.why) = (known.map(Box::new), Box::new(Why::Spent(spent)));
        refusal
    }

    /// The model is not on offer.
    #[must_use]
    pub fn no_such_model() -> Self {
        Self::new(StatusCode::NOT_FOUND, "model-not-found", "no server offers this model")
    }

    /// The proxy hands over what no server is configured for.
    #[must_use]
    pub fn no_such_host() -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", "no model server stands for this host")
            .hint("the operator must name it under `inference.hosts`")
    }

    /// The classifier failed. What it did not judge counts as the worst and goes nowhere.
    #[must_use]
    pub fn unclassified() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unclassified", "the prompt could not be classified")
    }

    /// Its short name, as the audit record has it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// As its record has it.
    #[must_use]
    pub fn denied(&self) -> Denied<'_> {
        Denied {
            code: self.code,
            status: self.status.as_u16(),
            known: self.classified.as_deref(),
            why: &self.why,
        }
    }

    /// As an answer to `request`, in the form that a client of this API reads.
    #[must_use]
    pub fn into_response(self, request: Option<&str>, api: Api) -> Response<Full<Bytes>> {
        let mut error = match api {
            Api::OpenAi => json!({ "message": self.message, "param": null, "request_id": request }),
            // Clients of this API show the message alone.
            Api::Anthropic if self.hint.is_empty() => json!({ "message": self.message }),
            Api::Anthropic => json!({ "message": format!("{}; {}", self.message, self.hint) }),
        };
        error["type"] = self.kind(api).into();
        error["code"] = self.code.into();
        if !self.hint.is_empty() {
            error["hint"] = self.hint.into();
        }
        if let Some(known) = &self.classified {
            error["categories"] = known.findings.to_json();
        }
        let body = match api {
            Api::OpenAi => json!({ "error": error }),
            Api::Anthropic => json!({ "type": "error", "error": error, "request_id": request }),
        };
        let body = Bytes::from(body.to_string());
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Why::Spent(spent) = *self.why {
            retry(headers, spent);
        }
        response
    }

    /// The kind of error, in the words of the API.
    fn kind(&self, api: Api) -> &'static str {
        match (api, self.status) {
            (_, StatusCode::TOO_MANY_REQUESTS) => "rate_limit_error",
            (Api::OpenAi, status) if status.is_server_error() => "server_error",
            (Api::OpenAi, _) => "invalid_request_error",
            (Api::Anthropic, StatusCode::FORBIDDEN) => "permission_error",
            (Api::Anthropic, StatusCode::NOT_FOUND) => "not_found_error",
            (Api::Anthropic, StatusCode::PAYLOAD_TOO_LARGE) => "request_too_large",
            (Api::Anthropic, status) if status.is_server_error() => "api_error",
            (Api::Anthropic, _) => "invalid_request_error",
        }
    }
}

/// When the same call may pass. The providers' own libraries try again at once unless they are told not to.
fn retry(headers: &mut HeaderMap, spent: Spent) {
    let (seconds, is_soon) = match spent {
        Spent::Calls { wait, .. } => (Some(wait), true),
        Spent::Tokens { more: More::WithOthers, .. } => (Some(1), true),
        Spent::Tokens { more: More::Tomorrow(wait), .. } => (Some(wait), false),
        Spent::Tokens { more: More::Never, .. } => (None, false),
    };
    if let Some(seconds) = seconds {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if !is_soon {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
}

impl From<ContextError> for Refusal {
    fn from(error: ContextError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "no-context", error)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::Type | BodyError::Encoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
            }
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow"),
            BodyError::Unexpected => (StatusCode::BAD_REQUEST, "unexpected-body"),
            BodyError::Read(_) => (StatusCode::BAD_REQUEST, "body-unreadable"),
        };
        Self::new(status, code, error)
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        let (status, code) = match &error {
            CallError::UnknownPath(_) => (StatusCode::NOT_FOUND, "unknown-path"),
            CallError::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong-method"),
            CallError::Json(_) => (StatusCode::BAD_REQUEST, "not-strict-json"),
            CallError::NotUnderstood(_) | CallError::Beta(_) => (StatusCode::BAD_REQUEST, "not-understood"),
        };
        let hint = match &error {
            CallError::UnknownPath(_) => "only model calls are served at a model's host",
            CallError::NotUnderstood(_) | CallError::Beta(_) => {
                "leave it out, or reach that service under a rule of its own"
            }
            _ => "",
        };
        // A parser's own words may quote the prompt; they stay here.
        Self::new(status, code, error).hint(hint)
    }
}

impl From<TrailError> for Refusal {
    fn from(_error: TrailError) -> Self {
        let message = "the audit record could not be written, so nothing was sent";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit-unavailable", message)
    }
}

impl From<&ForwardError> for Refusal {
    fn from(error: &ForwardError) -> Self {
        let (status, code) = match error {
            ForwardError::NoServer => (StatusCode::SERVICE_UNAVAILABLE, "no-server"),
            ForwardError::Untranslatable(_) => (StatusCode::BAD_REQUEST, "not-translatable"),
            ForwardError::TooSlow => (StatusCode::GATEWAY_TIMEOUT, "server-too-slow"),
            ForwardError::Request(_) => (StatusCode::INTERNAL_SERVER_ERROR, "bad-request"),
            ForwardError::Unreachable(_) => (StatusCode::BAD_GATEWAY, "server-unreachable"),
            ForwardError::Redirected => (StatusCode::BAD_GATEWAY, "server-redirects"),
            ForwardError::Unauthorised(_) => (StatusCode::BAD_GATEWAY, "server-refuses-operator"),
            ForwardError::Encoded => (StatusCode::BAD_GATEWAY, "answer-encoded"),
        };
        Self::new(status, code, error)
    }
}
