//! Netlink: requests built attribute by attribute, answers read message by message. Knows no subsystem.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::Timeout;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Answers are at most this long.
pub(crate) const BUFFER: usize = 64 * 1024;

const HEADER: usize = 16;
const ALIGNMENT: usize = 4;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NESTED: u16 = 1 << 15;

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_ROOT | NLM_F_MATCH`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_APPEND`.
pub(crate) const APPEND: u16 = 0x800;

/// Why an exchange with the kernel failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The socket failed.
    #[error("netlink socket")]
    Socket(#[source] Errno),
    /// The kernel refused the request.
    #[error("the kernel refused the request")]
    Refused(#[source] Errno),
    /// The kernel's answer is cut off.
    #[error("malformed answer from the kernel")]
    Malformed,
}

/// One request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

/// A message of the kernel's: its type and what follows the header.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) kind: u16,
    pub(crate) body: Vec<u8>,
}

/// A netlink socket of one protocol, in the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink(OwnedFd);

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Request {
    /// A request of a type, with a fixed part.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes.splice(4..6, kind.to_ne_bytes());
        bytes.splice(6..8, flags.to_ne_bytes());
        let mut request = Self { bytes };
        request.append(fixed);
        request
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("our attributes are short");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.append(value);
        self
    }

    /// Adds an attribute that is a NUL-terminated string.
    pub(crate) fn with_text(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds an attribute that is a number in network order.
    pub(crate) fn with_number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds an attribute made of attributes.
    pub(crate) fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).expect("our attributes are short");
        filled.bytes.splice(start..start + 2, length.to_ne_bytes());
        filled
    }

    fn append(&mut self, value: &[u8]) {
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("our requests are short");
        self.bytes.splice(0..4, length.to_ne_bytes());
        self.bytes
    }

    fn wants_ack(&self) -> bool {
        self.bytes.get(6..8).is_some_and(|flags| u16::from_ne_bytes([flags[0], flags[1]]) & ACK != 0)
    }
}

impl Netlink {
    /// Opens a socket of a netlink protocol; `None` is the first of them, routes.
    ///
    /// # Errors
    /// The kernel lacks it.
    pub(crate) fn open(protocol: Option<Protocol>) -> Result<Self, NetlinkError> {
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map(Self)
            .map_err(NetlinkError::Socket)
    }

    /// Sends one request and waits for its acknowledgement.
    ///
    /// # Errors
    /// The kernel refused it.
    pub(crate) fn call(&self, request: Request) -> Result<(), NetlinkError> {
        self.batch(vec![request])
    }

    /// Sends one request and waits for nothing.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) fn tell(&self, request: Request) -> Result<(), NetlinkError> {
        self.send(&request.finish())
    }

    /// Sends requests as one packet and waits for as many acknowledgements as they ask for.
    ///
    /// # Errors
    /// The kernel refused one of them.
    pub(crate) fn batch(&self, requests: Vec<Request>) -> Result<(), NetlinkError> {
        let mut expected = requests.iter().filter(|request| request.wants_ack()).count();
        let packet: Vec<u8> = requests.into_iter().flat_map(Request::finish).collect();
        self.send(&packet)?;
        while expected > 0 {
            for answer in self.receive()? {
                if answer.kind == ERROR {
                    check(&answer)?;
                    expected = expected.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Sends a request that is answered by one message, or by several that end with a mark.
    ///
    /// # Errors
    /// The kernel refused it.
    pub(crate) fn query(&self, request: Request, dump: bool) -> Result<Vec<Answer>, NetlinkError> {
        self.send(&request.finish())?;
        let mut answers = Vec::new();
        loop {
            for answer in self.receive()? {
                match answer.kind {
                    ERROR => check(&answer)?,
                    DONE => return Ok(answers),
                    _ => answers.push(answer),
                }
            }
            if !dump {
                return Ok(answers);
            }
        }
    }

    /// Makes room for packets that wait to be read; without it some are lost where many come at once.
    ///
    /// # Errors
    /// The kernel refused it.
    pub(crate) fn allow_backlog(&self, bytes: usize) -> Result<(), NetlinkError> {
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&self.0, bytes).map_err(NetlinkError::Socket)
    }

    /// Lets nobody wait longer than this for an answer.
    ///
    /// # Errors
    /// The kernel refused it.
    pub(crate) fn limit_patience(&self, patience: Duration) -> Result<(), NetlinkError> {
        rustix::net::sockopt::set_socket_timeout(&self.0, Timeout::Recv, Some(patience))
            .map_err(NetlinkError::Socket)
    }

    /// The next packet of a subsystem that sends one message in each, and does not say its length right; `None` if none waits.
    ///
    /// # Errors
    /// The socket failed, or packets were lost on it ([`Errno::NOBUFS`]).
    pub(crate) fn waiting(&self, buffer: &mut [u8]) -> Result<Option<Answer>, NetlinkError> {
        match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => whole(buffer.get(..length).unwrap_or_default()).map(Some),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(NetlinkError::Socket(error)),
        }
    }

    fn send(&self, packet: &[u8]) -> Result<(), NetlinkError> {
        // Without an address a netlink packet goes to the kernel.
        rustix::net::send(&self.0, packet, SendFlags::empty()).map(drop).map_err(NetlinkError::Socket)
    }

    fn receive(&self) -> Result<Vec<Answer>, NetlinkError> {
        let mut buffer = vec![0; BUFFER];
        let (length, _) =
            rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty()).map_err(NetlinkError::Socket)?;
        parse(buffer.get(..length).ok_or(NetlinkError::Malformed)?)
    }
}

