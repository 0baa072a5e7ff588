//! New secrets for a running sandbox: every source is read again, on the operator's word, and the proxy takes what it
//! gives. Placeholders stay, so the agent notices nothing.
//!
//! *Invariant:* whatever fails, the secrets from before stay.

use std::io;
use std::os::unix::net::UnixStream;

use audit::Decision;
use wire::credential::Credential;
use wire::operator::Answer;
use wire::proxy::ProxyCommand;

use crate::credentials::{CredentialSpec, Placeholder, read};
use crate::failure::Failure;
use crate::operator::{Asked, Reply};
use crate::record::Recorder;
use crate::reload::say;

/// The credentials of a running sandbox.
#[derive(Debug)]
pub(crate) struct Refresh {
    specs: Vec<CredentialSpec>,
    placeholders: Vec<Placeholder>,
    /// The proxy's ear; `None`: the sandbox has no egress.
    proxy: Option<UnixStream>,
    /// Whether the sources are being read: a slow answer must not overtake a newer one.
    reading: bool,
    /// Who waits for the proxy.
    pending: Option<Waiting>,
}

/// Who asked.
#[derive(Debug)]
pub(crate) struct Waiting {
    reply: Reply,
    uid: u32,
}

/// What the sources gave.
#[derive(Debug)]
pub(crate) struct Reread {
    result: Result<Vec<Credential>, Failure>,
    waiting: Waiting,
}

impl Refresh {
    pub(crate) fn new(
        specs: Vec<CredentialSpec>,
        placeholders: Vec<Placeholder>,
        proxy: Option<UnixStream>,
    ) -> Self {
        Self { specs, placeholders, proxy, reading: false, pending: None }
    }

    /// Begins to read the sources, on a thread of its own: a command may take its time.
    pub(crate) fn asked(&mut self, asked: Asked, to_loop: impl Fn(Reread) + Send + 'static) {
        let Asked { uid, reply, .. } = asked;
        if self.specs.is_empty() {
            let none =
                Failure::new("the sandbox has no credentials", "name them in agent.yaml, and start it again");
            return reply.send(Answer::from(none));
        }
        if self.reading || self.pending.is_some() {
            return reply
                .send(Answer::from(Failure::new("they are being read already", "try again in a moment")));
        }
        self.reading = true;
        let (specs, placeholders) = (self.specs.clone(), self.placeholders.clone());
        std::thread::spawn(move || {
            let result = read(&specs, &placeholders);
            to_loop(Reread { result, waiting: Waiting { reply, uid } });
        });
    }

    /// Records that the secrets are replaced, and sends them to the proxy.
    pub(crate) fn reread(&mut self, reread: Reread, recorder: &mut Recorder) {
        let Reread { result, waiting } = reread;
        self.reading = false;
        let sent = result.and_then(|credentials| self.send(credentials, (recorder, waiting.uid)));
        match sent {
            Ok(()) => self.pending = Some(waiting),
            Err(failure) => self.refuse(failure, waiting, recorder),
        }
    }

    /// The proxy says that it took them.
    pub(crate) fn applied(&mut self) {
        if let Some(waiting) = self.pending.take() {
            waiting.reply.send(Answer::CredentialsRefreshed { names: self.names() });
        }
    }

    /// The proxy says that it does not take them.
    pub(crate) fn refused(&mut self, cause: String, recorder: &mut Recorder) {
        if let Some(waiting) = self.pending.take() {
            let failure = Failure::new(cause, "look at what the sources in agent.yaml give now");
            self.refuse(failure, waiting, recorder);
        }
    }

    fn send(
        &mut self,
        credentials: Vec<Credential>,
        (recorder, uid): (&mut Recorder, u32),
    ) -> Result<(), Failure> {
        let names = self.names();
        let Some(proxy) = &mut self.proxy else {
            return Err(Failure::new("the sandbox has no egress", "start it with network rules"));
        };
        recorder.credential_change(names, uid, (Decision::Allow, None))?;
        say(proxy, &ProxyCommand::SetCredentials { credentials }).map_err(|error: io::Error| {
            Failure::new(
                format_args!("the proxy does not take them: {error}"),
                "stop the sandbox if it must not go on",
            )
        })
    }

    /// Says, and records, that the secrets from before stay.
    fn refuse(&self, failure: Failure, waiting: Waiting, recorder: &mut Recorder) {
        let decided = (Decision::Deny, Some(failure.cause.clone()));
        // Without a record nothing happened, and nothing happens: the operator hears of it all the same.
        let _unrecorded = recorder.credential_change(self.names(), waiting.uid, decided);
        let cause = format!("{}; the credentials from before stay", failure.cause);
        waiting.reply.send(Answer::Refused { cause, remedy: failure.remedy });
    }

    fn names(&self) -> Vec<String> {
        self.specs.iter().map(|spec| spec.name.clone()).collect()
    }
}
