//! Live mounts: the agent works in a directory of the host's, and reaches nothing beside it.

#![expect(clippy::unwrap_used, reason = "a test that lacks what it needs fails")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use scenarios::residue::Residue;
use scenarios::{Session, Started};

const MOUNT: &str = "mounts: [{source: ./project, target: /work, mode: rw}]";

/// A session with a project to lend.
fn session(image: &str) -> Session {
    let session = Session::new(image).yaml(MOUNT);
    fs::create_dir(session.dir().join("project")).unwrap();
    fs::write(session.dir().join("project/file"), "host\n").unwrap();
    session
}

/// The process of the product with this name that this session's `openshell` has started.
fn child(started: &Started, name: &str) -> rustix::process::Pid {
    let parent = started.child.id().to_string();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let found = entries.filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let (pid, comm) = before.split_once(" (")?;
        (comm == &name[..name.len().min(15)] && after.split(' ').nth(2) == Some(&parent))
            .then(|| pid.to_owned())
    });
    let pid = found.last().expect("the process runs").parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}

#[test]
fn the_agent_works_in_the_hosts_directory_and_both_see_it() {
    let before = Residue::now();
    let script = "printf '#!/bin/sh\\necho ran\\n' > tool; chmod +x tool; ./tool > ran; cp $(which busybox) busybox; ./busybox echo own >> ran
        cat file; echo agent > new; mkdir -p a/b; echo deep > a/b/c; mv file moved; ln moved hard
        echo ready; until [ -e from-host ]; do :; done; until grep -q edited moved; do :; done
        cat from-host hard > seen; ls -ln seen | awk '{print $3, $4}' > owner; rm -r a; echo done";
    let mut started = session("tiny").script(script).start();
    let project = started.dir().join("project");
    started.until_said("ready");
    assert_eq!(fs::read_to_string(project.join("ran")).unwrap(), "ran\nown\n");
    assert_eq!(fs::read_to_string(project.join("new")).unwrap(), "agent\n");
    assert_eq!(fs::read_to_string(project.join("a/b/c")).unwrap(), "deep\n");
    fs::write(project.join("moved"), "edited\n").unwrap();
    fs::write(project.join("from-host.tmp"), "from the host\n").unwrap();
    fs::rename(project.join("from-host.tmp"), project.join("from-host")).unwrap();
    let (_home, outcome) = started.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(fs::read_to_string(project.join("seen")).unwrap(), "from the host\nedited\n", "{outcome}");
    assert_eq!(
        fs::read_to_string(project.join("owner")).unwrap(),
        "1000 1000\n",
        "in the guest it is the agent's"
    );
    let owner = |path: &Path| fs::metadata(path).map(|facts| (facts.uid(), facts.gid())).unwrap();
    assert_eq!(owner(&project.join("seen")), owner(&project), "on the host it is the directory's owner's");
    assert!(!project.join("a").exists() && !project.join("file").exists());
    assert_eq!((Residue::now(), outcome.leftovers), (before, vec![]));
}

#[test]
fn git_works_in_a_live_mount() {
    let script = "set -e; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        git init -q -b main .; git add -A; git commit -qm one; echo more >> file; git status --porcelain
        git commit -qam two; git checkout -qb side HEAD~1; cat file; git merge -q main; git gc -q; git fsck --strict
        git log --oneline | wc -l; git status --porcelain | wc -l";
    let outcome = session("base").script(script).yaml("resources: {memory: 1GiB}").start();
    let (home, outcome) = outcome.finish();
    assert_eq!(outcome.text(), " M file\nhost\n2\n0\n", "{outcome}");
    assert_eq!(fs::read_to_string(home.path().join("project/file")).unwrap(), "host\nmore\n");
    assert!(
        home.path().join("project/.git/refs/heads/side").exists()
            || home.path().join("project/.git/packed-refs").exists()
    );
}

/// The machine's cache as a user's own, without the large image.
fn cache_of(uid: u32, home: &Path) -> PathBuf {
    fn copy(from: &Path, to: &Path, uid: u32) {
        let facts = fs::symlink_metadata(from).unwrap();
        if facts.is_dir() {
            fs::create_dir(to).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                copy(&entry.path(), &to.join(entry.file_name()), uid);
            }
        } else if facts.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else if facts.len() < 64 << 20 {
            fs::copy(from, to).unwrap();
        }
        lchown(to, Some(uid), Some(uid))
            .or_else(|error| if to.exists() { Err(error) } else { Ok(()) })
            .unwrap();
    }
    let cache = home.join("cache");
    fs::create_dir(&cache).unwrap();
    copy(&scenarios::cache(), &cache.join("openshell"), uid);
    cache
}

