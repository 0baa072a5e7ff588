//! A placeholder in a body that was read whole: found at its one place, so that everything else can stay byte for byte.
//!
//! *Invariant:* what more than one server may read there is refused. Whoever can add a second field of the name could
//! otherwise choose which of the two a server believes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use policies::binding::{decoded, may_be_parameter};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::reads_as;

/// Why a placeholder is not where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    /// The body is not what its type says.
    #[error("the body is not what its Content-Type says")]
    Unreadable,
    /// Nothing stands there, or something else.
    #[error("it does not stand there")]
    Missing,
    /// Servers may read different things there.
    #[error("there is more than one field of that name, also in other letter case")]
    Ambiguous,
}

/// The member or element of a name in a JSON value; everything else is passed over and not kept.
#[derive(Clone, Copy)]
struct Inner<'a>(&'a str);

/// What there is of that name.
enum Found<'a> {
    None,
    One(&'a RawValue),
    /// Some servers take the last of several members, some the first, and some do not tell letter case.
    Ambiguous,
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let fold = |name: &str| name.to_uppercase().to_lowercase();
        let (wanted, mut found) = (fold(self.0), Found::None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if fold(&name) != wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            found = match found {
                Found::None if *name == *self.0 => Found::One(value),
                _ => Found::Ambiguous,
            };
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let number = self.0.parse::<usize>().ok().filter(|number| number.to_string() == self.0);
        let mut found = Found::None;
        for at in 0_usize.. {
            if Some(at) == number {
                let Some(value) = elements.next_element()? else { break };
                found = Found::One(value);
            } else if elements.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Whether the fields say that the body is plain, and of the type, in UTF-8, to every server.
pub(super) fn is_plain(fields: &HeaderMap, kind: &str) -> bool {
    let only = |wanted: HeaderName| {
        let others = fields.keys().filter(|name| **name != wanted && reads_as(name, wanted.as_str()));
        others.count() == 0
    };
    let identity = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    let mut kinds = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(said), None) = (kinds.next().and_then(|said| said.to_str().ok()), kinds.next()) else {
        return false;
    };
    let mut parts = said.split(';').map(str::trim);
    let is_kind = parts.next().is_some_and(|said| said.eq_ignore_ascii_case(kind));
    // Whatever may be read as a character set is written in the one form that nobody reads otherwise.
    let in_utf8 = |part: &str| {
        let part = part.to_ascii_lowercase();
        !part.contains("charset") || matches!(&*part, "charset=utf-8" | "charset=\"utf-8\"")
    };
    is_kind
        && parts.all(in_utf8)
        && only(header::CONTENT_TYPE)
        && only(header::CONTENT_ENCODING)
        && fields.get_all(header::CONTENT_ENCODING).iter().all(identity)
}

/// Where the string, quotes included, stands in a JSON document.
pub(super) fn in_json(body: &[u8], pointer: &str, placeholder: &str) -> Result<Range<usize>, Unfound> {
    let text = std::str::from_utf8(body).map_err(|_not_text| Unfound::Unreadable)?;
    let mut value: &RawValue = serde_json::from_str(text).map_err(|_not_json| Unfound::Unreadable)?;
    for token in pointer.split('/').skip(1) {
        value = inner(value, &token.replace("~1", "/").replace("~0", "~"))?;
    }
    match serde_json::from_str::<String>(value.get()) {
        Ok(string) if string == placeholder => {
            let begin = value.get().as_ptr() as usize - text.as_ptr() as usize;
            Ok(begin..begin + value.get().len())
        }
        _ => Err(Unfound::Missing),
    }
}

/// The member or element of this name.
fn inner<'a>(value: &'a RawValue, token: &str) -> Result<&'a RawValue, Unfound> {
    let text = value.get();
    if !text.starts_with(['{', '[']) {
        return Err(Unfound::Missing);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match Inner(token).deserialize(&mut deserializer) {
        Ok(Found::One(value)) => Ok(value),
        Ok(Found::None) => Err(Unfound::Missing),
        Ok(Found::Ambiguous) => Err(Unfound::Ambiguous),
        Err(_not_json) => Err(Unfound::Unreadable),
    }
}

/// By this field browsers tell a server how it is to read the others.
const CHARSET: &str = "_charset_";

/// Where the field, its name included, stands in a form.
pub(super) fn in_form(body: &[u8], name: &str, placeholder: &str) -> Result<Range<usize>, Unfound> {
    let text = std::str::from_utf8(body).map_err(|_not_text| Unfound::Unreadable)?;
    let mut found = None;
    let mut begin = 0;
    for part in text.split('&') {
        let range = begin..begin + part.len();
        begin = range.end + 1;
        if may_be_parameter(part, CHARSET) {
            return Err(Unfound::Unreadable);
        }
        if !may_be_parameter(part, name) {
            continue;
        }
        if found.is_some() {
            return Err(Unfound::Ambiguous);
        }
        let (given, value) = part.split_once('=').unwrap_or((part, ""));
        let is_it = *decoded(given) == *name.as_bytes() && *decoded(value) == *placeholder.as_bytes();
        found = Some(if is_it { Ok(range) } else { Err(Unfound::Missing) });
    }
    found.unwrap_or(Err(Unfound::Missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDS: &str = "openshell-T-00";

    fn json(body: &str, pointer: &str) -> Result<String, Unfound> {
        in_json(body.as_bytes(), pointer, STANDS).map(|range| body[range].to_owned())
    }

    #[test]
    fn a_string_is_found_at_its_pointer_alone() {
        let quoted = format!("\"{STANDS}\"");
        for (body, pointer) in [
            (format!("{{\"a\": 1.0, \"token\" : {quoted} }}"), "/token"),
            (format!("{{\"auth\":[{{}},{{\"a/b\":{quoted}}}]}}"), "/auth/1/a~1b"),
            (format!("[{quoted}]"), "/0"),
            (format!("{{\"\\u0074oken\":{quoted}}}"), "/token"),
        ] {
            assert_eq!(json(&body, pointer), Ok(quoted.clone()), "{body}");
        }
        for (body, pointer, why) in [
            (format!("{{\"token\":{quoted},\"token\":\"x\"}}"), "/token", Unfound::Ambiguous),
            (format!("{{\"token\":\"x\",\"t\\u006fken\":{quoted}}}"), "/token", Unfound::Ambiguous),
            (format!("{{\"Token\":\"x\",\"token\":{quoted}}}"), "/token", Unfound::Ambiguous),
            (
                format!("[{{\"token\":1}},{{\"a\":[[1,{{}}]],\"token\":{quoted},\"TOKEN\":[]}}]"),
                "/1/token",
                Unfound::Ambiguous,
            ),
            (format!("{{\"to\u{212a}en\":\"x\",\"token\":{quoted}}}"), "/token", Unfound::Ambiguous),
            (format!("{{\"a\":{{\"token\":{quoted}}}}}"), "/token", Unfound::Missing),
            (format!("{{\"token\":[{quoted}]}}"), "/token", Unfound::Missing),
            (format!("{{\"token\":\"{STANDS} \"}}"), "/token", Unfound::Missing),
            (format!("[{quoted}]"), "/00", Unfound::Missing),
            (format!("{{\"token\":{quoted}}} x"), "/token", Unfound::Unreadable),
            (format!("\u{feff}{{\"token\":{quoted}}}"), "/token", Unfound::Unreadable),
            (format!("{{\"token\":{quoted},}}"), "/token", Unfound::Unreadable),
            (String::new(), "/token", Unfound::Unreadable),
        ] {
            assert_eq!(json(&body, pointer), Err(why), "{body}");
        }
    }

    #[test]
    fn a_field_of_a_form_is_found_once() {
        let form = |body: &str| in_form(body.as_bytes(), "token", STANDS).map(|range| body[range].to_owned());
        let plain = format!("token={STANDS}");
        for body in [plain.clone(), format!("a=1&{plain}&b=2"), format!("{plain}&&tokens=1")] {
            assert_eq!(form(&body), Ok(plain.clone()), "{body}");
        }
        assert!(form(&format!("token={}", STANDS.replace('-', "%2D"))).is_ok());
        for (body, why) in [
            (format!("{plain}&token=x"), Unfound::Ambiguous),
            (format!("{plain}&%74oken[]=x"), Unfound::Ambiguous),
            (format!("Token=x&{plain}"), Unfound::Ambiguous),
            (format!("{plain};token=x"), Unfound::Missing),
            (format!("{plain}x"), Unfound::Missing),
            ("token=x".to_owned(), Unfound::Missing),
            (format!("a={STANDS}"), Unfound::Missing),
            (format!("{plain}&_charset_=utf-16"), Unfound::Unreadable),
            (String::new(), Unfound::Missing),
        ] {
            assert_eq!(form(&body), Err(why), "{body}");
        }
    }

    #[test]
    fn a_body_of_another_type_is_none() {
        let fields = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let kind = "application/json";
        for said in ["application/json", "Application/JSON; charset=UTF-8", "application/json;a=b"] {
            assert!(is_plain(&fields(&[("content-type", said)]), kind), "{said}");
        }
        for pairs in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/json;charset=utf-16")],
            &[("content-type", "application/json; charset =utf-16")],
            &[("content-type", "application/json; charset*=utf-16''x")],
            &[("content-type", "application/json; a=b, charset=utf-16")],
            &[("content-type", "application/json"), ("content_type", "text/plain")],
            &[("content-type", "application/json"), ("content_encoding", "gzip")],
            &[("content-type", "application/json"), ("content-type", "text/plain")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            assert!(!is_plain(&fields(pairs), kind), "{pairs:?}");
        }
    }
}
