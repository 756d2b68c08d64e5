//! The UDP socket under the endpoint: the seam at which links will be shaped.

mod load;

use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddr, UdpSocket},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use fltorrent_coordinator::listen;
use quinn::{
    AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use socket2::SockRef;
use thiserror::Error;

use load::Load;

use super::uplink::Uplink;

/// Bytes of datagrams that wait in the kernel: seven neighbours may send while this process waits for a CPU.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Reads of datagrams that waited, at most: a full buffer of datagrams as short as they come.
const MOST_WAITING: usize = 65_536;

/// Why there is no socket.
#[derive(Debug, Error)]
#[error("UDP {address} cannot be bound: {}", advice(source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "that is no address of this machine; correct it in the nodes file, or remove it there to listen at all addresses"
        }
        _ => listen::advice(error),
    }
}

/// A socket as quinn takes it.
pub type Socket = Arc<dyn AsyncUdpSocket>;

/// Binds a UDP socket as [`listen`] says; port 0 lets the system choose. Must be called within a tokio runtime.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(address: SocketAddr) -> Result<Socket, BindError> {
    listen::udp(address)
        .and_then(wrap)
        .map_err(|source| BindError { address, source })
}

/// Binds a UDP socket to every address of this machine, IPv6 and IPv4, or IPv4 alone where there is no IPv6. Must be
/// called within a tokio runtime.
///
/// # Errors
/// When the port cannot be bound.
pub fn bind_all(port: u16) -> Result<Socket, BindError> {
    bind((Ipv6Addr::UNSPECIFIED, port).into())
}

/// A socket that is bound already. Must be called within a tokio runtime.
///
/// # Errors
/// When the system refuses what QUIC needs of a socket.
pub fn wrap(socket: UdpSocket) -> io::Result<Socket> {
    if let Some(granted) = widen(&socket, RECEIVE_BUFFER) {
        tracing::info!(
            granted,
            wanted = RECEIVE_BUFFER,
            "the kernel cut the UDP receive buffer; where packets come faster than this process runs, more of them are lost: \
             raise net.core.rmem_max"
        );
    }
    TokioRuntime.wrap_udp_socket(socket)
}

/// Makes the receive buffer larger. Gives the bytes that it has when those are fewer.
fn widen(socket: &UdpSocket, wanted: usize) -> Option<usize> {
    let socket = SockRef::from(socket);
    // What the system refuses shows in what is there.
    socket.set_recv_buffer_size(wanted).ok();
    let told = socket.recv_buffer_size().ok()?;
    // Linux counts its own bookkeeping too, and tells twice what it grants (socket(7)).
    let granted = if cfg!(target_os = "linux") { told / 2 } else { told };
    (granted < wanted).then_some(granted)
}

/// Drops what has come so far: of whoever dialled while nobody listened, each try is over by now.
pub(crate) fn drop_waiting(socket: &Socket) {
    let (mut buffer, mut meta) = ([0; u16::MAX as usize], [RecvMeta::default()]);
    let reads = poll_fn(|context| {
        for _ in 0..MOST_WAITING {
            let came = socket.poll_recv(context, &mut [IoSliceMut::new(&mut buffer)], &mut meta);
            if !matches!(came, Poll::Ready(Ok(_))) {
                break;
            }
        }
        Poll::Ready(())
    });
    // Otherwise tokio would take 128 reads for enough, and say that no more is there.
    let reads = pin!(tokio::task::coop::unconstrained(reads));
    let done = reads.poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(done.is_ready(), "it waits for nothing");
}

/// A socket that promises no more datagrams at a time than the system puts together, which is 64 KiB of them, and hands over
/// several at a time only where much is sent.
///
/// quinn keeps room for 32 times as many of the largest size as the socket promises: 13 MB at an MTU of 6,500, where 2 do.
pub(super) fn bounded(socket: Socket, largest: u16, uplink: Option<Arc<Uplink>>) -> Socket {
    let together = usize::from(u16::MAX).div_ceil(usize::from(largest).max(1));
    Arc::new(Bounded {
        segments: socket.max_receive_segments().min(together),
        socket,
        uplink,
        load: Mutex::new(Load::begin(Instant::now())),
    })
}

#[derive(Debug)]
struct Bounded {
    socket: Socket,
    segments: usize,
    /// Where all that is sent counts.
    uplink: Option<Arc<Uplink>>,
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
        if let Some(uplink) = &self.uplink {
            let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            transmit
                .contents
                .chunks(segment)
                .for_each(|datagram| uplink.on_sent(datagram.len()));
        }
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
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_buffer_that_the_kernel_cut_is_seen() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(widen(&socket, 8192), None);
        // More than `net.core.rmem_max` is on any machine.
        let wanted = 1 << 30;
        assert!(widen(&socket, wanted).is_some_and(|granted| granted < wanted));
    }

    /// The length of the next datagram.
    async fn read(socket: &Socket) -> usize {
        let (mut buffer, mut meta) = ([0; u16::MAX as usize], [RecvMeta::default()]);
        poll_fn(|context| socket.poll_recv(context, &mut [IoSliceMut::new(&mut buffer)], &mut meta))
            .await
            .unwrap();
        meta[0].len
    }

    #[tokio::test]
    async fn all_that_waits_is_dropped() {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..300 {
            sender.send_to(b"before", address).unwrap();
        }
        // The runtime has to have seen that there are some.
        assert_eq!(read(&socket).await, "before".len());
        drop_waiting(&socket);
        sender.send_to(b"afterwards", address).unwrap();
        assert_eq!(read(&socket).await, "afterwards".len());
    }

    #[tokio::test]
    async fn there_is_room_for_all_that_the_system_puts_together_and_little_more() {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let promised = socket.max_receive_segments();
        for largest in [1472, 6500, u16::MAX] {
            let segments = bounded(Arc::clone(&socket), largest, None).max_receive_segments();
            let room = segments * usize::from(largest);
            assert!(segments == promised || room >= 65_535, "{largest}: {room}");
            assert!(segments == 1 || room < 65_535 + usize::from(largest));
        }
    }
}
