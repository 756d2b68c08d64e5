//! The uplink of this process, shared among its connections by rule: what takes precedence is given to QUIC first, and no faster than the link carries it.
//! Messages, acknowledgements and what was lost do not wait here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fltorrent_crds::plan::RatePlan;
use fltorrent_swarm::{Precedence, sending::Pacer};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::sleep,
};

/// Bytes of IP's and UDP's headers.
const HEADERS: f64 = 28.0;
/// Bytes of a full packet beside those of a stream: QUIC's header and tag, the stream frame's header, IP's and UDP's.
const AROUND: f64 = 34.0 + HEADERS;
/// Bytes of streams in a full packet.
const PAYLOAD: usize = 1400;
/// Packets that get a turn together at least.
const TOGETHER: usize = 2;
/// Timers fire at full milliseconds: so much has to be on its way between two of them.
const TICK: f64 = 0.001;

/// A part of a piece that waits for its turn.
#[derive(Debug)]
struct Waiter {
    to: u32,
    precedence: Precedence,
    turn: oneshot::Sender<()>,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    began: Instant,
    /// Bytes that were given to QUIC and counted, and have not been seen at the socket.
    given: f64,
    /// In the order in which they came.
    waiters: Vec<Waiter>,
    /// By neighbour: chunks that it asks for beside those that wait here.
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
    state: Mutex<State>,
    wanted: Notify,
    /// Bytes of a piece that get a turn together.
    batch: usize,
}

impl Uplink {
    /// Gives turns in a task of these.
    pub(super) fn start(up: RatePlan, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let packets = (up.bytes() * TICK / PAYLOAD as f64) as usize;
        let batch = packets.max(TOGETHER) * PAYLOAD;
        let uplink = Arc::new(Self {
            state: Mutex::new(State {
                pacer: Pacer::new(up.bytes(), wire(PAYLOAD)),
                began: Instant::now(),
                given: 0.0,
                waiters: Vec::new(),
                left: BTreeMap::new(),
            }),
            wanted: Notify::new(),
            batch,
        });
        let giving = Arc::clone(&uplink);
        tasks.spawn(async move { giving.give_turns().await });
        uplink
    }

    /// Waits until so many bytes of a piece may be given to QUIC.
    pub(super) async fn turn(&self, to: u32, precedence: Precedence) -> usize {
        let (turn, until) = oneshot::channel();
        self.state().waiters.push(Waiter { to, precedence, turn });
        self.wanted.notify_one();
        // Nobody gives turns any more when the transport ends, and the connection with it.
        until.await.ok();
        self.batch
    }

    /// A neighbour asks for so many chunks beside those that wait here.
    pub(super) fn set_left(&self, to: u32, left: u32) {
        self.state().left.insert(to, left);
    }

    /// The socket has sent a datagram.
    pub(super) fn on_sent(&self, bytes: usize) {
        let mut state = self.state();
        let now = state.began.elapsed();
        let bytes = bytes as f64 + HEADERS;
        let unknown = (bytes - state.given).max(0.0);
        state.given = (state.given - bytes).max(0.0);
        state.pacer.on_sent(now, unknown);
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
        let now = state.began.elapsed();
        if let Some(pause) = state.pacer.wait(now) {
            return Turn::Busy(pause);
        }
        let waiter = state.waiters.remove(first);
        if waiter.turn.send(()).is_ok() {
            let bytes = wire(self.batch);
            state.pacer.on_sent(now, bytes);
            state.given += bytes;
        }
        Turn::Given
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes on the wire of so many bytes of a piece.
fn wire(bytes: usize) -> f64 {
    bytes as f64 * (1.0 + AROUND / PAYLOAD as f64)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

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
        Uplink {
            state: Mutex::new(State {
                pacer: Pacer::new(1_250_000.0, wire(PAYLOAD)),
                began: Instant::now(),
                given: 0.0,
                waiters: Vec::new(),
                left: BTreeMap::new(),
            }),
            wanted: Notify::new(),
            batch: TOGETHER * PAYLOAD,
        }
    }

    fn wait(uplink: &Uplink, to: u32, precedence: Precedence) -> oneshot::Receiver<()> {
        let (turn, until) = oneshot::channel();
        uplink.state().waiters.push(Waiter { to, precedence, turn });
        until
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
    fn a_busy_link_gives_no_turn_and_what_was_given_counts_once() {
        let uplink = uplink();
        let mut turns = 0;
        let mut until = wait(&uplink, 1, precedence(0, false, 0));
        while matches!(uplink.give_turn(), Turn::Given) {
            turns += 1;
            assert!(until.try_recv().is_ok());
            until = wait(&uplink, 1, precedence(0, false, 0));
        }
        assert!((2..6).contains(&turns), "{turns}");
        let given = uplink.state().given;
        assert!((given - f64::from(turns) * wire(uplink.batch)).abs() < 1.0);
        // What the socket sends of that was counted before.
        while uplink.state().given > 0.0 {
            uplink.on_sent(1400);
        }
        drop(until);
        assert!(
            matches!(uplink.give_turn(), Turn::Nobody),
            "whoever was aborted waits no more"
        );
    }
}
