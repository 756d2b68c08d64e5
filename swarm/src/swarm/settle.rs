//! The consequences of an input: most inputs can change little, and only that is looked at.

use super::Swarm;
use crate::Time;

/// The possible consequences of a message.
pub(super) enum Follows {
    Nothing,
    /// Interest in the neighbour, and requests to it.
    Requests,
    /// Requests to anybody.
    OnlyRequests,
    Uploads,
    Anything,
}

impl Swarm {
    /// The consequences of any input: requests, uploads, announcements, and whether a round or the run is over.
    pub(super) fn settle(&mut self, now: Time) {
        (self.latest, self.settled_at) = (now, now);
        if self.ended {
            return;
        }
        self.tell_wants(now);
        self.update_interest();
        self.ask(now);
        self.fill_slots(now);
        self.start_uploads();
        self.tell_idle();
        self.flush_metainfos(now);
        self.flush_haves(now);
        self.release();
        self.go_on_without_others(now);
        self.leave_when_done();
    }

    /// The consequences of a neighbour's announcements: interest in it, and requests to it. Most messages are announcements.
    pub(super) fn settle_haves(&mut self, now: Time, at: usize) {
        self.latest = now;
        if self.ended {
            return;
        }
        self.update_interest_in(at);
        self.ask_idle(now, at);
        let neighbour = &self.neighbours[at];
        let is_idle = neighbour.outstanding.is_empty();
        let may_ask = neighbour.may_ask(now) && neighbour.has_room(self.config.layout.longest(), 0);
        if may_ask && self.current.is_askable(at) || self.current.is_endgame() {
            self.ask(now);
        } else if may_ask && is_idle {
            self.move_requests_to(now, at);
        }
    }

    /// The consequences of a metainfo: its chunks may be asked for.
    pub(super) fn settle_metainfo(&mut self, now: Time) {
        self.latest = now;
        if !self.ended {
            self.tell_wants(now);
            self.update_interest();
            self.ask(now);
        }
    }

    /// The consequences of a request, or of the end of an upload.
    pub(super) fn settle_uploads(&mut self, now: Time) {
        self.latest = now;
        if !self.ended {
            self.fill_slots(now);
            self.start_uploads();
            self.tell_idle();
        }
    }
}
