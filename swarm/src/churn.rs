//! What happens to a peer since somebody wants it so: which events there are, and which one is due.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

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
    // Its process dies without a word, and another one takes its place.
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

    /// Whether it may have a length. Of a round that the peer was not in, or a time at which it was not there, such an event is left out.
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
    /// So long after the peer's first training has begun. A join: after the beginning of the run, with which the clock of that peer's events
    /// begins.
    After(Duration),
}

/// What became of a peer before a process of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// How many processes there were.
    pub processes: u32,
    /// What has happened to them, and in which rounds, in order; none where nobody knows any more.
    pub done: Option<Vec<(ChurnKind, u32)>>,
    /// How long ago the first of them began to train.
    pub trained_for: Duration,
}

impl Past {
    /// Which of the peer's events are over, by their places in the list.
    fn over(&self, events: &[ChurnPlan]) -> BTreeSet<usize> {
        let Some(done) = &self.done else {
            // As many restarts as there were processes, with everything before them.
            return (0..self.last_restart(events).map_or(0, |at| at + 1)).collect();
        };
        let mut over = BTreeSet::new();
        for &(event, round) in done {
            let is_it = |due: &ChurnPlan| match due.at {
                At::Round(at) => at == round || !event.may_last(),
                At::After(_) => true,
            };
            let mut places = (0..).zip(events).filter(|(_, due)| due.event == event && is_it(due));
            over.extend(places.find(|(at, _)| !over.contains(at)).map(|(at, _)| at));
        }
        over
    }

    /// What the clock of the peer's events shows when this process begins to train.
    fn clock(&self, events: &[ChurnPlan], first_round: u32) -> Duration {
        let joined = match events.first() {
            // In a run that resumes it is there from the beginning.
            Some(&ChurnPlan {
                event: ChurnKind::Join,
                at: At::After(time),
                ..
            }) if first_round == 0 => time,
            _ => Duration::ZERO,
        };
        let restart = self.last_restart(events).filter(|_| self.done.is_none());
        match restart.map(|at| events[at]) {
            Some(ChurnPlan {
                at: At::After(time),
                lasts,
                ..
            }) => time + lasts.unwrap_or_default(),
            _ => joined + self.trained_for,
        }
    }

    fn last_restart(&self, events: &[ChurnPlan]) -> Option<usize> {
        let restarts = (0..).zip(events).filter(|(_, due)| due.event == ChurnKind::Restart);
        restarts.take(self.processes as usize).last().map(|(at, _)| at)
    }
}

/// Events that are not over yet, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    events: VecDeque<ChurnPlan>,
    /// What the clock of the events shows when this process begins to train.
    before: Duration,
}

