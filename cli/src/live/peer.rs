//! What one peer's metrics file tells.

use std::collections::VecDeque;

use fltorrent_records::{
    line::Event,
    report::RoundReport,
    status::{State, Status},
};

/// Span over which a rate is taken, in seconds.
const RATE_SPAN: f64 = 2.0;
/// Shortest span, so that the first bytes are no burst.
const SHORTEST_SPAN: f64 = 0.25;
/// Time in which all neighbours should be connected, in seconds.
const CONNECT_TIME: f64 = 5.0;
/// Least silence that is worth a word, in seconds.
const SILENCE: f64 = 15.0;

/// Payload counts of the whole run at a time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    time: f64,
    sent: u64,
    received: u64,
}

/// A problem of a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trouble {
    /// Its process has ended before the run.
    Lost,
    Failed,
    /// Its process died, and another one takes its place.
    Restarted,
    /// Its training makes no progress, as it says.
    Hangs,
    /// So many of its neighbours are connected, of those that should be.
    Alone(u32, u32),
    /// Nothing was heard for so many seconds, longer than its training takes.
    Silent(f64),
    /// It got so many wrong pieces or rule breakers.
    Faults(u64),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost => write!(f, "is lost"),
            Self::Failed => write!(f, "has failed"),
            Self::Restarted => write!(f, "was restarted and has finished no round since"),
            Self::Hangs => write!(f, "makes no progress in its training"),
            Self::Alone(found, expected) => write!(f, "has {found} of {expected} neighbours"),
            Self::Silent(seconds) => write!(f, "has been silent for {seconds:.0} s"),
            Self::Faults(faults) => write!(f, "received {faults} corrupt pieces or invalid messages"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) index: u32,
    /// Neighbours of the plan, without those that are lost.
    pub(super) degree: u32,
    /// Its process has ended before the run.
    pub(super) is_lost: bool,
    /// Another process takes the place of one that died, and has finished no round yet.
    pub(super) is_restarted: bool,
    /// Its training makes no progress.
    hangs: bool,
    /// The last status of the process that died, with the bytes of all before it.
    before: Option<Status>,
    /// Its last status line; bytes are those of all its processes.
    pub(super) status: Option<Status>,
    /// The report of its last finished round.
    pub(super) report: Option<RoundReport>,
    /// When the first and the last line were written.
    heard: Option<(f64, f64)>,
    samples: VecDeque<Sample>,
}

impl Peer {
    pub(super) fn new(index: u32, degree: u32) -> Self {
        Self {
            index,
            degree,
            is_lost: false,
            is_restarted: false,
            hangs: false,
            before: None,
            status: None,
            report: None,
            heard: None,
            samples: VecDeque::new(),
        }
    }

    pub(super) fn take(&mut self, time: f64, event: &Event) {
        let first = self.heard.map_or(time, |(first, _)| first);
        self.heard = Some((first, time));
        match event {
            Event::Training(_)
            | Event::Exchange(_)
            | Event::Classes(_)
            | Event::Resumed(_)
            | Event::Converged(_)
            | Event::Verdict(_)
            | Event::RoundEnd(_)
            | Event::Absence(_)
            | Event::Pause(_)
            | Event::Churn(_)
            | Event::Repair(_)
            | Event::Other => {}
            // What others say of themselves is in their files.
            Event::Hang(hang) if hang.peer == self.index => self.hangs = hang.hangs,
            Event::Hang(_) => {}
            Event::Restarted(_) => {
                (self.is_restarted, self.hangs) = (true, false);
                self.before = self.status;
            }
            Event::Status(status) => {
                let status = self.with_bytes_before(*status);
                self.status = Some(status);
                self.samples.push_back(Sample {
                    time,
                    sent: status.bytes_sent,
                    received: status.bytes_received,
                });
                // The newest of those before the span is its beginning.
                while self.samples.get(1).is_some_and(|next| next.time < time - RATE_SPAN) {
                    self.samples.pop_front();
                }
            }
            Event::Round(report) => {
                self.report = Some(**report);
                self.is_restarted = false;
            }
        }
    }

    /// A process counts from 0.
    fn with_bytes_before(&self, status: Status) -> Status {
        let Some(before) = self.before else {
            return status;
        };
        Status {
            bytes_sent: status.bytes_sent.saturating_add(before.bytes_sent),
            bytes_received: status.bytes_received.saturating_add(before.bytes_received),
            bytes_wasted: status.bytes_wasted.saturating_add(before.bytes_wasted),
            ..status
        }
    }

    pub(super) fn state(&self) -> Option<State> {
        self.status.map(|status| status.state)
    }

    /// Bytes a second received and sent lately.
    pub(super) fn rates(&self, now: f64) -> (f64, f64) {
        let from = now - RATE_SPAN;
        let before = self.samples.iter().rfind(|sample| sample.time <= from);
        let (Some(base), Some(last)) = (before.or_else(|| self.samples.front()), self.samples.back()) else {
            return (0.0, 0.0);
        };
        let span = (now - base.time.max(from)).max(SHORTEST_SPAN);
        let rate = |last: u64, base: u64| last.saturating_sub(base) as f64 / span;
        (rate(last.received, base.received), rate(last.sent, base.sent))
    }

    /// Test accuracy of the last finished round's model, in [0, 1].
    pub(super) fn accuracy(&self) -> Option<f64> {
        self.report?.evaluation.accuracy()
    }

    pub(super) fn loss(&self) -> Option<f64> {
        self.report?.evaluation.loss()
    }