#[test]
fn an_ordinary_user_lends_a_directory_of_his() {
    let session = session("tiny").as_user(1000);
    let cache = cache_of(1000, session.dir());
    let session = session.path("XDG_CACHE_HOME", cache);
    let kvm = fs::metadata("/dev/kvm").unwrap().permissions();
    fs::set_permissions("/dev/kvm", PermissionsExt::from_mode(0o666)).unwrap();
    for path in ["project", "project/file"] {
        std::os::unix::fs::chown(session.dir().join(path), Some(1000), Some(1000)).unwrap();
    }
    fs::write(session.dir().join("project/roots"), "root's\n").unwrap();
    let script =
        "cat file roots; echo x > new; echo y > roots || echo refused; ls -ln roots | awk '{print $3}'";
    let (home, outcome) = session.script(script).start().finish();
    fs::set_permissions("/dev/kvm", kvm).unwrap();
    assert_eq!(outcome.text(), "host\nroot's\nrefused\n65534\n", "{outcome}");
    assert_eq!(fs::metadata(home.path().join("project/new")).unwrap().uid(), 1000);
    assert_eq!(fs::read_to_string(home.path().join("project/roots")).unwrap(), "root's\n");
}

#[test]
fn nothing_beside_the_directory_is_reached() {
    let session = session("base");
    let secret = session.dir().join("secret");
    fs::write(&secret, "host secret").unwrap();
    let project = session.dir().join("project");
    symlink(&secret, project.join("absolute")).unwrap();
    symlink("../secret", project.join("relative")).unwrap();
    symlink("..", project.join("up")).unwrap();
    // Whoever looks by a link looks in the guest; whoever makes one, by its own name or another, gets no further on the host.
    let script = "for path in absolute relative up/secret ../secret up/project/../secret; do cat $path 2>/dev/null && echo LEAK; done
        for path in absolute relative up/secret; do echo x 2>/dev/null > $path && echo WROTE; done
        ln -f absolute hard && echo linked; mknod null c 1 3 2>/dev/null || echo no device
        cp /bin/true own; chmod u+s own; stat -c %a own; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")' 2>/dev/null || echo no socket
        chown 0 own 2>/dev/null || echo not given away";
    let (home, outcome) = session.script(script).start().finish();
    assert_eq!(outcome.text(), "linked\nno device\n755\nno socket\nnot given away\n", "{outcome}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "host secret");
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
    assert_eq!(fs::metadata(home.path().join("project/own")).unwrap().mode() & 0o7000, 0);
}

#[test]
fn what_the_next_run_would_believe_stays_as_it_is() {
    let session = session("tiny").yaml("policy: {extends: [./project/policy.yaml]}");
    let policy = session.dir().join("project/policy.yaml");
    fs::write(&policy, "version: 1\n").unwrap();
    let script = "cat policy.yaml; echo x >> policy.yaml || echo kept; rm -f policy.yaml || echo kept
        mv file policy.yaml || echo kept; ln policy.yaml other || echo kept; echo x > file && echo free";
    let (_home, outcome) = session.script(script).start().finish();
    assert_eq!(outcome.text(), "version: 1\nkept\nkept\nkept\nkept\nfree\n", "{outcome}");
    assert_eq!(fs::read_to_string(&policy).unwrap(), "version: 1\n");
}

#[test]
fn what_must_not_be_lent_is_refused_before_anything_starts() {
    for (mounts, said) in [
        ("[{source: ., target: /work, mode: rw}]", "the audit log"),
        ("[{source: ./state, target: /work, mode: rw}]", "the audit log"),
        ("[{source: /, target: /work, mode: rw}]", "reaches"),
        ("[{source: /proc, target: /work, mode: rw}]", "levers"),
        ("[{source: /sys/kernel, target: /work, mode: rw}]", "levers"),
        ("[{source: ./agent.yaml, target: /work, mode: rw}]", "Not a directory"),
        ("[{source: ./project, target: /work, mode: rw, cache: 2h}]", "an hour at most"),
        ("[{source: ./project, target: /work, mode: ro, cache: 1m}]", "of live mounts"),
        ("[{source: ./none, target: /work, mode: rw}]", "No such file"),
        ("[{source: ., target: /w, mode: rw}, {source: ., target: /w/x, mode: ro}]", "lies in /w"),
    ] {
        let session = Session::new("tiny");
        fs::create_dir_all(session.dir().join("state/openshell")).unwrap();
        let outcome = session.yaml(&format!("mounts: {mounts}")).run();
        assert_eq!(outcome.code, Some(125), "{mounts}: {outcome}");
        assert!(outcome.stderr.contains(said) && outcome.stderr.contains("remedy:"), "{mounts}: {outcome}");
        assert!(outcome.leftovers.is_empty(), "{outcome}");
    }
}

#[test]
fn a_server_that_dies_ends_the_sandbox_with_its_cause() {
    let before = Residue::now();
    let mut started = session("tiny").script("echo ready; while true; do cat file > /dev/null; done").start();
    started.until_said("ready");
    let server = child(&started, "openshell-mount");
    rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
    let outcome = started.outcome();
    assert_eq!(outcome.code, Some(125), "{outcome}");
    assert!(outcome.stderr.contains("openshell-mount ended (signal: 9"), "{outcome}");
    assert_eq!((Residue::now(), outcome.leftovers), (before, vec![]));
}
