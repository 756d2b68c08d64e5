//! How often, and when, another process takes the place of a peer's that died. It decides from numbers alone.

use std::time::Duration;

use fltorrent_coordinator::backoff::Backoff;
use fltorrent_crds::Bindings;
use tokio::{sync::oneshot, time::Instant};

use crate::launcher::PeerFailure;

/// Waits before a process takes the place of another one.
const WAITS: Backoff = Backoff {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(10),
};

/// The processes of all peers.
#[derive(Debug)]
pub(in crate::launcher) struct Respawns {
    /// What each process is told beside its own certificate; none until the first ones are told.
    pub(in crate::launcher) bindings: Option<Bindings>,
    peers: Vec<Processes>,
}

/// The processes of one peer.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// The number of the newest one.
    pub(super) incarnation: u32,
    /// How many were started since the last round that was closed.
    pub(super) in_a_row: u32,
    /// Rounds that were over when the last process had died.
    closed: u32,
    /// The manifest says that there is a next one.
    is_planned: bool,
    /// When the next one is to be started, and how the last one ended.
    pub(super) next: Option<(Instant, PeerFailure)>,
    /// Takes the answer to the announcement of the newest.
    pub(super) line: Option<oneshot::Sender<Vec<u8>>>,
    /// Why its announcement was not answered.
    pub(super) refused: Option<String>,
}

impl Respawns {
    pub(in crate::launcher) fn new(peers: usize) -> Self {
        Self {
            bindings: None,
            peers: (0..peers).map(|_| Processes::default()).collect(),
        }
    }

    /// When the next process is to be started.
    pub(in crate::launcher) fn next(&self) -> Option<Instant> {
        self.peers.iter().filter_map(|peer| Some(peer.next.as_ref()?.0)).min()
    }

    /// Whether a peer's next process is still to be started.
    pub(in crate::launcher) fn is_waiting(&self, index: u32) -> bool {
        self.peers[index as usize].next.is_some()
    }

    /// How many processes of each peer took the place of another one.
    pub(in crate::launcher) fn counts(&self) -> Vec<u32> {
        self.peers.iter().map(|peer| peer.incarnation).collect()
    }

    /// The number of a peer's newest process.
    pub(in crate::launcher) fn incarnation_of(&self, index: u32) -> u32 {
        self.peers[index as usize].incarnation
    }

    /// What takes the answer to the announcement of the newest.
    pub(in crate::launcher) fn take_line(&mut self, index: u32) -> Option<oneshot::Sender<Vec<u8>>> {
        self.peers[index as usize].line.take()
    }

    pub(super) fn of(&mut self, index: u32) -> &mut Processes {
        &mut self.peers[index as usize]
    }

    /// Starts nobody any more; gives how those ended whose next process was to be started.
    pub(super) fn give_up(&mut self) -> Vec<PeerFailure> {
        let waiting = self.peers.iter_mut().filter_map(|peer| peer.next.take());
        waiting.map(|(_, failure)| failure).collect()
    }

    /// Whether a peer's newest process was not there from the beginning, and has not closed a round yet: so many are over for the peer.
    pub(super) fn is_coming_back(&self, index: u32, is_late: bool, closed: impl FnOnce() -> u32) -> bool {
        let peer = &self.peers[index as usize];
        (is_late || peer.incarnation > 0) && closed() <= peer.closed
    }
}

impl Processes {
    /// How long to wait until another process takes the place of one that died when `closed` rounds were over for it; none: nobody does. A
    /// round that was closed since the last time gives it all restarts back.
    pub(super) fn wait(&mut self, closed: u32, restarts: u32) -> Option<Duration> {
        self.note_closed(closed);
        (self.in_a_row < restarts).then(|| WAITS.after(self.in_a_row))
    }

    /// The next process is planned: it counts for no restart.
    pub(super) fn plan(&mut self, closed: u32) {
        self.note_closed(closed);
        self.is_planned = true;
    }

    fn note_closed(&mut self, closed: u32) {
        if closed > self.closed {
            (self.closed, self.in_a_row) = (closed, 0);
        }
    }

    /// Another process is started.
    pub(super) fn count(&mut self) {
        self.incarnation += 1;
        self.in_a_row += u32::from(!std::mem::take(&mut self.is_planned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_restarted_so_many_times_in_a_row_and_after_a_round_as_often_again() {
        let mut respawns = Respawns::new(3);
        // Rounds that are over for the peer when its process dies, and how long the next one is waited for, in ms.
        for (closed, wait) in [
            (0, Some(200)),
            (0, Some(400)),
            (4, Some(200)),
            (4, Some(400)),
            (4, Some(800)),
            (4, None),
            (4, None),
            (5, Some(200)),
        ] {
            let processes = respawns.of(1);
            let waits = processes.wait(closed, 3);
            assert_eq!(waits, wait.map(Duration::from_millis), "{closed}");
            if waits.is_some() {
                processes.count();
                assert!(respawns.is_coming_back(1, false, || closed));
                assert!(!respawns.is_coming_back(1, false, || closed + 1));
            }
        }
        assert_eq!(respawns.counts(), [0, 6, 0]);
        assert!(!respawns.is_coming_back(0, false, || 0), "its first process is there");
        assert!(respawns.is_coming_back(0, true, || 0), "it joins");
        assert_eq!(respawns.of(2).wait(7, 0), None, "restarts: 0");
    }

    #[test]
    fn what_is_planned_uses_up_no_restart() {
        let mut processes = Processes::default();
        for closed in [3, 3, 3] {
            processes.plan(closed);
            processes.count();
        }
        assert_eq!((processes.incarnation, processes.in_a_row), (3, 0));
        // One that dies by itself does.
        assert!(processes.wait(3, 1).is_some());
        processes.count();
        assert_eq!(processes.wait(3, 1), None);
        processes.plan(4);
        processes.count();
        assert_eq!(processes.wait(4, 1), Some(WAITS.first));
    }

    #[test]
    fn a_wait_is_bounded() {
        let mut processes = Processes::default();
        for _ in 0..100 {
            assert!(processes.wait(0, 101).unwrap() <= WAITS.longest);
            processes.count();
        }
    }

    #[tokio::test]
    async fn the_next_start_is_the_earliest() {
        let mut respawns = Respawns::new(3);
        assert_eq!(respawns.next(), None);
        let now = Instant::now();
        for (index, seconds) in [(0, 5), (2, 3)] {
            let failure = PeerFailure {
                index,
                reason: String::new(),
                last_lines: Vec::new(),
                log: "x".into(),
            };
            respawns.of(index).next = Some((now + Duration::from_secs(seconds), failure));
        }
        assert_eq!(respawns.next(), Some(now + Duration::from_secs(3)));
        assert_eq!([0, 1, 2].map(|index| respawns.is_waiting(index)), [true, false, true]);
        let given_up: Vec<u32> = respawns.give_up().iter().map(|failure| failure.index).collect();
        assert_eq!((given_up, respawns.next()), (vec![0, 2], None));
    }
}
