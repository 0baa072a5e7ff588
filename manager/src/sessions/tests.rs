use super::command::Hold;
use super::task::Facts;
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
        let command = wire::operator::Command { frames, command, env, workdir, terminal, detached };
        Task::of(Errand::Execute(command)).unwrap().told
    };
    assert_eq!(told(&["mysql", "-p", "hunter2"], false), "\"mysql\" with 2 arguments");
    assert_eq!(told(&["a\u{1b}b", "x"], false), "\"a\\u{1b}b\" with 1 argument");
    assert_eq!(told(&["ls"], true), "\"ls\" with 0 arguments, detached");
}

/// A caller who is stopped keeps neither the end of his command off the record nor its code; his line counts until it is closed.
#[test]
fn a_caller_who_reads_nothing_holds_up_no_end() {
    let command = Arc::new(Command::new(1, false, Hold::Starter));
    let (mut guest, theirs) = UnixStream::pair().unwrap();
    let (mut line, of_caller) = UnixStream::pair().unwrap();
    let (lines, none) = (Lines::default(), BTreeSet::new());
    let caller = (Caller::new(of_caller, 0), lines.open(1));
    let attended = std::thread::spawn({
        let command = Arc::clone(&command);
        move || attend_command(caller, 1, &command, &theirs)
    });
    // More than the line holds, and less than is kept.
    let chunk = vec![b'x'; wire::control::MAX_CHUNK];
    for _chunk in 0..24 {
        let stream = wire::control::Stream::Stdout;
        frame::write(&mut guest, &FromGuest::Output { stream, bytes: chunk.clone() }).unwrap();
    }
    frame::write(&mut guest, &FromGuest::Exited(Exit::Code(7))).unwrap();
    assert_eq!(attended.join().unwrap(), Ok(Exit::Code(7)));
    command.settle(&Ok(()));
    lines.wait_up_to(Duration::from_millis(50));
    assert_eq!((lines.besides(&none), lines.besides(&BTreeSet::from([1]))), (1, 0));
    let mut read = 0;
    let exit = loop {
        match frame::read(&mut line, frame::SMALL).unwrap() {
            wire::operator::FromCommand::Output { bytes, .. } => read += bytes.len(),
            other => break other,
        }
    };
    assert_eq!((read, exit), (24 * chunk.len(), wire::operator::FromCommand::Exited(Exit::Code(7))));
    drop(line);
    lines.wait_up_to(Duration::from_secs(60));
    assert_eq!(lines.besides(&none), 0);
}

/// The last that ended are kept, however early they began; those that nobody asks for take no place of theirs.
#[test]
fn of_those_that_ended_the_last_are_kept() {
    let mut commands = Commands::default();
    let add = |commands: &mut Commands, session, detached| {
        let command = commands.add(session, 0, Facts { program: String::new(), terminal: false, detached });
        (command, session)
    };
    let end = |commands: &mut Commands, (command, session): (Arc<Command>, u32)| {
        let (mut guest, theirs) = UnixStream::pair().unwrap();
        frame::write(&mut guest, &FromGuest::Exited(Exit::Code(0))).unwrap();
        let how = command.serve(&theirs).recorded();
        commands.ended(session, &how, &Ok(()));
    };
    let first = add(&mut commands, 1, true);
    for session in 2..40 {
        let one = add(&mut commands, session, true);
        end(&mut commands, one);
        let held = add(&mut commands, 100 + session, false);
        end(&mut commands, held);
    }
    end(&mut commands, first);
    let kept: Vec<u32> = (1..200).filter(|number| commands.find(*number).is_ok()).collect();
    assert_eq!((kept.len(), kept.first(), kept.get(1), kept.last()), (32, Some(&1), Some(&9), Some(&39)));
}
