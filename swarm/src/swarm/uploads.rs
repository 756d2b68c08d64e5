//! What neighbours ask for, and the order in which they get it.

use super::{Action, Swarm, Violation};
use crate::{
    Time,
    chunk::ChunkId,
    link::{MAX_ACTIVE, MAX_QUEUED},
};

impl Swarm {
    /// The transport has taken an upload's last byte, or the stream was reset or stopped.
    pub fn handle_upload_ended(&mut self, now: Time, to: u32, request: u32, sent: bool) {
        let Some(at) = self.find(to) else { return };
        let link = &mut self.links[at];
        let Some(active) = link.active.iter().position(|&active| active == request) else {
            return;
        };
        link.active.swap_remove(active);
        link.last_request_at = now;
        link.unserved_since = None;
        if sent {
            link.at_fault_since = None;
            self.stats.uploads += 1;
        }
        self.settle_uploads(now);
    }

    pub(super) fn got_request(
        &mut self,
        now: Time,
        at: usize,
        request: u32,
        chokes: u32,
        chunk: ChunkId,
    ) -> Result<(), Violation> {
        self.check_round(chunk.round)?;
        let position = self.position(chunk);
        let held = chunk.round >= self.released
            && self
                .round_mut(chunk.round)
                .is_some_and(|round| round.held().contains(position));
        let link = &mut self.links[at];
        if request <= link.last_requested {
            return Err(Violation::RequestOrder {
                found: request,
                last: link.last_requested,
            });
        }
        link.last_requested = request;
        link.last_request_at = now;
        // It crossed a choke on the wire, or asks for what was never announced.
        if link.choking || chokes != link.chokes_sent || !held {
            self.stats.refused += 1;
            if chokes != link.chokes_sent {
                link.on_request_too_late();
            }
            return Ok(());
        }
        if link.queue.len() >= MAX_QUEUED {
            return Err(Violation::Flood(MAX_QUEUED));
        }
        link.on_request_in_time(now);
        link.queue.push_back((request, chunk));
        Ok(())
    }

    pub(super) fn got_cancel(&mut self, at: usize, request: u32) {
        let link = &mut self.links[at];
        link.queue.retain(|&(queued, _)| queued != request);
        if link.active.contains(&request) {
            let to = link.peer;
            self.actions.push_back(Action::AbortUpload { to, request });
        }
    }

    /// Starts what the transport has room for, the most deprived neighbour first.
    pub(super) fn start_uploads(&mut self) {
        let mut order: Vec<usize> = (0..self.links.len())
            .filter(|&at| !self.links[at].queue.is_empty())
            .collect();
        order.sort_by_key(|&at| self.current.link(at).has.count());
        for at in order {
            let link = &mut self.links[at];
            while link.active.len() < MAX_ACTIVE {
                let Some((request, chunk)) = link.queue.pop_front() else {
                    break;
                };
                link.active.push(request);
                link.last_started = request;
                self.actions.push_back(Action::Upload {
                    to: link.peer,
                    request,
                    chunk,
                });
            }
        }
    }
}
