//! A verdict by HTTP: the file is posted, and the answer is `{"verdict": "clean"}` or `{"verdict": "infected", "name": …}`.

use policies::Scan;
use serde::Deserialize;
use tokio::net::TcpStream;
use wire::scanner::Scanner;

use super::{Absent, Origin, exchange, found};
use crate::download::Spool;

/// Most fields of an answer.
const MOST_FIELDS: usize = 64;

#[derive(Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
enum Verdict {
    Clean,
    Infected {
        #[serde(default)]
        name: String,
    },
}

pub(super) async fn ask(
    stream: &mut TcpStream,
    (Scanner { address, path, .. }, body): (&Scanner, &Spool),
    Origin { host, path: asked }: Origin<'_>,
) -> Result<Scan, Absent> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {}\r\nX-Openshell-Host: {host}\r\nX-Openshell-Path: {asked}\r\n\r\n",
        body.len()
    );
    let answer = exchange(stream, (head.as_bytes(), b""), (body, |_piece| (Vec::new(), b""))).await?;
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(&answer).map_err(|_odd| Absent::Unclear)?;
    let httparse::Status::Complete(begin) = parsed else { return Err(Absent::Unclear) };
    let is_coded = response.headers.iter().any(|field| field.name.eq_ignore_ascii_case("transfer-encoding"));
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse::<usize>().ok());
    let text = answer.get(begin..).filter(|text| Some(text.len()) == length).ok_or(Absent::Unclear)?;
    if response.code != Some(200) || is_coded {
        return Err(Absent::Unclear);
    }
    match serde_json::from_slice(text).map_err(|_odd| Absent::Unclear)? {
        Verdict::Clean => Ok(Scan::Clean),
        Verdict::Infected { name } => Ok(found(&name)),
    }
}
