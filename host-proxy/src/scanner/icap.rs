//! ICAP (RFC 3507), as `RESPMOD`: 204 leaves the response as it is, which is the word that it is clean. A response of the
//! scanner's own (200) says that the one it got may not go on.

use policies::Scan;
use tokio::net::TcpStream;
use wire::scanner::Scanner;

use super::{Absent, Origin, exchange, found};
use crate::download::Spool;

/// Fields in which scanners name what they found.
const NAMES: [&str; 4] = ["x-infection-found", "x-virus-id", "x-violations-found", "x-blocked-reason"];

pub(super) async fn ask(
    stream: &mut TcpStream,
    (Scanner { address, path, .. }, body): (&Scanner, &Spool),
    Origin { host, path: asked }: Origin<'_>,
) -> Result<Scan, Absent> {
    let request = format!("GET http://{host}{asked} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let (at, body_at) = (request.len(), request.len() + response.len());
    let head = format!(
        "RESPMOD icap://{address}{path} ICAP/1.0\r\nHost: {address}\r\nAllow: 204\r\nConnection: close\r\n\
         Encapsulated: req-hdr=0, res-hdr={at}, res-body={body_at}\r\n\r\n{request}{response}"
    );
    let frame = |piece: &[u8]| (format!("{:x}\r\n", piece.len()).into_bytes(), &b"\r\n"[..]);
    let answer = exchange(stream, (head.as_bytes(), b"0\r\n\r\n"), (body, frame)).await?;
    let text = String::from_utf8_lossy(&answer);
    let (head, _behind) = text.split_once("\r\n\r\n").ok_or(Absent::Unclear)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("ICAP/1.0 ")).and_then(|rest| rest.get(..3));
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)).then(|| value.trim().to_owned())
    };
    let name = lines.find_map(named);
    match (status, name) {
        (Some("204"), None) => Ok(Scan::Clean),
        (Some("200" | "204"), Some(name)) => Ok(found(&name)),
        (Some("200"), None) => Ok(found("something for which it has another response")),
        _ => Err(Absent::Unclear),
    }
}
