//! Peers that join later. Their processes are started with the others, so that everybody can be told where they will be; they are told
//! nothing themselves before their time has come, and are in nobody's run until then.

use std::collections::BTreeMap;

use fltorrent_crds::{Announcement, Plan, plan::At};
use tokio::{sync::oneshot, time::Instant};

use super::{Exit, Launcher, PeerFailure};

/// The peers that have yet to join.
#[derive(Debug)]
pub(super) struct Joins(BTreeMap<u32, Waiting>);

#[derive(Debug)]
struct Waiting {
    at: At,
    /// When it joins, once that is known.
    due: Option<Instant>,
    /// Takes the answer to its announcement.
    line: Option<oneshot::Sender<Vec<u8>>>,
}

impl Joins {
    pub(super) fn of(plan: &Plan, first_round: u32) -> Self {
        let waiting = |at| Waiting {
            at,
            due: None,
            line: None,
        };
        Self(plan.late(first_round).map(|(peer, at)| (peer, waiting(at))).collect())
    }

    /// The run begins.
    fn begin(&mut self, now: Instant) {
        for waiting in self.0.values_mut() {
            waiting.due = match waiting.at {
                At::After(time) => Some(now + time),
                At::Round(_) => None,
            };
        }
    }

    /// Somebody begins a round.
    fn note_round(&mut self, round: u32, now: Instant) {
        for waiting in self.0.values_mut() {
            if matches!(waiting.at, At::Round(at) if at <= round) {
                waiting.due.get_or_insert(now);
            }
        }
    }

    /// When the next one joins.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|waiting| waiting.due).min()
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        self.0.contains_key(&index)
    }

    /// Those whose time has come.
    fn due(&mut self, now: Instant) -> Vec<(u32, Option<oneshot::Sender<Vec<u8>>>)> {
        let due = self
            .0
            .extract_if(.., |_, waiting| waiting.due.is_some_and(|at| at <= now));
        due.map(|(index, waiting)| (index, waiting.line)).collect()
    }
}

impl Launcher {
    /// The run begins: whoever is there from the beginning is told where the others are.
    pub(super) fn tell_who_begins(&mut self, answers: Vec<Vec<u8>>) {
        self.joins.begin(Instant::now());
        for (index, (line, answer)) in (0..).zip(self.bindings.drain(..).zip(answers)) {
            if let Some(waiting) = self.joins.0.get_mut(&index) {
                waiting.line = Some(line);
                // Nothing is finished yet that its absence could sum up.
                self.lines.leave(index);
            } else {
                // A peer that is gone already says so by its exit.
                line.send(answer).ok();
            }
        }
    }

    /// Somebody has finished a round, and begins the next one.
    pub(super) fn finished_round(&mut self, round: u32) {
        self.joins.note_round(round.saturating_add(1), Instant::now());
    }

    /// A process that waits to join took the place of one that died while it waited.
    pub(super) fn announced_early(&mut self, index: u32, announcement: Announcement) {
        let line = self.respawns.take_line(index);
        if let Some(waiting) = self.joins.0.get_mut(&index) {
            waiting.line = line;
            self.announcements[index as usize] = Some(announcement);
        }
    }

    /// Tells those whose time has come where the others are.
    pub(super) fn join(&mut self) {
        for (index, line) in self.joins.due(Instant::now()) {
            let announcement = self.announcements[index as usize].clone();
            let incarnation = self.respawns.incarnation_of(index);
            let answer = announcement.map(|announcement| self.answer_again(index, incarnation, &announcement));
            // One that is gone already says so by its exit, and one without an answer ends for lack of it.
            if let (Some(Ok(answer)), Some(line)) = (answer, line) {
                line.send(answer).ok();
            }
        }
    }

    /// Whoever joins waits for a round that others begin: where nobody is there who could, and nobody will be, it would wait for ever.
    pub(super) fn join_nobody_alone(&mut self) {
        let begins_none = |(index, exit): (u32, &Option<Exit>)| {
            self.joins.contains(index) || exit.is_some() && !self.respawns.is_waiting(index)
        };
        if !self.joins.0.is_empty() && (0..).zip(&self.exits).all(begins_none) {
            self.join_nobody("when nobody was left to begin a round");
        }
    }

    /// No round begins any more in which others could take part, and `when` says since when.
    pub(super) fn join_nobody(&mut self, when: &str) {
        for (index, waiting) in std::mem::take(&mut self.joins.0) {
            // It is told nothing, which ends it.
            drop(waiting.line);
            if self.is_given_up(index) {
                continue;
            }
            let lost = self.lose(PeerFailure {
                index,
                reason: format!("peer {index} had yet to join {when}"),
                last_lines: Vec::new(),
                log: self.setup.results.of_peer(index, "log"),
            });
            self.waiting.push_back(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn joins() -> Joins {
        let churn = "[{event: join, peers: [2, 5], round: 4}, {event: join, peers: [3], after: 90s}]";
        let sets = [("churn".to_owned(), churn.to_owned())];
        let plan = Plan::load(include_str!("../../../examples/quickstart.yaml"), &sets).unwrap();
        assert!(Joins::of(&plan, 1).0.is_empty(), "a run that resumes has all its peers");
        Joins::of(&plan, 0)
    }

    fn due(joins: &mut Joins, now: Instant) -> Vec<u32> {
        joins.due(now).into_iter().map(|(index, _)| index).collect()
    }

    #[tokio::test]
    async fn they_join_with_the_round_or_at_the_time() {
        let (mut joins, now) = (joins(), Instant::now());
        assert_eq!(joins.next(), None);
        joins.begin(now);
        assert_eq!(joins.next(), Some(now + 90 * SECOND));
        joins.note_round(2, now + SECOND);
        assert_eq!(due(&mut joins, now + SECOND), [0; 0]);
        joins.note_round(3, now + 2 * SECOND);
        joins.note_round(4, now + 3 * SECOND);
        assert_eq!(joins.next(), Some(now + 2 * SECOND));
        assert_eq!(due(&mut joins, now + 2 * SECOND), [2, 5]);
        assert!(joins.contains(3) && !joins.contains(2));
        assert_eq!(due(&mut joins, now + 90 * SECOND), [3]);
        assert_eq!(joins.next(), None);
    }
}