/// The only message of a packet, whatever length it claims.
fn whole(packet: &[u8]) -> Result<Answer, NetlinkError> {
    let (header, body) = packet.split_first_chunk::<HEADER>().ok_or(NetlinkError::Malformed)?;
    Ok(Answer { kind: u16::from_ne_bytes([header[4], header[5]]), body: body.to_vec() })
}

fn parse(mut packet: &[u8]) -> Result<Vec<Answer>, NetlinkError> {
    let mut answers = Vec::new();
    while let Some(header) = packet.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = packet.get(HEADER..length).ok_or(NetlinkError::Malformed)?.to_vec();
        answers.push(Answer { kind: u16::from_ne_bytes([header[4], header[5]]), body });
        packet = packet.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(answers)
}

/// An error message with number 0 is an acknowledgement.
fn check(answer: &Answer) -> Result<(), NetlinkError> {
    let number = answer.body.first_chunk::<4>().ok_or(NetlinkError::Malformed)?;
    match i32::from_ne_bytes(*number) {
        0 => Ok(()),
        number => Err(NetlinkError::Refused(Errno::from_raw_os_error(number.wrapping_neg()))),
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_counted() {
        let bytes = Request::new(7, REQUEST, &[1, 2, 3, 4])
            .nested(5, |request| request.with_text(1, "ab").with_number(2, 9))
            .finish();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        assert_eq!(bytes[0..4], u32::try_from(bytes.len()).unwrap().to_ne_bytes());
        assert_eq!(bytes[4..6], 7_u16.to_ne_bytes());
        // The nested attribute: 4 of its own, 4 + 3 padded to 8, 4 + 4.
        assert_eq!(bytes[20..22], 20_u16.to_ne_bytes());
        assert_eq!(bytes[22..24], (5 | NESTED).to_ne_bytes());
        assert_eq!(bytes[24..26], 7_u16.to_ne_bytes());
    }

    #[test]
    fn a_message_that_claims_too_little_is_taken_whole() {
        let mut packet = Request::new(1300, 0, b"audit(1.2:3): x=").finish();
        packet.splice(0..4, 16_u32.to_ne_bytes());
        let answer = whole(&packet).unwrap();
        assert_eq!((answer.kind, answer.body.as_slice()), (1300, b"audit(1.2:3): x=".as_slice()));
        assert!(whole(&packet[..15]).is_err());
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        let mut packet = Request::new(2, 0, &[0; 20]).finish();
        assert_eq!(parse(&packet).unwrap().len(), 1);
        packet.truncate(20);
        assert!(matches!(parse(&packet), Err(NetlinkError::Malformed)));
        packet[0] = 3;
        assert!(matches!(parse(&packet), Err(NetlinkError::Malformed)));
    }
}
