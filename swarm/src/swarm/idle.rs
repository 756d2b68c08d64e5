//! Uplinks that have nothing to send: who says so, and what is asked there in place of where it waits.

use std::time::Duration;

use super::{Swarm, Violation};
use crate::{Time, message::Message};

/// Chunks that move to an idle neighbour at once.
const MOVED_AT_ONCE: usize = 2;
/// What waits elsewhere has to take so many times as long there: it may be on its way.
const WORTH: f64 = 3.0;
/// Seconds that words for that take on their way: what is there sooner stays.
const WORDS: f64 = 0.1;

impl Swarm {
    /// Tells neighbours to which it has nothing to send that this peer could send them something, once after each time that it had: where its uplink is
    /// idle, and not where only one neighbour has had all that it asked for.
    pub(super) fn tell_idle(&mut self) {
        if self.current.suppliers().is_none() {
            return;
        }
        let mut is_idle = true;
        for at in 0..self.neighbours.len() {
            let neighbour = &self.neighbours[at];
            if !neighbour.active.is_empty() || !neighbour.queue.is_empty() || self.may_push(at) {
                self.neighbours[at].is_told_idle = false;
                is_idle = false;
            }
        }
        if !is_idle {
            return;
        }
        let round = self.current.number;
        for at in 0..self.neighbours.len() {
            let neighbour = &self.neighbours[at];
            let may_hear = neighbour.is_open() && !neighbour.is_told_idle;
            if may_hear && !self.current.neighbour(at).done && self.current.has_more_for(at) {
                self.neighbours[at].is_told_idle = true;
                // What it has to offer is told with that.
                if let Some(due) = &mut self.neighbours[at].haves_due {
                    *due = self.latest;
                }
                self.send(at, Message::Idle { round });
            }
        }
    }

    /// A neighbour has nothing to send.
    pub(super) fn got_idle(&mut self, now: Time, to: usize, round: u32) -> Result<(), Violation> {
        self.check_round(round)?;
        if round == self.current.number && self.joining.is_none() {
            self.neighbours[to].is_idle = true;
            self.got_offers(now, to, round);
            self.ask_idle(now, to);
        }
        Ok(())
    }

    /// A neighbour has announced or offered something of a round.
    pub(super) fn got_offers(&mut self, now: Time, to: usize, round: u32) {
        if round == self.current.number && self.current.suppliers().is_some() {
            self.neighbours[to].offers_since = Some(now);
        }
    }

    /// Asks all neighbours that have nothing to send.
    pub(super) fn ask_all_idle(&mut self, now: Time) {
        for to in 0..self.neighbours.len() {
            self.ask_idle(now, to);
        }
    }

    /// Asks a neighbour that has nothing to send for what others would send later.
    pub(super) fn ask_idle(&mut self, now: Time, to: usize) {
        if !self.may_ask_idle(to) {
            return;
        }
        let round = self.current.number;
        for moved in 1..=MOVED_AT_ONCE {
            let Some((from, position)) = self.worth_asking_of(now, to, moved) else {
                break;
            };
            // It says so again when it has sent these.
            self.neighbours[to].is_idle = false;
            if self.current.count_asked_of(to) == 0 {
                self.neighbours[to].supplied_at = now;
            }
            let backlog = &mut self.neighbours[from].backlog;
            *backlog = backlog.saturating_sub(1);
            self.current.move_to(position, to);
            self.update_interest_in(to);
            self.tell_unwanted(from, &[position]);
            self.update_interest_in(from);
            let positions = vec![position];
            self.send(to, Message::Want { round, positions });
        }
        if self.is_quiet(now, to) {
            self.neighbours[to].offers_since = None;
        }
    }

    fn may_ask_idle(&self, to: usize) -> bool {
        if !self.current.asks() || self.current.is_closed() {
            return false;
        }
        let neighbour = &self.neighbours[to];
        // One that has gone on to the next round gives what others lack of this one before anything else.
        let has_gone_on = || self.current.neighbour(to).done && self.current.count_asked_of(to) == 0;
        let may_ask = neighbour.is_open() && neighbour.strikes == 0;
        may_ask && (neighbour.is_idle || has_gone_on())
    }

    /// Seconds that a chunk has to take elsewhere, to be asked of a neighbour together with so many others.
    fn worth(&self, to: usize, others: usize) -> f64 {
        let chunk = f64::from(self.config.layout.longest());
        // It has its uplink to itself for a while.
        let rate = self.neighbours[to].delivery.rate().unwrap_or_else(|| self.best_rate());
        WORTH * others as f64 * chunk / rate + WORDS
    }

    /// Whether all that a neighbour has has been there for longer than it would take to get it from there.
    fn is_quiet(&self, now: Time, to: usize) -> bool {
        self.quiet_at(to).is_none_or(|at| at <= now)
    }

    fn quiet_at(&self, to: usize) -> Option<Time> {
        let since = self.neighbours[to].offers_since?;
        Some(since + Duration::try_from_secs_f64(self.worth(to, 1)).ok()?)
    }

    /// When [`Self::ask_all_idle`] has to be called at the latest.
    pub(super) fn next_ask_idle(&self) -> Option<Time> {
        let idle = (0..self.neighbours.len()).filter(|&to| self.may_ask_idle(to));
        idle.filter_map(|to| self.quiet_at(to)).min()
    }

    /// Of what `to` has, what the neighbour with the longest backlog would send last, where `to` would send it and so many others much sooner.
    fn worth_asking_of(&self, now: Time, to: usize, others: usize) -> Option<(usize, u32)> {
        let chunk = f64::from(self.config.layout.longest());
        let (worth, fallback) = (self.worth(to, others), self.best_rate());
        // What a neighbour does not have itself does not wait for its uplink.
        let rest = |from: usize| {
            let neighbour = &self.neighbours[from];
            let backlog = neighbour.backlog.min(self.current.count_asked_of(from));
            let bytes = f64::from(backlog) * chunk;
            neighbour.delivery.seconds(bytes).unwrap_or(bytes / fallback)
        };
        let busy: Vec<f64> = (0..self.neighbours.len()).map(rest).collect();
        let is_quiet = self.is_quiet(now, to);
        if !is_quiet && busy.iter().all(|&takes| takes < worth) {
            return None;
        }
        // What has moved is on its way: another one that is quiet does not take it back.
        let is_late = |from: usize, position| busy[from] >= worth || is_quiet && !self.current.has_moved(position);
        let movable = self.current.movable(to);
        let late = movable.filter(|&(from, position)| is_late(from, position) && !self.is_arriving(position));
        // It sends those first that more peers wait for behind it.
        late.max_by(|&(a, first), &(b, second)| {
            let last = |from, position| (self.current.behind(position, from), position);
            busy[a]
                .total_cmp(&busy[b])
                .then_with(|| last(a, first).cmp(&last(b, second)))
        })
    }
}
