use super::*;

fn inference(text: &str) -> Result<Inference, String> {
    let text = format!("version: 1\nname: a\nimage: base\ncommand: [x]\ninference: {text}\n");
    let spec = Spec::parse(Path::new("agent.yaml"), &text).map_err(|failure| format!("{failure:?}"))?;
    Ok(spec.inference.expect("it is written"))
}

#[test]
fn the_operators_word_on_prompts_is_read() {
    let bare = inference("{}").unwrap().directive();
    assert_eq!((bare.sensitive, bare.rules.len(), bare.after_local), (None, 0, AfterLocal::Local));
    let full =
        inference("{sensitive: block, after_local: judge, rules: {personal/email-address: pass}}").unwrap();
    let directive = full.directive();
    assert_eq!((directive.sensitive, directive.after_local), (Some(Sensitive::Block), AfterLocal::Judge));
    assert_eq!(directive.rules["personal/email-address"], Sensitive::Pass);
    for (name, close) in [
        ("persnal", "personal"),
        ("personal/email-adress", "personal/email-address"),
        ("prompt-injecton", "prompt-injection"),
    ] {
        let mistake = inference(&format!("{{rules: {{{name}: block}}}}")).unwrap_err();
        assert!(mistake.contains(&format!("did you mean '{close}'?")), "{mistake}");
    }
    assert!(
        inference("{rules: {weather: block}}").unwrap_err().contains("'weather' is nothing that is found")
    );
    for word in ["redact", "local"] {
        let mistake = inference(&format!("{{rules: {{prompt-injection/hidden-text: {word}}}}}")).unwrap_err();
        assert!(mistake.contains("can neither be replaced nor stay local"), "{mistake}");
    }
    assert!(inference("{rules: {prompt-injection: block, prompt-injection/hidden-text: pass}}").is_ok());
    assert!(inference("{rules: {personal: hide}}").unwrap_err().contains("hide"));
}

#[test]
fn regions_are_names() {
    let read = inference(
        "{regions: [eu, us-east-1], providers: {cloud: {url: 'https://x.test/v1', region: eu-west-1}}}",
    );
    let read = read.unwrap();
    assert_eq!(read.regions.unwrap().len(), 2);
    assert_eq!(read.providers.cloud.unwrap().region.unwrap().as_str(), "eu-west-1");
    assert!(inference("{regions: []}").unwrap_err().contains("inference.regions names none"));
    assert!(inference("{regions: [EU]}").unwrap_err().contains("is no region"));
    assert!(
        inference("{hosts: {api.example.com: {region: 'eu west'}}}").unwrap_err().contains("is no region")
    );
}

#[test]
fn a_providers_host_knows_where_it_is_and_what_it_speaks() {
    let hosts =
        inference("{hosts: {api.anthropic.com: {}, llm.example.com: {url: 'https://x.test/api', model: m}}}");
    let hosts = hosts.unwrap().hosts;
    let own = hosts["api.anthropic.com"].provider("api.anthropic.com");
    assert_eq!((own.url.as_str(), own.api), ("https://api.anthropic.com/v1", Api::Anthropic));
    let other = hosts["llm.example.com"].provider("llm.example.com");
    assert_eq!((other.url.as_str(), other.api), ("https://x.test/api", Api::OpenAi));
    for wrong in
        ["inference.local", "API.example.com", "localhost", "'api.example.com:443'", "'*.example.com'"]
    {
        let error = inference(&format!("{{hosts: {{{wrong}: {{}}}}}}")).unwrap_err();
        assert!(error.contains("is no host of a provider"), "{error}");
    }
}

#[test]
fn rules_of_the_operators_own_can_be_named() {
    let detect = "detect: {patterns: [{name: project-code, pattern: 'PX-[0-9]{6}'}]}";
    let read = inference(&format!("{{{detect}, rules: {{property/project-code: block}}}}")).unwrap();
    assert_eq!(read.detected().patterns.len(), 1);
    let mistake = inference(&format!("{{{detect}, rules: {{property/project-cod: block}}}}")).unwrap_err();
    assert!(mistake.contains("did you mean 'property/project-code'?"), "{mistake}");
    let mistake = inference("{detect: {patterns: [{name: project-code, pattern: 'a*'}]}}").unwrap_err();
    assert!(mistake.contains("agent.yaml:5:") && mistake.contains("the empty text"), "{mistake}");
    assert!(inference("{detect: nowhere.yaml}").unwrap_err().contains("nowhere.yaml"));
}

#[test]
fn the_local_server_is_at_an_address_or_managed() {
    let local = |text: &str| {
        let read = inference(&format!("{{providers: {{local: {text}}}}}"))?;
        Ok::<_, String>(read.providers.local.and_then(|local| local.server()).expect("it was checked"))
    };
    assert!(
        matches!(local("{url: 'http://127.0.0.1:8000/v1', model: m}").unwrap(), Local::At(at) if at.model.is_some())
    );
    let managed = local("{serving: nemotron, region: eu}").unwrap();
    assert!(matches!(managed, Local::Managed { server, region } if server == "nemotron" && region.is_some()));
    for (text, cause) in [
        ("{}", "names no server"),
        ("{url: 'http://x/v1', serving: a}", "names two servers"),
        ("{serving: a, model: m}", "has more than 'serving'"),
        ("{serving: a, api_key: {env: K}}", "has more than 'serving'"),
        ("{serving: 'A b'}", "has more than 'serving'"),
    ] {
        let mistake = local(text).unwrap_err();
        assert!(mistake.contains(cause), "{text}: {mistake}");
    }
}

#[test]
fn servers_follow_others_and_models_have_names() {
    let cloud = "cloud: {url: 'https://a.test/v1', models: {fast: nano, best: large}}";
    let spare = "{url: 'https://b.test/v1', api_key: {file: key}, model: m}";
    let read = inference(&format!("{{providers: {{{cloud}}}, fallback: {{cloud: [{spare}]}}}}")).unwrap();
    assert_eq!(read.providers.cloud.unwrap().models["fast"], "nano");
    // A relative path is one beside the file, as it is for the first server's key.
    let text = format!(
        "version: 1\nname: a\nimage: base\ncommand: [x]\ninference: {{providers: {{{cloud}}}, fallback: {{cloud: [{spare}]}}}}\n"
    );
    let spec = Spec::parse(Path::new("/etc/agents/agent.yaml"), &text).unwrap();
    let key = spec.inference.unwrap().fallback.cloud[0].api_key.clone();
    assert_eq!(key, Some(SecretSource::File("/etc/agents/key".into())));
    let many = [spare; 5].join(", ");
    for (text, cause) in [
        (format!("{{fallback: {{local: [{spare}]}}}}"), "inference.fallback.local follows no server"),
        (format!("{{providers: {{{cloud}}}, fallback: {{cloud: [{many}]}}}}"), "has more than 4 servers"),
        (
            "{providers: {cloud: {url: 'https://a.test/v1', model: m, models: {a: b}}}}".to_owned(),
            "and 'models'",
        ),
        ("{hosts: {api.a.test: {models: {'': b}}}}".to_owned(), "is empty"),
        ("{providers: {local: {serving: a, models: {a: b}}}}".to_owned(), "has more than 'serving'"),
    ] {
        let mistake = inference(&text).unwrap_err();
        assert!(mistake.contains(cause), "{text}: {mistake}");
    }
}
