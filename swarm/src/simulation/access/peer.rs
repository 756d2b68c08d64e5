//! One peer of a prediction: what it has measured, and an update without content.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    Time,
    config::Config,
    message::DecodeError,
    metainfo::{EvaluationCounts, KnownMetainfo, Metainfo, Signed, Signer, Verifier},
    simulation::figures::{PeerFigures, Waiting},
    swarm::Swarm,
};

/// Bytes of a peer's certificate (DER, Ed25519) and of its signature.
const CERTIFICATE: [u8; 352] = [0; 352];
const SIGNATURE: [u8; 64] = [0; 64];

/// Rounds before the newest one whose metainfos are kept: skew is one round.
const KEPT: u32 = 3;

/// The state of a peer beside its state machine.
pub(in crate::simulation) struct Own {
    /// Its neighbours, ascending, and the flow to each.
    pub(super) flows: Vec<(u32, u32)>,
    pub(super) waiting: Waiting,
    pub(super) figures: PeerFigures,
    template: Metainfo,
}

/// A peer's state machine, whose pieces have no content.
pub(super) fn new(config: Config, read: &Read) -> (Swarm, Own) {
    let template = Metainfo {
        run: config.hello.run,
        attempt: config.hello.attempt,
        round: config.first_round(),
        origin: config.me(),
        incarnation: config.hello.incarnation,
        samples: 1,
        evaluation: EvaluationCounts::default(),
        base: [0; 32],
        folded: [0; 32],
        hashes: vec![[0; 32]; config.layout.chunks() as usize],
    };
    let swarm = Swarm::new(config, Box::new(Trusting(Arc::clone(read))), Time::ZERO);
    let own = Own {
        flows: Vec::new(),
        waiting: Waiting::new(),
        figures: PeerFigures::default(),
        template,
    };
    (swarm, own)
}

impl Own {
    pub(super) fn flow_to(&self, neighbour: u32) -> Option<u32> {
        let at = self.flows.binary_search_by_key(&neighbour, |&(peer, _)| peer);
        at.ok().map(|at| self.flows[at].1)
    }

    /// Its metainfo of a round.
    pub(super) fn update(&mut self, round: u32) -> Signed {
        self.template.round = round;
        signed(self.template.encode())
    }
}

fn signed(body: Bytes) -> Signed {
    Signed {
        body,
        certificate: Bytes::from_static(&CERTIFICATE),
        signature: Bytes::from_static(&SIGNATURE),
    }
}

/// Metainfos that one of the peers has read, by round and origin.
pub(super) type Read = Arc<Mutex<BTreeMap<u32, Vec<Option<Arc<KnownMetainfo>>>>>>;

/// Nobody lies here.
struct Trusting(Read);

impl Verifier for Trusting {
    fn read(&mut self, signed: Signed, chunks: u32) -> Result<Arc<KnownMetainfo>, DecodeError> {
        let (round, origin) = Metainfo::peek(&signed.body)?;
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let origins = rounds.entry(round).or_default();
        let at = origin as usize;
        if origins.len() <= at {
            origins.resize(at + 1, None);
        }
        if let Some(known) = &origins[at] {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(KnownMetainfo::read(signed, chunks)?);
        origins[at] = Some(Arc::clone(&known));
        // Nobody speaks of rounds that are long over.
        rounds.retain(|&number, _| number + KEPT >= round);
        Ok(known)
    }

    fn verify(&mut self, _: Signer, _: &Signed) -> Result<(), String> {
        Ok(())
    }

    fn sign(&mut self, body: Bytes) -> Result<Signed, String> {
        Ok(signed(body))
    }
}
