//! The choker's candidates, and its choice on the wire.

use super::{Action, Swarm};
use crate::{Time, choke::Candidate, message::Message, neighbour::Neighbour};

impl Swarm {
    /// A slot that is free is filled at once; where there are too few, the last ones lose theirs.
    pub(super) fn fill_slots(&mut self, now: Time) {
        let mut used = self.served();
        if used > self.choker.slots() {
            return self.take_back_slots(now);
        }
        // Most inputs leave every slot as it is.
        if used >= self.choker.slots() || !self.someone_waits() {
            return;
        }
        let mut candidates = self.candidates(now);
        while used < self.choker.slots() {
            let Some(neighbour) = self.choker.fill(&candidates) else {
                return;
            };
            self.unchoke(now, neighbour);
            for candidate in candidates
                .iter_mut()
                .filter(|candidate| candidate.neighbour == neighbour)
            {
                candidate.unchoked = true;
            }
            used += 1;
        }
    }

    /// A neighbour that waited for what this peer had not used no slot. Where it uses one now, because it is to get something or asks for nothing any more,
    /// others may have all of them.
    fn take_back_slots(&mut self, now: Time) {
        while self.served() > self.choker.slots() {
            let has_begun = |at: &usize| !self.neighbours[*at].active.is_empty();
            let idle = (0..self.neighbours.len()).filter(|at| self.uses_a_slot(*at) && !has_begun(at));
            let last = idle.max_by_key(|&at| {
                let neighbour = &self.neighbours[at];
                let asks = !neighbour.queue.is_empty() || neighbour.is_settling(now);
                (!asks, self.current.count(at), at)
            });
            let Some(last) = last else { return };
            self.choke(now, last);
        }
    }

    /// Chooses anew among all interested neighbours.
    pub(super) fn choose_whom_to_serve(&mut self, now: Time) {
        let candidates = self.candidates(now);
        let chosen = self.choker.choose(now, &candidates);
        for candidate in &candidates {
            match (candidate.unchoked, chosen.contains(&candidate.neighbour)) {
                (true, false) => self.choke(now, candidate.neighbour),
                (false, true) => self.unchoke(now, candidate.neighbour),
                _ => {}
            }
        }
    }

    /// Slots that are used: an unchoked neighbour that wants nothing uses none.
    pub(super) fn served(&self) -> usize {
        (0..self.neighbours.len()).filter(|&at| self.uses_a_slot(at)).count()
    }

    fn uses_a_slot(&self, at: usize) -> bool {
        let neighbour = &self.neighbours[at];
        neighbour.is_open() && neighbour.peer_interested && !neighbour.choking && !self.waits_for_later(at)
    }

    /// Whether an interested neighbour has no slot.
    pub(super) fn someone_waits(&self) -> bool {
        (0..self.neighbours.len()).any(|at| {
            let neighbour = &self.neighbours[at];
            neighbour.is_open() && neighbour.peer_interested && neighbour.choking && !self.waits_for_later(at)
        })
    }

    pub(super) fn got_interest(&mut self, now: Time, at: usize, interested: bool) {
        let neighbour = &mut self.neighbours[at];
        if interested && !neighbour.peer_interested {
            neighbour.waiting_since = now;
            neighbour.last_request_at = now;
        }
        neighbour.peer_interested = interested;
        // One that kept its unchoke while it was not interested has no right to a slot that others fill.
        if interested && !self.neighbours[at].choking && self.served() > self.choker.slots() {
            self.choke(now, at);
        }
    }

    fn candidates(&self, now: Time) -> Vec<Candidate> {
        let leeching = !self.current.is_closed();
        let positions = self.current.held().len();
        let patience = self.choker.interval();
        let interested = |neighbour: &Neighbour| neighbour.is_open() && neighbour.peer_interested;
        self.neighbours
            .iter()
            .enumerate()
            .filter(|&(at, neighbour)| interested(neighbour) && !self.waits_for_later(at))
            .map(|(at, neighbour)| Candidate {
                neighbour: at,
                unchoked: !neighbour.choking,
                rate: if leeching { neighbour.received.rate(now) } else { 0.0 },
                missing: positions - self.current.count(at),
                settling: neighbour.is_settling(now),
                idle: !neighbour.choking
                    && !neighbour.is_settling(now)
                    && neighbour.queue.is_empty()
                    && !self.may_push(at)
                    && neighbour.active.is_empty()
                    && now >= neighbour.last_request_at + patience,
                waiting_since: neighbour.waiting_since,
            })
            .collect()
    }

    fn unchoke(&mut self, now: Time, at: usize) {
        self.neighbours[at].open_slot(now);
        self.send(at, Message::Unchoke);
    }

    pub(super) fn choke(&mut self, now: Time, at: usize) {
        self.stats.chokes += 1;
        let neighbour = &mut self.neighbours[at];
        neighbour.choking = true;
        neighbour.chokes_sent = neighbour.chokes_sent.wrapping_add(1);
        neighbour.waiting_since = now;
        neighbour.unserved_since = None;
        let (to, last_started) = (neighbour.peer, neighbour.last_started);
        let mut skipped: Vec<u32> = neighbour.queue.drain(..).map(|(request, _)| request).collect();
        skipped.retain(|&request| request < last_started);
        self.actions.push_back(Action::Send {
            to,
            message: Message::Choke { last_started, skipped },
        });
    }
}
