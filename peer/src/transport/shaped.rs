//! A socket whose datagrams go through an emulated link: the driver around [`crate::shaper`].
//!
//! Datagrams are always taken, and leave or are dropped as the link decides: QUIC sees the losses and delays that it would
//! see behind a router, not a socket that says to wait. What is received is handed over when the link is through with it.

mod incoming;
mod outgoing;

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use fltorrent_crds::plan::LinkPlan;
use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

use self::{incoming::Incoming, outgoing::Outgoing};
use super::socket::Socket;
use crate::shaper::{Downlink, Uplink};

/// Timers fire at full milliseconds: what is due within half of one goes at once, so that nothing is late on average.
const EARLY: Duration = Duration::from_micros(500);
/// Bytes that are on their way at once, whatever the link: more is dropped, so that memory stays bounded.
const MOST_WAITING: usize = 64 << 20;

/// Puts a link before a socket. What is random follows from the run's seed. Must be called within a tokio runtime.
pub fn shape(socket: Socket, link: &LinkPlan, seed: u64, peer: u32) -> Socket {
    let epoch = Instant::now();
    let outgoing = Outgoing::start(Arc::clone(&socket), epoch, Uplink::new(link, seed, peer));
    let incoming = link
        .down
        .map(|rate| Mutex::new(Incoming::new(epoch, Downlink::new(rate))));
    Arc::new(Shaped {
        socket,
        outgoing,
        incoming,
    })
}

#[derive(Debug)]
struct Shaped {
    socket: Socket,
    outgoing: Outgoing,
    incoming: Option<Mutex<Incoming>>,
}

/// A link's queue takes everything: there is nothing to wait for.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Shaped {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.outgoing.send(transmit);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match &self.incoming {
            Some(incoming) => {
                incoming
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .poll(&*self.socket, cx, bufs, meta)
            }
            None => self.socket.poll_recv(cx, bufs, meta),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, slice};

    use fltorrent_crds::plan::RatePlan;
    use tokio::time::timeout;

    use super::*;
    use crate::transport::socket;

    const LENGTH: usize = 1000;

    fn bound() -> (Socket, SocketAddr) {
        let socket = socket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn numbered(number: u16) -> [u8; LENGTH] {
        let mut contents = [0; LENGTH];
        contents[..2].copy_from_slice(&number.to_be_bytes());
        contents
    }

    fn send(socket: &Socket, destination: SocketAddr, number: u16) {
        let contents = numbered(number);
        socket
            .try_send(&Transmit {
                destination,
                ecn: None,
                contents: &contents,
                segment_size: None,
                src_ip: None,
            })
            .unwrap();
    }

    /// Numbers and times of what comes until nothing more does.
    async fn receive(socket: &Socket, count: usize) -> Vec<(u16, Duration)> {
        let start = Instant::now();
        let mut got = Vec::new();
        while got.len() < count {
            let mut bytes = vec![0; 65_536];
            let mut meta = RecvMeta::default();
            let next = std::future::poll_fn(|cx| {
                let mut buffer = IoSliceMut::new(&mut bytes);
                socket.poll_recv(cx, slice::from_mut(&mut buffer), slice::from_mut(&mut meta))
            });
            match timeout(Duration::from_secs(20), next).await {
                Ok(Ok(1)) => {}
                other => panic!("{other:?} after {got:?}"),
            }
            for datagram in bytes[..meta.len].chunks(meta.stride) {
                assert_eq!(datagram.len(), LENGTH);
                got.push((u16::from_be_bytes([datagram[0], datagram[1]]), start.elapsed()));
            }
        }
        got
    }

    fn rate(queue: u64) -> Option<RatePlan> {
        // 1028 bytes with headers: 8.2 ms each.
        Some(RatePlan { rate: 1_000_000, queue })
    }

    #[tokio::test]
    async fn what_is_sent_leaves_in_order_and_no_faster_than_the_link() {
        let (socket, _) = bound();
        let (other, to) = bound();
        let link = LinkPlan {
            up: rate(30 * 1028),
            delay: Duration::from_millis(20),
            ..LinkPlan::default()
        };
        let shaped = shape(socket, &link, 1, 0);
        assert_eq!(shaped.max_transmit_segments(), 1);
        // Thirty fit into the queue, five do not.
        for number in 0..35 {
            send(&shaped, to, number);
        }
        let got = receive(&other, 30).await;
        assert!(got.iter().map(|(number, _)| *number).eq(0..30));
        let least = Duration::from_micros(30 * 8_224 + 20_000) - EARLY;
        assert!(got[29].1 >= least, "{got:?}");
    }

    #[tokio::test]
    async fn what_is_received_is_handed_over_no_faster_than_the_link() {
        let (socket, to) = bound();
        let other = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let link = LinkPlan {
            down: rate(20 * 1028),
            ..LinkPlan::default()
        };
        let shaped = shape(socket, &link, 1, 0);
        for number in 0..30 {
            other.send_to(&numbered(number), to).unwrap();
        }
        let got = receive(&shaped, 20).await;
        assert!(got.iter().map(|(number, _)| *number).eq(0..20));
        assert!(got[19].1 >= Duration::from_micros(19 * 8_224) - EARLY, "{got:?}");
    }

    #[tokio::test]
    async fn what_waits_leaves_after_the_socket_is_gone() {
        let (socket, _) = bound();
        let (other, to) = bound();
        let link = LinkPlan {
            delay: Duration::from_millis(30),
            ..LinkPlan::default()
        };
        let shaped = shape(socket, &link, 1, 0);
        send(&shaped, to, 7);
        drop(shaped);
        assert_eq!(receive(&other, 1).await[0].0, 7);
    }
}
