//! Requests that are refused before anything is dialled: each is one attack, sent as raw bytes over TLS.

use crate::bench::{Answer, Setting};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::{Root, Upstream};

/// Sends `raw`, in which `HOST` stands for the right authority, and expects the refusal; nobody else sees a byte.
fn refused(status: u16, level: &str, raw: &str) {
    let (bench, upstream) = site();
    let host = format!("{NAME}:{}", upstream.port);
    let answer = bench.https(NAME, upstream.port, raw.replace("HOST", &host));
    assert_eq!(answer.status(), status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["level"], level, "{body}");
    let denied = bench.audit.denied_at(level);
    assert_eq!(denied["request"], body["request_id"]);
    upstream.saw_nothing();
}

macro_rules! refused {
    ($status:literal $level:literal: $($name:ident: $raw:expr;)+) => {
        $(#[test]
        fn $name() {
            refused($status, $level, &$raw);
        })+
    };
}

/// A request with these fields beside `Host`.
fn with(fields: &str) -> String {
    format!("POST /v1/items HTTP/1.1\r\nHost: HOST\r\n{fields}\r\n\r\nabc")
}

fn path(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n\r\n")
}

fn method(method: &str) -> String {
    format!("{method} /v1/items HTTP/1.1\r\nHost: HOST\r\n\r\n")
}

