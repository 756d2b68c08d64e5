//! Finds out that nobody listens at an address, which QUIC's own socket is not told.
//!
//! A system answers a datagram to a closed port with an ICMP message (RFC 1122, 4.1.3.1), and a kernel passes that on to
//! connected sockets only. So one byte is sent from a socket of its own; QUIC drops it as no packet (RFC 9000, 5.2).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::UdpSocket;

/// The network's refusal of an address; pending for ever when there is none.
pub(super) async fn refusal(address: SocketAddr) -> io::Error {
    match try_one_byte(address).await {
        Err(error) => error,
        // Whoever answers such a byte is there.
        Ok(()) => std::future::pending().await,
    }
}

async fn try_one_byte(address: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    socket.send(&[0]).await?;
    socket.recv(&mut [0]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_open_one_does_not() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let open = taken.local_addr().unwrap();
        drop(taken);
        let error = refusal(open).await;
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");

        let listening = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = listening.local_addr().unwrap();
        let mut byte = [7; 8];
        tokio::select! {
            error = refusal(address) => panic!("{error}"),
            got = listening.recv(&mut byte) => assert_eq!(got.unwrap(), 1),
        }
    }
}
