//! A process that is short of file descriptors. Alone in its process, since all that is in it would be short of them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{fs::File, net::SocketAddr, time::Duration};

use fltorrent_coordinator::{
    listen,
    plain::{self, Page},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn a_port_outlives_a_shortage_of_file_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(64);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();

    let listener = listen::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let pages = |path: &str| (path == "/healthz").then_some(Page::Text("ok\n"));
    // Nothing is accepted before this task waits for something.
    let server = tokio::spawn(plain::serve(listener, "/healthz", pages));
    let probe = std::net::TcpStream::connect(address).unwrap();
    let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!all.is_empty());
    // Time passes whenever everybody waits: meanwhile nothing can be accepted.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert!(!server.is_finished());
    drop(all);

    probe.set_nonblocking(true).unwrap();
    let mut probe = TcpStream::from_std(probe).unwrap();
    probe
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: o\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
