use super::*;

fn wish() -> Wish {
    Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: "api.example.com".to_owned(),
        port: 443,
        method: "POST".to_owned(),
        path: "/v1/notes".to_owned(),
        query: Vec::new(),
    }
}

fn id() -> RequestId {
    RequestId("0a1b2c3d00000007".to_owned())
}

fn policy(rules: &str) -> Policy {
    Policy::compile(&Document::parse(&format!("version: 1\n{rules}"), "policy").unwrap()).unwrap()
}

fn approving(wish: Wish, terms: Terms) -> Policy {
    let rule = Candidate::new(wish).unwrap().rule(&id(), terms);
    let document = Document::parse("version: 1\nnetwork: []\n", "policy").unwrap().with_rule(rule);
    // As it reaches the proxy.
    Policy::compile(&Document::parse(&document.dynamic_text().unwrap(), "policy").unwrap()).unwrap()
}

/// Whether curl, or another program, may send this.
fn allows(policy: &Policy, (binary, method): (&str, &str), (host, port): (&str, u16), target: &str) -> bool {
    let subject = Subject::Owners(vec![witness::program(binary)]);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (destination, headers) = (Destination { host, port }, &NoHeaders);
    let now = Timestamp(100);
    policy
        .decide(&Request { subject: &subject, destination, method, path, query, headers, now, message: None })
        .is_allowed()
}

#[test]
fn the_rule_allows_the_one_request_and_nothing_beside_it() {
    let policy = approving(wish(), Terms::Sandbox);
    let (curl, here) = (("/usr/bin/curl", "POST"), ("api.example.com", 443));
    assert!(allows(&policy, curl, here, "/v1/notes"));
    for (who, host, target) in [
        (("/usr/bin/wget", "POST"), here, "/v1/notes"),
        (("/usr/bin/curl", "GET"), here, "/v1/notes"),
        (curl, ("api.example.com", 8443), "/v1/notes"),
        (curl, ("a.api.example.com", 443), "/v1/notes"),
        (curl, here, "/v1/notes/"),
        (curl, here, "/v1/notes/1"),
        (curl, here, "/v1/Notes"),
        (curl, here, "/v1/notes?a=1"),
    ] {
        assert!(!allows(&policy, who, host, target), "{who:?} {host:?} {target}");
    }
}

#[test]
fn the_query_holds_what_was_named_and_no_more() {
    let policy = approving(Wish { query: vec!["q".to_owned()], ..wish() }, Terms::Sandbox);
    let asks = |target| allows(&policy, ("/usr/bin/curl", "POST"), ("api.example.com", 443), target);
    assert!(asks("/v1/notes?q=any") && asks("/v1/notes"));
    assert!(!asks("/v1/notes?q=1&leak=2") && !asks("/v1/notes?leak"));
}

#[test]
fn an_approval_for_a_time_ends_with_it() {
    let here = ("api.example.com", 443);
    let asks = |terms| allows(&approving(wish(), terms), ("/usr/bin/curl", "POST"), here, "/v1/notes");
    assert!(asks(Terms::Until(101)) && !asks(Terms::Until(100)));
}

#[test]
fn a_wish_with_a_wildcard_or_two_readings_is_none() {
    let set = |change: &dyn Fn(&mut Wish)| {
        let mut wish = wish();
        change(&mut wish);
        Candidate::new(wish).map(drop)
    };
    for binary in [
        "curl",
        "/usr/bin/*",
        "/usr/**",
        "",
        "/",
        "/usr/bin/../curl",
        "//usr/bin/curl",
        "/usr/bin/cu\u{1b}[2Jrl",
        "/usr/bin/\u{202e}lruc",
        "/usr/bin/curl\n",
        "/usr/bin/a b",
    ] {
        assert_eq!(set(&|wish| wish.binary = binary.to_owned()), Err(Unfit::Binary), "{binary}");
    }
    for host in [
        "*.example.com",
        "**.example.com",
        "*",
        "",
        "API.example.com",
        "api.example.com.",
        "a_b.example.com",
        "api.example.com:443",
        "http://api.example.com",
        "0x7f.1",
        "policy.local",
        "POLICY.local",
        "xn--.\u{202e}",
        "[::0001]",
        "user@api.example.com",
        "a.1x",
        "api.example.0x7f",
    ] {
        assert!(set(&|wish| wish.host = host.to_owned()).is_err(), "{host}");
    }
    for method in ["*", "", "get", "CONNECT", "TRACE", "GET POST", "GET\r\nX: y"] {
        assert!(set(&|wish| wish.method = method.to_owned()).is_err(), "{method}");
    }
    for path in [
        "*",
        "/*",
        "/**",
        "/v1/*",
        "/v1/n*tes",
        "",
        "v1",
        "/v1/../x",
        "/v1//x",
        "/v1?q=1",
        "/v1#a",
        "/v1;a=b",
        "/%61",
        "/%2e%2e/x",
        "/v1/notes%2F7",
        "/v1/\u{202e}x",
        "http://api.example.com/v1",
    ] {
        assert!(set(&|wish| wish.path = path.to_owned()).is_err(), "{path}");
    }
    for key in ["*", "", "a=b", "a&b", "a b", "a%62", &"k".repeat(65)] {
        assert_eq!(set(&|wish| wish.query = vec![key.to_owned()]), Err(Unfit::Query), "{key}");
    }
    assert_eq!(set(&|wish| wish.port = 80), Ok(()));
    assert!(set(&|wish| wish.port = 0).is_err());
    assert_eq!(set(&|wish| wish.host = "192.0.2.7".to_owned()), Ok(()));
    assert_eq!(set(&|wish| wish.host = "[2001:db8::7]".to_owned()), Ok(()));
    assert!(set(&|wish| wish.path = format!("/{}", "a".repeat(2000))).is_err());
}

