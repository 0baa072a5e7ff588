use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use wire::control::Execute;
use wire::vsock::{SESSIONS, socket_name};

use super::super::Inner;
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

/// The manager hears that a process has become its program, and of one that could not only how it ended.
#[test]
fn a_process_that_could_not_become_its_program_has_not_started() {
    for (reports, exit) in [
        (vec![Report::Executed, Report::Returned(7)], Exit::Code(7)),
        (vec![Report::NotFound, Report::Executed, Report::Returned(1)], Exit::NotFound),
    ] {
        let (mut control, manager, _host) = connected();
        let (outer, inner) = super::super::streams(None).unwrap();
        drop(inner);
        let (channel, warden) = Channel::pair().unwrap();
        let pid = rustix::process::getpid();
        let running = Running { pid, channel, streams: outer.unwrap() };
        reports.iter().for_each(|report| warden.send(report).unwrap());
        assert_eq!(serve(&mut control, running, None).unwrap(), exit);
        control.flush().unwrap();
        drop(control);
        let mut heard = Vec::new();
        (&manager).read_to_end(&mut heard).unwrap();
        assert_eq!(!heard.is_empty(), exit == Exit::Code(7), "{exit:?}");
        if let Ok(message) = frame::read::<FromGuest>(&mut heard.as_slice(), frame::SMALL) {
            assert!(matches!(message, FromGuest::Started { .. }), "{message:?}");
        }
    }
}

/// The session of an agent that may be started again, with the manager's end, the warden's, and the agent's streams.
struct Restarted {
    manager: UnixStream,
    warden: Channel,
    streams: Option<[OwnedFd; 3]>,
    served: JoinHandle<Result<Exit, SessionError>>,
}

impl Restarted {
    fn new(tells: Vec<Arc<dyn Tell>>) -> Self {
        let (mut control, manager, host) = connected();
        let (outer, inner) = super::super::streams(None).unwrap();
        let Inner::Pipes(inner) = inner else { panic!("no terminal was asked for") };
        let (channel, warden) = Channel::pair().unwrap();
        let pid = rustix::process::getpid();
        let running = Running { pid, channel, streams: outer.unwrap() };
        let further = Further::new(host, &running.channel).unwrap();
        let lives = Some(Lives::of(&running.streams).unwrap());
        let whole = Whole { tells, further, lives };
        let served = std::thread::spawn(move || serve(&mut control, running, Some(whole)));
        Self { manager, warden, streams: Some(inner), served }
    }

    fn say(&self, message: ToGuest) {
        (&self.manager).write_all(&frame::encode(&message).unwrap()).unwrap();
    }

    /// What is heard next, but of room.
    fn heard(&self) -> FromGuest {
        loop {
            match heard(&self.manager) {
                FromGuest::Taken { .. } => {}
                other => return other,
            }
        }
    }
}

/// Tells once for every end that it was settled after.
struct Told {
    wake: OwnedFd,
    settled: Mutex<Vec<After>>,
    untold: AtomicU64,
}

impl Told {
    fn new() -> Arc<Self> {
        let wake = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        Arc::new(Self { wake, settled: Mutex::default(), untold: AtomicU64::new(0) })
    }
}

impl AsFd for Told {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Tell for Told {
    fn due(&self, _now: Instant) -> Option<Duration> {
        None
    }

    fn take(&self, _now: Instant) -> Option<FromGuest> {
        let unlisted = self.untold.swap(0, Ordering::Relaxed);
        (unlisted > 0).then(|| FromGuest::Called { calls: Vec::new(), unlisted })
    }

    fn heard(&self) {}

