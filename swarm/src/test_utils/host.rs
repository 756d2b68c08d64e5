//! All of a peer but its state machine and its connections.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{KeyedVerifier, origin_data, origin_metainfo, sign};
use crate::{
    Time,
    bitfield::Bitfield,
    chunk::ChunkId,
    config::{Config, Kept},
    message::{Message, PieceHeader},
    metainfo::{Metainfo, Signed, check_piece},
    swarm::{Action, Adoption, Departure, Failure, Notice, Recall, RoundEnd, Swarm, Violation},
};

/// How a peer's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It still runs.
    Running,
    /// It left after the last round.
    Left,
    /// It failed.
    Failed(Failure),
    /// It was killed by the script.
    Killed,
    /// It has yet to join.
    Absent,
}

/// A state machine's request to its connections; see [`Action`].
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are those of the actions")]
pub enum Wish {
    /// A message is to be sent.
    Send { to: u32, message: Message },
    /// A piece is to be sent.
    Upload { to: u32, header: PieceHeader, data: Bytes },
    /// A piece need not be sent any more.
    AbortUpload { to: u32, request: u32 },
    /// A piece need not be read any more.
    AbortDownload { from: u32, request: u32 },
    /// The round is complete: the next one may begin.
    Complete { round: u32 },
    /// It has a model to train from again.
    Adopt,
    /// A connection is to be closed.
    Disconnect { peer: u32, violation: Violation },
    /// A peer that is no neighbour is to be reached.
    Dial { peer: u32 },
    /// A connection to such a peer is to be closed.
    Hangup { peer: u32 },
    /// All connections are to be closed: the peer's run is over.
    End(Departure),
}

/// All of a peer but its state machine and its connections: a trainer, a chunk store, and what it has reported.
///
/// It panics where the state machine breaks a promise.
#[derive(Debug)]
pub struct Host {
    /// The state machine's configuration.
    pub config: Config,
    /// How its run ended.
    pub outcome: Outcome,
    /// BLAKE3 over all chunks that are folded of each round that it has closed.
    pub digests: Vec<[u8; 32]>,
    /// When it completed each of them.
    pub completed_at: Vec<Time>,
    /// Its notices.
    pub notices: Vec<Notice>,
    /// How each of them ended.
    pub ends: Vec<RoundEnd>,
    /// How those ended that earlier processes of this peer closed.
    pub earlier_ends: Vec<RoundEnd>,
    /// Rounds of which this process or an earlier one has signed an update.
    pub signed: BTreeSet<u32>,
    last_signed: Option<u32>,
    /// The rounds whose model it took over.
    pub adopted: Vec<u32>,
    /// What it goes on from: the model, and what was folded for it.
    base: ([u8; 32], [u8; 32]),
    store: BTreeMap<ChunkId, Bytes>,
    /// What the process before had stored.
    kept: BTreeMap<ChunkId, Bytes>,
}

