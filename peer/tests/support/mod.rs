//! Peers in one process: real QUIC on loopback, real certificates, and a trainer that needs no data.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its own part; these are tests"
)]

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use fltorrent_coordinator::{
    authority::Authority, identity::RunId, key::PeerKey, signature::SignatureVerifier, tls::Credentials,
};
use fltorrent_crds::{
    aggregation::Fedavg,
    data::Digits,
    partition::Partition,
    plan::{CongestionControl, DataPlan, LinkPlan, LivenessPlan, RetryPlan, TransportPlan},
};
use fltorrent_peer::{
    aggregate::{self, Aggregation},
    buffers::Buffers,
    data::{self, Samples, Split},
    driver::{CertificateVerifier, Driver, Parts, RunError},
    last_model::LastModel,
    metrics::Metrics,
    metrics_file::MetricsFile,
    observer::Outlets,
    orders,
    signed_record::SignedRecord,
    store::ChunkStore,
    train::{EvalCounts, TrainError, TrainReport, Trainer},
    transport::{Transport, socket},
    worker,
};
use fltorrent_swarm::{
    Beginning, ChokePolicyKind, ChunkLayout, ChunkSelection, Config, Deadline, Hello, Kept, OnPeerLoss, OriginCounts,
    Repair, RoundRules, Swarm, churn::Churn,
};
use tokio::sync::mpsc;

pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// "Trains" by adding what follows from peer, round and position, so that every round differs on every peer.
pub(crate) struct Adder {
    pub(crate) parameters: Vec<f32>,
    /// Whether they were given away.
    pub(crate) taken: bool,
    pub(crate) peer: u32,
    pub(crate) samples: u64,
    /// What it adds to the first parameter from the second round on, when all peers have met, to break things.
    pub(crate) poison: f32,
    /// Samples that it says it was judged on.
    pub(crate) evaluated: u64,
}

impl Trainer for Adder {
    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError> {
        out.copy_from_slice(&self.parameters);
        Ok(())
    }

    fn take_first(&mut self) -> Result<Option<Vec<f32>>, TrainError> {
        self.taken = !self.taken;
        Ok(self.taken.then(|| self.parameters.clone()))
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.parameters.len()]
    }

    fn push(&mut self, values: Vec<f32>) -> Result<(), TrainError> {
        self.parameters = values;
        Ok(())
    }

    fn train(&mut self, _shard: &Samples, round: u32) -> Result<TrainReport, TrainError> {
        for (at, value) in self.parameters.iter_mut().enumerate() {
            *value += 0.01 * (self.peer + 1) as f32 * ((at as f32) * 0.37 + round as f32).sin();
        }
        if round > 0 {
            self.parameters[0] += self.poison;
        }
        Ok(TrainReport {
            loss: 1.0,
            samples: self.samples,
            steps: 1,
        })
    }

    fn evaluate(&mut self, _samples: &Samples) -> Result<EvalCounts, TrainError> {
        Ok(EvalCounts {
            correct: 1,
            total: self.evaluated,
            loss_sum: 0.5,
            classes: Vec::new(),
        })
    }
}

/// A run in the making.
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) authority: Authority,
    pub(crate) peers: u32,
    pub(crate) edges: Vec<(u32, u32)>,
    pub(crate) elements: usize,
    pub(crate) chunks: u32,
    pub(crate) rounds: u32,
    pub(crate) budget: u64,
    pub(crate) lost_after: Duration,
    pub(crate) on_peer_loss: OnPeerLoss,
    /// A peer that says that it was judged on far more samples than it was given. It says so in the second round, when all have met.
    pub(crate) boaster: Option<u32>,
    pub(crate) aggregation: fn() -> Box<dyn Aggregation>,
}

impl Run {
    pub(crate) fn new(peers: u32, edges: Vec<(u32, u32)>) -> Self {
        let id = RunId::random().unwrap();
        Self {
            id,
            authority: Authority::generate(id, LIFETIME, SystemTime::now()).unwrap(),
            peers,
            edges,
            elements: 5000,
            chunks: 7,
            rounds: 3,
            budget: u64::MAX,
            lost_after: Duration::from_secs(20),
            on_peer_loss: OnPeerLoss::Fail,
            boaster: None,
            aggregation: || aggregate::rule(&Fedavg.into()),
        }
    }

    pub(crate) fn neighbours(&self, me: u32) -> Vec<u32> {
        let other = |&(a, b): &(u32, u32)| {
            if a == me { Some(b) } else { (b == me).then_some(a) }
        };
        let mut neighbours: Vec<u32> = self.edges.iter().filter_map(other).collect();
        neighbours.sort_unstable();
        neighbours
    }

    pub(crate) fn plan(&self) -> TransportPlan {
        TransportPlan {
            mtu: 1452,
            congestion_control: CongestionControl::Auto,
        }
    }

