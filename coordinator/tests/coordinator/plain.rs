//! Pages over plain HTTP, on loopback.

use std::net::SocketAddr;

use fltorrent_coordinator::{
    listen,
    plain::{self, MAX_CONNECTIONS, MAX_OF_ONE_ADDRESS, Page},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::hub::{is_open, silent};

#[tokio::test]
async fn connections_that_are_left_alone_keep_no_probe_out() {
    let listener = listen::tcp(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let pages = |path: &str| (path == "/healthz").then_some(Page::Text("ok\n"));
    let server = tokio::spawn(plain::serve(listener, "/healthz", pages));
    let mut idle = Vec::new();
    for from in (2..).take(MAX_CONNECTIONS / MAX_OF_ONE_ADDRESS) {
        for _ in 0..MAX_OF_ONE_ADDRESS {
            idle.push(silent(from, address).await);
        }
    }
    let mut one_more = silent(2, address).await;
    assert!(!matches!(one_more.read(&mut [0; 1]).await, Ok(1..)));

    let mut probe = TcpStream::connect(address).await.unwrap();
    probe
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: o\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"));
    let left = idle.iter().filter(|stream| is_open(stream)).count();
    assert_eq!(left, MAX_CONNECTIONS - 1);
    server.abort();
}
