//! Requests that have not begun move to a neighbour that would answer them sooner.
//!
//! A slow holder is asked while its chunks are rare. Once others have copies, whoever has nothing else to give takes over
//! what still waits there. The request is withdrawn first and asked anew when the holder has rejected it, so that nothing
//! comes twice.

use super::{Swarm, Violation};
use crate::{Time, message::Message, round::ChunkState};

/// A neighbour must be so many times faster than the rest of the queue in which the request waits.
const WORTH: f64 = 1.5;

impl Swarm {
    /// Withdraws requests for neighbours that have room and nothing else to give.
    pub(super) fn move_requests(&mut self, now: Time) {
        if self.neighbours.iter().all(|neighbour| neighbour.outstanding.is_empty()) {
            return;
        }
        for to in 0..self.neighbours.len() {
            self.move_requests_to(now, to);
        }
    }

    /// Withdraws requests for one neighbour, where it has room and nothing else to give.
    pub(super) fn move_requests_to(&mut self, now: Time, to: usize) {
        let neighbour = &self.neighbours[to];
        let is_sure = neighbour.is_measured() && neighbour.strikes == 0;
        if self.current.is_closed() || !neighbour.may_ask(now) || !is_sure || self.current.is_askable(to) {
            return;
        }
        while let Some((from, request)) = self.worth_moving(to) {
            if let Some(outstanding) = self.neighbours[from].outstanding.get_mut(request) {
                outstanding.withdrawn_for = Some(to);
            }
            self.send(from, Message::Withdraw { request });
        }
    }

    /// The newest request in the longest queue that `to` would answer sooner.
    fn worth_moving(&self, to: usize) -> Option<(usize, u32)> {
        let longest = self.config.layout.longest();
        if !self.neighbours[to].has_room(longest, 0) {
            return None;
        }
        let neighbour = &self.neighbours[to];
        let rate = neighbour.rate(1.0);
        let takes = |coming: u64| {
            let bytes = neighbour.outstanding.bytes() + coming + u64::from(longest);
            bytes as f64 / rate
        };
        // Nothing is worth it in most cases, whatever else is coming.
        let soonest = takes(0);
        let is_worth = |takes: f64, left: f64| takes * WORTH < left;
        let others = self.neighbours.iter().enumerate().filter(|&(at, _)| at != to);
        if !others
            .clone()
            .any(|(_, neighbour)| is_worth(soonest, neighbour.load(rate)))
        {
            return None;
        }
        let coming: u64 = self
            .neighbours
            .iter()
            .flat_map(|neighbour| neighbour.outstanding.values())
            .filter(|request| request.withdrawn_for == Some(to))
            .map(|request| u64::from(request.bytes))
            .sum();
        if !neighbour.has_room(longest, coming) {
            return None;
        }
        let takes = takes(coming);
        others
            .map(|(from, neighbour)| (from, neighbour, neighbour.load(rate)))
            .filter(|(_, _, left)| is_worth(takes, *left))
            .filter_map(|(from, neighbour, left)| {
                let newest = neighbour.outstanding.iter().rev().find(|(_, request)| {
                    !request.begun
                        && request.withdrawn_for.is_none()
                        && self.is_asked_once(request.position)
                        && self.current.has(to, request.position)
                });
                newest.map(|(request, _)| (from, request, left))
            })
            .max_by(|a, b| a.2.total_cmp(&b.2))
            .map(|(from, request, _)| (from, request))
    }

    /// A request that was withdrawn is free: it goes where it was withdrawn for, or else where any missing chunk would.
    pub(super) fn got_reject(&mut self, now: Time, at: usize, request: u32) -> Result<(), Violation> {
        let neighbour = &mut self.neighbours[at];
        let Some(outstanding) = neighbour.outstanding.get(request) else {
            // It was cancelled meanwhile, or its piece has come.
            let is_known = (1..=neighbour.requests_sent).contains(&request);
            return is_known.then_some(()).ok_or(Violation::Reject { request });
        };
        let Some(to) = outstanding.withdrawn_for else {
            return Err(Violation::Reject { request });
        };
        let position = outstanding.position;
        neighbour.outstanding.remove(request);
        self.current.give_up(position, at);
        let longest = self.config.layout.longest();
        let is_missing = self.current.state(position) == ChunkState::Missing;
        let neighbour = &self.neighbours[to];
        // Chosen anew it could come back here at once, and so for ever.
        if is_missing && neighbour.may_ask(now) && neighbour.has_room(longest, 0) && self.current.has(to, position) {
            self.current.ask(position, to);
            self.request(now, to, position);
        }
        Ok(())
    }
}
