//! Whom this peer tells of metainfos, and when.
//!
//! Where chunks are asked of suppliers a metainfo goes away from its origin: a peer tells the neighbours that are further from there than itself. The others
//! have it from elsewhere, as what they announce and ask for shows; those that still seem to lack it after a while are told as well, since whoever was
//! to tell them may be gone. Without suppliers everybody tells everybody.

use std::{sync::Arc, time::Duration};

use super::Swarm;
use crate::{Time, message::Message, metainfo::KnownMetainfo, neighbour::AHEAD};

/// How long a neighbour may take to show that it knows a metainfo.
const LATER: Duration = Duration::from_millis(500);

/// The neighbours that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearers {
    /// All that may not know.
    All,
    /// Those among them that are further from the origin; the others later.
    Further,
}

impl Swarm {
    /// Tells a neighbour of metainfos that it may not know, as many as may be handed over now. The others stay marked as unknown
    /// to it, and follow when the transport has room.
    pub(super) fn tell_metainfos(&mut self, at: usize, number: u32, hearers: Hearers) {
        let mut room = AHEAD.saturating_sub(self.neighbours[at].handed_over);
        if self.neighbours[at].fenced || !self.may_hear(at, number) {
            return;
        }
        let suppliers = self.suppliers.clone().filter(|_| hearers == Hearers::Further);
        let is_told = |origin| suppliers.as_ref().is_none_or(|it| it.is_further(at, origin));
        let Some(round) = self.round_mut(number) else {
            return;
        };
        let mut is_left = false;
        let untold: Vec<(u32, Message)> = round
            .untold(at)
            .filter(|known| {
                let is_told = is_told(known.parsed.origin);
                is_left |= !is_told;
                is_told
            })
            .map(|known| {
                let message = Message::Metainfo(known.signed.clone());
                (known.parsed.origin, message)
            })
            .take_while(|(_, message)| {
                let has_room = room > 0;
                room = room.saturating_sub(message.length().into());
                has_room
            })
            .collect();
        for (origin, message) in untold {
            if let Some(round) = self.round_mut(number) {
                round.mark_metainfo(at, origin);
            }
            self.announce_to(at, message);
        }
        if is_left {
            self.tell_metainfos_later(at, self.latest);
        }
    }

    /// Keeps a metainfo that holds and passes it on; true when chunks can be asked for since.
    pub(super) fn adopt_metainfo(&mut self, now: Time, known: Arc<KnownMetainfo>, from: Option<usize>) -> bool {
        let (origin, number) = (known.parsed.origin, known.parsed.round);
        // Whoever has no room is told when it has, and whoever is behind when it has caught up.
        let open = (0..self.neighbours.len())
            .filter(|&at| self.neighbours[at].is_open() && !self.neighbours[at].fenced)
            .filter(|&at| self.may_hear(at, number) && Some(at) != from);
        let is_further = |at: &usize| self.suppliers.as_ref().is_none_or(|it| it.is_further(*at, origin));
        let (now_told, later): (Vec<usize>, Vec<usize>) = open.partition(is_further);
        let Some(round) = self.round_mut(number) else {
            return false;
        };
        let unaware: Vec<usize> = now_told
            .into_iter()
            .filter(|&at| round.mark_metainfo(at, origin))
            .collect();
        let is_askable = round.set_metainfo(now, origin, Arc::clone(&known)) || round.suppliers().is_some();
        for at in unaware {
            self.announce_to(at, Message::Metainfo(known.signed.clone()));
        }
        for at in later {
            self.tell_metainfos_later(at, now);
        }
        // This process has its own update.
        if from.is_some() && number == self.current.number {
            self.recall(origin);
        }
        if self.adopted.is_some() {
            self.publish_when_certified(now);
        }
        is_askable
    }

    fn tell_metainfos_later(&mut self, at: usize, now: Time) {
        self.neighbours[at].metainfos_due.get_or_insert(now + LATER);
    }

    /// Tells neighbours of what they still seem to lack.
    pub(super) fn flush_metainfos(&mut self, now: Time) {
        for at in 0..self.neighbours.len() {
            if self.neighbours[at].metainfos_due.is_some_and(|due| due <= now) {
                self.neighbours[at].metainfos_due = None;
                // Whoever is a round behind may wait for nothing else.
                for number in self.window() {
                    let round = self.round_mut(number);
                    if round.is_some_and(|round| !round.neighbour(at).done) {
                        self.tell_metainfos(at, number, Hearers::All);
                    }
                }
            }
        }
    }
}
