use std::fs;

use super::*;

fn layout(root: &Path) -> Layout {
    let [state, runtime, cache, config, programs] =
        ["state", "run", "cache", "config", "bin"].map(|name| root.join(name));
    Layout { state, runtime, cache, config, programs }
}

fn with(operator: &str, image: &[(&str, &[&str])]) -> Variables {
    let image = image.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect();
    let ask = || BTreeMap::from([("npm".to_owned(), vec!["machine.example".to_owned()])]);
    let operator = parse(operator, "config.yaml").unwrap();
    Variables { operator, images: PathBuf::new(), image, machine: OnceCell::new(), ask }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn the_operator_beats_the_image_and_the_image_the_machine() {
    let variables = with(
        "variables: {registry.npm: npm.corp.example, telegram.bot: 123456, github.repository: [a, b]}",
        &[
            ("npm", &["npm.image.example"]),
            ("crates", &["index.example", "static.example:8443"]),
            ("debian", &[]),
        ],
    );
    for (name, expected) in [
        ("registry.npm", &["npm.corp.example"][..]),
        ("registry.crates", &["index.example", "static.example:8443"]),
        ("telegram.bot", &["123456"]),
        ("github.repository", &["a", "b"]),
    ] {
        assert_eq!(variables.get(name).unwrap(), owned(expected), "{name}");
    }
    // An image's manifest holds registries and nothing else; one without a host is not known.
    for unknown in ["npm", "crates", "registry.debian", "registry.pypi", "jira.tenant", "registry."] {
        assert_eq!(variables.get(unknown), None, "{unknown}");
    }
}

#[test]
fn the_machine_is_asked_only_when_no_image_recorded_anything() {
    assert_eq!(with("", &[]).get("registry.npm").unwrap(), ["machine.example"]);
    assert_eq!(with("", &[("pypi", &["index.example"])]).get("registry.npm"), None);
    let never = Variables { ask: || panic!("asked"), ..with("variables: {registry.npm: a.example}", &[]) };
    assert_eq!(never.get("registry.npm").unwrap(), ["a.example"]);
    assert_eq!(never.get("jira.tenant"), None);
}

#[test]
fn a_file_that_is_not_there_or_says_nothing_is_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    assert!(operator(&layout(folder.path())).unwrap().is_empty());
    for text in ["", "# nothing yet\n", "variables: {}\n"] {
        assert!(parse(text, "config.yaml").unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn every_mistake_names_its_place_and_its_remedy() {
    for (text, reason, remedy) in [
        ("variabels: {}", "config.yaml:1:1: variabels: unknown key", "did you mean 'variables'?"),
        (
            "variables: {registry.nmp: a.example}",
            "no registry 'registry.nmp'",
            "did you mean 'registry.npm'?",
        ),
        (
            "variables: {registry.maven: a.example}",
            "no registry 'registry.maven'",
            "known here: registry.brew",
        ),
        (
            "variables:\n  Jira: acme",
            "config.yaml:2:9: variables.Jira: 'Jira' is not the name",
            "use words of a-z",
        ),
        ("variables: {jira.tenant: ''}", "has no value", "write a text"),
        ("variables: {jira.tenant: []}", "has no value", "write a text"),
        ("variables: {jira.tenant: {a: b}}", "a text or a list of texts", "write"),
        ("variables: {a: b, a: c}", "the second time", "keep one"),
    ] {
        let error = parse(text, "config.yaml").unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
        assert!(error.remedy().contains(remedy), "{text}: {}", error.remedy());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    fs::create_dir_all(layout.config.join(FILE)).unwrap();
    let failure = Variables::load(&layout).unwrap_err();
    assert!(failure.cause.contains("config.yaml"), "{}", failure.cause);
}

#[test]
fn an_image_that_was_built_says_where_its_packages_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path());
    let names = layout.cache.join("images/names");
    fs::create_dir_all(&names).unwrap();
    let manifest = format!(
        r#"{{"version":1,"name":"base","origin":{{"kind":"recipe","recipe":"{digest}"}},"digest":"{digest}","size":1,
        "source_date_epoch":0,"packages":[],"registries":{{"npm":["npm.image.example"]}}}}"#,
        digest = "ab".repeat(32)
    );
    fs::write(names.join("base.json"), manifest).unwrap();
    for image in ["base", "tiny", "./my-root"] {
        let variables = Variables::load(&layout).unwrap().with_image(image);
        assert_eq!(variables.get("registry.npm").unwrap(), ["npm.image.example"], "{image}");
    }
    let pinned = format!("base@verity:{}", "ab".repeat(32));
    let others = Variables::load(&layout).unwrap().with_image(&pinned);
    assert_ne!(others.get("registry.npm"), Some(vec!["npm.image.example".to_owned()]));
}
