//! Requests that have not begun move to a neighbour that would answer them sooner.
//!
//! A slow holder is asked while its chunks are rare. Once others have copies, whoever has nothing else to give takes over
//! what still waits there. The request is withdrawn first and asked anew when the holder has rejected it, so that nothing
//! comes twice.

use super::{Swarm, Violation};
use crate::{Time, message::Message};

/// A neighbour must be so many times faster than the rest of the queue in which the request waits.
const WORTH: f64 = 1.5;

impl Swarm {
    /// Withdraws requests for neighbours that have room and nothing else to give.
    pub(super) fn move_requests(&mut self, now: Time, fallback: f64) {
        for to in 0..self.links.len() {
            let link = &self.links[to];
            let is_sure = link.is_measured() && link.doubts == 0;
            if !link.may_ask(now) || !is_sure || self.current.is_askable(to) {
                continue;
            }
            while let Some((from, request)) = self.worth_moving(to, fallback) {
                if let Some(outstanding) = self.links[from].outstanding.get_mut(&request) {
                    outstanding.withdrawn_for = Some(to);
                }
                self.send(from, Message::Withdraw { request });
            }
        }
    }

    /// The newest request in the longest queue that `to` would answer sooner.
    fn worth_moving(&self, to: usize, fallback: f64) -> Option<(usize, u32)> {
        let longest = self.config.layout.longest();
        if !self.links[to].has_room(longest, 0) {
            return None;
        }
        let coming: u64 = self
            .links
            .iter()
            .flat_map(|link| link.outstanding.values())
            .filter(|request| request.withdrawn_for == Some(to))
            .map(|request| u64::from(request.bytes))
            .sum();
        let link = &self.links[to];
        if !link.has_room(longest, coming) {
            return None;
        }
        let bytes = link.outstanding_bytes + coming + u64::from(longest);
        let takes = bytes as f64 / link.rate(fallback);
        let others = self.links.iter().enumerate().filter(|&(at, _)| at != to);
        others
            .map(|(from, link)| (from, link, link.load(fallback)))
            .filter(|(_, _, left)| takes * WORTH < *left)
            .filter_map(|(from, link, left)| {
                let newest = link.outstanding.iter().rev().find(|(_, request)| {
                    !request.begun
                        && request.withdrawn_for.is_none()
                        && self.is_asked_once(request.position)
                        && self.current.link(to).has.contains(request.position)
                });
                newest.map(|(&request, _)| (from, request, left))
            })
            .max_by(|a, b| a.2.total_cmp(&b.2))
            .map(|(from, request, _)| (from, request))
    }

    /// A request that was withdrawn is free to be asked elsewhere.
    pub(super) fn got_reject(&mut self, at: usize, request: u32) -> Result<(), Violation> {
        let link = &mut self.links[at];
        match link.outstanding.get(&request) {
            Some(outstanding) if outstanding.withdrawn_for.is_some() => {
                let position = outstanding.position;
                link.remove_outstanding(request);
                self.current.give_up(position, at);
                Ok(())
            }
            // It was cancelled meanwhile, or its piece has come.
            None if (1..=link.requests_sent).contains(&request) => Ok(()),
            _ => Err(Violation::Reject { request }),
        }
    }
}
