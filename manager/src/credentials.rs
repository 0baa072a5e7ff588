//! `credentials:` of agent.yaml: what the agent's requests carry and the agent never has. The agent's environment holds
//! a placeholder under the credential's name; the secret itself goes to the proxy, and nowhere else.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use policies::binding::{Places, check_form};
use policies::document::OneOrMany;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use wire::credential::{Binding, Credential, Form, SECRET_LENGTH, SECRET_STANDS};

use crate::failure::Failure;
use crate::randomness::random;
use crate::secret::SecretSource;

/// Most credentials of one sandbox.
const MOST: usize = 64;

/// One credential, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSpec {
    /// The variable of the agent's environment that holds the placeholder; the audit log calls it so.
    pub name: String,
    /// Where the secret comes from.
    pub from: SecretSource,
    /// Where it goes out, and how.
    pub inject: Injections,
}

/// One or several of [`Inject`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Injections(pub Vec<Inject>);

/// Where a credential goes out, and how. Exactly one of `header`, `basic`, `query`, `segment`, `json`, `form` and `sigv4`
/// says how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// Hosts, without wildcards; port 443, or `host:port`.
    pub host: OneOrMany,
    /// Patterns of paths; without them, every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany>,
    /// A header field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The field's value, with `{}` for the secret; without it, the secret alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The user of Basic authentication, whose password the secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<String>,
    /// A parameter of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The first segment of the path, with `{}` for the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// A string in a JSON body, by its pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// A field of a form body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// A signature of AWS in place of the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<SigV4>,
}

/// What signatures of AWS are made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigV4 {
    /// The service, as the scope of a signature names it.
    pub service: String,
    /// The region, likewise.
    pub region: String,
    /// The id of the key, where the source gives the key alone. It is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
}

/// What the agent has in a secret's stead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// The variable.
    pub(crate) name: String,
    /// Its value.
    pub(crate) text: String,
}

/// A cause and a remedy.
type Mistake = (String, String);

impl<'de> Deserialize<'de> for Injections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Injections;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping or a list of mappings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Injections, A::Error> {
                Inject::deserialize(MapAccessDeserializer::new(map)).map(|one| Injections(vec![one]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Injections, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Injections)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Checks everything that can be told without the secrets.
pub(crate) fn check<'a>(
    credentials: &'a [CredentialSpec],
    taken: impl Fn(&str) -> bool,
) -> Result<(), Mistake> {
    let mistake = |cause: String, remedy: &str| Err((cause, remedy.to_owned()));
    if credentials.len() > MOST {
        return mistake(format!("there are more than {MOST} credentials"), "name fewer");
    }
    let mut names: BTreeSet<&'a str> = BTreeSet::new();
    for credential in credentials {
        let name = credential.name.as_str();
        if !is_variable(name) {
            let remedy = "use letters, digits and '_', the first no digit, for example API_TOKEN";
            return mistake(format!("the credential '{name}' is not called like a variable"), remedy);
        }
        if !names.insert(name) {
            return mistake(
                format!("there are two credentials '{name}'"),
                "name each once; 'inject' may be a list",
            );
        }
        if taken(name) {
            let remedy = "remove it there: the agent finds the credential's placeholder under this name";
            return mistake(format!("'{name}' stands under 'env' and under 'credentials'"), remedy);
        }
        let wrong = |(cause, remedy)| (format!("credential '{name}': {cause}"), remedy);
        credential.from.check().and_then(|()| credential.bindings().map(drop)).map_err(wrong)?;
    }
    Ok(())
}

/// Makes the placeholders, one for each credential.
pub(crate) fn placeholders(credentials: &[CredentialSpec]) -> Result<Vec<Placeholder>, Failure> {
    let make = |credential: &CredentialSpec| {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        let (name, number) = (credential.name.clone(), u64::from_be_bytes(bytes));
        Ok(Placeholder { text: format!("openshell-{name}-{number:016x}"), name })
    };
    credentials.iter().map(make).collect()
}

/// Reads every secret.
///
/// # Errors
/// A source gives none, or what it gives is unfit.
pub(crate) fn read(
    credentials: &[CredentialSpec],
    placeholders: &[Placeholder],
) -> Result<Vec<Credential>, Failure> {
    let both = credentials.iter().zip(placeholders);
    both.map(|(credential, placeholder)| credential.with(placeholder.text.clone())).collect()
}

impl CredentialSpec {
    fn with(&self, placeholder: String) -> Result<Credential, Failure> {
        let unfit = |cause: String, remedy: String| {
            Failure::new(format_args!("credential '{}': {cause}", self.name), remedy)
        };
        let secret = self.from.read().map_err(|failure| unfit(failure.cause, failure.remedy))?;
        if !SECRET_LENGTH.contains(&secret.expose().len()) {
            let (shortest, longest) = (SECRET_LENGTH.start(), SECRET_LENGTH.end());
            let cause = format!("the secret has {} bytes", secret.expose().len());
            return Err(unfit(cause, format!("use one of {shortest} to {longest} bytes")));
        }
        let bindings = self.bindings().map_err(|(cause, remedy)| unfit(cause, remedy))?;
        Ok(Credential { name: self.name.clone(), placeholder, secret, bindings })
    }

    fn bindings(&self) -> Result<Vec<Binding>, Mistake> {
        if self.inject.0.is_empty() {
            return Err((
                "it goes out nowhere".to_owned(),
                "write 'inject: {host: …, header: …}'".to_owned(),
            ));
        }
        self.inject.0.iter().map(Inject::binding).collect()
    }
}

impl Inject {
    fn binding(&self) -> Result<Binding, Mistake> {
        let texts = |list: &OneOrMany| list.0.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
        let (hosts, paths) = (texts(&self.host), self.path.as_ref().map(texts));
        if paths.as_ref().is_some_and(Vec::is_empty) {
            return Err(("'path' is empty".to_owned(), "name a path, or remove the key".to_owned()));
        }
        let paths = paths.unwrap_or_default();
        let form = self.form()?;
        let checked = Places::parse(&hosts, &paths).and_then(|_places| check_form(&form));
        checked.map_err(|error| (error.reason, error.remedy))?;
        Ok(Binding { hosts, paths, form })
    }

    fn form(&self) -> Result<Form, Mistake> {
        let Self { header, format, basic, query, segment, json, form, sigv4, .. } = self;
        if format.is_some() && header.is_none() {
            let remedy = "remove it: only a header field has a format";
            return Err(("'format' stands without 'header'".to_owned(), remedy.to_owned()));
        }
        let format = || format.clone().unwrap_or_else(|| SECRET_STANDS.to_owned());
        let ways = [
            header.clone().map(|name| Form::Header { name, format: format() }),
            basic.clone().map(|user| Form::Basic { user }),
            query.clone().map(|name| Form::Query { name }),
            segment.clone().map(|format| Form::Segment { format }),
            json.clone().map(|pointer| Form::Json { pointer }),
            form.clone().map(|name| Form::Urlencoded { name }),
            sigv4.clone().map(SigV4::form),
        ];
        let mut ways = ways.into_iter().flatten();
        match (ways.next(), ways.next()) {
            (Some(form), None) => Ok(form),
            _ => Err((
                "'inject' must say in one way how the secret goes out".to_owned(),
                "write one of 'header', 'basic', 'query', 'segment', 'json', 'form' and 'sigv4'".to_owned(),
            )),
        }
    }
}

impl SigV4 {
    fn form(self) -> Form {
        let Self { service, region, access_key_id } = self;
        Form::SigV4 { service, region, access_key_id }
    }
}

fn is_variable(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && name.len() <= 64 && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