fn host(host: &str) -> String {
    format!("GET /v1/items HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

refused! { 400 "request":
    cl_and_te: with("Content-Length: 3\r\nTransfer-Encoding: chunked");
    te_and_cl: with("Transfer-Encoding: chunked\r\nContent-Length: 3");
    te_twice: with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
    te_unknown_then_chunked: with("Transfer-Encoding: xchunked");
    te_list: with("Transfer-Encoding: gzip, chunked");
    te_identity: with("Transfer-Encoding: identity");
    te_vertical_tab: with("Transfer-Encoding: \x0bchunked");
    te_with_space_before_colon: with("Transfer-Encoding : chunked");
    te_on_http_1_0: "POST /v1/items HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    cl_twice_and_equal: with("Content-Length: 3\r\nContent-Length: 3");
    cl_twice_and_different: with("Content-Length: 3\r\nContent-Length: 30");
    cl_list: with("Content-Length: 3, 3");
    cl_signed: with("Content-Length: +3");
    cl_negative: with("Content-Length: -3");
    cl_hexadecimal: with("Content-Length: 0x3");
    cl_padded: with("Content-Length: 03");
    cl_overflowing: with("Content-Length: 18446744073709551619");
    cl_on_get: "GET /v1/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 30\r\n\r\nDELETE /v1/a HTTP/1.1\r\n\r\n";
    te_on_get: "GET /v1/a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    bare_line_feeds: "GET /v1/a HTTP/1.1\nHost: HOST\n\n";
    one_bare_line_feed: "GET /v1/a HTTP/1.1\r\nHost: HOST\nX-A: b\r\n\r\n";
    bare_carriage_return: "GET /v1/a HTTP/1.1\r\nHost: HOST\r\nX-A: b\rX-B: c\r\n\r\n";
    folded_field: with("X-A: b\r\n c");
    nul_in_a_field: with("X-A: b\0c");
    leading_blank_line: "\r\nGET /v1/a HTTP/1.1\r\nHost: HOST\r\n\r\n";
    control_byte_in_a_field_name: with("X\x01A: b");
    line_without_a_colon: with("X-A");
    field_name_with_a_space: with("X A: b");
    http_0_9: "GET /v1/a\r\n\r\n";
    http_1_2: "GET /v1/a HTTP/1.2\r\nHost: HOST\r\n\r\n";
    http_2_preface: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    two_spaces_in_the_request_line: "GET  /v1/a HTTP/1.1\r\nHost: HOST\r\n\r\n";
    space_in_the_target: "GET /v1/a b HTTP/1.1\r\nHost: HOST\r\n\r\n";
    more_fields_than_allowed: with(&"X-A: b\r\n".repeat(101));
    longer_head_than_allowed: with(&format!("X-A: {}", "b".repeat(70_000)));
    no_host: "GET /v1/a HTTP/1.1\r\n\r\n";
    two_hosts: "GET /v1/a HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n";
    two_different_hosts: "GET /v1/a HTTP/1.1\r\nHost: HOST\r\nHost: evil.test\r\n\r\n";
    method_override: with("X-HTTP-Method-Override: DELETE\r\nContent-Length: 3");
    method_override_short: with("X-Method-Override: DELETE\r\nContent-Length: 3");
    url_override: with("X-Original-URL: /v1/admin/x\r\nContent-Length: 3");
    url_rewrite: with("X-Rewrite-URL: /v1/admin/x\r\nContent-Length: 3");
    method_in_the_query: path("/v1/a?_method=DELETE");
    connection_names_host: with("Connection: host");
    connection_names_authorization: with("Connection: close, Authorization");
    unknown_expectation: with("Expect: 102-processing\r\nContent-Length: 3");
}

refused! { 400 "request":
    lower_case_method: method("get");
    mixed_case_method: method("Get");
    method_with_punctuation: method("GE!T");
    trace: method("TRACE");
    connect_inside_a_tunnel: "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n";
    asterisk_form: "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n";
    authority_form: "GET HOST HTTP/1.1\r\nHost: HOST\r\n\r\n";
    absolute_form_with_another_scheme: path("http://HOST/v1/a");
    absolute_form_with_another_host: path("https://evil.test/v1/a");
    absolute_form_with_userinfo: path("https://a@HOST/v1/a");
    fragment: path("/v1/a#b");
    dot_segment: path("/v1/./a");
    dot_dot_segment: path("/v1/../v1/a");
    encoded_dot_dot: path("/v1/%2e%2e/a");
    half_encoded_dot_dot: path("/v1/.%2e/a");
    dot_dot_with_parameters: path("/v1/..;/a");
    path_parameters: path("/v1/a;b=c");
    encoded_semicolon: path("/v1/a%3bb");
    empty_segment: path("/v1//a");
    leading_empty_segment: path("//v1/a");
    empty_segment_by_encoded_slashes: path("/v1/a%2f%2Fb");
    empty_segment_half_encoded: path("/v1/%2fa");
    dot_dot_segment_by_encoded_slashes: path("/v1/a%2f..%2fadmin");
    backslash: path("/v1/a\\b");
    encoded_backslash: path("/v1/a%5cb");
    encoded_nul: path("/v1/a%00");
    encoded_line_end: path("/v1/a%0d%0aX-A:%20b");
    double_encoding: path("/v1/%252e%252e/a");
    double_encoding_by_parts: path("/v1/%25%32%65");
    overlong_utf8: path("/v1/%c0%ae%c0%ae/a");
    invalid_utf8: path("/v1/%ff");
    raw_utf8: path("/v1/\u{e9}");
    full_width_dots: path("/v1/%EF%BC%8E%EF%BC%8E/a");
    broken_escape: path("/v1/%zz");
    userinfo_in_host: host("a@HOST");
    comma_in_host: host("HOST,evil.test");
    trailing_dot_in_host: host("api.test.:443");
    underscore_in_host: host("a_b.test");
    empty_label_in_host: host("api..test");
    long_label_in_host: host(&format!("{}.test", "a".repeat(64)));
    idn_in_host: host("\u{430}pi.test");
    percent_in_host: host("api%2etest");
    padded_port: host("api.test:0443");
    port_out_of_range: host("api.test:65979");
    decimal_address_in_host: host("2130706433");
    octal_address_in_host: host("0177.0.0.1");
    hexadecimal_address_in_host: host("0x7f.0.0.1");
    short_address_in_host: host("127.1");
    zone_id_in_host: host("[fe80::1%25eth0]");
    name_in_brackets: host("[api.test]");
}

refused! { 403 "destination":
    host_of_another_site: host("evil.test");
    host_of_an_allowed_name_with_a_suffix: host("api.test.evil.test");
    host_with_another_port: host("api.test:22");
    host_without_the_port: host("api.test");
    host_is_an_address: host("169.254.169.254");
    host_is_a_mapped_address: host("[::ffff:169.254.169.254]");
    absolute_form_agreeing_with_a_wrong_host: "GET https://evil.test/v1/a HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    host_is_punycode: host("xn--pi-7kc.test");
}

refused! { 403 "method":
    denied_method: method("DELETE");
    unknown_method: method("PROPFIND");
}

refused! { 403 "path":
    path_outside: path("/v2/a");
    path_that_only_begins_alike: path("/v10/a");
    denied_path: path("/v1/admin/users");
    denied_path_in_upper_case: path("/v1/ADMIN/users");
    denied_path_by_escapes: path("/v1/%61dmin/users");
    denied_path_with_query: path("/v1/admin/users?a=b");
    denied_path_with_trailing_slash: path("/v1/admin/users/");
}

/// Fronting between two sites that are both allowed, each with its own rights.
#[test]
fn an_allowed_site_is_no_front_for_another_allowed_site() {
    let root = Root::new();
    let upstream = Upstream::tls(&root, &[NAME, "other.test"]);
    let port = upstream.port;
    let other = "  - name: other
    binary: {allow: [curl]}
    destination: {allow: ['other.test:PORT']}
    method: {allow: [GET]}
    path: {allow: ['/**']}
";
    let policy = policy(port) + &other.replace("PORT", &port.to_string());
    let bench = Setting::new(policy).host(NAME).host("other.test").trusting(&root.pem()).start();
    let get = |host: &str| format!("GET /v2/a HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    // By the front door it is allowed.
    assert_eq!(bench.https("other.test", port, get("other.test")).status(), 200);
    let seen = upstream.received();
    let fronted = bench.https(NAME, port, get("other.test"));
    assert_eq!(
        (fronted.status(), &fronted.json()["level"]),
        (403, &"destination".into()),
        "{}",
        fronted.text
    );
    // An absolute target does not help, and neither does TLS for the other name.
    let absolute = get("other.test").replace("/v2/a", &format!("https://other.test:{port}/v2/a"));
    assert_eq!(bench.https(NAME, port, absolute).status(), 403);
    let mut stream = bench.tls(bench.connect(NAME, port), "other.test");
    assert_eq!(Answer::of(&mut stream, get("other.test").as_bytes()).text, "");
    assert_eq!(upstream.received(), seen);
}

/// A flow's port is part of its destination: the same name on another port is another place.
#[test]
fn an_allowed_port_is_no_front_for_another_port() {
    let root = Root::new();
    let (allowed, denied) = (Upstream::tls(&root, &[NAME]), Upstream::tls(&root, &[NAME]));
    let bench = Setting::new(policy(allowed.port)).host(NAME).trusting(&root.pem()).start();
    let get = |port: u16| format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n");
    for (connected, asked) in
        [(denied.port, denied.port), (denied.port, allowed.port), (allowed.port, denied.port)]
    {
        let answer = bench.https(NAME, connected, get(asked));
        assert_eq!(
            (answer.status(), &answer.json()["level"]),
            (403, &"destination".into()),
            "{}",
            answer.text
        );
    }
    bench.audit.denied_at("destination");
    denied.saw_nothing();
    allowed.saw_nothing();
}
