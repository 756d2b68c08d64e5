//! Where each message goes.

use super::{Swarm, Violation, settle::Follows};
use crate::{Time, message::Message, neighbour::NeighbourState};

impl Swarm {
    pub(super) fn dispatch(&mut self, now: Time, at: usize, message: Message) -> Result<Follows, Violation> {
        match (&self.neighbours[at].state, message) {
            (NeighbourState::Greeting { .. }, Message::Hello(theirs)) => {
                self.greeted(now, at, &theirs)?;
                Ok(Follows::Anything)
            }
            (NeighbourState::Greeting { .. }, _) => Err(Violation::NoHello),
            (NeighbourState::Open, Message::Hello(_)) => Err(Violation::SecondHello),
            (NeighbourState::Open, message) => self.dispatch_open(now, at, message),
            // What was on its way when the connection went is of no use.
            (NeighbourState::Away { .. } | NeighbourState::Departed | NeighbourState::Unused, _) => {
                Ok(Follows::Nothing)
            }
        }
    }

    fn dispatch_open(&mut self, now: Time, at: usize, message: Message) -> Result<Follows, Violation> {
        let is_in_step =
            |round: u32| round > self.current.number || self.joining.is_none() && round == self.current.number;
        if message.of_a_round().is_some_and(is_in_step) {
            self.neighbours[at].behind = false;
        }
        if let Some(round) = message.of_a_round() {
            self.tell_what_it_missed(at, round);
        }
        if self.joining.is_some() && (message.of_a_round().is_some() || matches!(message, Message::Metainfo(_))) {
            // All of it is told once more when this peer has caught up.
            return Ok(Follows::Nothing);
        }
        match message {
            Message::Choke { last_started, skipped } => self.got_choke(at, last_started, &skipped),
            Message::Unchoke => self.neighbours[at].choked = false,
            Message::Interested => self.got_interest(now, at, true),
            Message::NotInterested => self.got_interest(now, at, false),
            Message::Have { round, positions } => {
                self.got_haves(at, round, positions.into_iter())?;
                self.got_offers(now, at, round);
                return Ok(Follows::Requests);
            }
            Message::Bitfield { round, held } => {
                self.got_haves(at, round, held.iter())?;
                self.got_offers(now, at, round);
                return Ok(Follows::Requests);
            }
            Message::Request { request, chokes, chunk } => {
                self.got_request(now, at, request, chokes, chunk)?;
                return Ok(Follows::Uploads);
            }
            Message::Want { round, positions } => {
                self.got_wants(at, round, &positions)?;
                return Ok(Follows::Uploads);
            }
            Message::Unwant { round, positions } => self.got_unwants(now, at, round, &positions)?,
            Message::Idle { round } => {
                self.got_idle(now, at, round)?;
                return Ok(Follows::Nothing);
            }
            Message::Cancel { request } => self.got_cancel(at, request),
            Message::Withdraw { request } => self.got_withdrawal(at, request),
            Message::Reject { request } => self.got_reject(now, at, request)?,
            Message::Metainfo(signed) => return self.got_metainfo(now, at, signed),
            Message::Complete { round } => self.got_end(now, at, round, true)?,
            Message::Closed { round } => self.got_end(now, at, round, false)?,
            Message::Statement(signed) => self.got_statement(now, at, signed)?,
            Message::State(state) => self.got_state(at, state),
            // `dispatch` takes them before.
            Message::Hello(_) => return Err(Violation::SecondHello),
        }
        Ok(Follows::Anything)
    }
}
