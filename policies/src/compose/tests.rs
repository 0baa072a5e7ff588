use std::collections::BTreeMap;

use super::*;
use crate::place::At;
use crate::table::Table;
use crate::{Level, Policy, Timestamp};

/// Texts by path, with no variable defined.
struct Texts(BTreeMap<String, String>);

impl Files for Texts {
    fn read(&self, _base: &str, path: &str) -> Result<FileText, String> {
        let text = self.0.get(path).ok_or("there is no such file")?;
        Ok(FileText { name: path.to_owned(), text: text.clone() })
    }

    fn variable(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}

fn files(texts: &[(&str, &str)]) -> Texts {
    Texts(texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

fn resolved(text: &str, others: &[(&str, &str)]) -> Result<Document, LoadErrors> {
    compose(Document::parse(text, "own.yaml")?, &files(others))
}

/// The mistakes of `text`, as `place: … | remedy`.
fn mistakes(text: &str, others: &[(&str, &str)]) -> String {
    let result = resolved(text, others).and_then(|document| Policy::compile(&document).map(drop));
    let errors = result.expect_err("a policy with mistakes loaded");
    errors.iter().map(|error| format!("{error} | {}\n", error.remedy())).collect()
}

fn rule(name: &str, binary: &str, path: &str) -> String {
    format!(
        "  - name: {name}\n    binary: {{allow: [{binary}]}}\n    destination: {{allow: [a.example.com]}}\n    \
         method: {{allow: [GET]}}\n    path: {path}\n"
    )
}

fn policy(extends: &str, rules: &[String]) -> String {
    format!(
        "version: 1\n{extends}\nnetwork:\n{}",
        if rules.is_empty() { "  []".to_owned() } else { rules.concat() }
    )
}

fn verdicts(document: &Document, requests: &[&str]) -> Vec<String> {
    let policy = Policy::compile(document).unwrap();
    let rows: String = requests.iter().map(|request| format!("{request} allow ?\n")).collect();
    Table::parse(&rows, Timestamp::default()).unwrap().rows.iter().map(|row| row.verdict(&policy)).collect()
}

#[test]
fn the_later_rule_of_a_name_wins_and_what_was_denied_stays_denied() {
    let base = policy("", &[rule("r", "curl", "{allow: [\"/**\"], deny: [/admin/*]}")]);
    let own = policy(
        "extends: ./base.yaml",
        &[rule("r", "node", "{allow: [\"/**\"]}"), rule("all", "curl", "{allow: [\"/**\"]}")],
    );
    let document = resolved(&own, &[("./base.yaml", &base)]).unwrap();
    let names: Vec<&str> =
        document.network.iter().filter_map(|rule| Some(rule.value.name.as_ref()?.value.as_str())).collect();
    assert_eq!(names, ["r", "all", "r (of base.yaml)"]);
    assert_eq!(document.source_name(document.network[0].place), "own.yaml");
    assert_eq!(document.source_name(document.network[2].place), "./base.yaml");
    let answers = verdicts(
        &document,
        &[
            "/usr/bin/node GET a.example.com /x",
            "/usr/bin/node GET a.example.com /admin/x",
            "/usr/bin/curl GET a.example.com /x",
            "/usr/bin/curl GET a.example.com /admin/x",
            "/usr/bin/wget GET a.example.com /x",
        ],
    );
    let expected = ["allow r", "deny path r", "allow all", "deny path r (of base.yaml)", "deny binary r"];
    assert_eq!(answers, expected);
}

#[test]
fn a_removed_rule_grants_nothing_and_denies_as_before() {
    let base = policy(
        "",
        &[rule("rule-r", "curl", "{allow: [/a, /b], deny: [/b]}"), rule("s", "curl", "{allow: [/c]}")],
    );
    let own =
        policy("extends: [./base.yaml]\nremove: [rule-r, s]", &[rule("t", "curl", "{allow: [/a, /b]}")]);
    let document = resolved(&own, &[("./base.yaml", &base)]).unwrap();
    let ask = ["/a", "/b", "/c"].map(|path| format!("/usr/bin/curl GET a.example.com {path}"));
    let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
    assert_eq!(verdicts(&document, &ask), ["allow t", "deny path rule-r (of base.yaml)", "deny path t"]);
    let wrong = policy("extends: [./base.yaml]\nremove: [rule-s]", &[]);
    let found = mistakes(&wrong, &[("./base.yaml", &base)]);
    assert!(
        found.starts_with(
            "own.yaml:3:10: remove: no extended policy has a rule 'rule-s' | did you mean 'rule-r'?"
        ),
        "{found}"
    );
}

#[test]
fn a_policy_that_is_extended_twice_is_laid_once() {
    let base = policy("", &[rule("r", "curl", "{allow: [/base]}")]);
    let left = policy("extends: ./base.yaml", &[rule("r", "curl", "{allow: [/left]}")]);
    let right = policy("extends: ./base.yaml", &[rule("s", "curl", "{allow: [/right]}")]);
    let own = policy("extends: [./left.yaml, ./right.yaml]", &[]);
    let others = [("./base.yaml", &*base), ("./left.yaml", &left), ("./right.yaml", &right)];
    let document = resolved(&own, &others).unwrap();
    let ask = ["/usr/bin/curl GET a.example.com /left", "/usr/bin/curl GET a.example.com /base"];
    assert_eq!(verdicts(&document, &ask)[0], "allow r");
    assert!(verdicts(&document, &ask)[1].starts_with("deny path"));
}

#[test]
fn a_mistake_names_the_file_it_is_in() {
    let base = policy("", &[rule("r", "bin/x", "{allow: [/]}")]);
    let own = policy("extends: ./base.yaml", &[]);
    let found = mistakes(&own, &[("./base.yaml", &base)]);
    assert!(found.starts_with("./base.yaml:5:22: binary.allow: 'bin/x' is neither"), "{found}");
    let unread = policy("extends: [./base.yaml, ./none.yaml]", &[]);
    let found = mistakes(&unread, &[("./base.yaml", &base)]);
    assert!(
        found.starts_with("own.yaml:2:24: extends: cannot read './none.yaml': there is no such file"),
        "{found}"
    );
    let odd = mistakes(&policy("extends: preset/slak", &[]), &[]);
    assert!(odd.contains("there is no policy 'preset/slak' | did you mean 'preset/slack'?"), "{odd}");
    let bare = mistakes(&policy("extends: slack", &[]), &[]);
    assert!(bare.contains("there is no policy 'slack' | did you mean 'preset/slack'?"), "{bare}");
}

#[test]
fn a_cycle_is_a_mistake() {
    let one = policy("extends: ./two.yaml", &[]);
    let two = policy("extends: ./one.yaml", &[]);
    let own = policy("extends: ./one.yaml", &[]);
    let found = mistakes(&own, &[("./one.yaml", &one), ("./two.yaml", &two)]);
    assert!(found.contains("'./one.yaml' extends itself, by own.yaml → ./one.yaml → ./two.yaml"), "{found}");
}

#[test]
fn side_by_side_policies_that_disagree_are_a_mistake_until_settled() {
    let one = "version: 1\nprocess: {limits: {processes: 10}}\nfilesystem: {read: [/a]}\n";
    let two = "version: 1\nprocess: {limits: {processes: 20}}\nfilesystem: {read: [/b, /a]}\n";
    let others = [("./one.yaml", one), ("./two.yaml", two)];
    let found = mistakes("version: 1\nextends: [./one.yaml, ./two.yaml]\n", &others);
    let expected = "own.yaml:2:10: extends: 'process.limits.processes' is set differently by ./one.yaml and by ./two.yaml";
    assert!(found.starts_with(expected), "{found}");
    let settled = "version: 1\nextends: [./one.yaml, ./two.yaml]\nprocess: {limits: {processes: 5}}\n";
    let document = resolved(settled, &others).unwrap();
    assert_eq!(document.process.unwrap().limits.processes.unwrap().value, 5);
    let read = document.filesystem.unwrap().read;
    assert_eq!(read.iter().map(|path| path.value.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
}

#[test]
fn executables_are_united_and_never_lifted() {
    let one = "version: 1\nprocess: {user: dev, executables: {allow: [sh], deny: [gcc]}}\n";
    let two = "version: 1\nprocess: {executables: {allow: [python3, sh]}, limits: {memory: 64MiB}}\n";
    let others = [("./one.yaml", one), ("./two.yaml", two)];
    let own = "version: 1\nextends: [./one.yaml, ./two.yaml]\nprocess: {limits: {processes: 5}}\n";
    let process = resolved(own, &others).unwrap().process.unwrap();
    let lists = process.executables.unwrap().value;
    let texts = |list: &[At<String>]| list.iter().map(|entry| entry.value.clone()).collect::<Vec<_>>();
    assert_eq!(
        (texts(&lists.allow), texts(&lists.deny)),
        (vec!["sh".into(), "python3".into()], vec!["gcc".into()])
    );
    assert_eq!(
        (process.user.unwrap().value, process.limits.memory.unwrap().value),
        ("dev".into(), "64MiB".into())
    );
}

#[test]
fn variables_are_filled_and_never_widen() {
    let base = policy("variables: {t: base}", &[rule("r", "curl", "{allow: [\"/x/${t}/**\"]}")]);
    let others = [("./base.yaml", &*base)];
    let ask = ["/usr/bin/curl GET a.example.com /x/own/y", "/usr/bin/curl GET a.example.com /x/two/y"];
    let own = policy("extends: ./base.yaml\nvariables: {t: [own, two]}", &[]);
    assert_eq!(verdicts(&resolved(&own, &others).unwrap(), &ask), ["allow r", "allow r"]);
    let unchanged = resolved(&policy("extends: ./base.yaml", &[]), &others).unwrap();
    assert!(verdicts(&unchanged, &ask)[0].starts_with("deny"));
    for value in ["\"*\"", "\"a/../b\"", "\"**\"", "\"a b\"", "\"\"", "\"%2e\"", "\"a//b\""] {
        let own = policy(&format!("extends: ./base.yaml\nvariables: {{t: {value}}}"), &[]);
        let found = mistakes(&own, &others);
        assert!(found.contains("which cannot be part of a path"), "{value}: {found}");
    }
    let missing = policy("", &[rule("r", "curl", "{allow: [\"/${a.b}\"]}")]);
    let found = mistakes(&missing, &[]);
    assert!(
        found.contains(
            "own.yaml:8:20: path: nothing says what '${a.b}' stands for | add 'variables: {a.b: …}'"
        ),
        "{found}"
    );
}

/// A rule that reads everything but what the variable names.
fn guarded() -> String {
    policy("variables: {t: admin}", &[rule("r", "curl", "{allow: [\"/**\"], deny: [\"/${t}/**\"]}")])
}

#[test]
fn another_value_takes_no_denial_away() {
    let base = guarded();
    let own = policy("extends: ./base.yaml\nvariables: {t: other}", &[]);
    let document = resolved(&own, &[("./base.yaml", &base)]).unwrap();
    let ask = ["/admin/x", "/other/x", "/x"].map(|path| format!("/usr/bin/curl GET a.example.com {path}"));
    let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
    assert_eq!(verdicts(&document, &ask), ["deny path r", "deny path r", "allow r"]);
}

#[test]
fn side_by_side_policies_do_not_fill_each_others_variables() {
    let (base, other) = (guarded(), "version: 1\nvariables: {t: x}\n");
    let found = mistakes(
        &policy("extends: [./base.yaml, ./other.yaml]", &[]),
        &[("./base.yaml", &base), ("./other.yaml", other)],
    );
    assert!(found.contains("'variables.t' is set differently by ./base.yaml and by ./other.yaml"), "{found}");
}

#[test]
fn a_denied_destination_is_denied_on_every_port_whatever_the_value() {
    let text = "version: 1\nvariables: {h: \"a.example.com:8443\"}\nnetwork:\n  - name: r\n    binary: {allow: [curl]}\n    \
                destination: {allow: [\"*.example.com\"], deny: [\"${h}\"]}\n    method: {allow: [GET]}\n    path: {allow: [/]}\n";
    let document = resolved(text, &[]).unwrap();
    assert_eq!(verdicts(&document, &["/usr/bin/curl GET a.example.com /"]), ["deny destination r"]);
    let range = text.replace(":8443", ":1-65535");
    assert!(mistakes(&range, &[]).contains("cannot be part of a destination"));
}

#[test]
fn a_rule_that_is_removed_and_written_again_denies_what_it_did() {
    let base = policy("", &[rule("r", "curl", "{allow: [\"/**\"], deny: [/admin/*]}")]);
    let own = policy("extends: ./base.yaml\nremove: [r]", &[rule("r", "node", "{allow: [\"/**\"]}")]);
    let document = resolved(&own, &[("./base.yaml", &base)]).unwrap();
    let ask = ["/usr/bin/node GET a.example.com /admin/x", "/usr/bin/node GET a.example.com /x"];
    assert_eq!(verdicts(&document, &ask), ["deny path r", "allow r"]);
}

#[test]
fn a_variable_where_none_is_filled_is_a_mistake() {
    for extra in ["query: {deny: [\"token=${t}\"]}", "headers: {deny: [\"x-t: ${t}\"]}"] {
        let rule = rule("r", "curl", "{allow: [/]}") + &format!("    {extra}\n");
        let found = mistakes(&policy("variables: {t: x}", &[rule]), &[]);
        assert!(found.contains("has a variable, and") && found.contains("write the value out"), "{found}");
    }
    let found = mistakes(&policy("variables: {t: x}", &[rule("r", "\"/opt/${t}\"", "{allow: [/]}")]), &[]);
    assert!(found.contains("binary takes none"), "{found}");
}

#[test]
fn an_unresolved_document_does_not_compile() {
    let document = Document::parse("version: 1\nextends: preset/slack\n", "p").unwrap();
    let errors = Policy::compile(&document).unwrap_err();
    assert!(errors.first().reason().contains("was not read"), "{errors}");
    let document = compose(document, &NoFiles).unwrap();
    assert!(Policy::compile(&document).unwrap().rule_count() >= 2);
    assert_eq!(document.source_name(document.network[0].place), "preset/slack");
    assert!(Level::Path < Level::Condition);
}

#[test]
fn conditions_on_model_calls_hold_together() {
    let asking = |inference: &str| format!("version: 1\ninference: {inference}\n");
    let both = |base: &str, own: &str| {
        let own = format!("{}extends: ./base.yaml\n", asking(own));
        resolved(&own, &[("./base.yaml", &asking(base))])
    };
    let asked = |base: &str, own: &str| both(base, own).unwrap().conditions().unwrap().to_string();
    assert_eq!(asked("{sensitive: block}", "{sensitive: local}"), "sensitive=block providers=local,cloud");
    assert_eq!(asked("{}", "{sensitive: block}"), "sensitive=block providers=local,cloud");
    assert_eq!(
        asked("{providers: [local]}", "{providers: [local, cloud]}"),
        "sensitive=pass providers=local"
    );
    let alone =
        resolved("version: 1\nextends: ./base.yaml\n", &[("./base.yaml", &asking("{sensitive: block}"))]);
    assert_eq!(alone.unwrap().conditions().unwrap().to_string(), "sensitive=block providers=local,cloud");
    let own = format!("{}extends: ./base.yaml\n", asking("{providers: [cloud]}"));
    let found = mistakes(&own, &[("./base.yaml", &asking("{providers: [local]}"))]);
    assert!(found.starts_with("own.yaml:2:12: inference: no provider is left"), "{found}");
}