/// One that the compiler refused would stop whoever looks at all of them.
#[test]
fn every_wish_that_is_taken_makes_a_rule_that_compiles() {
    let methods = ["GET", "WEBSOCKET", "TRACE", "FOO", "GOT", "M-SEARCH", "PRI"];
    let hosts = ["api.example.com", "localhost", "a.1x", "a.0x", "1x", "192.0.2.7", "[2001:db8::7]", "xn--a"];
    let paths = ["/", "/v1/notes", "/a%20b", "/a%2Fb", "/%C3%A9", "/a%2A", "/a:b,c=d", "/~"];
    let mut taken = 0;
    for (method, (host, path)) in methods.iter().flat_map(|method| {
        hosts
            .iter()
            .flat_map(|host| paths.iter().map(move |path| (host, path)))
            .map(move |rest| (method, rest))
    }) {
        let [method, host, path] = [method, host, path].map(|text| (*text).to_owned());
        let Ok(candidate) = Candidate::new(Wish { method, host, path, ..wish() }) else { continue };
        taken += 1;
        let document = Document::parse("version: 1\nnetwork: []\n", "policy").unwrap();
        let compiled = Policy::compile(&document.with_rule(candidate.rule(&id(), Terms::Sandbox)));
        let policy = compiled.unwrap_or_else(|errors| panic!("{:?}: {errors}", candidate.wish()));
        let now = candidate.under(&policy, Timestamp(0));
        assert!(matches!(now, Now::Allowed { .. }), "{:?}: {now:?}", candidate.wish());
    }
    assert!(taken > 40, "{taken}");
    let set = |method: &str, host: &str| {
        Candidate::new(Wish { method: method.to_owned(), host: host.to_owned(), ..wish() }).map(drop)
    };
    assert_eq!(set("FOO", "api.example.com"), Err(Unfit::Method));
    assert!(set("GET", "a.1x").is_err());
}

#[test]
fn what_a_deny_list_forbids_is_not_to_be_had_by_asking() {
    let rule = "network:
  - name: notes
    binary: {allow: [curl]}
    destination: {allow: ['api.example.com']}
    method: {allow: [GET]}
    path: {allow: ['/v1/**'], deny: ['/v1/secret']}
";
    let (policy, now) = (policy(rule), Timestamp(0));
    let under = |change: &dyn Fn(&mut Wish)| {
        let mut wish = wish();
        change(&mut wish);
        Candidate::new(wish).unwrap().under(&policy, now)
    };
    assert_eq!(under(&|wish| wish.method = "GET".to_owned()), Now::Allowed { rule: "notes".to_owned() });
    assert_eq!(under(&|_wish| {}), Now::Open);
    assert!(matches!(under(&|wish| wish.path = "/v1/secret".to_owned()), Now::Bound { .. }));
    let approved = Document::parse(&format!("version: 1\n{rule}"), "policy").unwrap();
    let secret = Candidate::new(Wish { path: "/v1/secret".to_owned(), ..wish() }).unwrap();
    let approved = Policy::compile(&approved.with_rule(secret.rule(&id(), Terms::Sandbox))).unwrap();
    assert!(!allows(&approved, ("/usr/bin/curl", "POST"), ("api.example.com", 443), "/v1/secret"));
}

#[test]
fn an_approval_is_taken_out_by_its_number_and_nothing_else_is() {
    let other = RequestId("0a1b2c3d00000008".to_owned());
    let candidate = Candidate::new(wish()).unwrap();
    let document = Document::parse("version: 1\nnetwork: []\n", "policy").unwrap();
    let before = document.clone().with_rule(candidate.rule(&other, Terms::Once));
    let both = before.clone().with_rule(candidate.rule(&id(), Terms::Sandbox));
    assert_eq!(both.without_approvals(&[id()]).dynamic_text().unwrap(), before.dynamic_text().unwrap());
}

#[test]
fn no_policy_has_a_rule_for_the_name_of_the_proxy_itself() {
    for entry in ["policy.local", "policy.local:80"] {
        for (allow, deny) in [(entry, "a.example.com"), ("a.example.com", entry)] {
            let text = format!(
                "version: 1\nnetwork:\n  - name: a\n    binary: {{allow: [curl]}}\n    destination: {{allow: ['{allow}'], deny: ['{deny}']}}\n    method: {{allow: [GET]}}\n    path: {{allow: ['/**']}}\n"
            );
            let errors = Policy::compile(&Document::parse(&text, "policy").unwrap()).unwrap_err();
            assert!(errors.first().to_string().contains("'policy.local' is no destination"), "{errors}");
        }
    }
}
