//! A server on the host that agents ask.

use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers every request with a line that begins with `hello`; returns its port.
#[must_use]
pub fn hello() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            // Whoever answers before it has the body may have answered something else.
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let _gone = std::io::copy(&mut (&stream).take(length.unwrap_or(0)), &mut std::io::sink());
            // Long enough to have a digest on record.
            let body = format!("hello {}\n", "-".repeat(80));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _gone = stream.write_all((head + &body).as_bytes());
        }
    });
    port
}
