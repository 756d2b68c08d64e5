//! Requests of this peer, and the answers to them.

use std::time::Duration;

use super::{Action, Failure, Notice, Swarm, Violation};
use crate::{
    Time,
    chunk::ChunkId,
    message::{Message, PieceHeader},
    metainfo::PieceFault,
    neighbour::Neighbour,
    requests::{Outstanding, is_standing},
    round::{ChunkState, Cursor},
};

/// A request is overdue near the end after so many times of what it should take.
const LATE: u32 = 2;
/// But never before so long.
const SOONEST_LATE: Duration = Duration::from_millis(50);
/// A second holder must be so many times faster than what the first one has left to send: what it began is thrown away.
const WORTH: f64 = 3.0;
/// The expected time of a request while a neighbour's rate is unknown.
const UNKNOWN: Duration = Duration::from_millis(500);
/// A request is given up, when there is another holder, after so many times of what it should take and this long.
const TIMEOUT: u32 = 8;
const TIMEOUT_AT_LEAST: Duration = Duration::from_secs(2);
/// The time doubles so often at most.
pub(super) const MOST_DOUBLINGS: u32 = 16;

impl Outstanding {
    /// When a second holder may be asked.
    fn late_at(&self) -> Time {
        let expected = self.expected.unwrap_or(UNKNOWN);
        self.mark.at() + (expected * LATE).max(SOONEST_LATE)
    }

    /// When it is given up. Each time that the neighbour was given up it is waited for twice as long: a chunk may take
    /// longer with every neighbour than anybody thought.
    fn times_out_at(&self, neighbour: &Neighbour, lost_after: Duration) -> Time {
        let again = 1 << neighbour.strikes.min(MOST_DOUBLINGS);
        self.mark.at() + self.patience(lost_after).saturating_mul(again)
    }

    /// It is never given up before.
    fn earliest_timeout(&self, lost_after: Duration) -> Time {
        self.mark.at() + self.patience(lost_after)
    }

    fn patience(&self, lost_after: Duration) -> Duration {
        patience(self.expected, lost_after)
    }
}

/// How long a neighbour may take for a chunk that should take so long.
pub(super) fn patience(expected: Option<Duration>, lost_after: Duration) -> Duration {
    expected.map_or(lost_after, |expected| {
        expected.saturating_mul(TIMEOUT) + TIMEOUT_AT_LEAST
    })
}

impl Swarm {
    /// A piece's stream has begun: the hash that its bytes have to have, or `None` when they are not to be read. The length
    /// is bounded here.
    pub fn handle_piece_header(&mut self, peer: u32, header: &PieceHeader) -> Option<[u8; 32]> {
        let at = self.find(peer)?;
        let request = header.request;
        if is_standing(request) {
            return self.standing_header(at, header);
        }
        let expected = self.neighbours[at].outstanding.get(request).and_then(|outstanding| {
            let chunk = self.chunk_at(self.current.number, outstanding.position);
            let known = self
                .current
                .metainfo(outstanding.position / self.config.layout.chunks())?;
            Some((chunk, outstanding.bytes, known.parsed.hashes[chunk.index as usize]))
        });
        let neighbour = &mut self.neighbours[at];
        // It may have been withdrawn while the piece was on its way.
        let is_over = !neighbour.is_open() || (1..=neighbour.requests_sent).contains(&request);
        let violation = match (expected, neighbour.outstanding.get_mut(request)) {
            (Some((chunk, length, hash)), Some(outstanding)) if (chunk, length) == (header.chunk, header.length) => {
                if !std::mem::replace(&mut outstanding.begun, true) {
                    return Some(hash);
                }
                // Each one that is read has a buffer.
                Some(Violation::PieceTwice { request })
            }
            (None, _) if is_over => None,
            _ => Some(Violation::Piece { request }),
        };
        self.stats.unrequested += 1;
        if let Some(violation) = violation {
            self.violated(self.latest, at, violation);
            self.settle(self.latest);
        }
        None
    }

