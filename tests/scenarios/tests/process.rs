//! `process.user` and `process.limits`, as the agent and its user see them.

use scenarios::Session;

#[test]
fn the_user_is_who_the_policy_says_and_at_home() {
    let script = "id -u; id -g; id -un; echo $HOME $USER; cd && pwd && touch here && stat -c %u:%g here; touch /work/x; stat -c %u:%g /in/f";
    let user = |user: &str| {
        let session = Session::new("tiny");
        std::fs::create_dir(session.dir().join("in")).unwrap();
        std::fs::write(session.dir().join("in/f"), "x").unwrap();
        let outcome = session
            .script(script)
            .yaml("mounts: [{source: ./in, target: /in, mode: copy}]")
            .yaml(&format!("policy: {{process: {{user: {user}}}}}"))
            .run();
        assert_eq!(outcome.code, Some(0), "{outcome}");
        outcome.text()
    };
    assert_eq!(user("dev"), "1000\n1000\ndev\n/home/dev dev\n/home/dev\n1000:1000\n1000:1000\n");
    assert_eq!(
        user("\"2000:3000\""),
        "2000\n3000\nagent\n/home/agent agent\n/home/agent\n2000:3000\n2000:3000\n"
    );
}

#[test]
fn root_cannot_be_asked_for() {
    let outcome = Session::new("tiny").script("id -u").yaml("policy: {process: {user: root}}").run();
    assert_eq!((outcome.code, outcome.text()), (Some(125), String::new()));
    assert!(outcome.stderr.contains("process.user"), "{outcome}");
}

#[test]
fn memory_is_bounded_beneath_the_machines() {
    let script = "awk 'BEGIN { s = \"x\"; while (1) s = s s }'; echo awk $?";
    let limited = |limits: &str| {
        Session::new("tiny")
            .script(script)
            .yaml("resources: {memory: 512MiB}")
            .yaml(&format!("policy: {{process: {{limits: {{{limits}}}}}}}"))
            .run()
    };
    let outcome = limited("memory: 32MiB");
    assert!(outcome.text().contains("awk 137"), "{outcome}");
}

#[test]
fn a_file_and_a_crowd_are_bounded() {
    let script = "head -c 9000 /dev/zero > big; echo file $? $(stat -c %s big); \
                  i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done 2>/tmp/err; grep -c -i 'fork' /tmp/err; echo end";
    let outcome = Session::new("tiny")
        .script(script)
        .yaml("policy: {process: {limits: {file_size: 8KiB, processes: 20}}}")
        .run();
    assert!(outcome.text().contains(" 8192\n"), "{outcome}");
    assert!(
        !outcome.text().contains("end") || !outcome.text().contains("\n0\n"),
        "forty processes ran: {outcome}"
    );
}
