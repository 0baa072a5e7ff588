//! A receiver of HTTP/1.1 that records every request and answers what it is told to.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the receiver does with a request.
pub(crate) enum Answer {
    /// Status, more header lines, body.
    Status(u16, &'static str, String),
    /// Closes the connection without a word.
    Nothing,
    /// Closes its half and reads on.
    HalfClosed,
    /// Bytes that are no HTTP.
    Garbage(&'static [u8]),
    /// Success, a byte at a time.
    Slowly(String),
    /// Never answers, and keeps the connection.
    Silence,
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

/// A receiver, as long as the process lives.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub(crate) fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, script) = (Arc::clone(&requests), Arc::new(Mutex::new(Box::new(script) as Script)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                // One that broke off is the sender's affair.
                thread::spawn(move || serve(stream.unwrap(), &seen, &script));
            }
        });
        Self { address, requests }
    }

    /// One that takes everything.
    pub(crate) fn willing() -> Self {
        Self::start(|_any| ok(""))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Numbers of the records in all bodies that are arrays of our own records.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.requests().iter().flat_map(sequences).collect()
    }
}

pub(crate) fn ok(body: &str) -> Answer {
    Answer::Status(200, "", body.to_owned())
}

/// Numbers of the records in an array of our own.
pub(crate) fn sequences(request: &Request) -> Vec<u64> {
    let records: Vec<serde_json::Value> = serde_json::from_slice(&request.body).unwrap();
    records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, script: &Mutex<Script>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let request = read(&mut reader)?;
        seen.lock().unwrap().push(request.clone());
        let answer = script.lock().unwrap()(&request);
        match answer {
            Answer::Status(status, head, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}\r\n");
                stream.write_all((head + &body).as_bytes()).ok()?;
            }
            Answer::Nothing => return Some(()),
            Answer::HalfClosed => {
                stream.shutdown(Shutdown::Write).ok()?;
                reader.read_to_end(&mut Vec::new()).ok()?;
            }
            Answer::Garbage(bytes) => {
                stream.write_all(bytes).ok()?;
                return Some(());
            }
            Answer::Slowly(body) => {
                let length = body.len();
                let text = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n{body}");
                text.bytes().try_for_each(|byte| {
                    thread::yield_now();
                    stream.write_all(&[byte]).ok()
                })?;
            }
            Answer::Silence => {
                reader.read_to_end(&mut Vec::new()).ok()?;
            }
        }
    }
}

/// The next request of a connection.
pub(crate) fn read(reader: &mut BufReader<impl Read>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    })?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, head, body })
}