impl Churn {
    /// What is left for a process whose run begins with a round: what the driver does, and what the training thread does.
    #[must_use]
    pub fn of(events: &[ChurnPlan], past: &Past, first_round: u32) -> (Self, Self) {
        let (over, before) = (past.over(events), past.clock(events, first_round));
        let is_left = |due: &ChurnPlan| match (due.event, due.at) {
            // A run that resumes has all its peers.
            (ChurnKind::Join, _) => first_round == 0,
            (_, At::Round(round)) => round >= first_round,
            (event, At::After(time)) => time >= before || !event.may_last(),
        };
        let left = (0..).zip(events).filter(|(at, due)| !over.contains(at) && is_left(due));
        let (training, driver) = left.map(|(_, due)| *due).partition(|due| due.event == ChurnKind::Wedge);
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
            if !(is_over && next.event.may_last()) {
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
        let (mut driver, mut training) = Churn::of(&events, &Past::default(), 0);
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
        let (mut driver, _) = Churn::of(&events, &Past::default(), 0);
        assert_eq!(driver.next(5, SECOND), Some(events[2]));
        assert_eq!(driver.next(6, SECOND), None);
    }

    #[test]
    fn times_count_from_the_first_training() {
        let events = [after(ChurnKind::Pause, 10), after(ChurnKind::Leave, 12)];
        let (mut driver, _) = Churn::of(&events, &Past::default(), 3);
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
        let of = |done: &[(ChurnKind, u32)]| {
            let past = Past {
                processes: 1,
                done: Some(done.to_vec()),
                trained_for: 9 * SECOND,
            };
            left(&Churn::of(&events, &past, 0).0)
        };
        let (pause, restart) = ((ChurnKind::Pause, 1), (ChurnKind::Restart, 3));
        assert_eq!(of(&[pause, restart]), events[2..]);
        assert_eq!(of(&[pause, restart, (ChurnKind::Restart, 6)]), events[3..]);
        // Somebody else has killed it.
        assert_eq!(of(&[pause]), events[1..]);
        // It was away in the rounds before.
        assert_eq!(of(&[(ChurnKind::Restart, 6)]), [events[0], events[1], events[3]]);
        assert_eq!(of(&[(ChurnKind::Restart, 4)]), events);
    }

    #[test]
    fn where_nothing_is_known_each_process_stands_for_a_restart() {
        let past = |processes| Past {
            processes,
            ..Past::default()
        };
        let events = [
            in_round(ChurnKind::Pause, 1),
            in_round(ChurnKind::Restart, 3),
            in_round(ChurnKind::Restart, 6),
            in_round(ChurnKind::Crash, 9),
        ];
        let of = |processes| left(&Churn::of(&events, &past(processes), 0).0);
        assert_eq!(of(0), events);
        assert_eq!(of(1), events[2..]);
        assert_eq!(of(2), events[3..]);
        assert_eq!(of(3), events[3..]);
        let timed = [
            after(ChurnKind::Restart, 10),
            after(ChurnKind::Pause, 12),
            after(ChurnKind::Pause, 20),
            after(ChurnKind::Crash, 21),
        ];
        let (mut driver, _) = Churn::of(&timed, &past(1), 0);
        assert_eq!(driver.due(), Some(5 * SECOND));
        assert_eq!(driver.next(4, 5 * SECOND), Some(timed[2]));
        assert_eq!(driver.next(4, 6 * SECOND), Some(timed[3]));
    }

    #[test]
    fn the_clock_of_the_events_goes_on_across_processes() {
        let events = [
            after(ChurnKind::Join, 4),
            after(ChurnKind::Wedge, 7),
            after(ChurnKind::Restart, 10),
            after(ChurnKind::Pause, 12),
            after(ChurnKind::Wedge, 13),
            after(ChurnKind::Pause, 20),
            after(ChurnKind::Crash, 21),
        ];
        let (mut driver, training) = Churn::of(&events, &Past::default(), 0);
        assert_eq!(
            driver.next(2, Duration::ZERO),
            Some(events[0]),
            "its training begins with it"
        );
        assert_eq!((driver.due(), training.due()), (Some(6 * SECOND), Some(3 * SECOND)));
        // It died ten seconds after the run had begun, and trains again five later.
        let past = Past {
            processes: 1,
            done: Some(vec![
                (ChurnKind::Join, 2),
                (ChurnKind::Wedge, 3),
                (ChurnKind::Restart, 5),
            ]),
            trained_for: 11 * SECOND,
        };
        let (driver, training) = Churn::of(&events, &past, 0);
        assert_eq!((left(&driver), left(&training)), (events[5..].to_vec(), vec![]));
        assert_eq!(driver.due(), Some(5 * SECOND));
        // Nothing is done twice where the machine's clock was set back.
        let past = Past {
            trained_for: Duration::ZERO,
            ..past
        };
        assert_eq!(left(&Churn::of(&events, &past, 0).0), [events[3], events[5], events[6]]);
    }

    #[test]
    fn a_restart_of_a_round_that_the_peer_was_not_in_is_left_out() {
        let events = [in_round(ChurnKind::Restart, 2), in_round(ChurnKind::Restart, 4)];
        let (mut driver, _) = Churn::of(&events, &Past::default(), 0);
        assert_eq!(driver.next(3, SECOND), None);
        assert_eq!(driver.next(4, SECOND), Some(events[1]));
    }

    #[test]
    fn a_run_that_resumes_has_what_happened_before_behind_it() {
        let events = [in_round(ChurnKind::Pause, 1), in_round(ChurnKind::Crash, 3)];
        assert_eq!(left(&Churn::of(&events, &Past::default(), 3).0), events[1..]);
        assert_eq!(left(&Churn::of(&events, &Past::default(), 4).0), []);
        let joins = [in_round(ChurnKind::Join, 3), in_round(ChurnKind::Pause, 5)];
        assert_eq!(left(&Churn::of(&joins, &Past::default(), 0).0), joins);
        assert_eq!(left(&Churn::of(&joins, &Past::default(), 2).0), joins[1..]);
        // Nobody joins, so that the clock begins with the first training.
        let timed = [
            after(ChurnKind::Join, 30),
            after(ChurnKind::Pause, 40),
            after(ChurnKind::Crash, 50),
        ];
        let of = |first_round| Churn::of(&timed, &Past::default(), first_round).0;
        assert_eq!(left(&of(2)), timed[1..]);
        assert_eq!(of(2).due(), Some(40 * SECOND));
        let mut begun = of(0);
        assert_eq!(begun.next(3, Duration::ZERO), Some(timed[0]));
        assert_eq!(begun.due(), Some(10 * SECOND));
    }
}
