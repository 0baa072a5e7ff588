use super::*;

fn read(method: &str, target: &str, host: &str) -> Result<CanonicalRequest, NotCanonical> {
    canonicalise(Arrived { method, target, host }, Scheme::Https)
}

fn path(target: &str) -> Result<String, NotCanonical> {
    read("GET", target, "a.example").map(|request| request.resource.as_target().as_str().to_owned())
}

#[test]
fn what_is_canonical_stays_as_it_is() {
    for target in [
        "/",
        "/a",
        "/a/",
        "/a/b.c/~d-e_f",
        "/a:b@c!$&'()*+,=",
        "/%20",
        "/%C3%A9",
        "/%3A%25",
        "/a?",
        "/a?b=c&d=%2F..",
        "/a...b/.../.well-known/..a",
        "/?q=[]{}|^\\'`/?",
    ] {
        assert_eq!(path(target).as_deref(), Ok(target));
    }
}

#[test]
fn unreserved_escapes_are_decoded_and_the_rest_is_upper_case() {
    assert_eq!(path("/%61dmin%2Eusers%7e").as_deref(), Ok("/admin.users~"));
    assert_eq!(path("/%c3%a9%3a").as_deref(), Ok("/%C3%A9%3A"));
    assert_eq!(path("/@scope%2fname/a%2F").as_deref(), Ok("/@scope%2Fname/a%2F"));
}

#[test]
fn the_canonical_form_is_a_fixed_point() {
    for target in ["/%61%c3%a9%3a", "/a%20b", "/%25zz", "/a%2C"] {
        let once = path(target).unwrap();
        assert_eq!(path(&once).as_deref(), Ok(once.as_str()));
    }
}

#[test]
fn paths_with_two_readings_are_refused() {
    for target in [
        "/a/../b",
        "/a/./b",
        "/..",
        "/.",
        "/a/%2e%2e/b",
        "/a/.%2E/b",
        "/%2e",
        "//a",
        "/a//b",
        "/a//",
        "/a;b",
        "/a/..;/b",
        "/a%3bb",
        "/a\\b",
        "/a%5cb",
        "/%2fa",
        "/a%2f/b",
        "/a/%2Fb",
        "/a%2f%2Fb",
        "/a%2f..",
        "/..%2fa",
        "/a%2f.%2Fb",
        "/a%00",
        "/a%0d%0a",
        "/a%7f",
        "/%c0%ae%c0%ae/",
        "/%e0%80%af",
        "/%ff",
        "/%252e%252e/",
        "/%25%32%65",
        "/%252f",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a#b",
        "/a b",
        "/\u{e9}",
        "/a\"b",
        "/a|b",
        "/%EF%BC%8E%EF%BC%8E/",
        "/a%E2%88%95b",
        "/%C2%85",
    ] {
        assert!(matches!(path(target), Err(NotCanonical::Path(_))), "{target}: {:?}", path(target));
    }
}

#[test]
fn queries_with_two_readings_are_refused() {
    for target in [
        "/a?b#c",
        "/a?b c",
        "/a?%",
        "/a?%zz",
        "/a?\u{e9}",
        "/a?<b>",
        "/a?\"",
        "/a?_method=PUT",
        "/a?.method=PUT",
        "/a?_method%00=PUT",
        "/a?b=c&d%0ae=f",
        "/a?++++++++++++++++++++_method=PUT",
        "/a?b=c;%20_Method%5B%5D=PUT",
        "/a?x=1&%5fmethod=PUT",
        "/a?_METHOD",
    ] {
        assert!(matches!(path(target), Err(NotCanonical::Query(_))), "{target}");
    }
}

#[test]
fn targets_that_are_no_path() {
    for target in ["", "*", "a", "a.example:443", "https:/a.example/", "https://a.example"] {
        assert!(matches!(path(target), Err(NotCanonical::Target)), "{target}");
    }
    assert_eq!(path("http://a.example/"), Err(NotCanonical::SchemeMismatch));
    assert_eq!(path("https://b.example/"), Err(NotCanonical::AuthorityMismatch));
    assert_eq!(path("https://a.example:8443/"), Err(NotCanonical::AuthorityMismatch));
    assert!(matches!(path("https://u@a.example/"), Err(NotCanonical::Host { .. })));
    assert_eq!(path("https://a.example:443/x?y").as_deref(), Ok("/x?y"));
}

#[test]
fn methods() {
    for good in ["GET", "POST", "PROPFIND", "VERSION-CONTROL"] {
        assert_eq!(read(good, "/", "a.example").unwrap().method.as_str(), good);
    }
    for bad in ["", "get", "Get", "GE!T", "GET1", &"A".repeat(33)] {
        assert_eq!(read(bad, "/", "a.example"), Err(NotCanonical::Method), "{bad}");
    }
    for never in ["TRACE", "TRACK", "CONNECT"] {
        assert_eq!(read(never, "/", "a.example"), Err(NotCanonical::ForbiddenMethod(never.to_owned())));
    }
}

#[test]
fn hosts_in_one_form() {
    let host = |text| read("GET", "/", text).map(|request| request.authority.to_string());
    assert_eq!(host("API.Example.com").as_deref(), Ok("api.example.com:443"));
    assert_eq!(host("a.example:8443").as_deref(), Ok("a.example:8443"));
    assert_eq!(host("192.0.2.1").as_deref(), Ok("192.0.2.1:443"));
    assert_eq!(host("[2001:db8::1]:8443").as_deref(), Ok("[2001:db8::1]:8443"));
    assert_eq!(host("xn--bcher-kva.example").as_deref(), Ok("xn--bcher-kva.example:443"));
}

