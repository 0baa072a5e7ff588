use wire::operator::Command;

use super::*;

#[test]
fn a_stream_goes_to_the_session_that_waits_for_it_and_to_no_other() {
    let waiting = Waiting::default();
    let stream = waiting.expect(3);
    for first in [FromGuest::Session { session: 4 }, FromGuest::Ready { at_ns: 1 }] {
        let (mut guest, ours) = UnixStream::pair().unwrap();
        frame::write(&mut guest, &first).unwrap();
        waiting.hand_over(ours);
    }
    assert!(stream.try_recv().is_err());
    let (mut guest, ours) = UnixStream::pair().unwrap();
    frame::write(&mut guest, &FromGuest::Session { session: 3 }).unwrap();
    waiting.hand_over(ours);
    assert!(stream.try_recv().is_ok());
    // The number is used up: a second stream for it is nobody's.
    assert!(waiting.map().is_empty());
}

#[test]
fn a_record_of_a_command_has_no_argument_of_it() {
    let told = |words: &[&str], detached| {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        let (env, workdir, terminal) = (Vec::new(), None, None);
        let frames = wire::VERSION;
        let command = Command { frames, command, env, workdir, terminal, detached };
        Task::of(Errand::Execute(command)).unwrap().told
    };
    assert_eq!(told(&["mysql", "-p", "hunter2"], false), "\"mysql\" with 2 arguments");
    assert_eq!(told(&["a\u{1b}b", "x"], false), "\"a\\u{1b}b\" with 1 argument");
    assert_eq!(told(&["ls"], true), "\"ls\" with 0 arguments, detached");
}
