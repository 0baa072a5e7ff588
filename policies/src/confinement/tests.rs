use super::*;

fn workspace() -> Workspace {
    Workspace { uid: 1000, gid: 1000, own: vec!["/work".to_owned()], shared: vec!["/data".to_owned()] }
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
    assert_eq!((confinement.uid, confinement.gid), (1000, 1000));
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