    /// The peer's problem, if any. `training` is the duration of the slowest peer's last training, in seconds, if known.
    pub(super) fn trouble(&self, now: f64, training: Option<f64>) -> Option<Trouble> {
        if self.is_lost {
            return Some(Trouble::Lost);
        }
        if self.is_restarted {
            return Some(Trouble::Restarted);
        }
        if self.hangs {
            return Some(Trouble::Hangs);
        }
        let status = self.status?;
        let (first, last) = self.heard?;
        let is_busy = match status.state {
            State::Failed => return Some(Trouble::Failed),
            State::Connecting | State::Training | State::Exchanging | State::Aggregating => true,
            State::Serving | State::Finished => false,
        };
        let patience = training.map(|training| SILENCE.max(2.0 * training));
        if is_busy && status.neighbours < self.degree && last - first > CONNECT_TIME {
            Some(Trouble::Alone(status.neighbours, self.degree))
        } else if is_busy && patience.is_some_and(|patience| now - last > patience) {
            Some(Trouble::Silent(now - last))
        } else {
            (status.faults > 0).then_some(Trouble::Faults(status.faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::survival::{Hang, Restarted};

    use super::*;
    use crate::live::samples::{report, status};

    fn peer(lines: &[(f64, Status)]) -> Peer {
        let mut peer = Peer::new(3, 2);
        for (time, status) in lines {
            peer.take(*time, &Event::Status(*status));
        }
        peer
    }

    fn bytes(received: u64) -> Status {
        Status {
            bytes_received: received,
            bytes_sent: 2 * received,
            ..status(State::Exchanging, 0)
        }
    }

    #[test]
    fn rates_are_of_the_last_two_seconds_and_end_with_them() {
        let peer = peer(&[
            (10.0, bytes(0)),
            (11.0, bytes(1000)),
            (12.0, bytes(3000)),
            (13.0, bytes(4000)),
        ]);
        assert_eq!(peer.rates(13.0), (1500.0, 3000.0));
        assert_eq!(peer.rates(14.0), (500.0, 1000.0));
        assert_eq!(peer.rates(16.0), (0.0, 0.0));
        assert_eq!(Peer::new(0, 2).rates(1.0), (0.0, 0.0));
        let fresh = self::peer(&[(10.0, bytes(0)), (10.01, bytes(1000))]);
        assert_eq!(fresh.rates(10.01).0, 4000.0);
    }

    #[test]
    fn bytes_are_those_of_all_processes_of_a_peer() {
        let mut peer = peer(&[(10.0, bytes(1000)), (12.0, bytes(3000))]);
        for incarnation in 1..3 {
            peer.take(12.0, &Event::Restarted(Restarted { round: 0, incarnation }));
            peer.take(12.5, &Event::Status(bytes(10)));
        }
        let status = peer.status.unwrap();
        assert_eq!((status.bytes_received, status.bytes_sent), (3020, 6040));
        assert_eq!(peer.rates(13.0).0, 1010.0);
    }

    #[test]
    fn few_samples_are_kept() {
        let lines: Vec<_> = (0..1000).map(|n| (f64::from(n) * 0.05, bytes(0))).collect();
        assert!(peer(&lines).samples.len() < 45);
    }

    #[test]
    fn what_a_round_showed_stays_until_the_next() {
        let mut peer = peer(&[]);
        assert_eq!((peer.accuracy(), peer.loss()), (None, None));
        peer.take(1.0, &Event::Round(Box::new(report(3, 0))));
        assert_eq!((peer.accuracy(), peer.loss()), (Some(0.9), Some(0.5)));
    }

    #[test]
    fn a_peer_whose_training_hangs_is_told_of_until_it_goes_on() {
        let mut peer = peer(&[]);
        let me = peer.index;
        let mut take = |of: u32, hangs: bool| {
            let hang = Hang {
                round: 3,
                peer: of,
                hangs,
            };
            peer.take(1.0, &Event::Hang(hang));
            peer.trouble(1.0, None)
        };
        assert_eq!(take(me + 1, true), None, "another one");
        assert_eq!(take(me, true), Some(Trouble::Hangs));
        assert_eq!(take(me + 1, false), Some(Trouble::Hangs));
        assert_eq!(take(me, false), None);
    }

    #[test]
    fn trouble_is_seen() {
        let with = |change: fn(&mut Status)| {
            let mut status = status(State::Exchanging, 1);
            change(&mut status);
            peer(&[(0.0, status), (10.0, status)])
        };
        assert_eq!(with(|_| ()).trouble(10.0, Some(1.0)), None);
        let alone = with(|status| status.neighbours = 1);
        assert_eq!(alone.trouble(10.0, None), Some(Trouble::Alone(1, 2)));
        let failed = with(|status| status.state = State::Failed);
        assert_eq!(failed.trouble(10.0, None), Some(Trouble::Failed));
        let faulty = with(|status| status.faults = 2);
        assert_eq!(faulty.trouble(10.0, None), Some(Trouble::Faults(2)));
        let silent = with(|_| ());
        assert_eq!(silent.trouble(40.0, Some(1.0)), Some(Trouble::Silent(30.0)));
        assert_eq!(silent.trouble(40.0, Some(20.0)), None, "training may take longer");
        assert_eq!(silent.trouble(40.0, None), None, "nobody knows how long");
        let left = with(|status| {
            status.state = State::Serving;
            status.neighbours = 0;
        });
        assert_eq!(left.trouble(99.0, Some(1.0)), None);
    }
}
