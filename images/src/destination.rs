//! Where a URL leads, as a policy would name it.

const HTTPS: u16 = 443;

/// The destination that a URL leads to: its host, and its port unless that is 443. Nothing when the text has no host,
/// or a scheme whose port is not known.
pub(crate) fn destination(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority.rsplit('@').next()?;
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()?),
        None => (address, default_port(scheme)?),
    };
    let host = Some(host.to_ascii_lowercase()).filter(|host| !host.is_empty())?;
    Some(if port == HTTPS { host } else { format!("{host}:{port}") })
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(HTTPS),
        "http" => Some(80),
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_all_that_is_kept_of_a_url() {
        for (url, expected) in [
            ("https://user:secret@Mirror.example:8443/simple/?a#b", "mirror.example:8443"),
            ("https://mirror.example:443/simple", "mirror.example"),
            ("https://mirror.example", "mirror.example"),
            ("http://mirror.example/debian", "mirror.example:80"),
            ("http://mirror.example:443", "mirror.example"),
        ] {
            assert_eq!(destination(url).unwrap(), expected, "{url}");
        }
        for without in
            ["/usr/share/wheels", "file:///srv/wheels", "cdrom://disc/", "mirror.example", "https://a:b/", ""]
        {
            assert_eq!(destination(without), None, "{without}");
        }
    }
}
