//! `openshell vm run`: the agent's life as its user sees it.

use scenarios::Session;
use scenarios::residue::Residue;

#[test]
fn the_agents_exit_code_is_the_commands() {
    let before = Residue::now();
    let outcome = Session::new("tiny").script("echo out; echo err >&2; exit 3").run();
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert_eq!(outcome.text(), "out\n");
    assert!(outcome.stderr.contains("err\n"), "{outcome}");
    assert_eq!((Residue::now(), outcome.leftovers), (before, vec![]));
}

#[test]
fn standard_input_and_binary_output_pass_unchanged() {
    let bytes: Vec<u8> = (0..400_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let outcome = Session::new("tiny").command(["cat"]).stdin(bytes.clone()).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout == bytes, "{} bytes came back of {}", outcome.stdout.len(), bytes.len());
}

#[test]
fn a_signal_in_the_guest_ends_as_a_shell_would_say_it() {
    let outcome = Session::new("tiny").script("kill -9 $$").run();
    assert_eq!(outcome.code, Some(137), "{outcome}");
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let outcome = Session::new("tiny").command(["no-such-command"]).run();
    assert_eq!(outcome.code, Some(127), "{outcome}");
    assert!(outcome.stderr.contains("remedy:"), "{outcome}");
}

#[test]
fn a_file_that_may_not_be_executed_is_126() {
    let outcome = Session::new("tiny").command(["/etc/passwd"]).run();
    assert_eq!(outcome.code, Some(126), "{outcome}");
}

#[test]
fn a_run_over_its_time_is_124() {
    let before = Residue::now();
    let outcome = Session::new("tiny").command(["sleep", "1000"]).yaml("resources: {timeout: 2s}").run();
    assert_eq!(outcome.code, Some(124), "{outcome}");
    assert_eq!((Residue::now(), outcome.leftovers), (before, vec![]));
}

#[test]
fn the_agent_is_an_ordinary_user_in_a_machine_without_a_network_card() {
    let script = "id -u; ls /sys/class/net 2>/dev/null | tr '\\n' ' '; echo; ls /sys/bus/pci/devices 2>/dev/null | wc -l; hostname";
    let outcome = Session::new("tiny").script(script).run();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "1000", "{outcome}");
    assert!(lines[1].split(' ').all(|device| ["lo", "dummy0", ""].contains(&device)), "{outcome}");
    assert_eq!(lines[2], "0", "{outcome}");
    assert!(lines[3].starts_with("scenario"), "{outcome}");
}