    /// A piece has come in full, and [`crate::check_piece`] has compared it with the hash that its header got. The driver keeps
    /// the chunk that is returned before it polls the next action.
    pub fn handle_piece(
        &mut self,
        now: Time,
        peer: u32,
        header: &PieceHeader,
        checked: Result<(), PieceFault>,
    ) -> Option<ChunkId> {
        let at = self.find(peer)?;
        let is_standing = is_standing(header.request);
        let Some(outstanding) = self.neighbours[at].requests_mut(header.request).remove(header.request) else {
            // It was cancelled while it came.
            self.stats.duplicate += u64::from(header.length);
            self.settle(now);
            return None;
        };
        let neighbour = &mut self.neighbours[at];
        // Several that were sent before may come at once, and say nothing of a rate.
        if !is_standing || neighbour.came_at.is_some() && now > outstanding.mark.at() {
            neighbour.delivery.on_delivery(now, outstanding.mark, outstanding.bytes);
        }
        if is_standing && let Some(before) = neighbour.came_at {
            neighbour
                .delivery
                .on_standing(now.saturating_sub(before.at()), outstanding.bytes);
        }
        neighbour.came_at = Some(neighbour.delivery.mark(now));
        neighbour.supplied_at = now;
        neighbour.received.add(now, outstanding.bytes);
        let chunk = self.chunk_at(self.current.number, outstanding.position);
        match checked {
            Ok(()) => self.take(now, at, &outstanding),
            Err(PieceFault::Corrupt) => {
                self.stats.corrupt += 1;
                self.stats.corrupt_bytes += u64::from(outstanding.bytes);
                self.current.give_up(outstanding.position, at);
                self.neighbours[at].penalise(now);
                let from = self.neighbours[at].peer;
                self.actions.push_back(Action::Notice(Notice::Corrupt { from, chunk }));
            }
            Err(PieceFault::NotFinite) if self.joining.is_some() => self.refuse_offer(),
            Err(PieceFault::NotFinite) => self.fail(Failure::NotFinite {
                origin: chunk.origin,
                round: chunk.round,
            }),
        }
        self.settle(now);
        checked.ok().map(|()| chunk)
    }

    /// A piece's stream ended before its time.
    pub fn handle_piece_failed(&mut self, now: Time, peer: u32, request: u32) {
        let Some(at) = self.find(peer) else { return };
        if let Some(outstanding) = self.neighbours[at].requests_mut(request).remove(request) {
            self.current.give_up(outstanding.position, at);
            self.neighbours[at].penalise(now);
        }
        self.settle(now);
    }

    fn take(&mut self, now: Time, at: usize, &Outstanding { position, bytes, .. }: &Outstanding) {
        self.stats.payload_received += u64::from(bytes);
        self.neighbours[at].keep(u64::from(bytes));
        self.withdraw_second(position, at);
        self.hold(now, position, Some(at));
        self.ask_all_idle(now);
        self.close_when_done(now);
    }

    /// The other neighbour that was asked for a chunk that has come.
    fn withdraw_second(&mut self, position: u32, came_from: usize) {
        let ChunkState::InFlight { first, second } = self.current.state(position) else {
            return;
        };
        let others = [Some(first), second]
            .into_iter()
            .flatten()
            .map(usize::from)
            .filter(|&at| at != came_from);
        for at in others {
            let found = self.neighbours[at]
                .outstanding
                .iter()
                .find(|(_, request)| request.position == position);
            if let Some(request) = found.map(|(request, _)| request) {
                self.withdraw(at, request);
            }
        }
    }

    pub(super) fn withdraw(&mut self, at: usize, request: u32) -> Option<Outstanding> {
        let gone = self.neighbours[at].outstanding.remove(request)?;
        self.send(at, Message::Cancel { request });
        let from = self.neighbours[at].peer;
        self.actions.push_back(Action::AbortDownload { from, request });
        Some(gone)
    }

