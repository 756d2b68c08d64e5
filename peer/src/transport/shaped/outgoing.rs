//! Datagrams on their way out.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use quinn::udp::{EcnCodepoint, Transmit};
use tokio::{sync::Notify, time::sleep_until};

use super::{EARLY, MOST_WAITING};
use crate::{
    shaper::{Fate, Uplink, packet_bytes},
    transport::socket::Socket,
};

/// A datagram that waits.
#[derive(Debug)]
struct Waiting {
    due: Duration,
    number: u64,
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    from: Option<IpAddr>,
    contents: Box<[u8]>,
}

impl Waiting {
    const fn key(&self) -> (Duration, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The line of what waits.
#[derive(Debug)]
struct Line {
    link: Uplink,
    waiting: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    sent: u64,
    lost: u64,
    overflowed: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    line: Mutex<Line>,
    /// There is something that is due before all that waits, or the line is closed.
    changed: Notify,
}

impl Shared {
    fn line<T>(&self, with: impl FnOnce(&mut Line) -> T) -> T {
        with(&mut self.line.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The next step.
enum Next {
    Send(Waiting),
    WaitUntil(Instant),
    Wait,
    End,
}

/// Takes datagrams at once, and sends them when the link is through with them.
#[derive(Debug)]
pub(super) struct Outgoing(Arc<Shared>);

impl Outgoing {
    /// Must be called within a tokio runtime.
    pub(super) fn start(socket: Socket, epoch: Instant, link: Uplink) -> Self {
        let shared = Arc::new(Shared {
            epoch,
            line: Mutex::new(Line {
                link,
                waiting: BinaryHeap::new(),
                bytes: 0,
                sent: 0,
                lost: 0,
                overflowed: 0,
                is_closed: false,
            }),
            changed: Notify::new(),
        });
        tokio::spawn(release(socket, Arc::clone(&shared)));
        Self(shared)
    }

    pub(super) fn send(&self, transmit: &Transmit<'_>) {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        let now = self.0.epoch.elapsed();
        let is_first = self.0.line(|line| {
            let before = line.waiting.peek().map(|first| first.0.due);
            for datagram in transmit.contents.chunks(size.max(1)) {
                line.take(now, transmit, datagram);
            }
            line.waiting.peek().map(|first| first.0.due) != before
        });
        if is_first {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.line(|line| line.is_closed = true);
        self.0.changed.notify_one();
    }
}

impl Line {
    fn take(&mut self, now: Duration, transmit: &Transmit<'_>, datagram: &[u8]) {
        let to = transmit.destination;
        let fate = self.link.send(now, packet_bytes(to, datagram.len()));
        match fate {
            Fate::Leaves(due) if self.bytes + datagram.len() <= MOST_WAITING => {
                self.bytes += datagram.len();
                self.sent += 1;
                self.waiting.push(Reverse(Waiting {
                    due,
                    number: self.sent,
                    destination: to,
                    ecn: transmit.ecn,
                    from: transmit.src_ip,
                    contents: datagram.into(),
                }));
            }
            Fate::Leaves(_) | Fate::Overflows => self.overflowed += 1,
            Fate::Lost => self.lost += 1,
        }
    }

    fn next(&mut self, epoch: Instant) -> Next {
        let Some(Reverse(first)) = self.waiting.peek() else {
            return if self.is_closed { Next::End } else { Next::Wait };
        };
        if first.due > epoch.elapsed() + EARLY {
            return Next::WaitUntil(epoch + first.due - EARLY);
        }
        match self.waiting.pop() {
            Some(Reverse(first)) => {
                self.bytes -= first.contents.len();
                Next::Send(first)
            }
            None => Next::Wait,
        }
    }
}

/// Sends what is due until the line is closed and empty.
async fn release(socket: Socket, shared: Arc<Shared>) {
    let mut writable = Arc::clone(&socket).create_io_poller();
    loop {
        match shared.line(|line| line.next(shared.epoch)) {
            Next::Send(datagram) => {
                let transmit = Transmit {
                    destination: datagram.destination,
                    ecn: datagram.ecn,
                    contents: &datagram.contents,
                    segment_size: None,
                    src_ip: datagram.from,
                };
                // Any other error loses the datagram, as the network may.
                while let Err(error) = socket.try_send(&transmit) {
                    let is_full = error.kind() == io::ErrorKind::WouldBlock;
                    if !is_full || poll_fn(|cx| writable.as_mut().poll_writable(cx)).await.is_err() {
                        break;
                    }
                }
            }
            Next::WaitUntil(due) => {
                tokio::select! {
                    () = sleep_until(due.into()) => {}
                    () = shared.changed.notified() => {}
                }
            }
            Next::Wait => shared.changed.notified().await,
            Next::End => break,
        }
    }
    let (sent, lost, overflowed) = shared.line(|line| (line.sent, line.lost, line.overflowed));
    tracing::info!(sent, lost, overflowed, "datagrams of the emulated uplink");
}
