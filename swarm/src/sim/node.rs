//! One simulated peer: a real swarm, a store, and a trainer that makes its update out of nothing.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use crate::{
    Time,
    chunk::{ChunkId, ChunkLayout},
    config::Config,
    metainfo::{EvaluationCounts, Metainfo, SignedMetainfo, Verifier},
    swarm::{Failure, Notice, Swarm},
};

/// How a node's run ended.
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
}

pub(super) struct Node {
    pub(super) swarm: Swarm,
    pub(super) config: Config,
    pub(super) store: BTreeMap<ChunkId, Bytes>,
    pub(super) stored_most: usize,
    pub(super) outcome: Outcome,
    /// BLAKE3 over all chunks of each completed round, in order.
    pub(super) digests: Vec<[u8; 32]>,
    pub(super) completed_at: Vec<Time>,
    pub(super) notices: Vec<Notice>,
    pub(super) train_time: Duration,
    /// The timer that is set, so that it is not set twice.
    pub(super) timer: Option<Time>,
}

impl Node {
    pub(super) fn new(config: Config, train_time: Duration) -> Self {
        Self {
            swarm: Swarm::new(config.clone(), Box::new(KeyedVerifier), Time::ZERO),
            config,
            store: BTreeMap::new(),
            stored_most: 0,
            outcome: Outcome::Running,
            digests: Vec::new(),
            completed_at: Vec::new(),
            notices: Vec::new(),
            train_time,
            timer: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.outcome == Outcome::Running
    }

    pub(super) fn keep(&mut self, chunk: ChunkId, data: Bytes) {
        self.store.insert(chunk, data);
        self.stored_most = self.stored_most.max(self.store.len());
    }

    pub(super) fn release(&mut self, round: u32) {
        self.store.retain(|chunk, _| chunk.round != round);
    }

    /// The update of a round, stored, and its metainfo.
    pub(super) fn train(&mut self, round: u32) -> SignedMetainfo {
        let (layout, origin) = (self.config.layout, self.config.me());
        for index in 0..layout.chunks() {
            let chunk = ChunkId {
                round,
                origin,
                index,
            };
            self.keep(chunk, origin_data(&layout, chunk));
        }
        let metainfo = Metainfo {
            base: self.digests.last().copied().unwrap_or_default(),
            ..origin_metainfo(&self.config, round, origin)
        };
        sign(origin, &metainfo)
    }

    pub(super) fn finish_round(&mut self, now: Time, round: u32) {
        let mut hasher = blake3::Hasher::new();
        let all = ChunkId {
            round,
            origin: 0,
            index: 0,
        }..ChunkId {
            round: round + 1,
            origin: 0,
            index: 0,
        };
        for data in self.store.range(all).map(|(_, data)| data) {
            hasher.update(data);
        }
        self.digests.push(*hasher.finalize().as_bytes());
        self.completed_at.push(now);
    }
}

/// The bytes of a chunk as its origin makes them: finite f32 drawn from the chunk's name.
pub fn origin_data(layout: &ChunkLayout, chunk: ChunkId) -> Bytes {
    let seed = crate::round::mix(
        (u64::from(chunk.round) << 40) ^ (u64::from(chunk.origin) << 20) ^ u64::from(chunk.index),
    );
    let elements = layout.bytes(chunk.index) / 4;
    (0..elements)
        .flat_map(|at| ((crate::round::mix(seed ^ u64::from(at)) >> 40) as f32).to_le_bytes())
        .collect()
}

/// What an origin says of the update that it makes in a round.
pub fn origin_metainfo(config: &Config, round: u32, origin: u32) -> Metainfo {
    let chunk = |index| ChunkId {
        round,
        origin,
        index,
    };
    Metainfo {
        run: config.hello.run,
        attempt: config.hello.attempt,
        round,
        origin,
        samples: u64::from(origin) + 1,
        evaluation: learning_curve(round),
        base: [0; 32],
        hashes: (0..config.layout.chunks())
            .map(|index| *blake3::hash(&origin_data(&config.layout, chunk(index))).as_bytes())
            .collect(),
    }
}

/// What each origin says of the model that the round before `round` made: nothing at first, then 0.6 and ever less on top.
fn learning_curve(round: u32) -> EvaluationCounts {
    match round {
        0 => EvaluationCounts::default(),
        round => EvaluationCounts {
            correct: 100 - 80 / (round + 1),
            total: 100,
            loss_sum: 1.0,
        },
    }
}

/// A metainfo as `origin` signs it in virtual time.
pub fn sign(origin: u32, metainfo: &Metainfo) -> SignedMetainfo {
    let body = metainfo.encode();
    SignedMetainfo {
        certificate: Bytes::copy_from_slice(&origin.to_be_bytes()),
        signature: keyed(origin, &body),
        body,
    }
}

/// Stands for signatures: a keyed hash whose key follows from the origin, so that runs need no key of anybody.
#[derive(Clone, Copy, Debug)]
pub struct KeyedVerifier;

fn keyed(origin: u32, body: &[u8]) -> Bytes {
    let key = blake3::derive_key("fltorrent simulated signature", &origin.to_be_bytes());
    Bytes::copy_from_slice(blake3::keyed_hash(&key, body).as_bytes())
}

impl Verifier for KeyedVerifier {
    fn verify(
        &mut self,
        origin: u32,
        certificate: &[u8],
        body: &[u8],
        signature: &[u8],
    ) -> Result<(), String> {
        if certificate != origin.to_be_bytes() {
            return Err("the certificate is another origin's".to_owned());
        }
        if keyed(origin, body) != signature {
            return Err("the signature is not the origin's".to_owned());
        }
        Ok(())
    }
}
