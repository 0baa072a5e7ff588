use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use wire::control::Execute;
use wire::vsock::{SESSIONS, socket_name};

use super::super::channel::Channel;
use super::*;
use crate::testbed::{SOON, UnixHost};

/// Input that came in the same piece as the task is input, and so is its end.
#[test]
fn what_comes_with_the_task_is_not_left_lying() {
    let (mut control, mut manager, _host) = connected();
    let execute = Execute { command: vec!["cat".to_owned()], env: Vec::new(), workdir: None, terminal: None };
    let messages = [ToGuest::Execute(Box::new(execute)), ToGuest::Input(b"hi".to_vec()), ToGuest::EndOfInput];
    let together = messages.map(|message| frame::encode(&message).unwrap()).concat();
    manager.write_all(&together).unwrap();
    control.receive_task().unwrap();

    let mut cat = Command::new("cat");
    let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut cat = cat.spawn().unwrap();
    let streams = Streams::Pipes {
        stdin: cat.stdin.take().unwrap().into(),
        stdout: cat.stdout.take().unwrap().into(),
        stderr: cat.stderr.take().unwrap().into(),
    };
    let (channel, warden) = Channel::pair().unwrap();
    let pid = rustix::process::Pid::from_child(&cat);
    let running = Running { pid, channel, streams };
    let served = std::thread::spawn(move || serve(&mut control, running, None));
    assert_eq!(heard(&manager), FromGuest::Output { stream: Stream::Stdout, bytes: b"hi".to_vec() });
    cat.wait().unwrap();
    warden.send(&Report::Returned(0)).unwrap();
    assert_eq!(served.join().unwrap().unwrap(), Exit::Code(0));
}

/// The manager is asked after every end, and each life has streams of its own.
#[test]
fn an_agent_is_started_again_on_the_managers_word() {
    let (mut control, manager, host) = connected();
    let (outer, first) = super::super::streams(None).unwrap();
    let (channel, warden) = Channel::pair().unwrap();
    let pid = rustix::process::getpid();
    let running = Running { pid, channel, streams: outer.unwrap() };
    let further = Further::new(host, &running.channel).unwrap();
    let lives = Some(Lives::of(&running.streams).unwrap());
    let whole = Whole { tells: Vec::new(), further, lives };
    let served = std::thread::spawn(move || serve(&mut control, running, Some(whole)));
    let say = |message: ToGuest| (&manager).write_all(&frame::encode(&message).unwrap()).unwrap();

    // Before an end there is nothing to say.
    say(ToGuest::Again);
    say(ToGuest::EndOfInput);
    drop(first);
    warden.send(&Report::NotFound).unwrap();
    warden.send(&Report::Returned(1)).unwrap();
    assert_eq!(heard(&manager), FromGuest::Ended(Exit::NotFound));
    say(ToGuest::Again);
    let (order, streams) = warden.receive_order().unwrap();
    assert_eq!((order, streams.len()), (Order::Again, 3));
    warden.send(&Report::Executing).unwrap();
    assert!(matches!(heard(&manager), FromGuest::Started { .. }));
    let mut streams = streams.into_iter().map(std::fs::File::from);
    let (mut stdin, mut stdout) = (streams.next().unwrap(), streams.next().unwrap());
    assert_eq!(std::io::Read::read(&mut stdin, &mut [0; 8]).unwrap(), 0, "the end of input holds");
    stdout.write_all(b"again").unwrap();
    assert_eq!(heard(&manager), FromGuest::Output { stream: Stream::Stdout, bytes: b"again".to_vec() });
    drop((stdin, stdout, streams));
    warden.send(&Report::Returned(0)).unwrap();
    assert_eq!(heard(&manager), FromGuest::Ended(Exit::Code(0)));
    say(ToGuest::Finish);
    assert_eq!(warden.receive_order().unwrap().0, Order::Finish);
    assert_eq!(served.join().unwrap().unwrap(), Exit::Code(0));
}

/// A control channel, the manager's end of it, and the host that it leads to.
fn connected() -> (Control, UnixStream, Arc<UnixHost>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join(socket_name(SESSIONS))).unwrap();
    let host = Arc::new(UnixHost::new(folder.path()));
    let control = Control::connect(&*host, SESSIONS).unwrap();
    (control, listener.accept().unwrap().0, host)
}

fn heard(mut manager: &UnixStream) -> FromGuest {
    manager.set_read_timeout(Some(SOON)).unwrap();
    frame::read(&mut manager, frame::SMALL).unwrap()
}
