//! The UDP socket under the endpoint: the seam at which links will be shaped.

mod load;

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use quinn::{
    AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use thiserror::Error;

use load::Load;

/// Bytes of datagrams that wait in the kernel: seven neighbours may send while this process waits for a CPU.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

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
    // As much as the system allows (net.core.rmem_max); with less, more is lost while this process waits for a CPU.
    SockRef::from(&socket)
        .set_recv_buffer_size(RECEIVE_BUFFER)
        .ok();
    TokioRuntime.wrap_udp_socket(socket)
}

/// A socket that promises no more datagrams at a time than the system puts together, which is 64 KiB of them, and hands over
/// several at a time only where much is sent.
///
/// quinn keeps room for 32 times as many of the largest size as the socket promises: 13 MB at an MTU of 6,500, where 2 do.
pub(super) fn bounded(socket: Socket, largest: u16) -> Socket {
    let together = usize::from(u16::MAX).div_ceil(usize::from(largest).max(1));
    Arc::new(Bounded {
        segments: socket.max_receive_segments().min(together),
        socket,
        load: Mutex::new(Load::begin(Instant::now())),
    })
}

#[derive(Debug)]
struct Bounded {
    socket: Socket,
    segments: usize,
    load: Mutex<Load>,
}

impl Bounded {
    fn load<T>(&self, ask: impl FnOnce(&mut Load) -> T) -> T {
        ask(&mut self.load.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncUdpSocket for Bounded {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)?;
        self.load(|load| load.add(Instant::now(), transmit.contents.len()));
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        if self.load(|load| load.is_high()) {
            self.socket.max_transmit_segments()
        } else {
            1
        }
    }

    fn max_receive_segments(&self) -> usize {
        self.segments
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_room_for_all_that_the_system_puts_together_and_little_more() {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let promised = socket.max_receive_segments();
        for largest in [1472, 6500, u16::MAX] {
            let segments = bounded(Arc::clone(&socket), largest).max_receive_segments();
            let room = segments * usize::from(largest);
            assert!(segments == promised || room >= 65_535, "{largest}: {room}");
            assert!(segments == 1 || room < 65_535 + usize::from(largest));
        }
    }
}
