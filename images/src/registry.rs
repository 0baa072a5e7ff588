//! Where the package clients of this machine fetch from. Presets name registries by variables; their values are
//! read from the clients' own configuration when an image is built, and stand in its manifest.

use std::collections::BTreeMap;

/// The registries by variable name. `debian` is what apt says.
pub(crate) fn recorded(debian: Vec<String>) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([("debian".to_owned(), debian)])
}

/// The host of a URL: without scheme, user, port and path. Nothing when the text has no host.
pub(crate) fn host(url: &str) -> Option<String> {
    let (_scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_all_that_is_kept_of_a_url() {
        assert_eq!(host("https://user:secret@Mirror.example:8443/simple/?a#b").unwrap(), "mirror.example");
        assert_eq!(host("http://mirror.example").unwrap(), "mirror.example");
        for without in ["/usr/share/wheels", "file:///srv/wheels", "mirror.example", ""] {
            assert_eq!(host(without), None, "{without}");
        }
    }
}
