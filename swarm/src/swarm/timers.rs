//! When something has to happen although nothing comes.

use super::Swarm;
use crate::{Time, neighbour::Neighbour};

impl Swarm {
    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.give_up_neighbours(now);
        self.drop_overdue(now);
        self.drop_late_suppliers(now);
        self.follow_uplinks(now);
        self.ask_all_idle(now);
        self.look_at_lease(now);
        if self.choker.next <= now {
            self.choose_whom_to_serve(now);
        }
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] wants to be called: a time after the last input, which may have passed since.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.ended {
            return None;
        }
        let neighbours = self.neighbours.iter();
        let lost = (0..self.neighbours.len()).filter_map(|at| self.give_up_at(at));
        let due = |neighbour: &Neighbour| {
            [neighbour.haves_due, neighbour.metainfos_due]
                .into_iter()
                .flatten()
                .min()
        };
        let haves = neighbours.clone().filter_map(due);
        let penalties = neighbours
            .map(|neighbour| neighbour.not_before)
            .filter(|&at| at > self.latest);
        let exchange = [
            self.next_overdue(),
            self.next_late_supplier(),
            self.next_ask_idle(),
            self.next_follow_uplinks(),
        ];
        let choke = self.someone_waits().then_some(self.choker.next);
        let absent = self.next_link_due();
        let vote = self.next_vote();
        let lease = self.next_lease();
        let suspicion = self.next_suspicion();
        let stall = self.next_stall();
        let timers = lost
            .chain(haves)
            .chain(penalties)
            .chain(exchange.into_iter().flatten())
            .chain(choke);
        timers
            .chain(absent)
            .chain(vote)
            .chain(lease)
            .chain(suspicion)
            .chain(stall)
            .min()
    }
}
