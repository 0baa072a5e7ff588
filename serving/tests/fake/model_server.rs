//! A model server for tests: OpenAI's completions and a health page, with the faults that its mode file names. The file is
//! read at every request, so that a test can change the mode while it runs.
//!
//! `model_server … --port PORT …`, with the file's path in `MODE`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const WELL: &str = r#"{"content":"yes"}"#;
const THINKS: &str = r#"{"content":null,"reasoning_content":"The user wants a word."}"#;
const EMPTY: &str = r#"{"content":""}"#;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let port = words.iter().skip_while(|word| *word != "--port").nth(1).expect("a port is named");
    println!("model server with {}", words[1..].join(" "));
    println!("devices: {}", std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default());
    while mode() == "deaf" {
        std::thread::park();
    }
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port is a number"))).unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || stream.map(serve));
    }
}

fn mode() -> String {
    let text = std::fs::read_to_string(std::env::var("MODE").expect("a mode file is named")).unwrap_or_default();
    text.trim().to_owned()
}

fn serve(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(path) = request(&mut reader) {
        let mode = mode();
        if path == "/health" {
            answer(&stream, 200, r#"{"status":"ok"}"#);
            continue;
        }
        match mode.as_str() {
            "well" => say(&stream, WELL),
            "thinks" => say(&stream, THINKS),
            "empty" => say(&stream, EMPTY),
            "loading" => answer(&stream, 503, r#"{"error":{"message":"Loading model","code":503}}"#),
            "dies" => {
                println!("CUDA error: out of memory");
                std::process::exit(3);
            }
            // Until the mode is another one.
            "waits" => {
                println!("it waits");
                while self::mode() == "waits" {
                    std::thread::yield_now();
                }
                say(&stream, WELL);
            }
            // Until its client has gone.
            "hangs" => drop(reader.read_to_end(&mut Vec::new())),
            other => answer(&stream, 500, other),
        }
    }
}

/// The path of the next request, once its body has come.
fn request(reader: &mut impl BufRead) -> Option<String> {
    let (mut path, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            return path;
        }
        if path.is_none() {
            path = line.split(' ').nth(1).map(str::to_owned);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}

fn say(stream: &TcpStream, message: &str) {
    answer(stream, 200, &format!(r#"{{"model":"m","choices":[{{"index":0,"message":{message}}}]}}"#));
}

fn answer(mut stream: &TcpStream, status: u16, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    // Who has gone needs no answer.
    let _gone = stream.write_all(format!("{head}{body}").as_bytes());
}