#[test]
fn hosts_with_two_readings_are_refused() {
    for text in [
        "",
        ".",
        "a.",
        "a..b",
        ".a",
        "a_b.example",
        "-a.example",
        "a-.example",
        "a b",
        "a\tb",
        "a%2eb",
        "u@a.example",
        "a.example:",
        "a.example:0",
        "a.example:0443",
        "a.example:65536",
        "a.example:65979",
        "a.example:+443",
        "a.example,b.example",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.01",
        "1.2.3.4.5",
        "0x7f.1",
        "a.1",
        "[::1",
        "::1",
        "[::1%25eth0]",
        "[a.example]",
        "[0:0::1]",
        "[::FFFF:1.2.3.4]",
        "[127.0.0.1]",
        "b\u{fc}cher.example",
        "a.example/b",
        "a.example#",
        "a.example?",
        "a\u{0}b",
    ] {
        assert!(matches!(read("GET", "/", text), Err(NotCanonical::Host { .. })), "{text}");
    }
    assert!(read("GET", "/", &format!("{}.example", "a".repeat(64))).is_err());
    assert!(read("GET", "/", &["abc"; 80].join(".")).is_err());
}

#[test]
fn a_name_is_written_without_the_schemes_port() {
    let request = read("GET", "/", "a.example:443").unwrap();
    assert_eq!(request.authority.to_field(Scheme::Https), "a.example");
    assert_eq!(request.authority.to_field(Scheme::Http), "a.example:443");
    assert_eq!(request.to_string(), "GET https://a.example/");
}

/// A small generator, so that a failure can be repeated: xorshift64.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn text(&mut self, parts: &[&str]) -> String {
        let count = self.next(9);
        (0..count).map(|_| parts[self.next(parts.len())]).collect()
    }
}

#[test]
fn whatever_is_accepted_is_a_fixed_point_without_a_second_reading() {
    let parts = [
        "/", "a", "B", ".", "..", "%2e", "%2E", "%2f", "%25", "%41", "%c3%a9", "%C0%AE", ";", "\\", "?", "&",
        "=", "#", "%", "%00", " ", "~", "+", "@", ":", "_method", "%5f", "\u{e9}", "%3b", "*",
    ];
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let target = format!("/{}", noise.text(&parts));
        let Ok(request) = read("GET", &target, "a.example") else { continue };
        accepted += 1;
        let written = request.resource.as_target().as_str();
        assert_eq!(read("GET", written, "a.example").as_ref(), Ok(&request), "{target:?} became {written:?}");
        let path = request.resource.path();
        assert!(path.is_ascii() && !path.contains(['\\', ';', '#', '?', ' ']), "{target:?} became {path:?}");
        for reading in [path.to_owned(), path.replace("%2F", "/")] {
            let dots = reading.split('/').any(|part| part == "." || part == "..");
            assert!(!reading.contains("//") && !dots, "{target:?} may be taken for {reading:?}");
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}

#[test]
fn whatever_host_is_accepted_is_written_in_one_way() {
    let parts = [
        "a", "B", ".", "-", "0", "1", "127", "0x", "_", ":", "443", "80", "[", "]", "::", "1", "@", "%",
        "xn--", "/", " ", "\u{e9}", "example", "..",
    ];
    let mut noise = Noise(0x1234_5678_9abc_def1);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let host = noise.text(&parts);
        let Ok(request) = read("GET", "/", &host) else { continue };
        accepted += 1;
        let written = request.authority.to_string();
        assert_eq!(written, written.to_ascii_lowercase());
        assert_eq!(read("GET", "/", &written).as_ref(), Ok(&request), "{host:?} became {written:?}");
    }
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn a_url_is_the_request_that_a_client_sends_for_it() {
    let table = [
        ("https://a.example", "GET https://a.example/"),
        ("https://A.example:443/x?q=1#part", "GET https://a.example/x"),
        ("http://a.example:8080?q=1", "GET http://a.example:8080/"),
        ("https://a.example/%7euser", "GET https://a.example/~user"),
        ("https://[::1]:81/", "GET https://[::1]:81/"),
    ];
    for (url, expected) in table {
        assert_eq!(of_url("GET", url).unwrap().to_string(), expected, "{url}");
    }
    assert_eq!(of_url("GET", "https://a.example?q=1#x").unwrap().resource.query(), Some("q=1"));
    for url in ["a.example/x", "ftp://a.example/", "/x", "", "https://"] {
        assert!(of_url("GET", url).is_err(), "{url}");
    }
    for url in
        ["https://u@a.example/", "https://a.example:0/", "https://a.example/a/../b", "https://a.example/%2f/"]
    {
        assert!(of_url("GET", url).is_err(), "{url}");
    }
    assert!(of_url("get", "https://a.example/").is_err());
}

#[test]
fn a_scheme_is_not_spoken_on_the_others_port() {
    for (scheme, host, port) in [(Scheme::Http, "a.example:443", 443), (Scheme::Https, "a.example:80", 80)] {
        let arrived = Arrived { method: "GET", target: "/", host };
        assert_eq!(canonicalise(arrived, scheme), Err(NotCanonical::Port { scheme, port }), "{host}");
    }
    assert_eq!(
        of_url("GET", "http://a.example:443/"),
        Err(NotCanonical::Port { scheme: Scheme::Http, port: 443 })
    );
}
