//! An operator without a cluster: a hub, and tokens that say whose they are.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    hub::{Directory, Hub, Member, RunFacts, RunReported, RunSpan, Settings, Unproven},
    identity::RunId,
};
use fltorrent_records::progress::Progress;
use tokio::{
    net::TcpSocket,
    sync::{mpsc, watch},
};

use crate::pod::{Experiment, RUN, root};

const GRACE: Duration = Duration::from_secs(30);

pub(crate) struct Operator {
    hub: Hub,
    known: Arc<Known>,
    reported: mpsc::Receiver<RunReported>,
    rounds: BTreeMap<u32, Vec<u32>>,
    signed: watch::Receiver<BTreeMap<u32, u32>>,
}

struct Known {
    peers: u32,
    rounds: u32,
    attempt: AtomicU32,
    span: Mutex<RunSpan>,
    /// Tokens believed, by index: each one is followed by a certificate.
    signed: Mutex<watch::Sender<BTreeMap<u32, u32>>>,
}

impl Directory for Known {
    fn facts(&self, run: RunId) -> Option<RunFacts> {
        (run == RUN).then(|| RunFacts {
            peers: self.peers,
            rounds: self.rounds,
            // As few as any manifest here says.
            min_peers: self.peers.div_ceil(2),
            attempt: self.attempt.load(Ordering::Relaxed),
        })
    }

    async fn member(&self, _run: RunId, token: &str) -> Result<Member, Unproven> {
        let name = match token {
            "foreign" => return Err(Unproven::NotOurs("its pod is not ours".to_owned())),
            "later" => {
                return Err(Unproven::Unavailable {
                    reason: "the API server is away".to_owned(),
                    retry_after: Duration::from_secs(1),
                });
            }
            _ => token.strip_prefix("token-of-").unwrap_or_default(),
        };
        let (index, incarnation) = name.split_once('-').unwrap_or((name, "0"));
        let (Ok(index), Ok(incarnation)) = (index.parse(), incarnation.parse()) else {
            return Err(Unproven::Unauthenticated("unknown".to_owned()));
        };
        let signed = self.signed.lock().unwrap();
        signed.send_modify(|signed| *signed.entry(index).or_default() += 1);
        Ok(Member {
            index,
            attempt: self.attempt.load(Ordering::Relaxed),
            incarnation,
        })
    }

    fn span(&self, _: RunId) -> RunSpan {
        *self.span.lock().unwrap()
    }

    fn leads(&self) -> bool {
        true
    }
}

impl Operator {
    /// Listens where the experiment's pods ask.
    pub(crate) async fn start(experiment: &Experiment, settings: Settings) -> Self {
        let address: SocketAddr = experiment.coordinator.parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        // Connections to the one before may still be on their way out.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(64).unwrap();
        let (signed_in, signed) = watch::channel(BTreeMap::new());
        let known = Arc::new(Known {
            peers: experiment.peers,
            rounds: experiment.rounds,
            attempt: AtomicU32::new(0),
            span: Mutex::default(),
            signed: Mutex::new(signed_in),
        });
        let (reports_in, reported) = mpsc::channel(1024);
        let directory = Arc::clone(&known);
        let hub = Hub::start(listener, root(), directory, settings, reports_in).unwrap();
        Self {
            hub,
            known,
            reported,
            rounds: BTreeMap::new(),
            signed,
        }
    }

    /// Waits until every peer has reported a round; gives the rounds that each has reported so far, in the order of arrival.
    pub(crate) async fn all_reported(&mut self, round: u32) -> &BTreeMap<u32, Vec<u32>> {
        let is_there = |rounds: &BTreeMap<u32, Vec<u32>>, peers| {
            let there = rounds.values().filter(|rounds| rounds.iter().any(|&r| r >= round));
            there.count() == peers
        };
        while !is_there(&self.rounds, self.known.peers as usize) {
            let report = self.reported.recv().await.unwrap().reported.report;
            self.rounds.entry(report.peer).or_default().push(report.round);
        }
        &self.rounds
    }

    /// Waits until every peer has got so many certificates.
    pub(crate) async fn all_signed(&mut self, count: u32) {
        let peers = self.known.peers as usize;
        let enough = |signed: &BTreeMap<u32, u32>| signed.values().filter(|&&times| times >= count).count() == peers;
        // Reports have to be read meanwhile.
        loop {
            tokio::select! {
                reached = self.signed.wait_for(enough) => {
                    reached.unwrap();
                    return;
                }
                Some(reported) = self.reported.recv() => {
                    let report = reported.reported.report;
                    self.rounds.entry(report.peer).or_default().push(report.round);
                }
            }
        }
    }

    /// Waits until these peers have reported a round.
    pub(crate) async fn reported_by(&mut self, peers: &[u32], round: u32) {
        let is_there = |rounds: &BTreeMap<u32, Vec<u32>>, peer| {
            let reported = rounds.get(peer).into_iter().flatten();
            reported.into_iter().any(|&reported| reported >= round)
        };
        while !peers.iter().all(|peer| is_there(&self.rounds, peer)) {
            let report = self.reported.recv().await.unwrap().reported.report;
            self.rounds.entry(report.peer).or_default().push(report.round);
        }
    }

    /// All who begin have been ready for so long.
    pub(crate) fn began(&self, since: Duration) {
        self.known.span.lock().unwrap().began = Some(SystemTime::now() - since);
    }

    /// A peer has ended well.
    pub(crate) fn is_over(&self) {
        self.known.span.lock().unwrap().is_over = true;
    }

    pub(crate) fn begin_attempt(&self, attempt: u32) {
        self.known.attempt.store(attempt, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> Progress {
        let attempt = self.known.attempt.load(Ordering::Relaxed);
        self.hub.progress(RUN, attempt).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.hub.stop(GRACE).await;
    }
}
