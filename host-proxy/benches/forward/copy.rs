//! The floor: a process that copies bytes between sockets and knows nothing of them.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// As much as the proxy's own largest pieces.
const BUFFER: usize = 64 * 1024;

/// Copies between whoever comes to the Unix socket at `path`, or without one to a port that is printed, and the origin.
pub(crate) fn run(origin: u16, path: Option<&Path>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(path) = path {
            let listener = UnixListener::bind(path).unwrap();
            println!("0");
            loop {
                let (client, _address) = listener.accept().await.unwrap();
                tokio::spawn(copy(client, origin));
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let (client, _address) = listener.accept().await.unwrap();
            client.set_nodelay(true).unwrap();
            tokio::spawn(copy(client, origin));
        }
    });
}

async fn copy(mut client: impl AsyncRead + AsyncWrite + Unpin, origin: u16) {
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", origin)).await else { return };
    upstream.set_nodelay(true).unwrap();
    let _broken = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await;
}
