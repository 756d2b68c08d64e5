//! The uplink of this process, shared among its connections by turns: what takes precedence is given to QUIC first, and no faster than the link carries it, as
//! the manifest declares or the host's queue shows. Messages, acknowledgements and what was lost do not wait here.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fltorrent_swarm::{Precedence, sending::QUIC_HEADERS};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::sleep,
};

use super::{
    congestion::{FRAME_HEADERS, HEADERS, SharedUplink},
    host_queue,
};

/// Bytes of a full packet beside those of a stream: QUIC's, IP's and UDP's.
const AROUND: f64 = (QUIC_HEADERS + HEADERS) as f64;
/// Bytes of streams in a full packet.
const PAYLOAD: usize = 1400;
/// Packets that get a turn together at least.
const TOGETHER: usize = 2;
/// The same of a link of which nothing is known yet.
const UNKNOWN: usize = 8;
/// Timers fire at full milliseconds: so much has to be on its way between two of them.
const TICK: f64 = 0.001;

/// A part of a piece that waits for its turn.
#[derive(Debug)]
struct Waiter {
    to: u32,
    /// Bytes that it would give to QUIC.
    bytes: usize,
    precedence: Precedence,
    turn: oneshot::Sender<()>,
}

/// Where the host's queue is looked at.
enum Look {
    /// The rate is declared.
    Needless,
    /// No connection has said by which interface it leaves.
    Later,
    At(host_queue::Look),
    /// The host has no queue that can be seen.
    Nowhere,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Needless => "Needless",
            Self::Later => "Later",
            Self::At(_) => "At",
            Self::Nowhere => "Nowhere",
        })
    }
}

#[derive(Debug)]
struct State {
    look: Look,
    /// In the order in which they came.
    waiters: Vec<Waiter>,
    /// By neighbour: how much of what it asks for is left ([`Precedence::left`]).
    left: BTreeMap<u32, u32>,
}

impl State {
    /// What goes first; the one that came first of those that are equal.
    fn first(&self) -> Option<usize> {
        let key = |waiter: &Waiter| Precedence {
            left: self.left.get(&waiter.to).copied().unwrap_or(waiter.precedence.left),
            ..waiter.precedence
        };
        let waiters = self.waiters.iter().enumerate();
        waiters.rev().max_by_key(|(_, waiter)| key(waiter)).map(|(at, _)| at)
    }
}

/// What became of a turn.
enum Turn {
    Given,
    /// The link is, for so long.
    Busy(Duration),
    /// Nothing waits.
    Nobody,
}

/// The uplink that all connections of this process send over.
#[derive(Debug)]
pub(super) struct Uplink {
    link: Arc<SharedUplink>,
    /// Where both are locked, this one is first.
    state: Mutex<State>,
    wanted: Notify,
    /// Bytes of a datagram's headers, as far as they count.
    headers: u32,
}

impl Uplink {
    /// Gives turns in a task of these.
    pub(super) fn start(link: Arc<SharedUplink>, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let uplink = Arc::new(Self::new(link));
        let giving = Arc::clone(&uplink);
        tasks.spawn(async move { giving.give_turns().await });
        uplink
    }

    fn new(link: Arc<SharedUplink>) -> Self {
        let (look, headers) = match link.lock().is_observed() {
            true => (Look::Later, FRAME_HEADERS),
            false => (Look::Needless, HEADERS),
        };
        Self {
            link,
            state: Mutex::new(State {
                look,
                waiters: Vec::new(),
                left: BTreeMap::new(),
            }),
            wanted: Notify::new(),
            headers,
        }
    }

    /// A connection goes there. All leave by one interface, unless a host has several.
    pub(super) fn leads_to(&self, remote: SocketAddr) {
        let state = &mut self.state();
        if !matches!(state.look, Look::Later) {
            return;
        }
        let (look, error) = match from(remote).and_then(host_queue::look) {
            Ok(look) => (Look::At(look), None),
            Err(error) => (Look::Nowhere, Some(error)),
        };
        state.look = look;
        tracing::info!(
            is_seen = error.is_none(),
            reason = error.as_ref().map(tracing::field::display),
            "the uplink's rate is not declared: the host's queue may show it"
        );
    }

    /// Waits until so many bytes of a piece, or fewer, may be given to QUIC: how many.
    pub(super) async fn turn(&self, to: u32, precedence: Precedence, bytes: usize) -> usize {
        if self.is_boundless() {
            return bytes;
        }
        let bytes = bytes.min(self.batch());
        let until = self.line_up(to, precedence, bytes);
        self.wanted.notify_one();
        // Nobody gives turns any more when the transport ends, and the connection with it.
        until.await.ok();
        bytes
    }

    /// Waits behind the others; what is returned says when the turn has come.
    fn line_up(&self, to: u32, precedence: Precedence, bytes: usize) -> oneshot::Receiver<()> {
        let (turn, until) = oneshot::channel();
        self.state().waiters.push(Waiter {
            to,
            bytes,
            precedence,
            turn,
        });
        until
    }

    /// Whether nothing says what the link carries.
    fn is_boundless(&self) -> bool {
        matches!(self.state().look, Look::Later | Look::Nowhere)
    }

