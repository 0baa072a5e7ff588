//! Who looks into downloads on the operator's word: a process outside of every sandbox, which gets what is held back and says
//! whether it may go on.
//!
//! *Invariant:* nothing but a plain word of a scanner that a body is clean makes it clean. Whatever else happens (nobody
//! listens, an error, an answer too late or in other words) is its absence.

mod clamd;
mod icap;
mod posted;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use policies::Scan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::scanner::{Scanner, ScannerProtocol};

use crate::download::Spool;

/// How long a scanner may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest answer.
const LONGEST: u64 = 64 * 1024;

/// Longest name of what was found, in a record.
const LONGEST_NAME: usize = 128;

/// What a scanner is told of a body, beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Where it comes from, as `Host` has it.
    pub(crate) host: &'a str,
    /// Its canonical path.
    pub(crate) path: &'a str,
}

/// What stands before a piece of a body, and behind it.
type Frame = fn(&[u8]) -> (Vec<u8>, &'static [u8]);

/// The scanners of the operator.
#[derive(Debug, Default)]
pub struct Scanners(Vec<Scanner>);

/// What is wrong with what the operator wrote.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    /// One name for two.
    #[error("two scanners are called '{0}'")]
    Twice(String),
    /// Not a path.
    #[error("the path of scanner '{0}' does not begin with '/', or is not visible ASCII")]
    Path(String),
}

/// Why a scanner has no word.
#[derive(Debug, thiserror::Error)]
enum Absent {
    #[error("is not configured")]
    Unknown,
    #[error("did not answer in time")]
    Late,
    #[error("cannot be asked: {0}")]
    Broken(#[from] io::Error),
    #[error("said neither that it is clean nor what was found")]
    Unclear,
}

impl Scanners {
    /// Those that the operator names.
    ///
    /// # Errors
    /// Two have one name, or a path is none.
    pub fn new(scanners: Vec<Scanner>) -> Result<Self, ScannerError> {
        let mut names = BTreeSet::new();
        for Scanner { name, path, .. } in &scanners {
            if !names.insert(name) {
                return Err(ScannerError::Twice(name.clone()));
            }
            if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ScannerError::Path(name.clone()));
            }
        }
        Ok(Self(scanners))
    }

    /// What the scanner of this name says of a body, of which nothing was taken out.
    pub(crate) async fn scan(&self, name: &str, body: &Spool, origin: Origin<'_>) -> Scan {
        let Some(scanner) = self.0.iter().find(|scanner| scanner.name == name) else {
            return Scan::Absent(Absent::Unknown.to_string());
        };
        let said = timeout(PATIENCE, ask(scanner, body, origin)).await.unwrap_or(Err(Absent::Late));
        said.unwrap_or_else(|why| Scan::Absent(why.to_string()))
    }
}

async fn ask(scanner: &Scanner, body: &Spool, origin: Origin<'_>) -> Result<Scan, Absent> {
    let mut stream = TcpStream::connect(scanner.address).await?;
    match scanner.protocol {
        ScannerProtocol::Clamd => clamd::ask(&mut stream, body).await,
        ScannerProtocol::Icap => icap::ask(&mut stream, (scanner, body), origin).await,
        ScannerProtocol::Http => posted::ask(&mut stream, (scanner, body), origin).await,
    }
}

/// Sends the head of a question, and has `frame` send each piece of the body, then the end; returns all of the answer. One
/// that says no before it has all need not read the rest.
async fn exchange(
    stream: &mut TcpStream,
    (head, end): (&[u8], &[u8]),
    (body, frame): (&Spool, Frame),
) -> Result<Vec<u8>, Absent> {
    let (mut reads, mut writes) = stream.split();
    let sends = async {
        writes.write_all(head).await?;
        for piece in body.pieces() {
            let (before, behind) = frame(piece);
            writes.write_all(&before).await?;
            writes.write_all(piece).await?;
            writes.write_all(behind).await?;
        }
        writes.write_all(end).await?;
        writes.flush().await
    };
    let mut answer = Vec::new();
    let receives = async { (&mut reads).take(LONGEST).read_to_end(&mut answer).await };
    let (sent, received) = tokio::join!(sends, receives);
    // Its answer tells more than that it did not read on.
    received.and_then(|count| if count == 0 { sent.map(|()| count) } else { Ok(count) })?;
    Ok(answer)
}

/// The name of what was found, for a record.
fn found(name: &str) -> Scan {
    let name: String =
        name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(LONGEST_NAME).collect();
    Scan::Found(if name.trim().is_empty() { "something".to_owned() } else { name.trim().to_owned() })
}
