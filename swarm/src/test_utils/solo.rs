//! One swarm whose neighbours are played by whoever drives it.

use std::time::Duration;

use super::{KeyedVerifier, origin_data, origin_metainfo, sign};
use crate::{
    Time,
    chunk::ChunkId,
    config::Config,
    message::{Hello, Message, PieceHeader},
    metainfo::{Signed, Verifier, check_piece},
    swarm::{Action, Failure, Notice, Swarm, Violation},
};

/// One swarm, and all that it has wanted so far.
pub struct Solo {
    /// Its configuration.
    pub config: Config,
    /// The state machine.
    pub swarm: Swarm,
    /// Virtual time.
    pub now: Time,
    /// Its actions since this was last emptied.
    pub actions: Vec<Action>,
}

impl Solo {
    /// Without connections.
    pub fn of(config: Config) -> Self {
        let verifier = KeyedVerifier { me: config.me() };
        Self::trusting(config, Box::new(verifier))
    }

    /// Without connections, and with another verifier.
    pub fn trusting(config: Config, verifier: Box<dyn Verifier>) -> Self {
        Self {
            swarm: Swarm::new(config.clone(), verifier, Time::ZERO),
            config,
            now: Time::ZERO,
            actions: Vec::new(),
        }
    }

    /// With all neighbours there.
    pub fn connected(mut self) -> Self {
        for peer in self.config.neighbours.clone() {
            self.connect(peer);
        }
        self.actions.clear();
        self
    }

    /// A neighbour's hello.
    pub fn hello(&self, peer: u32) -> Hello {
        Hello {
            peer,
            ..self.config.hello.clone()
        }
    }

    /// A connection is there, and the neighbour says nothing.
    pub fn connect_silently(&mut self, peer: u32) {
        self.swarm.handle_connected(self.now, peer);
        self.drain();
    }

    /// A connection is there, and both know each other.
    pub fn connect(&mut self, peer: u32) {
        self.connect_silently(peer);
        self.hear(peer, Message::Hello(self.hello(peer)));
    }

    /// A neighbour sends a message.
    pub fn hear(&mut self, peer: u32, message: Message) {
        self.swarm.handle_message(self.now, peer, message);
        self.drain();
    }

    /// The true metainfo of an origin in the swarm's round.
    pub fn hear_metainfo(&mut self, peer: u32, origin: u32) {
        let metainfo = origin_metainfo(&self.config, self.swarm.round(), origin);
        self.hear(peer, Message::Metainfo(sign(origin, &metainfo)));
    }

    /// It publishes its true update.
    pub fn publish(&mut self) {
        let me = self.config.me();
        let metainfo = origin_metainfo(&self.config, self.swarm.round(), me);
        self.publish_as(sign(me, &metainfo));
    }

    /// It publishes an update that says this of itself.
    pub fn publish_as(&mut self, signed: Signed) {
        self.swarm.publish(self.now, signed);
        self.drain();
    }

    /// Neighbour 1 gives all that is missing of the swarm's round.
    pub fn complete_round(&mut self, round: u32) {
        self.publish();
        for origin in 1..self.config.peers {
            self.hear_metainfo(1, origin);
        }
        self.hear(1, Message::Complete { round });
        self.hear(1, Message::Unchoke);
        while !self.swarm.held().is_full() {
            let asked = self.requests(1);
            assert!(!asked.is_empty(), "nothing is asked of neighbour 1");
            self.forget_sent();
            for request in asked {
                self.answer(1, request);
            }
        }
        self.forget_sent();
    }

    /// A neighbour answers a request with what it asked for.
    pub fn answer(&mut self, peer: u32, request: (u32, ChunkId)) {
        let data = origin_data(&self.config.layout, request.1);
        self.answer_with(peer, request, &data);
    }

    /// A neighbour answers a request with these bytes.
    pub fn answer_with(&mut self, peer: u32, (request, chunk): (u32, ChunkId), data: &[u8]) {
        let length = self.config.layout.bytes(chunk.index);
        let header = PieceHeader { request, chunk, length };
        let Some(hash) = self.swarm.handle_piece_header(peer, &header) else {
            panic!("{chunk:?} is not asked of peer {peer}");
        };
        let checked = check_piece(data, &hash);
        self.swarm.handle_piece(self.now, peer, &header, checked);
        self.drain();
    }

    /// Lets time pass, with every timer at its time.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.swarm.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.swarm.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// Takes out what it wants.
    pub fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            self.actions.push(action);
        }
    }

    /// Forgets what was sent so far.
    pub fn forget_sent(&mut self) {
        self.actions.clear();
    }

    /// Messages sent to a neighbour.
    pub fn sent(&self, peer: u32) -> Vec<Message> {
        let of = |action: &Action| match action {
            Action::Send { to, message } if *to == peer => Some(message.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(of).collect()
    }

    /// Requests sent to a neighbour: id and chunk.
    pub fn requests(&self, peer: u32) -> Vec<(u32, ChunkId)> {
        let of = |message| match message {
            Message::Request { request, chunk, .. } => Some((request, chunk)),
            _ => None,
        };
        self.sent(peer).into_iter().filter_map(of).collect()
    }

    /// Uploads started to a neighbour: its request and chunk.
    pub fn uploads(&self, peer: u32) -> Vec<(u32, ChunkId)> {
        let of = |action: &Action| match action {
            Action::Upload { to, request, chunk } if *to == peer => Some((*request, *chunk)),
            _ => None,
        };
        self.actions.iter().filter_map(of).collect()
    }

    /// How often it was asked whether a neighbour takes its messages.
    pub fn fences(&self, peer: u32) -> usize {
        let is_it = |action: &&Action| matches!(action, Action::Fence { to } if *to == peer);
        self.actions.iter().filter(is_it).count()
    }

    /// A neighbour has taken all its messages.
    pub fn drained(&mut self, peer: u32) {
        self.swarm.handle_drained(self.now, peer);
        self.drain();
    }

    /// Why a neighbour's link was closed last.
    pub fn disconnected(&self, neighbour: u32) -> Option<Violation> {
        let of = |action: &Action| match action {
            Action::Disconnect { peer, violation } if *peer == neighbour => Some(violation.clone()),
            _ => None,
        };
        self.actions.iter().rev().find_map(of)
    }

    /// Its notices.
    pub fn notices(&self) -> Vec<Notice> {
        let of = |action: &Action| match action {
            Action::Notice(notice) => Some(notice.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(of).collect()
    }

    /// Why it gave up.
    pub fn failure(&self) -> Option<Failure> {
        self.actions.iter().find_map(|action| match action {
            Action::Fail(failure) => Some(failure.clone()),
            _ => None,
        })
    }

    /// Whether it has completed a round.
    pub fn completed(&self, round: u32) -> bool {
        let is_it = |action: &Action| matches!(action, Action::Complete { round: it } if *it == round);
        self.actions.iter().any(is_it)
    }

    /// Whether it has released a round.
    pub fn released(&self, round: u32) -> bool {
        let is_it = |action: &Action| matches!(action, Action::Release { round: it } if *it == round);
        self.actions.iter().any(is_it)
    }

    /// Whether a request's piece need not be read any more.
    pub fn aborted(&self, neighbour: u32, id: u32) -> bool {
        let is_it = |action: &Action| matches!(action, Action::AbortDownload { from, request } if (*from, *request) == (neighbour, id));
        self.actions.iter().any(is_it)
    }

    /// Whether it has left.
    pub fn left(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Leave))
    }
}
