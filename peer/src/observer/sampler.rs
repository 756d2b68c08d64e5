//! When a status is written for whoever watches.

use std::time::Duration;

use fltorrent_records::status::{State, Status};
use fltorrent_swarm::Time;

/// Least time between two lines of one state.
const INTERVAL: Duration = Duration::from_millis(250);
/// Least time between two lines of any states; nobody reads faster.
const GAP: Duration = Duration::from_millis(50);
/// A line of a state that goes on waits for this part of the time so far: after t > 17 minutes there are 4096 (1 + ln(t ÷ 17
/// minutes)) of them at most, so that a day costs about 5 MB a peer. Changes of state are as many as the rounds.
const SHARE: u32 = 4096;

/// Decides when a status is looked at, and whether it says anything new.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    /// When the last one was looked at, and what it was.
    last: Option<(Time, Status)>,
    /// Something may have changed since.
    stale: bool,
}

impl Sampler {
    /// Whether a status has to be looked at, after something happened.
    pub(super) fn wants(&mut self, now: Time, state: State, round: u32) -> bool {
        self.stale = true;
        self.due(state, round).is_some_and(|due| due <= now)
    }

    /// When a status has to be looked at though nothing more happens; none when all is said.
    pub(super) fn due(&self, state: State, round: u32) -> Option<Time> {
        if !self.stale {
            return None;
        }
        let Some((at, last)) = &self.last else {
            return Some(Time::ZERO);
        };
        let wait = if (last.state, last.round) == (state, round) {
            INTERVAL.max(*at / SHARE)
        } else {
            GAP
        };
        Some(*at + wait)
    }

    /// Takes a status that was looked at; whether it is new.
    pub(super) fn take(&mut self, now: Time, status: Status) -> bool {
        self.stale = false;
        let is_new = self.last.is_none_or(|(_, last)| last != status);
        self.last = Some((now, status));
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: Status = Status {
        state: State::Training,
        round: 3,
        held: 5,
        total: 80,
        bytes_sent: 0,
        bytes_received: 0,
        bytes_wasted: 0,
        neighbours: 2,
        interested: 1,
        interested_in: 2,
        unchoked: 2,
        choked_by: 0,
        faults: 0,
    };

    fn ms(milliseconds: u64) -> Time {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_first_status_is_wanted_at_once_and_an_idle_peer_has_no_timer() {
        let mut sampler = Sampler::default();
        assert_eq!(sampler.due(State::Training, 3), None);
        assert!(sampler.wants(ms(7), State::Training, 3));
        assert!(sampler.take(ms(7), STATUS));
        assert_eq!(sampler.due(State::Training, 3), None);
    }

    #[test]
    fn a_state_that_goes_on_is_written_four_times_a_second_and_a_new_one_sooner() {
        let mut sampler = Sampler::default();
        sampler.wants(ms(0), State::Training, 3);
        sampler.take(ms(0), STATUS);
        assert!(!sampler.wants(ms(10), State::Training, 3));
        assert_eq!(sampler.due(State::Training, 3), Some(ms(250)));
        // What changes later is looked at by then, and not again without news.
        assert_eq!(sampler.due(State::Exchanging, 3), Some(ms(50)));
        assert_eq!(sampler.due(State::Training, 4), Some(ms(50)));
        assert!(sampler.wants(ms(250), State::Training, 3));
        assert!(!sampler.take(ms(250), STATUS), "nothing has changed");
        assert_eq!(sampler.due(State::Training, 3), None);
    }

    #[test]
    fn long_runs_write_less_often() {
        let mut sampler = Sampler::default();
        let mut lines = 0;
        let day = Duration::from_secs(24 * 3600);
        let mut now = Time::ZERO;
        while now < day {
            assert!(sampler.wants(now, STATUS.state, STATUS.round));
            sampler.take(now, STATUS);
            lines += 1;
            sampler.stale = true;
            now = sampler.due(STATUS.state, STATUS.round).unwrap();
        }
        assert!((20_000..25_000).contains(&lines), "{lines} lines a day");
    }
}
