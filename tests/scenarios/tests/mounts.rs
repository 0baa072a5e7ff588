//! Only what is mounted is there, and writes stay in the guest.

use std::fs;

use scenarios::Session;

#[test]
fn a_read_only_mount_is_read_only_and_a_copy_is_the_agents_own() {
    let session = Session::new("tiny");
    let (ro, copy) = (session.dir().join("ro"), session.dir().join("copy"));
    for dir in [&ro, &copy] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("file"), "host\n").unwrap();
    }
    let outcome = session
        .yaml("mounts: [{source: ./ro, target: /in, mode: ro}, {source: ./copy, target: /work, mode: copy}]")
        .script("cat /in/file; echo x > /in/file || echo refused; cat file; echo guest > file; echo new > new; cat file new")
        .start();
    let (dir, outcome) = outcome.finish();
    assert_eq!(outcome.text(), "host\nrefused\nhost\nguest\nnew\n", "{outcome}");
    for name in ["ro", "copy"] {
        assert_eq!(fs::read_to_string(dir.path().join(name).join("file")).unwrap(), "host\n");
    }
    assert!(!dir.path().join("copy/new").exists());
}

#[test]
fn nothing_else_of_the_host_is_there() {
    let secret = "/root/openshell-scenario-secret";
    fs::write(secret, "host secret").unwrap();
    let outcome =
        Session::new("tiny").script(&format!("cat {secret} /etc/shadow 2>/dev/null || echo nothing")).run();
    fs::remove_file(secret).unwrap();
    assert_eq!(outcome.text(), "nothing\n", "{outcome}");
}

#[test]
fn an_empty_workspace_is_a_file_system_of_its_own_and_the_agents() {
    let script = "grep -E ' /(work|tmp)[ /]' /proc/mounts | cut -d' ' -f2,3 | sort; stat -c '%U %a' /work /tmp; \
                  touch new /tmp/new && ls; \
                  for made in $(seq 300); do echo $made > file; rm file; done; cat /etc/shadow";
    for (disk, kind) in [("", "tmpfs"), ("resources: {disk: 64MiB}", "ext4")] {
        let outcome = Session::new("tiny").yaml(disk).script(script).run();
        assert_eq!(
            outcome.text(),
            format!("/tmp {kind}\n/work {kind}\nagent 755\nroot 1777\nnew\n"),
            "{outcome}"
        );
        assert_eq!(outcome.code, Some(1), "the list of passwords can be read: {outcome}");
    }
}

#[test]
fn a_directory_with_something_in_it_is_the_trees() {
    let session = Session::new("tiny");
    let data = session.dir().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "host\n").unwrap();
    let outcome = session
        .yaml(
            "mounts: [{source: ./data, target: /work/data, mode: ro}, {source: ./data, target: /tmp/data, mode: ro}]",
        )
        .script("cat data/file; touch new && ls; grep -E ' /(work|tmp)[ /]' /proc/mounts | cut -d' ' -f2,3 | sort -u")
        .run();
    let mounts = "/tmp/data erofs\n/work overlay\n/work/data erofs\n";
    assert_eq!(outcome.text(), format!("host\ndata\nnew\n{mounts}"), "{outcome}");
}
