//! Which peers of a run say that they are paused, and whether the run is.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fltorrent_records::report::PauseReport;

/// How long a word counts. Peers say it anew three times as often.
const HOLDS: Duration = Duration::from_secs(60);

/// A run of which no round ends until more peers take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Most peers that take part together.
    pub present: u32,
    /// Peers that have to.
    pub needed: u32,
    /// For how long the first peer has been paused; at the experiment's `pauseLimit` it fails.
    pub seconds: u64,
}

/// The last word of each peer, and when it came.
#[derive(Debug, Default)]
pub(super) struct Pauses(BTreeMap<u32, (Instant, PauseReport)>);

impl Pauses {
    pub(super) fn note(&mut self, pause: PauseReport, now: Instant) {
        self.0.insert(pause.peer, (now, pause));
    }

    /// Whether the run is paused: fewer peers than are needed do not say that they are. Where a network is split, the others may train on.
    /// `done` are the rounds that a peer has reported: whoever has reported the round that did not end is paused no more.
    pub(super) fn of_run(&mut self, peers: u32, done: impl Fn(u32) -> u32, now: Instant) -> Option<Paused> {
        let holds = |at: Instant| now.saturating_duration_since(at) < HOLDS;
        self.0
            .retain(|&peer, (at, pause)| holds(*at) && done(peer) <= pause.round);
        let say = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        // A single word does not count for more than the others'.
        let mut needed: Vec<u32> = self.0.values().map(|(_, pause)| pause.needed).collect();
        needed.sort_unstable();
        let needed = *needed.get(needed.len() / 2)?;
        let seconds = self.0.values().map(|(at, pause)| {
            let since = now.saturating_duration_since(*at).as_secs();
            pause.seconds.saturating_add(since)
        });
        (peers.saturating_sub(say) < needed).then(|| Paused {
            present: self.0.values().map(|(_, pause)| pause.present).max().unwrap_or(0),
            needed,
            seconds: seconds.max().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(peer: u32, present: u32, seconds: u64) -> PauseReport {
        PauseReport {
            peer,
            attempt: 0,
            round: 4,
            present,
            needed: 5,
            seconds,
        }
    }

    #[test]
    fn a_run_is_paused_while_too_few_may_train_on() {
        let start = Instant::now();
        let done = |_| 4;
        let mut pauses = Pauses::default();
        assert_eq!(pauses.of_run(8, done, start), None);
        for peer in 0..3 {
            pauses.note(pause(peer, 3, 7), start);
        }
        // The other five may be connected with each other.
        assert_eq!(pauses.of_run(8, done, start), None);
        pauses.note(pause(3, 4, 2), start);
        let later = start + Duration::from_secs(5);
        let expected = Paused {
            present: 4,
            needed: 5,
            seconds: 12,
        };
        assert_eq!(pauses.of_run(8, done, later), Some(expected));
        // Its round has ended.
        assert_eq!(pauses.of_run(8, |peer| if peer == 3 { 5 } else { 4 }, later), None);
        pauses.note(pause(3, 4, 30), later);
        assert!(pauses.of_run(8, done, later).is_some());
        // The others have said nothing for long.
        assert_eq!(pauses.of_run(8, done, start + HOLDS), None);
    }
}
