//! A server that runs: its keeper, and what ends both.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

use super::Shared;
use crate::descendants;
use crate::keeper;
use crate::launch;
use crate::log_file::LogFile;
use crate::server::Server;

/// How long a keeper may take beyond the grace of its server: killing is quick, and what does not die at once hangs in the
/// kernel.
const BEYOND_GRACE: Duration = Duration::from_secs(5);

/// The keepers that live. Whatever else is a child of this process was left by one that was killed.
#[derive(Debug, Default)]
pub struct Keepers(Mutex<BTreeSet<i32>>);

/// A server's processes; without any, it is somebody else's.
#[derive(Debug)]
pub(super) struct Running {
    keeper: Option<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    pid: Pid,
    /// Held open for as long as the server is to live.
    lifeline: Option<ChildStdin>,
    /// `None` while it lives.
    ended: watch::Receiver<Option<String>>,
    grace: Duration,
    shared: Arc<Shared>,
}

impl Running {
    /// Starts what is to be started.
    pub(super) fn start(
        command: Option<launch::Command>,
        server: &Server,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let keeper = command.map(|command| Keeper::start(command, server, shared)).transpose()?;
        Ok(Self { keeper })
    }

    /// The process above the server's, if it is ours.
    pub(super) fn keeper(&self) -> Option<Pid> {
        self.keeper.as_ref().map(|keeper| keeper.pid)
    }

    /// How it ended, once it has.
    pub(super) async fn ended(&mut self) -> String {
        match &mut self.keeper {
            Some(keeper) => keeper.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Asks it to end, waits, and kills what is left.
    pub(super) async fn stop(self) {
        let Some(mut keeper) = self.keeper else { return };
        drop(keeper.lifeline.take());
        if tokio::time::timeout(keeper.grace + BEYOND_GRACE, keeper.ended()).await.is_err() {
            // Its server goes with it, and orphans become ours.
            let _gone = rustix::process::kill_process(keeper.pid, Signal::KILL);
            keeper.ended().await;
        }
        let shared = Arc::clone(&keeper.shared);
        // A process that hangs in the kernel would hold up everybody here.
        let ended = tokio::task::spawn_blocking(move || shared.keepers.end_others()).await;
        if let Err(error) = ended {
            tracing::error!(%error, "what a server left behind could not be ended");
        }
    }
}

impl Keeper {
    fn start(command: launch::Command, server: &Server, shared: &Arc<Shared>) -> io::Result<Self> {
        let grace = Duration::from_secs(server.config.stop_s.into());
        let (prints, writer) = io::pipe()?;
        let mut keeper = Command::new("/proc/self/exe");
        keeper
            .args(keeper::arguments(grace, command.words))
            .env_clear()
            .envs(command.env)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // A terminal's signals are for the one process that knows what to do about them.
            .process_group(0);
        let log = server.log.as_deref().map(|log| keep_log(log, prints)).transpose()?;
        let mut child = {
            let mut living = shared.keepers.lock();
            let child = keeper.spawn()?;
            living.insert(Pid::from_child(&child).as_raw_nonzero().get());
            child
        };
        // It holds the other ends of the log.
        drop(keeper);
        let (pid, lifeline) = (Pid::from_child(&child), child.stdin.take());
        let (tells, ended) = watch::channel(None);
        let keepers = Arc::clone(shared);
        std::thread::spawn(move || {
            let status = child.wait();
            // Unless it was killed, nobody is left who could print: what is on its way can be waited for.
            if let (Some(log), Ok(Some(_))) = (log, status.as_ref().map(ExitStatus::code)) {
                // A log that cannot be written is told of where it happens.
                let _written = log.join();
            }
            keepers.keepers.lock().remove(&pid.as_raw_nonzero().get());
            tells.send_replace(Some(told(status)));
        });
        Ok(Self { pid, lifeline, ended, grace, shared: Arc::clone(shared) })
    }

    async fn ended(&mut self) -> String {
        match self.ended.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_thread_gone) => "nobody knows how".to_owned(),
        }
    }
}

impl Keepers {
    /// Ends what keepers left that were killed.
    fn end_others(&self) {
        // While this is held no keeper is started that would be taken for one of those.
        let living = self.lock();
        let spared: Vec<Pid> = living.iter().filter_map(|pid| Pid::from_raw(*pid)).collect();
        descendants::end(&spared);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it prints goes to its log until all who could print are gone.
fn keep_log(path: &std::path::Path, prints: PipeReader) -> io::Result<JoinHandle<()>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let log = LogFile::open(path)?;
    Ok(std::thread::spawn(move || log.copy(prints)))
}

fn told(status: io::Result<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status)) {
        Ok((Some(code), _)) if code == i32::from(keeper::NOT_STARTED) => {
            "its program cannot be executed".to_owned()
        }
        Ok((_, status)) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
