use super::*;
use wire::confinement::{Executable, Executables, Limits, SeccompProfile, Segment};
use wire::subject::Digest;

fn workspace() -> Workspace {
    Workspace { own: vec!["/work".to_owned()], shared: vec!["/data".to_owned()] }
}

fn confine(text: &str) -> Result<Confinement, LoadErrors> {
    Document::parse(text, "p").and_then(|document| document.confinement(&workspace()))
}

fn access(confinement: &Confinement, path: &str) -> Option<PathAccess> {
    confinement.filesystem.iter().find(|rule| rule.path == path).map(|rule| rule.access)
}

#[test]
fn the_baseline_is_what_it_says() {
    let confinement = confine("version: 1\n").unwrap();
    let table = [
        ("/etc", PathAccess::Read),
        ("/proc", PathAccess::Read),
        ("/usr", PathAccess::ReadExecute),
        ("/dev/null", PathAccess::ReadWrite),
        ("/tmp", PathAccess::ReadWriteExecute),
        ("/home/agent", PathAccess::ReadWriteExecute),
        ("/work", PathAccess::ReadWriteExecute),
        ("/data", PathAccess::ReadExecute),
    ];
    for (path, expected) in table {
        assert_eq!(access(&confinement, path), Some(expected), "{path}");
    }
    for never in ["/", "/dev", "/sys", "/root", "/run", "/var", "/boot", "/home"] {
        assert_eq!(access(&confinement, never), None, "{never}");
    }
    assert_eq!(confinement.user, User::default());
    assert_eq!(confinement.executables, None);
    assert_eq!(confinement.limits, Limits::default());
}

#[test]
fn without_the_baseline_only_what_is_named_is_granted() {
    let text = "version: 1\nfilesystem:\n  baseline: none\n  read: [/a/]\n  execute: [/b]\n  write: [/c, /b]\n  \
                write_execute: [/d]\n";
    let confinement = confine(text).unwrap();
    let granted: Vec<(&str, PathAccess)> =
        confinement.filesystem.iter().map(|rule| (rule.path.as_str(), rule.access)).collect();
    let expected = [
        ("/a", PathAccess::Read),
        ("/b", PathAccess::ReadWriteExecute),
        ("/c", PathAccess::ReadWrite),
        ("/d", PathAccess::ReadWriteExecute),
        ("/data", PathAccess::ReadExecute),
        ("/work", PathAccess::ReadWriteExecute),
    ];
    assert_eq!(granted, expected);
}

#[test]
fn limits_are_set_and_bounded() {
    let limits = confine("version: 1\nprocess: {limits: {processes: 64}}\n").unwrap().limits;
    assert_eq!(limits, Limits { processes: 64, ..Limits::default() });
    let errors = confine("version: 1\nprocess: {limits: {processes: 0, open_files: 9999999}}\n").unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "p:2:31: process.limits.processes: 0 is out of range",
            "p:2:46: process.limits.open_files: 9999999 is out of range"
        ]
    );
}

