//! What the plan says that happens to this peer: which event is due, and what the process does to itself.

use std::{collections::VecDeque, process, thread, time::Duration};

use fltorrent_crds::plan::{At, ChurnKind, ChurnPlan};
use rustix::process::{Signal, getpid, kill_process};

/// What a shell and a container runtime say of a process that SIGKILL has ended.
const KILLED: i32 = 128 + 9;

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

/// The thread does nothing for so long, or for ever.
pub fn stand_still(lasts: Option<Duration>) {
    match lasts {
        Some(lasts) => thread::sleep(lasts),
        None => loop {
            thread::park();
        },
    }
}

/// What is said of a peer whose end the manifest has asked for.
#[must_use]
pub fn reason(round: u32) -> String {
    format!("in round {}, as `churn` says", round + 1)
}

/// Ends the process as a crash would: its neighbours hear nothing, and no core is left.
pub fn die(round: u32) -> ! {
    // For whoever started it.
    eprintln!("error: {}", reason(round));
    kill_process(getpid(), Signal::KILL).ok();
    // A container's first process is not killed by its own signals.
    process::exit(KILLED)
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
