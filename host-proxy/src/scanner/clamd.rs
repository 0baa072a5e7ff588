//! The daemon of ClamAV: `zINSTREAM`, pieces with their lengths, a piece of no length, and one line back.

use policies::Scan;
use tokio::net::TcpStream;

use super::{Absent, exchange, found};
use crate::download::Spool;

pub(super) async fn ask(stream: &mut TcpStream, body: &Spool) -> Result<Scan, Absent> {
    let frame = |piece: &[u8]| {
        // Pieces are of 64 KiB at most.
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        (length.to_be_bytes().to_vec(), &b""[..])
    };
    let answer = exchange(stream, (b"zINSTREAM\0", &[0; 4]), (body, frame)).await?;
    let line = answer.strip_suffix(b"\0").ok_or(Absent::Unclear)?;
    let line = std::str::from_utf8(line).map_err(|_odd| Absent::Unclear)?;
    match line.strip_prefix("stream: ").ok_or(Absent::Unclear)? {
        "OK" => Ok(Scan::Clean),
        line => line.strip_suffix(" FOUND").map(found).ok_or(Absent::Unclear),
    }
}