    /// Requests that the neighbour has not started are asked anew.
    pub(super) fn got_choke(&mut self, at: usize, last_started: u32, skipped: &[u32]) {
        let neighbour = &mut self.neighbours[at];
        neighbour.choked = true;
        neighbour.chokes_seen = neighbour.chokes_seen.wrapping_add(1);
        let dropped: Vec<u32> = neighbour
            .outstanding
            .iter()
            .map(|(id, _)| id)
            .filter(|&id| id > last_started)
            .chain(skipped.iter().copied())
            .collect();
        for request in dropped {
            if let Some(outstanding) = self.neighbours[at].outstanding.remove(request) {
                self.current.give_up(outstanding.position, at);
            }
        }
    }

    /// Sends requests while there is something to ask and somebody to ask.
    pub(super) fn ask(&mut self, now: Time) {
        if self.current.is_closed() || self.current.is_full() {
            return;
        }
        self.ask_what_is_wanted(now);
        self.move_requests(now);
        if self.current.is_endgame() {
            self.ask_again(now);
        }
    }

    fn ask_what_is_wanted(&mut self, now: Time) {
        let longest = self.config.layout.longest();
        let mut able: Vec<usize> = (0..self.neighbours.len())
            .filter(|&at| self.current.is_askable(at))
            .filter(|&at| self.neighbours[at].may_ask(now) && self.neighbours[at].has_room(longest, 0))
            .collect();
        if able.is_empty() {
            return;
        }
        let fallback = self.best_rate();
        let mut cursor = Cursor::default();
        while let Some(position) = self.current.next_wanted(&mut cursor, &able) {
            let holders = able.iter().copied();
            let holder = holders.filter(|&at| self.current.has(at, position)).min_by(|&a, &b| {
                let (a, b) = (&self.neighbours[a], &self.neighbours[b]);
                a.strikes
                    .cmp(&b.strikes)
                    .then(a.load(fallback).total_cmp(&b.load(fallback)))
            });
            if let Some(at) = holder {
                self.current.ask(position, at);
                self.request(now, at, position);
            }
            able.retain(|&at| self.neighbours[at].has_room(longest, 0) && self.current.is_askable(at));
            if able.is_empty() {
                return;
            }
        }
    }

    /// Bytes a second that the fastest neighbour delivers: what one is taken to do that has delivered nothing yet.
    pub(super) fn best_rate(&self) -> f64 {
        let rates = self.neighbours.iter().filter_map(|neighbour| neighbour.delivery.rate());
        rates.fold(1.0, f64::max)
    }

    /// Near the end: what is late is asked at a second holder too.
    fn ask_again(&mut self, now: Time) {
        let fallback = self.best_rate();
        let longest = self.config.layout.longest();
        let chunk = f64::from(longest);
        let late: Vec<(usize, u32)> = self
            .neighbours
            .iter()
            .enumerate()
            .flat_map(|(at, neighbour)| neighbour.outstanding.values().map(move |request| (at, request)))
            .filter(|(_, request)| request.late_at() <= now && self.is_asked_once(request.position))
            .map(|(at, request)| (at, request.position))
            .collect();
        for (asked, position) in late {
            let rest = self.neighbours[asked].load(fallback);
            let takes = |at: usize| self.neighbours[at].load(fallback) + chunk / self.neighbours[at].rate(fallback);
            let holders = (0..self.neighbours.len()).filter(|&at| {
                let neighbour = &self.neighbours[at];
                at != asked && neighbour.is_open() && !neighbour.choked && self.current.has(at, position)
            });
            // The surest one is waited for rather than another one asked that may never deliver.
            let Some(surest) = holders.clone().map(|at| self.neighbours[at].unreliability()).min() else {
                continue;
            };
            let strikes = self.neighbours[asked].strikes;
            let other = holders
                .filter(|&at| self.neighbours[at].unreliability() == surest)
                .filter(|&at| self.neighbours[at].strikes < strikes.max(1))
                .filter(|&at| self.neighbours[at].may_ask(now) && self.neighbours[at].has_room(longest, 0))
                .map(|at| (at, takes(at)))
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .filter(|&(_, time)| !self.neighbours[asked].is_measured() || time * WORTH < rest);
            if let Some((at, _)) = other {
                self.current.ask_again(position, at);
                self.request(now, at, position);
            }
        }
    }

