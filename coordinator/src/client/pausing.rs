//! When the coordinator is told that a peer is paused: at once, and then again and again, since a coordinator may be a new one.

use std::time::Duration;

use fltorrent_records::report::PauseReport;
use tokio::time::Instant;

/// Time from one word to the next.
pub(super) const EVERY: Duration = Duration::from_secs(20);

/// A pause, if there is one.
#[derive(Default)]
pub(super) struct Pausing(Option<Told>);

struct Told {
    pause: PauseReport,
    since: Instant,
    due: Instant,
}

impl Pausing {
    /// The peer is paused, or is not any more. A pause that goes on with others began when it did.
    pub(super) fn set(&mut self, pause: Option<PauseReport>, now: Instant) {
        let since = self.0.as_ref().map_or(now, |told| told.since);
        self.0 = pause.map(|pause| Told { pause, since, due: now });
    }

    /// What is told now; none when it is not time for that.
    pub(super) fn take(&mut self, now: Instant) -> Option<PauseReport> {
        let told = self.0.as_mut().filter(|told| told.due <= now)?;
        told.due = now + EVERY;
        Some(PauseReport {
            seconds: now.saturating_duration_since(told.since).as_secs(),
            ..told.pause
        })
    }

    /// When it is time for the next word.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.as_ref().map(|told| told.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_at_once_and_again_with_how_long_it_has_been() {
        let pause = PauseReport {
            peer: 3,
            attempt: 0,
            round: 4,
            present: 2,
            needed: 5,
            seconds: 0,
        };
        let start = Instant::now();
        let mut pausing = Pausing::default();
        assert_eq!((pausing.take(start), pausing.due()), (None, None));
        pausing.set(Some(pause), start);
        assert_eq!(pausing.take(start), Some(pause));
        assert_eq!((pausing.take(start), pausing.due()), (None, Some(start + EVERY)));
        let later = start + EVERY;
        assert_eq!(pausing.take(later).map(|told| told.seconds), Some(EVERY.as_secs()));
        // One more has gone.
        let fewer = PauseReport { present: 1, ..pause };
        pausing.set(Some(fewer), later);
        let told = pausing.take(later + EVERY).unwrap();
        assert_eq!((told.present, told.seconds), (1, 2 * EVERY.as_secs()));
        pausing.set(None, later);
        assert_eq!((pausing.take(later + EVERY), pausing.due()), (None, None));
    }
}
