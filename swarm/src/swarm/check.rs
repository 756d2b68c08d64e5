//! The invariants of a swarm, checked by going through all of it: for tests and fuzzing.

use super::Swarm;
use crate::{
    neighbour::{AHEAD, MAX_ACTIVE, MAX_OUTSTANDING, MAX_QUEUED, Neighbour},
    round::{ChunkState, Round},
};

impl Swarm {
    /// `Err` names the first invariant that does not hold. It costs far more than any input.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        let rounds = [self.previous.as_ref(), Some(&self.current), self.next.as_deref()];
        for round in rounds.into_iter().flatten() {
            round.check()?;
        }
        let has_begun = |round: &Round| !round.held().is_empty() || round.in_flight() > 0;
        if self.next.as_deref().is_some_and(has_begun) {
            return Err("chunks of a round that has not begun are held or asked for".to_owned());
        }
        let previous = self.previous.as_ref();
        if previous.is_some_and(|previous| !previous.is_closed()) {
            return Err("a round is over that is not closed".to_owned());
        }
        for (at, neighbour) in self.neighbours.iter().enumerate() {
            self.check_neighbour(at, neighbour)
                .map_err(|what| format!("neighbour {}: {what}", neighbour.peer))?;
        }
        for position in 0..self.current.held().len() {
            let ChunkState::InFlight { first, second } = self.current.state(position) else {
                continue;
            };
            if self.current.standing_at(position) == Some(usize::from(first)) {
                continue;
            }
            for at in [Some(first), second].into_iter().flatten() {
                let requests = self.neighbours[usize::from(at)].outstanding.values();
                if requests.filter(|request| request.position == position).count() != 1 {
                    return Err(format!("chunk {position} is in flight without one request"));
                }
            }
        }
        if self.served() > self.choker.slots() {
            return Err("more neighbours are served than there are slots".to_owned());
        }
        if self.ended {
            return Ok(());
        }
        self.check_progress()
    }

    /// Nothing that could be done was left undone by the last input: what waits, waits for a neighbour or a timer.
    fn check_progress(&self) -> Result<(), String> {
        if self.served() < self.choker.slots() && self.someone_waits() {
            return Err("a neighbour waits while a slot is free".to_owned());
        }
        let longest = self.config.layout.longest();
        for (at, neighbour) in self.neighbours.iter().enumerate() {
            let peer = neighbour.peer;
            let has_room = neighbour.may_ask(self.latest) && neighbour.has_room(longest, 0);
            if has_room && !self.current.is_closed() && self.current.is_askable(at) {
                return Err(format!("peer {peer} has what nobody is asked for, and could be asked"));
            }
            if neighbour.is_open() && neighbour.interested != self.is_interesting(at) {
                return Err(format!("peer {peer} was told the wrong interest"));
            }
        }
        Ok(())
    }

    fn check_neighbour(&self, at: usize, neighbour: &Neighbour) -> Result<(), String> {
        let requests = neighbour.outstanding.values();
        let bytes: u64 = requests.clone().map(|request| u64::from(request.bytes)).sum();
        let astray = requests.clone().find(|request| {
            !matches!(self.current.state(request.position), ChunkState::InFlight { first, second }
                if usize::from(first) == at || second.map(usize::from) == Some(at))
        });
        let mut arriving = neighbour.arriving.values();
        let is_stray = arriving.any(|piece| self.current.standing_at(piece.position) != Some(at));
        let lied_to = requests.clone().find(|request| !self.current.has(at, request.position));
        let broken = [
            (
                bytes != neighbour.outstanding.bytes(),
                "bytes on their way were counted wrongly",
            ),
            (astray.is_some(), "a request's chunk is not in flight there"),
            (is_stray, "a piece is read that nobody is asked for"),
            (lied_to.is_some(), "it was asked for what it has not"),
            (
                !neighbour.is_open() && !neighbour.outstanding.is_empty(),
                "requests wait without a connection",
            ),
            (neighbour.outstanding.len() > MAX_OUTSTANDING, "too many requests wait"),
            (neighbour.queue.len() > MAX_QUEUED, "too many of its requests are kept"),
            (neighbour.active.len() > MAX_ACTIVE, "too many uploads run"),
            (
                neighbour.choking && !neighbour.queue.is_empty(),
                "requests of a choked neighbour are kept",
            ),
            (
                !neighbour.is_open() && !neighbour.choking,
                "it has a slot without a connection",
            ),
            (
                neighbour.haves.len() > self.current.held().count() as usize,
                "more is announced than is held",
            ),
            (
                neighbour.haves_due.is_some() == neighbour.haves.is_empty() && !neighbour.fenced,
                "announcements wait without a time, or the other way round",
            ),
            (
                neighbour.fenced && neighbour.handed_over < AHEAD,
                "announcements wait although there is room",
            ),
            (
                !neighbour.is_open() && !neighbour.haves.is_empty(),
                "announcements wait without a connection",
            ),
            (
                neighbour
                    .queue
                    .iter()
                    .any(|&(_, chunk)| chunk.round < self.released && !self.offers(chunk)),
                "it waits for a chunk that is released",
            ),
        ];
        match broken.iter().find(|(is_broken, _)| *is_broken) {
            Some((_, what)) => Err((*what).to_owned()),
            None => Ok(()),
        }
    }
}
