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

/// How many executions are put on the record at once, and how long it is until one more is: a guest must not fill the log faster.
const AT_ONCE: u32 = 4096;
const EVERY: Duration = Duration::from_millis(1);

/// Programs that wait to be executed.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Which.
    pub(crate) executions: Vec<Execution>,
    recorded: SyncSender<()>,
}

impl Waiting {
    /// They are on the record, and run.
    pub(crate) fn recorded(self) {
        // Nobody waits any more if the guest is gone.
        let _gone = self.recorded.send(());
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
            let most = u32::try_from(executions.len()).unwrap_or(AT_ONCE).max(1);
            std::thread::sleep(pace.wait(Instant::now(), most));
            let (recorded, receipt) = sync_channel(1);
            waiting(Waiting { executions, recorded });
            // Dropped unrecorded: the sandbox ends.
            if receipt.recv().is_err() || frame::write(&mut stream, &ToGuest::Recorded).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    use wire::control::Unlisted;

    use super::*;

    #[test]
    fn a_receipt_follows_the_record_and_nothing_follows_nonsense() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("6.sock");
        let (told, heard) = channel();
        serve(UnixListener::bind(&path).unwrap(), move |waiting| told.send(waiting).unwrap());
        let mut guest = UnixStream::connect(&path).unwrap();
        let executed = FromGuest::Executed { executions: Vec::new(), unlisted: Unlisted::default() };
        for _turn in 0..3 {
            frame::write(&mut guest, &executed).unwrap();
            let waiting = heard.recv().unwrap();
            guest.set_nonblocking(true).unwrap();
            assert!(frame::read::<ToGuest>(&mut guest, frame::SMALL).is_err(), "it has no record yet");
            guest.set_nonblocking(false).unwrap();
            waiting.recorded();
            assert_eq!(frame::read::<ToGuest>(&mut guest, frame::SMALL).unwrap(), ToGuest::Recorded);
        }
        frame::write(&mut guest, &executed).unwrap();
        drop(heard.recv().unwrap());
        assert!(frame::read::<ToGuest>(&mut guest, frame::SMALL).is_err(), "it was not recorded");
        assert!(UnixStream::connect(&path).is_err(), "a second guest found a listener");
    }
}
