//! One peer of a prediction: what it has measured, and an update without content.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    Time,
    churn::{Churn, ChurnKind, ChurnPlan, Past},
    config::{Beginning, Config, EarlierUpdates},
    message::DecodeError,
    metainfo::{EvaluationCounts, KnownMetainfo, Metainfo, Signed, Signer, Verifier},
    simulation::figures::{PeerFigures, Waiting},
    swarm::{EndCause, RoundEnd, Stats, Swarm},
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
    /// All that happens to it, with the configuration of its next process, where it has one.
    events: Option<(Vec<ChurnPlan>, Box<Config>)>,
    /// What is left of that, and when its training hangs.
    pub(super) churn: Churn,
    pub(super) wedges: Churn,
    /// When this process began to train, and the round that it trains for.
    pub(super) trains: Option<(Time, u32)>,
    /// When the first of its processes did.
    pub(super) first_trained: Option<Time>,
    /// Neighbours whose connection went while it stood still.
    pub(super) broken: Vec<u32>,
    /// The models of the last rounds.
    models: VecDeque<(u32, [u8; 32])>,
}

/// Rounds whose model a neighbour may want.
const MODELS: usize = 2;

/// A process of a peer: its state machine, whose pieces have no content.
pub(super) fn new(config: Config, read: &Read, events: &[ChurnPlan], past: &Past, now: Time) -> (Swarm, Own) {
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
    let (churn, wedges) = Churn::of(events, past, config.first_round());
    let is_started = |due: &ChurnPlan| matches!(due.event, ChurnKind::Join | ChurnKind::Restart);
    let starts = events.iter().any(is_started);
    let own_events = starts.then(|| (events.to_vec(), Box::new(config.clone())));
    let swarm = Swarm::new(config, Box::new(Trusting(Arc::clone(read))), now);
    let own = Own {
        flows: Vec::new(),
        waiting: Waiting::new(),
        figures: PeerFigures::default(),
        template,
        events: own_events,
        churn,
        wedges,
        trains: None,
        first_trained: None,
        broken: Vec::new(),
        models: VecDeque::new(),
    };
    (swarm, own)
}

impl Own {
    pub(super) fn flow_to(&self, neighbour: u32) -> Option<u32> {
        let at = self.flows.binary_search_by_key(&neighbour, |&(peer, _)| peer);
        at.ok().map(|at| self.flows[at].1)
    }

    /// The flow to a neighbour is another one, or the first one.
    pub(super) fn rewire(&mut self, neighbour: u32, flow: u32) {
        match self.flows.binary_search_by_key(&neighbour, |&(peer, _)| peer) {
            Ok(at) => self.flows[at].1 = flow,
            Err(at) => self.flows.insert(at, (neighbour, flow)),
        }
    }

    /// The configuration of its next process, which knows what this one has signed; the first one of a peer that joins later has none before
    /// it.
    pub(super) fn next_config(&self, swarm: &Swarm) -> Option<Config> {
        let (_, config) = self.events.as_ref()?;
        let mut config = Config::clone(config);
        config.beginning = Beginning::CatchUp(match (swarm.signed_round(), config.beginning) {
            (Some(round), _) => EarlierUpdates::UpTo(round),
            (None, Beginning::CatchUp(earlier)) => earlier,
            (None, Beginning::Together) => EarlierUpdates::Nothing,
        });
        // Whoever has yet to join has had no process.
        config.hello.incarnation += u32::from(!self.figures.churn.is_empty());
        Some(config)
    }

    /// What happens to it, and what became of it before its next process.
    pub(super) fn past(&self, now: Time, processes: u32) -> (Vec<ChurnPlan>, Past) {
        let events = self.events.iter().flat_map(|(events, _)| events).copied();
        let done = self.figures.churn.iter().map(|&(event, round, _)| (event, round));
        let past = Past {
            processes,
            done: Some(done.collect()),
            trained_for: self.first_trained.map_or(Duration::ZERO, |first| now - first),
        };
        (events.collect(), past)
    }

    /// Goes on after the process before.
    pub(super) fn take_over(&mut self, before: &mut Self, stats: &Stats) {
        self.flows = std::mem::take(&mut before.flows);
        self.figures = std::mem::take(&mut before.figures);
        self.figures.stats = self.figures.stats + *stats;
        self.first_trained = before.first_trained;
    }

    /// It takes over the model of a round.
    pub(super) fn goes_on_from(&mut self, round: u32, model: [u8; 32]) {
        self.models.push_back((round, model));
        if self.models.len() > MODELS {
            self.models.pop_front();
        }
        // What was folded stands for the model that it gives.
        (self.template.base, self.template.folded) = (model, model);
    }

    pub(super) fn model_of(&self, round: u32) -> Option<[u8; 32]> {
        let mut models = self.models.iter();
        models.find(|(of, _)| *of == round).map(|(_, model)| *model)
    }

    /// A round is closed where peers may be missing.
    pub(super) fn ends(&mut self, end: &RoundEnd) {
        self.goes_on_from(end.round, end.digest);
        if end.cause != EndCause::All || !end.missing.is_empty() {
            let degraded = (end.round, end.cause, end.missing.clone());
            self.figures.degraded.push(degraded);
        }
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
