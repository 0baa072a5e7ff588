//! What is lent, and what is not.

use std::os::unix::fs::symlink;

use super::*;
use crate::policy_files::PolicyFiles;

/// A home with openshell's own directories in it, and a project beside them.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for directory in ["state", "cache", "project/sub", "programs"] {
            fs::create_dir_all(home.path(directory)).unwrap();
        }
        home
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    fn layout(&self) -> Layout {
        Layout {
            state: self.path("state"),
            runtime: self.path("not/made/yet"),
            cache: self.path("cache"),
            config: self.path("config"),
            programs: self.path("programs"),
        }
    }

    /// An agent.yaml in the project, with more in it.
    fn spec(&self, more: &str) -> Spec {
        let file = self.path("project/agent.yaml");
        fs::write(&file, format!("version: 1\nname: a\nimage: base\ncommand: [x]\n{more}")).unwrap();
        Spec::load(&file, &PolicyFiles::default()).unwrap()
    }

    fn open(&self, source: &str, spec: &Spec) -> Result<Live, String> {
        let mount = Mount {
            source: self.path(source),
            target: "/work".to_owned(),
            mode: crate::spec::MountMode::Rw,
            cache: None,
        };
        Live::open(&self.layout(), spec, &mount, "mount0".to_owned())
            .map_err(|failure| format!("{failure:?}"))
    }
}

#[test]
fn openshells_own_directories_are_not_lent_nor_what_is_around_or_in_them() {
    let home = Home::new();
    let spec = home.spec("");
    fs::create_dir_all(home.path("state/deep")).unwrap();
    fs::create_dir_all(home.path("not")).unwrap();
    for (source, said) in [
        ("", "audit log"),
        ("state", "audit log"),
        ("state/deep", "audit log"),
        ("cache", "images"),
        ("programs", "programs"),
        ("not", "sockets"),
    ] {
        let refused = home.open(source, &spec).unwrap_err();
        assert!(refused.contains(said), "{source}: {refused}");
    }
    assert!(home.open("project", &spec).is_ok());
}

#[test]
fn an_image_tree_and_links_are_not_lent() {
    let home = Home::new();
    fs::create_dir(home.path("project/tree")).unwrap();
    let file = home.path("project/agent.yaml");
    fs::write(&file, "version: 1\nname: a\nimage: ./tree\ncommand: [x]\n").unwrap();
    let spec = Spec::load(&file, &PolicyFiles::default()).unwrap();
    assert!(home.open("project", &spec).unwrap_err().contains("the sandbox's image"));
    symlink(home.path("state"), home.path("project/link")).unwrap();
    symlink(home.path("project/sub"), home.path("other")).unwrap();
    let spec = home.spec("");
    for link in ["project/link", "other", "other/"] {
        assert!(home.open(link, &spec).unwrap_err().contains("is a link"), "{link}");
    }
    assert!(home.open("project/none", &spec).unwrap_err().contains("No such file"));
    assert!(home.open("project/agent.yaml", &spec).is_err(), "a file is no directory");
}

#[test]
fn what_the_run_was_started_with_is_kept() {
    let home = Home::new();
    fs::create_dir(home.path("project/policies")).unwrap();
    fs::write(home.path("project/policies/real.yaml"), "version: 1\n").unwrap();
    symlink("policies/real.yaml", home.path("project/linked.yaml")).unwrap();
    fs::write(home.path("project/token.sh"), "").unwrap();
    fs::write(home.path("outside.pem"), "").unwrap();
    let spec = home.spec(&format!(
        "policy: {{extends: [./linked.yaml]}}\negress: {{ca: ../outside.pem}}\ninbound: {{tokens: {{a: {{file: {}}}}}}}\n",
        home.path("project/token.sh").display()
    ));
    let kept = home.open("project", &spec).unwrap().kept;
    assert_eq!(kept, ["agent.yaml", "linked.yaml", "policies/real.yaml", "token.sh"]);
    assert_eq!(home.open("project/sub", &spec).unwrap().kept, Vec::<String>::new());
}

#[test]
fn the_owner_of_the_directory_serves_it() {
    let home = Home::new();
    let spec = home.spec("");
    let owner = home.open("project", &spec).unwrap().owner;
    if rustix::process::geteuid().is_root() {
        assert_eq!(owner, Some(JailUser { uid: 0, gid: 0 }));
        std::os::unix::fs::chown(home.path("project"), Some(4321), Some(4322)).unwrap();
        assert_eq!(home.open("project", &spec).unwrap().owner, Some(JailUser { uid: 4321, gid: 4322 }));
    } else {
        assert_eq!(owner, None);
    }
}

/// The agent had the project before: what it left there must not decide what else is mounted, or runs on the host.
#[test]
fn no_link_of_the_agents_leads_another_mount() {
    let home = Home::new();
    fs::create_dir_all(home.path("secret")).unwrap();
    symlink(home.path("secret"), home.path("project/seed")).unwrap();
    symlink(home.path("project/sub"), home.path("elsewhere")).unwrap();
    for (other, refused) in [
        ("./seed", true),
        ("./seed/..", true),
        ("./sub", false),
        ("../elsewhere", false),
        ("../secret", false),
    ] {
        let mounts = format!(
            "mounts: [{{source: ., target: /work, mode: rw}}, {{source: {other}, target: /seed, mode: copy}}]\n"
        );
        let outcome = home.open("project", &home.spec(&mounts));
        assert_eq!(
            outcome.as_ref().is_err_and(|said| said.contains("the link")),
            refused,
            "{other}: {outcome:?}"
        );
        assert_eq!(outcome.is_err(), refused, "{other}");
    }
}

#[test]
fn what_runs_for_a_secret_is_not_lent() {
    let home = Home::new();
    let script = home.path("project/sub/token.py");
    fs::write(&script, "").unwrap();
    for (argument, refused) in [(script.to_str().unwrap(), true), ("-c", false), ("token.py", false)] {
        let spec = home.spec(&format!(
            "credentials: [{{name: A, from: {{command: [/bin/sh, {argument}]}}, inject: {{host: a.example.com, header: x-a, format: '{{}}'}}}}]\n"
        ));
        assert_eq!(
            home.open("project", &spec).is_err_and(|said| said.contains("runs on the host")),
            refused,
            "{argument}"
        );
    }
}

/// Every name by which the next run would come to a file, and every link on the way, stays.
#[test]
fn links_on_the_way_to_what_is_believed_are_kept() {
    let home = Home::new();
    fs::create_dir(home.path("project/real")).unwrap();
    fs::write(home.path("project/real/ca.pem"), "").unwrap();
    symlink("real", home.path("project/conf")).unwrap();
    symlink("conf/ca.pem", home.path("project/ca")).unwrap();
    let spec = home.spec("egress: {ca: ./ca}\n");
    let kept = super::kept(&home.path("project"), &spec).unwrap();
    assert_eq!(kept, ["agent.yaml", "ca", "conf", "real/ca.pem"]);
}