    /// Bytes of a piece that get a turn together.
    fn batch(&self) -> usize {
        let packets = |rate: f64| ((rate * TICK / PAYLOAD as f64) as usize).max(TOGETHER);
        let rate = self.link.lock().rate();
        rate.map_or(UNKNOWN, packets) * PAYLOAD
    }

    /// Bytes a second that it was measured to carry, where nobody declares that.
    pub(super) fn measured(&self) -> Option<f64> {
        self.link.lock().measured()
    }

    /// So much of what a neighbour asks for is left ([`Precedence::left`]).
    pub(super) fn set_left(&self, to: u32, left: u32) {
        self.state().left.insert(to, left);
    }

    /// The socket has sent a datagram.
    pub(super) fn on_sent(&self, bytes: usize) {
        let bytes = bytes as f64 + f64::from(self.headers);
        self.link.lock().on_datagram(self.link.now(), bytes);
    }

    async fn give_turns(&self) {
        loop {
            let wanted = self.wanted.notified();
            match self.give_turn() {
                Turn::Given => {}
                Turn::Busy(pause) => sleep(pause).await,
                Turn::Nobody => wanted.await,
            }
        }
    }

    /// Gives what goes first its turn, where something waits and the link has room.
    fn give_turn(&self) -> Turn {
        let mut state = self.state();
        // Whoever was aborted waits no more.
        state.waiters.retain(|waiter| !waiter.turn.is_closed());
        let Some(first) = state.first() else {
            return Turn::Nobody;
        };
        let mut link = self.link.lock();
        let now = self.link.now();
        if link.must_look(now)
            && let Look::At(look) = &mut state.look
        {
            match look() {
                Some(queue) => link.observe(now, queue),
                None => {
                    state.look = Look::Nowhere;
                    link.lose_sight();
                }
            }
        }
        if let Some(pause) = link.wait(now) {
            return Turn::Busy(pause);
        }
        let waiter = state.waiters.remove(first);
        if waiter.turn.send(()).is_ok() {
            link.give(now, wire(waiter.bytes));
        }
        Turn::Given
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that what is sent there leaves from. Nothing is sent.
fn from(remote: SocketAddr) -> io::Result<IpAddr> {
    // Sockets of both families tell IPv4 addresses as IPv6's.
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Bytes on the wire of so many bytes of a piece.
fn wire(bytes: usize) -> f64 {
    bytes as f64 * (1.0 + AROUND / PAYLOAD as f64)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use fltorrent_crds::plan::RatePlan;

    use super::*;

    fn precedence(round: u32, is_first: bool, left: u32) -> Precedence {
        Precedence {
            round: Reverse(round),
            is_first,
            left,
            turn: 0,
        }
    }

    fn uplink() -> Uplink {
        let up = RatePlan {
            rate: 10_000_000,
            queue: 62_500,
        };
        let link = SharedUplink::declared(up).by_turns(PAYLOAD as u32);
        Uplink::new(SharedUplink::new(link))
    }

    fn wait(uplink: &Uplink, to: u32, precedence: Precedence) -> oneshot::Receiver<()> {
        uplink.line_up(to, precedence, TOGETHER * PAYLOAD)
    }

    #[test]
    fn what_takes_precedence_goes_first_and_what_came_first_of_equals() {
        let uplink = uplink();
        let waiting = [
            (1, precedence(1, false, 9)),
            (2, precedence(1, false, 5)),
            (3, precedence(0, false, 0)),
            (4, precedence(1, true, 0)),
            (5, precedence(1, false, 5)),
        ];
        let untils: Vec<_> = waiting.iter().map(|&(to, it)| wait(&uplink, to, it)).collect();
        // Its neighbour has asked for more since.
        uplink.set_left(5, 7);
        let mut state = uplink.state();
        let mut order = Vec::new();
        while let Some(at) = state.first() {
            order.push(state.waiters.remove(at).to);
        }
        assert_eq!(order, [3, 4, 1, 5, 2]);
        drop(state);
        let equal = [
            wait(&uplink, 7, precedence(1, false, 5)),
            wait(&uplink, 8, precedence(1, false, 5)),
        ];
        assert_eq!(uplink.state().first(), Some(0));
        drop((untils, equal));
    }

    #[test]
    fn what_goes_to_this_host_leaves_from_it() {
        for address in ["127.0.0.1:9", "[::ffff:127.0.0.1]:9"] {
            let found = from(address.parse().unwrap()).unwrap();
            assert_eq!(found, IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
    }

    #[test]
    fn a_busy_link_gives_no_turn() {
        let uplink = uplink();
        let mut turns = 0;
        let mut until = wait(&uplink, 1, precedence(0, false, 0));
        while matches!(uplink.give_turn(), Turn::Given) {
            turns += 1;
            assert!(until.try_recv().is_ok());
            until = wait(&uplink, 1, precedence(0, false, 0));
        }
        assert!((2..6).contains(&turns), "{turns}");
        drop(until);
        assert!(
            matches!(uplink.give_turn(), Turn::Nobody),
            "whoever was aborted waits no more"
        );
    }
}
