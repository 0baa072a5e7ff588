//! Servers on the host that agents ask.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

/// The bodies that a server was sent.
#[derive(Clone, Debug, Default)]
pub struct Bodies(Arc<Mutex<Vec<String>>>);

impl Bodies {
    /// Those so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, body: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    }
}

/// Answers every request with a line that begins with `hello`; returns its port.
#[must_use]
pub fn hello() -> u16 {
    // Long enough to have a digest on record.
    serve(&Bodies::default(), ("text/plain", format!("hello {}\n", "-".repeat(80))))
}

/// A model that says `done`; returns its port, and what it is asked.
#[must_use]
pub fn model() -> (u16, Bodies) {
    let answer = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"done"}}]}"#;
    let bodies = Bodies::default();
    (serve(&bodies, ("application/json", answer.to_owned())), bodies)
}

fn serve(bodies: &Bodies, (kind, answer): (&'static str, String)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let bodies = bodies.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            // Whoever answers before it has the body may have answered something else.
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = Vec::new();
            let _gone = (&stream).take(length.unwrap_or(0)).read_to_end(&mut body);
            bodies.add(String::from_utf8_lossy(&body).into_owned());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            let _gone = stream.write_all((head + &answer).as_bytes());
        }
    });
    port
}