impl Host {
    /// A peer at the start of its first round, and its state machine.
    pub fn new(config: Config, now: Time) -> (Swarm, Self) {
        let swarm = Swarm::new(config.clone(), Box::new(KeyedVerifier { me: config.me() }), now);
        let host = Self {
            config,
            outcome: Outcome::Running,
            digests: Vec::new(),
            completed_at: Vec::new(),
            notices: Vec::new(),
            ends: Vec::new(),
            earlier_ends: Vec::new(),
            signed: BTreeSet::new(),
            last_signed: None,
            adopted: Vec::new(),
            base: ([0; 32], [0; 32]),
            store: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        (swarm, host)
    }

    /// The next process of a peer, which finds what this one has stored, and its state machine.
    pub fn next_process(&self, config: Config, now: Time) -> (Swarm, Self) {
        let rounds = self.store.keys().map(|chunk| chunk.round).collect();
        let (swarm, host) = Self::new(
            Config {
                kept: Kept {
                    rounds,
                    has_model: false,
                },
                ..config
            },
            now,
        );
        let kept = self.store.clone();
        (swarm, Self { kept, ..host })
    }

    /// Whether its run is not over.
    pub fn is_running(&self) -> bool {
        self.outcome == Outcome::Running
    }

    /// Whether a chunk is in its store.
    pub fn has(&self, chunk: &ChunkId) -> bool {
        self.store.contains_key(chunk)
    }

    /// Stores its own update of a round.
    pub fn keep_update(&mut self, round: u32) {
        let (layout, origin) = (self.config.layout, self.config.me());
        for index in 0..layout.chunks() {
            let chunk = ChunkId { round, origin, index };
            self.keep(chunk, origin_data(&layout, chunk));
        }
    }

    /// Stores its own update of a round, and what it signs.
    pub fn train(&mut self, round: u32) -> Signed {
        let origin = self.config.me();
        self.keep_update(round);
        let metainfo = Metainfo {
            base: self.base.0,
            folded: self.base.1,
            ..origin_metainfo(&self.config, round, origin)
        };
        sign(origin, &metainfo)
    }

    /// The state machine has signed an update of this round at last.
    pub fn note_signed(&mut self, round: u32) {
        if self.last_signed.replace(round) != Some(round) {
            let me = self.config.me();
            assert!(
                self.signed.insert(round),
                "peer {me} signs two updates of round {round}"
            );
        }
    }

    /// Its next process finds no chunk.
    pub(crate) fn forget(&mut self) {
        self.store.clear();
    }

    /// A piece has come in full, and its header got this hash: it is checked, and kept where the state machine says so.
    pub fn receive(&mut self, now: Time, swarm: &mut Swarm, from: u32, piece: (&PieceHeader, Bytes), hash: &[u8; 32]) {
        let (header, data) = piece;
        if let Some(chunk) = swarm.handle_piece(now, from, header, check_piece(&data, hash)) {
            assert_eq!(data, origin_data(&self.config.layout, chunk), "{chunk:?}");
            assert!(!self.has(&chunk), "{chunk:?} is stored twice");
            self.keep(chunk, data);
        }
    }

    /// Does what the state machine wants of its own peer; what it wants of its connections is returned.
    pub fn obey(&mut self, now: Time, swarm: &mut Swarm, action: Action) -> Option<Wish> {
        Some(match action {
            Action::Send { to, message } => Wish::Send { to, message },
            Action::Upload { to, request, chunk } => self.piece(to, request, chunk),
            Action::AbortUpload { to, request } => Wish::AbortUpload { to, request },
            Action::AbortDownload { from, request } => Wish::AbortDownload { from, request },
            Action::Recall(recall) => {
                self.recall(now, swarm, &recall);
                return None;
            }
            Action::Complete { round } => {
                let end = swarm.round_end().filter(|end| end.round == round).cloned();
                let Some(end) = end else {
                    panic!("nobody says how round {round} ended");
                };
                self.finish(now, end);
                swarm.keeps_model(now, round);
                Wish::Complete { round }
            }
            Action::Begin { .. } => Wish::Adopt,
            Action::Adopt(Adoption {
                round, model, folded, ..
            }) => {
                self.base = (model, folded);
                self.adopted.push(round);
                swarm.keeps_model(now, round);
                Wish::Adopt
            }
            Action::MakeModel { round } => {
                self.keep_model(now, swarm, round);
                return None;
            }
            Action::Disconnect { peer, violation } => Wish::Disconnect { peer, violation },
            Action::Dial { peer } => Wish::Dial { peer },
            Action::Hangup { peer } => Wish::Hangup { peer },
            Action::Leave => {
                self.outcome = Outcome::Left;
                Wish::End(Departure::Finished)
            }
            Action::Fail(failure) => {
                let departure = Departure::Failed(failure.to_string());
                self.outcome = Outcome::Failed(failure);
                Wish::End(departure)
            }
            Action::Fence { to } => {
                swarm.handle_drained(now, to);
                return None;
            }
            Action::Release { round } => {
                self.store.retain(|chunk, _| chunk.round != round);
                return None;
            }
            Action::Notice(notice) => {
                self.notices.push(notice);
                return None;
            }
        })
    }

    fn recall(&mut self, now: Time, swarm: &mut Swarm, recall: &Recall) {
        for (index, hash) in (0..).zip(&recall.hashes) {
            let chunk = ChunkId {
                round: recall.round,
                origin: recall.origin,
                index,
            };
            let found = self.kept.get(&chunk).cloned();
            let found = found.filter(|data| blake3::hash(data).as_bytes() == hash);
            if let Some(data) = found
                && swarm.handle_recalled(now, recall.id, index) == Some(chunk)
            {
                assert!(!self.has(&chunk), "{chunk:?} is stored twice");
                self.keep(chunk, data);
            }
        }
        swarm.handle_recall_ended(now, recall.id);
    }

    /// What stands for the model of a round, for those who catch up.
    fn keep_model(&mut self, now: Time, swarm: &mut Swarm, round: u32) {
        let (layout, origin) = (self.config.layout, self.config.peers);
        let mut hashes = Vec::new();
        for index in 0..layout.chunks() {
            let chunk = ChunkId { round, origin, index };
            let data = origin_data(&layout, chunk);
            hashes.push(*blake3::hash(&data).as_bytes());
            self.keep(chunk, data);
        }
        let mut rounds = self.ends.iter().zip(&self.digests);
        let made = rounds.find(|(end, _)| end.round == round).map(|(_, &model)| model);
        let model = match made {
            Some(model) => model,
            None if self.adopted.last() == Some(&round) => self.base.0,
            None => panic!("it makes the model of round {round}, which it neither closed nor took over"),
        };
        swarm.offer_model(now, round, model, hashes);
    }

    fn piece(&self, to: u32, request: u32, chunk: ChunkId) -> Wish {
        let Some(data) = self.store.get(&chunk).cloned() else {
            panic!("peer {} sends {chunk:?} without it", self.config.me());
        };
        let length = data.len() as u32;
        let header = PieceHeader { request, chunk, length };
        Wish::Upload { to, header, data }
    }

    /// No more than two rounds are ever stored.
    fn keep(&mut self, chunk: ChunkId, data: Bytes) {
        self.store.insert(chunk, data);
        let most = (2 * self.config.peers + 1) * self.config.layout.chunks();
        let me = self.config.me();
        assert!(self.store.len() <= most as usize, "peer {me} stores too much");
    }

    fn finish(&mut self, now: Time, end: RoundEnd) {
        let (round, chunks) = (end.round, self.config.layout.chunks());
        let mut hasher = blake3::Hasher::new();
        for origin in 0..self.config.peers {
            for index in 0..chunks {
                let is_folded = |set: &Bitfield| set.contains(origin * chunks + index);
                if end.set.as_ref().is_none_or(is_folded) {
                    let chunk = ChunkId { round, origin, index };
                    let data = self.store.get(&chunk);
                    let data = data.unwrap_or_else(|| panic!("round {round} is not complete: {chunk:?}"));
                    hasher.update(data);
                }
            }
        }
        let digest = match end.missing.len() as u32 == self.config.peers {
            true => self.base.0,
            false => *hasher.finalize().as_bytes(),
        };
        self.base = (digest, end.digest);
        self.digests.push(digest);
        self.ends.push(end);
        self.completed_at.push(now);
    }
}
