//! What Prometheus and Kubernetes ask a peer over HTTP.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{net::SocketAddr, sync::Arc};

use fltorrent_peer::metrics::{Metrics, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, "GET", path, "").await
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{method} {path} HTTP/1.1\r\nhost: peer\r\n{headers}\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn metrics_health_and_readiness_are_served() {
    let metrics = Arc::new(Metrics::new("digits", 3, 10));
    let (address, _server) = serve("127.0.0.1:0".parse().unwrap(), Arc::clone(&metrics)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("fltorrent_build_info{{experiment=\"digits\",peer=\"3\",version=\"{version}\"}} 1");
    let open_metrics = "accept: application/openmetrics-text\r\n";
    for (accept, kind, family, is_open) in [
        ("", "text/plain; version=0.0.4", "fltorrent_rounds_total", false),
        (open_metrics, "application/openmetrics-text", "fltorrent_rounds", true),
    ] {
        let text = ask(address, "GET", "/metrics", accept).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        for line in [
            &format!("content-type: {kind}"),
            &format!("# TYPE {family} counter"),
            "# TYPE fltorrent_round gauge",
            "fltorrent_rounds_total{experiment=\"digits\",peer=\"3\"} 0",
            "fltorrent_rounds_planned{experiment=\"digits\",peer=\"3\"} 10",
            "fltorrent_payload_received_bytes_total{experiment=\"digits\",peer=\"3\"} 0",
            build.as_str(),
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.ends_with("# EOF\n"), is_open, "{text}");
    }
    let refused = ask(address, "POST", "/metrics", "").await;
    assert!(refused.starts_with("HTTP/1.1 405"), "{refused}");
    assert!(refused.contains("allow: GET"), "{refused}");
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(
        get(address, "/readyz").await.starts_with("HTTP/1.1 503"),
        "training has not begun"
    );
    assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = serve(address, Arc::new(Metrics::new("digits", 0, 10))).unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
