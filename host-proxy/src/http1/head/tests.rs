use super::*;

fn parse(fields: &str) -> Result<Head, HeadError> {
    Head::parse(format!("POST /x HTTP/1.1\r\n{fields}\r\n").as_bytes())
}

fn raw(bytes: &str) -> Result<Head, HeadError> {
    Head::parse(bytes.as_bytes())
}

#[test]
fn an_ordinary_head() {
    let head = parse("Host: a.example\r\nContent-Length: 3\r\nX-A: 1\r\nX-A: 2\r\n").unwrap();
    assert_eq!(
        (head.method.as_str(), head.target.as_str(), head.host.as_deref()),
        ("POST", "/x", Some("a.example"))
    );
    assert_eq!(head.length, Length::Exact(3));
    assert_eq!(head.fields.get_all("x-a").iter().count(), 2);
    assert!(head.persistent && head.chunked_responses && !head.expects_continue);
    assert!(!head.fields.contains_key("host") && !head.fields.contains_key("content-length"));
}

#[test]
fn framing_has_one_reading() {
    assert_eq!(parse("Host: a\r\nTransfer-Encoding: Chunked\r\n").unwrap().length, Length::Chunked);
    assert_eq!(parse("Host: a\r\n").unwrap().length, Length::Exact(0));
    assert_eq!(parse("Host: a\r\nContent-Length: 0\r\n").unwrap().length, Length::Exact(0));
    let cases = [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", HeadError::TwoFramings),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", HeadError::TwoFramings),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", HeadError::ContentLength),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", HeadError::ContentLength),
        ("Content-Length: 3, 3\r\n", HeadError::ContentLength),
        ("Content-Length: +3\r\n", HeadError::ContentLength),
        ("Content-Length: -3\r\n", HeadError::ContentLength),
        ("Content-Length: 0x3\r\n", HeadError::ContentLength),
        ("Content-Length: 03\r\n", HeadError::ContentLength),
        ("Content-Length: 3 4\r\n", HeadError::ContentLength),
        ("Content-Length: \r\n", HeadError::ContentLength),
        ("Content-Length: 9999999999999999999\r\n", HeadError::ContentLength),
        ("Transfer-Encoding: xchunked\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: chunked, identity\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: identity\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: \x0bchunked\r\n", HeadError::Syntax("invalid header value".to_owned())),
        ("Transfer-Encoding : chunked\r\n", HeadError::Syntax("invalid header name".to_owned())),
    ];
    for (fields, error) in cases {
        assert_eq!(parse(&format!("Host: a\r\n{fields}")).unwrap_err(), error, "{fields:?}");
    }
}

#[test]
fn one_host() {
    for fields in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n"] {
        assert_eq!(parse(fields).unwrap_err(), HeadError::Host, "{fields:?}");
    }
    assert_eq!(raw("CONNECT a:1 HTTP/1.0\r\n\r\n").unwrap().host, None);
    assert_eq!(raw("CONNECT a:1 HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").unwrap_err(), HeadError::Host);
}

#[test]
fn lines_end_in_crlf_and_nothing_else() {
    for bytes in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    ] {
        assert_eq!(raw(bytes).unwrap_err(), HeadError::LineEnds, "{bytes:?}");
    }
}

#[test]
fn syntax() {
    for bytes in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\x07\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    ] {
        assert!(matches!(raw(bytes).unwrap_err(), HeadError::Syntax(_) | HeadError::Version), "{bytes:?}");
    }
    let many = "X: y\r\n".repeat(MOST_FIELDS);
    assert!(matches!(parse(&format!("Host: a\r\n{many}")).unwrap_err(), HeadError::Syntax(_)));
}

#[test]
fn versions() {
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1"] {
        let error = raw(&format!("GET / {version}\r\nHost: a\r\n\r\n")).unwrap_err();
        assert!(matches!(error, HeadError::Version | HeadError::Syntax(_)), "{version}");
    }
    assert!(raw("PRI * HTTP/2.0\r\n\r\n").is_err());
    let ten = raw("GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    assert!(!ten.persistent && !ten.chunked_responses);
    assert!(raw("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").unwrap().persistent);
    let chunked = raw("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(chunked.unwrap_err(), HeadError::TransferEncoding);
}

#[test]
fn no_body_where_servers_disagree_about_one() {
    for method in ["GET", "HEAD"] {
        for length in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let error = raw(&format!("{method} / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n")).unwrap_err();
            assert_eq!(error, HeadError::UnexpectedBody(method.to_owned()));
        }
    }
    assert!(raw("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").is_ok());
}

#[test]
fn fields_that_would_replace_what_was_judged() {
    for (name, read_as) in [
        ("X-HTTP-Method-Override", "x-http-method-override"),
        ("X_HTTP_Method_Override", "x-http-method-override"),
        ("X-HTTP_METHOD-override", "x-http-method-override"),
        ("X-HTTP-Method", "x-http-method"),
        ("X-Method-Override", "x-method-override"),
        ("x.original.url", "x-original-url"),
        ("X-Rewrite-URL", "x-rewrite-url"),
    ] {
        assert_eq!(
            parse(&format!("Host: a\r\n{name}: DELETE\r\n")).unwrap_err(),
            HeadError::Override(read_as)
        );
    }
    assert!(parse("Host: a\r\nX-Request-URL: a\r\n").is_ok());
}

#[test]
fn connection_options_cannot_name_what_a_request_needs() {
    for option in ["host", "Content-Length", "keep-alive, Authorization", "close,transfer-encoding"] {
        assert!(matches!(
            parse(&format!("Host: a\r\nConnection: {option}\r\n")),
            Err(HeadError::ConnectionOption(_))
        ));
    }
    assert!(!parse("Host: a\r\nConnection: Close\r\n").unwrap().persistent);
}

#[test]
fn expectations() {
    assert!(parse("Host: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n").unwrap().expects_continue);
    assert_eq!(parse("Host: a\r\nExpect: 200-ok\r\n").unwrap_err(), HeadError::Expect);
    assert_eq!(parse("Host: a\r\nExpect: 100-continue\r\nExpect: x\r\n").unwrap_err(), HeadError::Expect);
}

/// Breaks a good head in every way of one byte: what is still accepted has exactly one framing and host.
#[test]
fn one_changed_byte_never_makes_a_second_reading() {
    let good = b"POST /v1/a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nX-A: b\r\n\r\n";
    let mut accepted = 0;
    for at in 0..good.len() {
        for byte in 0..=255 {
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            let Ok(head) = Head::parse(&bytes) else { continue };
            accepted += 1;
            assert!(
                bytes.windows(2).all(|pair| (pair[1] == b'\n') == (pair[0] == b'\r')),
                "{}",
                bytes.escape_ascii()
            );
            assert!(!head.fields.contains_key("content-length") && !head.fields.contains_key("host"));
            let framed = head.fields.keys().any(|name| name.as_str().starts_with("content-lengt"));
            assert!(matches!(head.length, Length::Exact(0..=99)) || framed, "{}", bytes.escape_ascii());
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
