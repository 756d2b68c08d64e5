//! Who is served: the choker's candidates and what its choice means on the wire.

use super::{Action, Swarm};
use crate::{Time, choke::Candidate, link::Link, message::Message};

impl Swarm {
    /// A slot that is free is filled at once.
    pub(super) fn fill_slots(&mut self, now: Time) {
        let mut used = self.served();
        // Most inputs leave every slot as it is.
        if used >= self.choker.slots() || !self.someone_waits() {
            return;
        }
        let mut candidates = self.candidates(now);
        while used < self.choker.slots() {
            let Some(link) = self.choker.fill(&candidates) else {
                return;
            };
            self.unchoke(now, link);
            for candidate in candidates
                .iter_mut()
                .filter(|candidate| candidate.link == link)
            {
                candidate.unchoked = true;
            }
            used += 1;
        }
    }

    /// Chooses anew among all interested neighbours.
    pub(super) fn choose_whom_to_serve(&mut self, now: Time) {
        let candidates = self.candidates(now);
        let chosen = self.choker.choose(now, &candidates);
        for candidate in &candidates {
            match (candidate.unchoked, chosen.contains(&candidate.link)) {
                (true, false) => self.choke(now, candidate.link),
                (false, true) => self.unchoke(now, candidate.link),
                _ => {}
            }
        }
    }

    /// Slots that are used: an unchoked neighbour that wants nothing uses none.
    pub(super) fn served(&self) -> usize {
        let uses = |link: &&Link| link.is_open() && link.peer_interested && !link.choking;
        self.links.iter().filter(uses).count()
    }

    /// Whether an interested neighbour has no slot.
    pub(super) fn someone_waits(&self) -> bool {
        self.links
            .iter()
            .any(|link| link.is_open() && link.peer_interested && link.choking)
    }

    pub(super) fn got_interest(&mut self, now: Time, at: usize, interested: bool) {
        let link = &mut self.links[at];
        if interested && !link.peer_interested {
            link.waiting_since = now;
            link.last_request_at = now;
        }
        link.peer_interested = interested;
        // One that kept its unchoke while it was not interested has no right to a slot that others fill.
        if interested && !self.links[at].choking && self.served() > self.choker.slots() {
            self.choke(now, at);
        }
    }

    fn candidates(&self, now: Time) -> Vec<Candidate> {
        let leeching = !self.current.is_complete();
        let positions = self.current.held().len();
        let patience = self.choker.interval();
        let interested = |link: &Link| link.is_open() && link.peer_interested;
        self.links
            .iter()
            .enumerate()
            .filter(|(_, link)| interested(link))
            .map(|(at, link)| Candidate {
                link: at,
                unchoked: !link.choking,
                rate: if leeching {
                    link.received.rate(now)
                } else {
                    0.0
                },
                missing: positions - self.current.count(at),
                settling: link.is_settling(now),
                idle: !link.choking
                    && !link.is_settling(now)
                    && link.queue.is_empty()
                    && link.active.is_empty()
                    && now >= link.last_request_at + patience,
                waiting_since: link.waiting_since,
            })
            .collect()
    }

    fn unchoke(&mut self, now: Time, at: usize) {
        self.links[at].open_slot(now);
        self.send(at, Message::Unchoke);
    }

    fn choke(&mut self, now: Time, at: usize) {
        self.stats.chokes += 1;
        let link = &mut self.links[at];
        link.choking = true;
        link.chokes_sent = link.chokes_sent.wrapping_add(1);
        link.waiting_since = now;
        link.unserved_since = None;
        let (to, last_started) = (link.peer, link.last_started);
        let mut skipped: Vec<u32> = link.queue.drain(..).map(|(request, _)| request).collect();
        skipped.retain(|&request| request < last_started);
        self.actions.push_back(Action::Send {
            to,
            message: Message::Choke {
                last_started,
                skipped,
            },
        });
    }
}