    pub(crate) fn liveness(&self) -> LivenessPlan {
        LivenessPlan {
            heartbeat_interval: Duration::from_millis(500),
            heartbeat_timeout: Duration::from_secs(2),
            min_peers: self.peers / 2 + 1,
            pause_limit: Duration::from_secs(600),
            progress_lease: Deadline::Auto,
            retries: RetryPlan::default(),
        }
    }

    pub(crate) fn credentials(&self, peer: u32) -> Credentials {
        let key = PeerKey::generate().unwrap();
        let request = key.request_pem().unwrap();
        let certificate = self
            .authority
            .sign_peer(&request, peer, 0, 0, SystemTime::now())
            .unwrap();
        Credentials::new(self.authority.certificate_pem(), &certificate, key).unwrap()
    }

    pub(crate) fn layout(&self) -> ChunkLayout {
        ChunkLayout::new(self.elements as u64, self.chunks).unwrap()
    }

    pub(crate) fn config(&self, me: u32) -> Config {
        Config {
            hello: Hello {
                run: *self.id.as_bytes(),
                attempt: 0,
                peer: me,
                incarnation: 0,
                plan: [1; 32],
                data: [2; 32],
                first_round: 0,
                round: 0,
                catches_up: false,
                model: [3; 32],
            },
            peers: self.peers,
            neighbours: self.neighbours(me),
            layout: self.layout(),
            rounds: self.rounds,
            // Who lies does not look at what it says itself.
            counts: (self.boaster != Some(me)).then(|| self.counts()),
            early_stop: None,
            upload_slots: 4,
            unchoke_interval: Duration::from_secs(10),
            optimistic_interval: Duration::from_secs(30),
            choke_policy: ChokePolicyKind::default(),
            selection: ChunkSelection::RarestFirst,
            forest: None,
            topology: (0..self.peers).map(|peer| self.neighbours(peer)).collect(),
            late: Arc::default(),
            repair: Repair::None,
            common_seed: 77,
            on_peer_loss: self.on_peer_loss,
            min_peers: self.peers / 2 + 1,
            pause_limit: Duration::from_secs(600),
            round_rules: RoundRules {
                quorum: self.peers,
                patience: Duration::from_millis(300),
                deadline: Deadline::Auto,
            },
            progress_lease: Deadline::Auto,
            lost_after: self.lost_after,
            join_within: self.lost_after,
            beginning: Beginning::Together,
            kept: Kept::default(),
            has_first_model: true,
            seed: u64::from(me) + 77,
        }
    }

    /// What honest peers sign; see [`Adder`].
    fn counts(&self) -> Arc<[OriginCounts]> {
        let of = |peer: u32| OriginCounts {
            samples: u64::from(peer) + 1,
            evaluated: 2,
        };
        (0..self.peers).map(of).collect()
    }

    pub(crate) fn adder(&self, peer: u32) -> Adder {
        Adder {
            taken: false,
            parameters: vec![0.25; self.elements],
            peer,
            samples: u64::from(peer) + 1,
            poison: 0.0,
            evaluated: if self.boaster == Some(peer) { 1000 } else { 2 },
        }
    }

    /// The mean that a plain sequential FedAvg gives after all rounds.
    pub(crate) fn oracle(&self) -> Vec<f32> {
        let total = f64::from(self.peers * (self.peers + 1) / 2);
        self.sequential(|updates| {
            let weighted = |at: usize| {
                let values = (1..).zip(updates);
                values.fold(0.0, |sum, (weight, update)| {
                    sum + f64::from(weight) * f64::from(update[at])
                })
            };
            let elements = 0..self.elements;
            elements.map(|at| (weighted(at) / total) as f32).collect()
        })
    }

    /// The model after all rounds, without chunks, swarm or network: `aggregate` gets the updates of all peers.
    pub(crate) fn sequential(&self, aggregate: impl Fn(&[Vec<f32>]) -> Vec<f32>) -> Vec<f32> {
        let mut parameters = vec![0.25; self.elements];
        for round in 0..self.rounds {
            let update = |peer| {
                let mut trainer = Adder {
                    parameters: parameters.clone(),
                    ..self.adder(peer)
                };
                trainer.train(&samples(1), round).unwrap();
                trainer.parameters
            };
            let updates: Vec<_> = (0..self.peers).map(update).collect();
            parameters = aggregate(&updates);
        }
        parameters
    }

    /// Binds a socket for each peer, so that all addresses are known before anybody starts.
    pub(crate) fn sockets(&self) -> Vec<UdpSocket> {
        (0..self.peers)
            .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect()
    }

