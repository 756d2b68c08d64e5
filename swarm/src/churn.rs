//! What happens to a peer since somebody wants it so: which events there are, and which one is due.

use std::{collections::VecDeque, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "a described variant would turn the schema into a oneOf")]
pub enum ChurnKind {
    // It is not there before.
    Join,
    // It goes with a goodbye, and does not come back.
    Leave,
    // Its process dies without a word, and is not started again.
    Crash,
    // Its process stands still.
    Pause,
    // Its process dies without a word, and is started again.
    Restart,
    // Its training stands still, and its process goes on.
    Wedge,
}

impl ChurnKind {
    /// The name in manifests and metrics files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Wedge => "wedge",
        }
    }

    /// Whether nothing can happen to the peer after it.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Leave | Self::Crash)
    }

    /// Whether it may have a length.
    pub const fn may_last(self) -> bool {
        matches!(self, Self::Pause | Self::Restart | Self::Wedge)
    }
}

/// Something that happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChurnPlan {
    /// What.
    pub event: ChurnKind,
    /// When.
    pub at: At,
    /// How long it lasts, or how long a restarted peer waits; none: to the end of the run, and no wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
}

/// When something happens to a peer. Those of one peer are all of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum At {
    /// With the beginning of a round, from 0.
    Round(u32),
    /// So long after the peer's first training has begun; a join, after its start.
    After(Duration),
}

/// Events that are not over yet, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    events: VecDeque<ChurnPlan>,
    /// Time that the peer had trained for before this process.
    before: Duration,
}

impl Churn {
    /// What is left for the process of an incarnation whose run begins with a round: what the driver does, and what the training thread does.
    ///
    /// As many restarts as there were processes before are over, with everything before them.
    #[must_use]
    pub fn of(events: &[ChurnPlan], incarnation: u32, first_round: u32) -> (Self, Self) {
        let restarts = (0..).zip(events).filter(|(_, due)| due.event == ChurnKind::Restart);
        let last = restarts.take(incarnation as usize).last();
        let over = last.map_or(0, |(at, _): (usize, _)| at + 1);
        let before = match last.map(|(_, due)| (due.at, due.lasts)) {
            Some((At::After(time), lasts)) => time + lasts.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let is_left = |due: &&ChurnPlan| match due.at {
            At::Round(round) => round >= first_round,
            At::After(time) => time >= before || !due.event.may_last(),
        };
        let left = events[over..].iter().filter(is_left).copied();
        let (training, driver) = left.partition(|due| due.event == ChurnKind::Wedge);
        let churn = |events| Self { events, before };
        (churn(driver), churn(training))
    }

    /// The next event that is due in a round, so long after this process has begun to train. What passes is over in a round that the peer
    /// was not in.
    pub fn next(&mut self, round: u32, trained_for: Duration) -> Option<ChurnPlan> {
        loop {
            let next = *self.events.front()?;
            match next.at {
                At::Round(at) if at > round => return None,
                At::After(_) if self.due() > Some(trained_for) => return None,
                At::Round(_) | At::After(_) => self.events.pop_front(),
            };
            let is_over = matches!(next.at, At::Round(at) if at < round);
            if !(is_over && matches!(next.event, ChurnKind::Pause | ChurnKind::Wedge)) {
                return Some(next);
            }
        }
    }

    /// How long after this process has begun to train the next event is due, where that is a matter of time.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.events.front()?.at {
            At::Round(_) => None,
            At::After(time) => Some(time.saturating_sub(self.before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(event: ChurnKind, at: At, lasts: Option<u32>) -> ChurnPlan {
        ChurnPlan {
            event,
            at,
            lasts: lasts.map(|seconds| SECOND * seconds),
        }
    }

    fn in_round(event: ChurnKind, round: u32) -> ChurnPlan {
        due(event, At::Round(round), Some(1).filter(|_| event.may_last()))
    }

    fn after(event: ChurnKind, seconds: u32) -> ChurnPlan {
        due(event, At::After(SECOND * seconds), Some(5).filter(|_| event.may_last()))
    }

    fn left(churn: &Churn) -> Vec<ChurnPlan> {
        churn.events.iter().copied().collect()
    }

    #[test]
    fn the_driver_and_the_training_thread_each_have_their_events() {
        let events = [
            in_round(ChurnKind::Wedge, 1),
            in_round(ChurnKind::Pause, 1),
            in_round(ChurnKind::Crash, 3),
        ];
        let (mut driver, mut training) = Churn::of(&events, 0, 0);
        assert_eq!(driver.next(0, SECOND), None);
        assert_eq!(driver.next(1, SECOND), Some(events[1]));
        assert_eq!(driver.next(1, SECOND), None);
        assert_eq!(driver.due(), None);
        // Its round passed while the peer was away, and it dies all the same.
        assert_eq!(driver.next(7, SECOND), Some(events[2]));
        assert_eq!(training.next(0, SECOND), None);
        assert_eq!(training.next(1, SECOND), Some(events[0]));
        assert_eq!(training.next(9, SECOND), None);
    }

    #[test]
    fn who_was_away_in_a_round_does_not_stand_still_in_it_later() {
        let events = [2, 4, 5].map(|round| in_round(ChurnKind::Pause, round));
        let (mut driver, _) = Churn::of(&events, 0, 0);
        assert_eq!(driver.next(5, SECOND), Some(events[2]));
        assert_eq!(driver.next(6, SECOND), None);
    }

    #[test]
    fn times_count_from_the_first_training() {
        let events = [after(ChurnKind::Pause, 10), after(ChurnKind::Leave, 12)];
        let (mut driver, _) = Churn::of(&events, 0, 3);
        assert_eq!(driver.next(7, 9 * SECOND), None);
        assert_eq!(driver.due(), Some(10 * SECOND));
        assert_eq!(driver.next(7, 10 * SECOND), Some(events[0]));
        // It was due while the process stood still.
        assert_eq!(driver.next(7, 15 * SECOND), Some(events[1]));
        assert_eq!((driver.next(8, 90 * SECOND), driver.due()), (None, None));
    }

    #[test]
    fn a_process_that_was_started_again_goes_on_after_its_restart() {
        let events = [
            in_round(ChurnKind::Pause, 1),
            in_round(ChurnKind::Restart, 3),
            in_round(ChurnKind::Restart, 6),
            in_round(ChurnKind::Crash, 9),
        ];
        let of = |incarnation| left(&Churn::of(&events, incarnation, 0).0);
        assert_eq!(of(0), events);
        assert_eq!(of(1), events[2..]);
        assert_eq!(of(2), events[3..]);
        // Whoever else has killed it.
        assert_eq!(of(3), events[3..]);
        let timed = [
            after(ChurnKind::Restart, 10),
            after(ChurnKind::Pause, 12),
            after(ChurnKind::Pause, 20),
            after(ChurnKind::Crash, 21),
        ];
        let (mut driver, _) = Churn::of(&timed, 1, 0);
        assert_eq!(driver.due(), Some(5 * SECOND));
        assert_eq!(driver.next(4, 5 * SECOND), Some(timed[2]));
        assert_eq!(driver.next(4, 6 * SECOND), Some(timed[3]));
    }

    #[test]
    fn a_run_that_resumes_has_what_happened_before_behind_it() {
        let events = [in_round(ChurnKind::Pause, 1), in_round(ChurnKind::Crash, 3)];
        assert_eq!(left(&Churn::of(&events, 0, 3).0), events[1..]);
        assert_eq!(left(&Churn::of(&events, 0, 4).0), []);
    }
}