    pub(super) fn is_asked_once(&self, position: u32) -> bool {
        matches!(self.current.state(position), ChunkState::InFlight { second: None, .. })
    }

    pub(super) fn request(&mut self, now: Time, at: usize, position: u32) {
        let chunk = self.chunk_at(self.current.number, position);
        let bytes = self.config.layout.bytes(chunk.index);
        let neighbour = &mut self.neighbours[at];
        neighbour.requests_sent += 1;
        let outstanding = Outstanding {
            position,
            bytes,
            mark: neighbour.delivery.mark(now),
            expected: neighbour.expected(bytes),
            begun: false,
            withdrawn_for: None,
        };
        let timeout = outstanding.earliest_timeout(self.config.lost_after);
        neighbour.timeout_from = Some(neighbour.timeout_from.map_or(timeout, |at| at.min(timeout)));
        neighbour.outstanding.push(neighbour.requests_sent, outstanding);
        let message = Message::Request {
            request: neighbour.requests_sent,
            chokes: neighbour.chokes_seen,
            chunk,
        };
        self.send(at, message);
    }

    /// Gives up requests that have timed out while somebody else has the chunk.
    pub(super) fn drop_overdue(&mut self, now: Time) {
        let lost_after = self.config.lost_after;
        for at in 0..self.neighbours.len() {
            if self.neighbours[at].timeout_from.is_none_or(|from| from > now) {
                continue;
            }
            let timed_out: Vec<u32> = self.neighbours[at]
                .outstanding
                .iter()
                .filter(|(_, request)| {
                    request.times_out_at(&self.neighbours[at], lost_after) <= now
                        && self.has_other(at, request.position)
                })
                .map(|(id, _)| id)
                .collect();
            for request in timed_out {
                let Some(outstanding) = self.withdraw(at, request) else {
                    continue;
                };
                self.stats.overdue += 1;
                self.current.give_up(outstanding.position, at);
                self.neighbours[at].penalise(now);
                let (from, chunk) = (
                    self.neighbours[at].peer,
                    self.chunk_at(self.current.number, outstanding.position),
                );
                self.actions.push_back(Action::Notice(Notice::Overdue { from, chunk }));
            }
            let neighbour = &mut self.neighbours[at];
            let requests = neighbour.outstanding.values();
            neighbour.timeout_from = requests.map(|r| r.earliest_timeout(lost_after)).min();
        }
    }

    pub(super) fn has_other(&self, at: usize, position: u32) -> bool {
        (0..self.neighbours.len()).any(|other| other != at && self.current.has(other, position))
    }

    /// When a request becomes late or times out, or a little earlier. Every request is looked at only near the end, or where one
    /// has timed out and only its holder has the chunk.
    pub(super) fn next_overdue(&self) -> Option<Time> {
        let endgame = self.current.is_endgame();
        (0..self.neighbours.len())
            .filter_map(|at| {
                let from = self.neighbours[at].timeout_from?;
                match !endgame && from > self.latest {
                    true => Some(from),
                    false => self.next_overdue_at(at, endgame),
                }
            })
            .min()
    }

    fn next_overdue_at(&self, at: usize, endgame: bool) -> Option<Time> {
        let requests = self.neighbours[at].outstanding.values();
        requests
            .filter(|request| self.has_other(at, request.position))
            .flat_map(|request| {
                // Asking a second one is tried again on every input once the request is late.
                let late = (endgame && self.is_asked_once(request.position))
                    .then(|| request.late_at())
                    .filter(|&at| at > self.latest);
                let timeout = request.times_out_at(&self.neighbours[at], self.config.lost_after);
                [late, Some(timeout)]
            })
            .flatten()
            .min()
    }

    /// The chunk is in the store, from a neighbour or from elsewhere: everybody may know.
    pub(super) fn hold(&mut self, now: Time, position: u32, came_from: Option<usize>) {
        self.withdraw_standing(position, came_from);
        self.current.hold(now, position);
        self.current.make_all_due(position);
        self.last_news = now;
        self.announce(now, position);
    }
}
