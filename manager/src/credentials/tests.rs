use super::*;

fn read_spec(text: &str) -> CredentialSpec {
    policies::yaml::parse(text, "agent.yaml").unwrap()
}

fn mistake(inject: &str) -> Mistake {
    let spec = read_spec(&format!("name: TOKEN\nfrom: {{env: X}}\ninject: {inject}\n"));
    check(&[spec], |_name| false).unwrap_err()
}

#[test]
fn one_place_or_several() {
    let one = read_spec(
        "name: SLACK_TOKEN\nfrom: {env: X}\ninject: {host: slack.com, header: Authorization, format: \"Bearer {}\"}\n",
    );
    let several = read_spec(
        "name: GH\nfrom: {command: [pass, gh]}\ninject:\n - {host: api.github.com, header: Authorization, format: \"token {}\"}\n - {host: [github.com, \"git.example.com:8443\"], basic: x-access-token, path: \"/acme/**\"}\n",
    );
    check(&[one.clone(), several.clone()], |_name| false).unwrap();
    let bindings = one.bindings().unwrap();
    assert_eq!(
        bindings[0].form,
        Form::Header { name: "Authorization".to_owned(), format: "Bearer {}".to_owned() }
    );
    let bindings = several.bindings().unwrap();
    assert_eq!(bindings[1].form, Form::Basic { user: "x-access-token".to_owned() });
    let signing = read_spec(
        "name: AWS_SECRET_ACCESS_KEY\nfrom: {command: [aws, configure, export-credentials]}\ninject: {host: s3.eu-central-1.amazonaws.com, path: \"/reports/**\", sigv4: {service: s3, region: eu-central-1}}\n",
    );
    check(std::slice::from_ref(&signing), |_name| false).unwrap();
    let scope = ("s3".to_owned(), "eu-central-1".to_owned());
    let form = Form::SigV4 { service: scope.0, region: scope.1, access_key_id: None };
    assert_eq!(signing.bindings().unwrap()[0].form, form);
    assert_eq!((bindings[1].hosts.len(), bindings[1].paths.as_slice()), (2, &["/acme/**".to_owned()][..]));
}

#[test]
fn every_mistake_is_a_cause_and_a_remedy() {
    for (inject, cause, remedy) in [
        ("[]", "goes out nowhere", "inject"),
        ("{host: slack.com}", "in one way", "one of"),
        ("{host: slack.com, header: A, query: b}", "in one way", "one of"),
        ("{host: slack.com, query: b, format: \"{}\"}", "without 'header'", "remove"),
        ("{host: slack.com, header: A, format: Bearer}", "where the secret goes", "{}"),
        ("{host: slack.com, header: \"a b\"}", "header field", "X-Api-Key"),
        ("{host: slack.com, header: A, format: \"é{}\"}", "cannot stand", "ASCII"),
        ("{host: slack.com, basic: \"a:b\"}", "no user", "colon"),
        ("{host: slack.com, query: \"a&b\"}", "no plain name", "letters"),
        ("{host: slack.com, segment: \"a/{}\"}", "one segment", "letters"),
        ("{host: slack.com, segment: bot}", "where the secret goes", "{}"),
        ("{host: slack.com, segment: \"{}{}\"}", "where the secret goes", "{}"),
        ("{host: slack.com, json: token}", "no JSON pointer", "/auth/token"),
        ("{host: slack.com, json: \"/a~2\"}", "no JSON pointer", "/auth/token"),
        ("{host: slack.com, form: \"a b\"}", "no plain name", "letters"),
        ("{host: slack.com, form: a, json: /a}", "in one way", "sigv4"),
        ("{host: a.example, sigv4: {service: S3, region: eu-central-1}}", "no service", "service: s3"),
        ("{host: a.example, sigv4: {service: s3, region: \"\"}}", "no service", "region"),
        ("{host: a.example, sigv4: {service: sts, region: us-east-1}}", "answers with keys", "on the host"),
        (
            "{host: a.example, sigv4: {service: s3, region: us-east-1, access_key_id: AKIA}}",
            "not the id",
            "leave it out",
        ),
        ("{host: \"*.slack.com\", query: b}", "wildcard", "every host"),
        ("{host: [], query: b}", "no host", "name the hosts"),
        ("{host: slack.com, path: [], query: b}", "'path' is empty", "remove"),
        ("{host: slack.com, path: api, query: b}", "slash", "/api"),
        ("{host: inference.local, header: Authorization}", "takes no credential", "inference"),
    ] {
        let (told, hint) = mistake(inject);
        assert!(told.starts_with("credential 'TOKEN': ") && told.contains(cause), "{inject}: {told}");
        assert!(hint.contains(remedy), "{inject}: {hint}");
    }
}

#[test]
fn a_name_is_a_variable_of_its_own() {
    let spec = |name: &str| CredentialSpec {
        name: name.to_owned(),
        ..read_spec("name: X\nfrom: {env: X}\ninject: {host: a.example, query: q}\n")
    };
    for name in ["", "1X", "A-B", "A B", "Ä", &"A".repeat(65)] {
        let (cause, _remedy) = check(&[spec(name)], |_name| false).unwrap_err();
        assert!(cause.contains("like a variable"), "{cause}");
    }
    let (cause, _remedy) = check(&[spec("A"), spec("A")], |_name| false).unwrap_err();
    assert!(cause.contains("two credentials"), "{cause}");
    let (cause, _remedy) = check(&[spec("A")], |name| name == "A").unwrap_err();
    assert!(cause.contains("under 'env'"), "{cause}");
}

#[test]
fn placeholders_differ_and_secrets_do_not_print() {
    let mut spec = read_spec("name: TOKEN\nfrom: {env: X}\ninject: {host: a.example, query: q}\n");
    spec.from = SecretSource::Command(vec!["echo".to_owned(), "correct-horse".to_owned()]);
    let specs = [spec.clone()];
    let (first, second) = (placeholders(&specs).unwrap(), placeholders(&specs).unwrap());
    let one = read(&specs, &first).unwrap();
    assert_ne!(first, second);
    assert!(one[0].placeholder.starts_with("openshell-TOKEN-"));
    assert_eq!(one[0].secret.expose(), "correct-horse");
    assert!(!format!("{one:?}").contains("horse"));
    spec.from = SecretSource::Command(vec!["echo".to_owned(), "short".to_owned()]);
    let failure = read(&[spec], &first).unwrap_err();
    assert!(failure.cause.contains("credential 'TOKEN': the secret has 5 bytes"), "{failure}");
}
