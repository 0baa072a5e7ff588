//! What the agent is about to execute for the first time: it runs once it is on the record.
//!
//! The guest's words come one at a time, each after the receipt of the one before; a guest that does not keep to that, or sends
//! anything else, gets no more receipts, and executes nothing more.

use std::os::unix::net::UnixListener;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use wire::control::{Execution, FromGuest, ToGuest};
use wire::frame;

use crate::control::Pace;

/// What is put on the record is counted in units of so many bytes.
const UNIT: usize = 256;

/// Units that are let through at once (2 MiB), and how long it is until one more is (128 kB a second): the log is on the host's disk,
/// and the guest must not fill it at its own speed.
const AT_ONCE: u32 = 8192;
const EVERY: Duration = Duration::from_millis(2);

/// What a record takes beside its texts, in bytes.
const BESIDE: usize = 400;

/// Programs that wait to be executed.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Which.
    pub(crate) executions: Vec<Execution>,
    recorded: SyncSender<bool>,
}

impl Waiting {
    /// They run; `in_log`: they are on the record.
    pub(crate) fn recorded(self, in_log: bool) {
        // Nobody waits any more if the guest is gone.
        let _gone = self.recorded.send(in_log);
    }
}

/// Takes the guest's connection; each of its words goes to `waiting`.
pub(crate) fn serve(listener: UnixListener, waiting: impl Fn(Waiting) + Send + 'static) {
    std::thread::spawn(move || {
        let Ok((mut stream, _address)) = listener.accept() else { return };
        // One guest, one connection.
        drop(listener);
        let mut pace = Pace::new(Instant::now(), EVERY, AT_ONCE);
        while let Ok(FromGuest::Executed { executions, .. }) = frame::read(&mut stream, frame::SMALL) {
            std::thread::sleep(pace.wait(Instant::now(), units(&executions)));
            let (recorded, receipt) = sync_channel(1);
            waiting(Waiting { executions, recorded });
            // Dropped unrecorded: the sandbox ends.
            let Ok(in_log) = receipt.recv() else { return };
            if frame::write(&mut stream, &ToGuest::Recorded { in_log }).is_err() {
                return;
            }
        }
    });
}

/// What they take of the log.
fn units(executions: &[Execution]) -> u32 {
    let of = |Execution { program, caller, .. }: &Execution| {
        let script = caller.script.as_deref().map_or(0, str::len);
        let parents: usize = caller.parents.iter().map(String::len).sum();
        (BESIDE + program.len() + caller.path.len() + script + parents).div_ceil(UNIT)
    };
    u32::try_from(executions.iter().map(of).sum::<usize>()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    use wire::control::Unlisted;

    use super::*;

    #[test]
    fn long_texts_take_more_of_the_pace() {
        let execution = |parents: usize| {
            let parents = vec!["p".repeat(256); parents];
            let (path, script) = ("/bin/sh".to_owned(), None);
            let caller = wire::subject::Program { path, sha256: None, script, pid: 1, uid: 1, parents };
            Execution { program: "/bin/a".to_owned(), caller, sha256: None, refused: None, times: 1 }
        };
        assert_eq!((units(&[]), units(&[execution(0)]), units(&[execution(16), execution(0)])), (1, 2, 20));
    }

    #[test]
    fn a_receipt_follows_the_record_and_nothing_follows_nonsense() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("6.sock");
        let (told, heard) = channel();
        serve(UnixListener::bind(&path).unwrap(), move |waiting| told.send(waiting).unwrap());
        let mut guest = UnixStream::connect(&path).unwrap();
        let executed = FromGuest::Executed { executions: Vec::new(), unlisted: Unlisted::default() };
        for in_log in [true, false, true] {
            frame::write(&mut guest, &executed).unwrap();
            let waiting = heard.recv().unwrap();
            guest.set_nonblocking(true).unwrap();
            assert!(frame::read::<ToGuest>(&mut guest, frame::SMALL).is_err(), "it has no record yet");
            guest.set_nonblocking(false).unwrap();
            waiting.recorded(in_log);
            assert_eq!(
                frame::read::<ToGuest>(&mut guest, frame::SMALL).unwrap(),
                ToGuest::Recorded { in_log }
            );
        }
        frame::write(&mut guest, &executed).unwrap();
        drop(heard.recv().unwrap());
        assert!(frame::read::<ToGuest>(&mut guest, frame::SMALL).is_err(), "it was not recorded");
        assert!(UnixStream::connect(&path).is_err(), "a second guest found a listener");
    }
}
