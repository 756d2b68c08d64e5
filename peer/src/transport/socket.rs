//! The UDP socket under the endpoint: the seam at which links will be shaped.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use thiserror::Error;

/// Why there is no socket.
#[derive(Debug, Error)]
#[error("UDP {address} cannot be bound: {}", advice(source))]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "that is no address of this machine; correct it in the nodes file, or remove it there to listen at all addresses"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root; choose a higher one",
        _ => "is another process using that port?",
    }
}

/// A socket as quinn takes it.
pub type Socket = Arc<dyn AsyncUdpSocket>;

/// Binds a UDP socket; port 0 lets the system choose. Must be called within a tokio runtime.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(address: SocketAddr) -> Result<Socket, BindError> {
    UdpSocket::bind(address)
        .and_then(wrap)
        .map_err(|source| BindError { address, source })
}

/// Binds a UDP socket to every address of this machine, IPv6 and IPv4, or IPv4 alone where there is no IPv6. Must be
/// called within a tokio runtime.
///
/// # Errors
/// When the port cannot be bound.
pub fn bind_all(port: u16) -> Result<Socket, BindError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match dual_stack(both) {
        Ok(socket) => wrap(socket).map_err(|source| BindError {
            address: both,
            source,
        }),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError {
            address: both,
            source: error,
        }),
        // A kernel without IPv6 says so in several ways; what is wrong beside that is wrong with IPv4 too.
        Err(_) => bind((Ipv4Addr::UNSPECIFIED, port).into()),
    }
}

fn dual_stack(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = RawSocket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(false)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A socket that is bound already. Must be called within a tokio runtime.
///
/// # Errors
/// When the system refuses what QUIC needs of a socket.
pub fn wrap(socket: UdpSocket) -> io::Result<Socket> {
    TokioRuntime.wrap_udp_socket(socket)
}