    /// Runs one peer to its end on a thread of its own.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        me: u32,
        socket: UdpSocket,
        addresses: &[SocketAddr],
        folder: &Path,
        trainer: Box<dyn Trainer>,
    ) -> JoinHandle<Result<Vec<f32>, RunError>> {
        let (run, addresses, folder) = (Arc::clone(self), addresses.to_vec(), folder.to_owned());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(run.peer(me, socket, &addresses, &folder, trainer))
        })
    }

    async fn peer(
        &self,
        me: u32,
        socket: UdpSocket,
        addresses: &[SocketAddr],
        folder: &Path,
        trainer: Box<dyn Trainer>,
    ) -> Result<Vec<f32>, RunError> {
        let credentials = Arc::new(self.credentials(me));
        let current = tokio::sync::watch::channel(Arc::clone(&credentials)).1;
        let (layout, config) = (self.layout(), self.config(me));
        let (events_in, events) = mpsc::channel(256);
        let buffers = Buffers::new(layout.longest());
        let transport = Transport::start(
            socket::wrap(socket).unwrap(),
            &credentials,
            &self.plan(),
            &self.liveness(),
            &LinkPlan::default(),
            &buffers,
            &self.neighbours(me),
            &addresses.iter().map(|&address| address.into()).collect::<Vec<_>>(),
            &[],
            false,
            false,
            config.limits(),
            events_in,
        )
        .unwrap();
        let verifier = SignatureVerifier::new(self.authority.certificate_pem(), self.id, self.peers as usize).unwrap();
        let verifier = CertificateVerifier::new(verifier, 0, current.clone());
        let store = ChunkStore::new(folder.to_owned(), self.budget, &buffers, me);
        let (progress_in, progress) = mpsc::channel(4);
        let (orders, inbox) = orders::orders();
        let last_model = LastModel::new(folder.to_owned());
        let work = worker::Work {
            start: worker::Start::fresh(trainer.as_ref()).unwrap(),
            checkpoints: None,
            trainer,
            shard: samples(me + 1),
            test_part: samples(2),
            layout,
            aggregation: (self.aggregation)(),
            buffers,
            store: store.clone(),
            credentials: current.clone(),
            peer: (me, 0),
            incarnation: 0,
            signed: signed_record(folder, me, self.id),
            last_model: Some(last_model.clone()),
            begins: true,
            peers: self.peers,
            is_model_wanted: true,
            slowdown: 1.0,
            churn: Churn::default(),
        };
        let thread = std::thread::spawn(move || worker::run(work, &inbox, &progress_in));
        let parts = Parts {
            churn: Churn::default(),
            positions: u64::from(config.limits().positions()),
            swarm: Swarm::new(config, Box::new(verifier), Duration::ZERO),
            epoch: Instant::now(),
            transport,
            events,
            store,
            kept: fltorrent_peer::kept::Kept::default(),
            progress,
            orders,
            rule: Arc::new(self.aggregation),
            last_model,
            credentials: current,
            stop: tokio::sync::oneshot::channel().1,
            peer: (me, 0),
            last_word: None,
        };
        let outlets = Outlets {
            file: MetricsFile::create(&folder.join(format!("{me}.jsonl"))).unwrap(),
            metrics: Arc::new(Metrics::new("test", me, 1)),
            reporter: None,
            news: None,
        };
        let result = Driver::new(parts, outlets).run().await;
        thread.join().unwrap();
        result.map(|finished| finished.parameters)
    }

    /// Runs all peers to their ends.
    pub(crate) fn all(self: &Arc<Self>) -> Vec<Result<Vec<f32>, RunError>> {
        self.each(self.peers, |me| Box::new(self.adder(me)))
    }

    /// Runs the first `count` peers with trainers of the test's making.
    pub(crate) fn each(
        self: &Arc<Self>,
        count: u32,
        trainer: impl Fn(u32) -> Box<dyn Trainer>,
    ) -> Vec<Result<Vec<f32>, RunError>> {
        let folder = tempfile::tempdir().unwrap();
        self.each_in(folder.path(), count, trainer)
    }

    /// As [`Self::each`], with the peers' files in a folder that stays.
    pub(crate) fn each_in(
        self: &Arc<Self>,
        folder: &Path,
        count: u32,
        trainer: impl Fn(u32) -> Box<dyn Trainer>,
    ) -> Vec<Result<Vec<f32>, RunError>> {
        let sockets = self.sockets();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let threads: Vec<_> = (0..count)
            .zip(sockets)
            .map(|(me, socket)| self.spawn(me, socket, &addresses, folder, trainer(me)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}

/// Digits that nobody looks at.
pub(crate) fn samples(count: u32) -> Samples {
    let plan = DataPlan {
        source: Digits.into(),
        input_shape: vec![8, 8],
        classes: 10,
        partition: Partition::default(),
    };
    let labels = data::labels(&plan).unwrap();
    data::load(&plan, &labels, Split::Train, &(0..count).collect::<Vec<_>>()).unwrap()
}

fn signed_record(folder: &Path, me: u32, run: RunId) -> SignedRecord {
    let path = folder.join(format!("peer-{me}.signed"));
    SignedRecord::open(path, run, 0, 0).unwrap().0
}
