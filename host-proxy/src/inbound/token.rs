//! The bearer token of an open port: what a request must carry, and what is taken from it before it goes on.

use http::header::{self, HeaderMap};
use subtle::ConstantTimeEq;
use wire::secret::Secret;

/// What requests are compared with. It does not print.
#[derive(Debug)]
pub(super) struct Expected(Secret);

impl Expected {
    pub(super) fn new(token: Secret) -> Self {
        Self(token)
    }

    /// Takes the credentials out of the fields; says whether they are one `Bearer` and the token. The comparison takes
    /// as long for a wrong token as for the right one of its length.
    pub(super) fn take(&self, fields: &mut HeaderMap) -> bool {
        let mut given = fields.get_all(header::AUTHORIZATION).iter();
        let only = match (given.next(), given.next()) {
            (Some(one), None) => bearer(one.as_bytes()).map(<[u8]>::to_vec),
            _ => None,
        };
        fields.remove(header::AUTHORIZATION);
        only.is_some_and(|given| given.ct_eq(self.0.expose().as_bytes()).into())
    }
}

/// The token of `Bearer TOKEN`: the scheme in any case, then one space.
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_with_the_token_and_nothing_else() {
        let expected = Expected::new(Secret::new("correct-horse-battery".to_owned()));
        for (given, right) in [
            (&["Bearer correct-horse-battery"][..], true),
            (&["bearer correct-horse-battery"], true),
            (&["BEARER correct-horse-battery"], true),
            (&[], false),
            (&[""], false),
            (&["Bearer "], false),
            (&["Bearer"], false),
            (&["Bearer correct-horse-batterY"], false),
            (&["Bearer correct-horse-battery "], false),
            (&["Bearer  correct-horse-battery"], false),
            (&["Bearer correct-horse-batter"], false),
            (&["Bearer correct-horse-battery, Bearer x"], false),
            (&["Basic correct-horse-battery"], false),
            (&["correct-horse-battery"], false),
            (&["Bearer correct-horse-battery", "Bearer correct-horse-battery"], false),
            (&["Bearer x", "Bearer correct-horse-battery"], false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert("accept", "a".parse().unwrap());
            for value in given {
                fields.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(expected.take(&mut fields), right, "{given:?}");
            assert_eq!((fields.len(), fields.contains_key("accept")), (1, true), "{given:?}");
        }
    }

    #[test]
    fn it_does_not_print() {
        let expected = Expected::new(Secret::new("correct-horse-battery".to_owned()));
        assert!(!format!("{expected:?}").contains("horse"));
    }
}
