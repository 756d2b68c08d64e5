//! The UDP socket under the endpoint: the seam at which links will be shaped.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use thiserror::Error;

/// Why there is no socket.
#[derive(Debug, Error)]
#[error("UDP {address} cannot be bound: is another process using that port?")]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
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

/// A socket that is bound already. Must be called within a tokio runtime.
///
/// # Errors
/// When the system refuses what QUIC needs of a socket.
pub fn wrap(socket: UdpSocket) -> io::Result<Socket> {
    TokioRuntime.wrap_udp_socket(socket)
}