#[test]
fn bad_paths_are_refused() {
    let table = [
        ("work", "is not an absolute path"),
        ("\"\"", "is not an absolute path"),
        ("/a/../b", "'..' segment"),
        ("/a//b", "empty"),
        ("/./a", "'.' or '..'"),
        ("\"/a\\nb\"", "control character"),
        ("\"/a/*\"", "has a wildcard"),
    ];
    for (path, expected) in table {
        for key in ["read", "execute", "write", "write_execute"] {
            let errors = confine(&format!("version: 1\nfilesystem: {{{key}: [{path}]}}\n")).unwrap_err();
            let line = errors.first().to_string();
            assert!(line.contains(expected) && line.contains(&format!("filesystem.{key}: ")), "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

/// Every mistake of a `process` part.
fn mistakes(process: &str) -> Vec<String> {
    let errors = confine(&format!("version: 1\nprocess: {process}\n")).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn the_user_is_named_or_numbered() {
    let user = |text: &str| {
        let confinement = confine(&format!("version: 1\nprocess: {{user: {text}}}\n")).unwrap();
        let home = access(&confinement, &confinement.user.home);
        assert_eq!(home, Some(PathAccess::ReadWriteExecute), "{text}");
        confinement.user
    };
    let agent = User::default();
    assert_eq!(user("agent"), agent);
    assert_eq!(user("dev"), User { name: "dev".into(), home: "/home/dev".into(), ..agent.clone() });
    assert_eq!(user("\"2000\""), User { uid: 2000, gid: 2000, ..agent.clone() });
    assert_eq!(user("2000"), User { uid: 2000, gid: 2000, ..agent.clone() });
    assert_eq!(user("\"2000:3000\""), User { uid: 2000, gid: 3000, ..agent });
    let grants = confine("version: 1\nprocess: {user: dev}\n").unwrap();
    assert_eq!(access(&grants, "/home/agent"), None, "another user's home is granted");
}

#[test]
fn a_user_of_the_system_is_refused() {
    let bad = [
        "root",
        "nobody",
        "\"0\"",
        "\"999\"",
        "\"1000:0\"",
        "\"65534\"",
        "\"1000:\"",
        "Dev",
        "../x",
        "\"a b\"",
        "\"\"",
    ];
    for text in bad {
        let found = mistakes(&format!("{{user: {text}}}"));
        assert!(found.len() == 1 && found[0].starts_with("p:2:17: process.user: "), "{text}: {found:?}");
    }
}

#[test]
fn who_makes_user_namespaces_writes_who_is_who_in_them() {
    for (profile, expected) in
        [("agent", PathAccess::Read), ("strict", PathAccess::Read), ("developer", PathAccess::ReadWrite)]
    {
        let confinement = confine(&format!("version: 1\nprocess: {{seccomp: {profile}}}\n")).unwrap();
        assert_eq!(access(&confinement, "/proc"), Some(expected), "{profile}");
    }
}

#[test]
fn quantities_are_limits_too() {
    let text =
        "version: 1\nprocess: {limits: {memory: 64MiB, file_size: 2KiB, cpu_time: 5m}, seccomp: strict}\n";
    let confinement = confine(text).unwrap();
    let expected =
        Limits { memory: Some(64 << 20), file_size: Some(2048), cpu_time: Some(300), ..Limits::default() };
    assert_eq!((confinement.limits, confinement.seccomp), (expected, SeccompProfile::Strict));
    for bad in
        ["memory: 1MiB", "memory: 64", "file_size: 0KiB", "file_size: 1m", "cpu_time: 0s", "cpu_time: 1d"]
    {
        let found = mistakes(&format!("{{limits: {{{bad}}}}}"));
        assert!(found.len() == 1 && found[0].contains(" is no such limit"), "{bad}: {found:?}");
    }
}

fn executables(lists: &str) -> Executables {
    let text = format!("version: 1\nprocess: {{executables: {lists}}}\n");
    confine(&text).unwrap().executables.unwrap()
}

fn path(parts: &[&str]) -> Executable {
    let part = |part: &&str| match *part {
        "**" => Segment::AnyNumber,
        part => Segment::Like(part.split('*').map(str::to_owned).collect()),
    };
    Executable::Path(parts.iter().map(part).collect())
}

#[test]
fn executables_are_paths_names_and_digests() {
    let digest = "0123456789abcdef".repeat(4);
    let compiled = executables(&format!(
        "{{allow: [\"/opt/*/bin/t*l\", \"/a/**\", \"sha256:{digest}\"], deny: [\"/a/*\"]}}"
    ));
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip([1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].iter().cycle())
        .for_each(|(to, from)| *to = *from);
    let allow =
        vec![path(&["opt", "*", "bin", "t*l"]), path(&["a", "**", "*"]), Executable::Digest(Digest(bytes))];
    assert_eq!(compiled, Executables { allow, deny: vec![path(&["a", "**"])] });

    let named = executables("{allow: [git], deny: [sh]}");
    assert!(named.allow.contains(&path(&["usr", "bin", "git"])));
    assert!(named.allow.contains(&path(&["usr", "lib", "git-core", "*"])));
    assert!(!named.allow.contains(&path(&["**", "git"])), "a name allows a file anywhere");
    assert!(named.deny.contains(&path(&["**", "sh"])) && named.deny.contains(&path(&["bin", "sh"])));
}

#[test]
fn executables_that_mean_nothing_are_refused() {
    let table = [
        ("{}", "nothing may be executed"),
        ("{deny: [sh]}", "nothing may be executed"),
        ("{allow: [a/b]}", "neither a name nor an absolute path"),
        ("{allow: [\"c*\"]}", "wildcard"),
        ("{allow: [\"sha256:12\"]}", "is not a digest"),
        ("{allow: [\"/a/../b\"]}", "not canonical"),
    ];
    for (lists, expected) in table {
        let found = mistakes(&format!("{{executables: {lists}}}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{lists}: {found:?}");
        assert!(found[0].contains("process.executables"), "{found:?}");
    }
    let upper = "A".repeat(64);
    assert!(
        mistakes(&format!("{{executables: {{allow: [\"sha256:{upper}\"]}}}}"))[0].contains("is not a digest")
    );
    let many: Vec<String> = (0..1025).map(|n| format!("p{n}")).collect();
    let found = mistakes(&format!("{{executables: {{allow: [{}]}}}}", many.join(", ")));
    assert!(found[0].contains("more than 1024 entries"), "{found:?}");
}