    fn settle(&self, after: After) {
        self.settled.lock().unwrap().push(after);
        self.untold.fetch_add(1, Ordering::Relaxed);
    }
}

const CALLED: FromGuest = FromGuest::Called { calls: Vec::new(), unlisted: 1 };

/// What one life does is told before its end is, and what was done since before the next one begins, however that goes.
#[test]
fn what_is_done_in_two_lives_is_told_apart() {
    let told = Told::new();
    let mut restarted = Restarted::new(vec![Arc::<Told>::clone(&told)]);
    restarted.streams = None;
    restarted.warden.send(&Report::Returned(1)).unwrap();
    assert_eq!(restarted.heard(), CALLED);
    assert_eq!(restarted.heard(), FromGuest::Ended(Exit::Code(1)));
    restarted.say(ToGuest::Again);
    assert_eq!(restarted.warden.receive_order().unwrap().0, Order::Again);
    restarted.warden.send(&Report::Viewed).unwrap();
    assert_eq!(restarted.heard(), CALLED);
    assert_eq!(restarted.warden.receive_order().unwrap().0, Order::Start);
    restarted.warden.send(&Report::Failed("there is no memory".to_owned())).unwrap();
    assert_eq!(restarted.heard(), CALLED);
    assert!(matches!(restarted.served.join().unwrap(), Err(SessionError::Agent(AgentError::Refused(_)))));
    // For none of them the warden's end is waited for: it lives.
    assert_eq!(*told.settled.lock().unwrap(), [After::Life; 3]);
}

/// A stream that the dead agent has left in a socket that is on its way never ends.
#[test]
fn a_stream_that_does_not_end_keeps_no_life_from_ending() {
    let restarted = Restarted::new(Vec::new());
    let [_stdin, stdout, _stderr] = restarted.streams.as_ref().unwrap();
    rustix::io::write(stdout, b"last words").unwrap();
    restarted.warden.send(&Report::Returned(1)).unwrap();
    assert_eq!(
        restarted.heard(),
        FromGuest::Output { stream: Stream::Stdout, bytes: b"last words".to_vec() }
    );
    assert_eq!(restarted.heard(), FromGuest::Ended(Exit::Code(1)));
}

/// Input that the agent does not read keeps no signal back, and what it reads makes room.
#[test]
fn input_that_nobody_reads_keeps_no_message_back() {
    let restarted = Restarted::new(Vec::new());
    let pieces = INPUT_WINDOW / MAX_CHUNK;
    (0..pieces).for_each(|_| restarted.say(ToGuest::Input(vec![b'y'; MAX_CHUNK])));
    restarted.say(ToGuest::Signal(2));
    assert_eq!(restarted.warden.receive_order().unwrap().0, Order::Signal(2));
    let [stdin, ..] = restarted.streams.as_ref().unwrap();
    let mut input = std::fs::File::from(stdin.try_clone().unwrap());
    let mut read = vec![0; INPUT_WINDOW];
    std::io::Read::read_exact(&mut input, &mut read).unwrap();
    let mut room = 0;
    while room < 3 * INPUT_WINDOW / 4 {
        let FromGuest::Taken { bytes } = heard(&restarted.manager) else { panic!("nothing else happened") };
        room += usize::try_from(bytes).unwrap();
    }
    assert!(room <= INPUT_WINDOW, "{room}");
}

/// The manager is asked after every end, and each life has streams of its own.
#[test]
fn an_agent_is_started_again_on_the_managers_word() {
    let mut restarted = Restarted::new(Vec::new());
    let first = restarted.streams.take();
    let Restarted { manager, warden, served, .. } = restarted;
    let say = |message: ToGuest| (&manager).write_all(&frame::encode(&message).unwrap()).unwrap();

    // Before an end there is nothing to say.
    say(ToGuest::Again);
    say(ToGuest::EndOfInput);
    drop(first);
    warden.send(&Report::NotFound).unwrap();
    warden.send(&Report::Returned(1)).unwrap();
    assert_eq!(heard(&manager), FromGuest::Ended(Exit::NotFound));
    say(ToGuest::Again);
    assert_eq!(warden.receive_order().unwrap().0, Order::Again);
    warden.send(&Report::Viewed).unwrap();
    let (order, streams) = warden.receive_order().unwrap();
    assert_eq!((order, streams.len()), (Order::Start, 3));
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
