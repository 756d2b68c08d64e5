//! The assembly of a peer: swarm, transport, chunk store, training thread, and the outlets of its figures.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use fltorrent_coordinator::{
    backoff::{Backoff, FIRST_BACKOFF},
    client::{MAX_BACKOFF, Reporter},
    signature::SignatureVerifier,
    tls::{Credentials, HTTP_ALPN},
};
use fltorrent_swarm::{
    Beginning, Config, OnPeerLoss, Swarm,
    churn::{Churn, Past},
    message::Limits,
};
use tokio::sync::{mpsc, oneshot};

use super::{Membership, Peer, Watch, config, prepare::Prepared};
use crate::{
    aggregate,
    buffers::Buffers,
    checkpoint,
    churn::past,
    driver::{CertificateVerifier, Driver, Parts},
    kept::{Kept, KeptNames, Slots},
    last_model::LastModel,
    metrics::Metrics,
    metrics_file::{MetricsFile, unix_seconds},
    observer::Outlets,
    orders, retries,
    signed_record::SignedRecord,
    store::ChunkStore,
    transport::{
        self, Transport,
        socket::{self, Socket},
    },
    worker::{self, Work},
};

/// Events that wait for the driver.
const EVENTS: usize = 1024;

/// A peer that knows its run.
pub(super) struct Assembly {
    peer: Peer,
    membership: Membership,
    credentials: Arc<Credentials>,
    prepared: Prepared,
    buffers: Buffers,
    store: ChunkStore,
    kept: Kept,
    signed: SignedRecord,
    beginning: Beginning,
    last_model: LastModel,
}

impl Assembly {
    pub(super) fn new(peer: Peer, membership: Membership, prepared: Prepared) -> Result<Self> {
        let (plan, index) = (&peer.plan, peer.index);
        let (run, attempt, incarnation) = (membership.run, membership.attempt, peer.incarnation);
        let credentials = membership.credentials_of(index, incarnation, plan.peers.len())?;
        let (signed, earlier) = SignedRecord::open(peer.signed_record(), run, attempt, incarnation)?;
        let buffers = Buffers::new(prepared.layout.longest());
        let (folder, budget) = (peer.places.scratch.clone(), plan.exchange.memory_budget);
        let is_late = plan.late(prepared.start.round).any(|(late, _)| late == index);
        // Whoever joins later has signed nothing.
        let beginning = match incarnation == 0 && !is_late {
            true => Beginning::Together,
            false => Beginning::CatchUp(earlier),
        };
        let mut last_model = LastModel::new(folder.clone());
        let mut store = ChunkStore::new(folder.clone(), budget, &buffers, index);
        let mut kept = Kept::default();
        // Of the others nobody takes the place, or it does so on another machine.
        if peer.is_launched() {
            let names = KeptNames {
                folder,
                peer: index,
                run,
                attempt,
                incarnation,
            };
            kept = Kept::take(&names);
            last_model = last_model.kept(&names);
            store = store.kept(names, Slots::of(&prepared.layout));
        }
        Ok(Self {
            last_model,
            store,
            kept,
            peer,
            membership,
            credentials,
            prepared,
            buffers,
            signed,
            beginning,
        })
    }

    /// The driver, and what the training thread has to run.
    pub(super) fn connect(
        mut self,
        socket: Socket,
        metrics: Arc<Metrics>,
    ) -> Result<(Driver, impl FnOnce() + Send + use<>)> {
        // Nobody stops a peer but its launcher, unless it is watched.
        let (wait, news, stop, last_word) = match self.peer.watch.take() {
            Some(Watch {
                wait,
                news,
                stop,
                last_word,
            }) => (Some(wait), Some(news), stop, last_word),
            None => (None, None, oneshot::channel().1, None),
        };
        let (index, first_round) = (self.peer.index, self.prepared.start.round);
        let past = self.past(news.is_none());
        let (churn, wedges) = Churn::of(&self.peer.plan.peers[index as usize].churn, &past, first_round);
        let config = self.config(wait);
        let limits = config.limits();
        let (events_in, events) = mpsc::channel(EVENTS);
        let (progress_in, progress) = mpsc::channel(4);
        let (orders, inbox) = orders::orders();
        let aggregation = self.peer.plan.aggregation;
        let outlets = Outlets {
            file: self.metrics_file()?,
            metrics,
            reporter: self.reporter()?,
            news,
        };
        let swarm = Swarm::new(config, Box::new(self.verifier()?), Duration::ZERO);
        let parts = Parts {
            positions: u64::from(limits.positions()),
            transport: self.transport(socket, limits, swarm.repairs(), events_in)?,
            swarm,
            epoch: Instant::now(),
            events,
            store: self.store.clone(),
            kept: std::mem::take(&mut self.kept),
            progress,
            orders,
            rule: Arc::new(move || aggregate::rule(&aggregation)),
            last_model: self.last_model.clone(),
            credentials: self.membership.credentials.clone(),
            stop,
            peer: (index, self.membership.attempt),
            churn,
            last_word,
        };
        let work = self.work(wedges);
        Ok((Driver::new(parts, outlets), move || {
            worker::run(work, &inbox, &progress_in);
        }))
    }

    /// What became of the peer's earlier processes.
    fn past(&self, is_launched: bool) -> Past {
        let mut past = match self.peer.incarnation {
            0 => return Past::default(),
            processes => past(&self.peer.metrics_file(), processes, unix_seconds(SystemTime::now())),
        };
        if is_launched {
            // Its file is where the one before wrote it: without one, that has done nothing. A pod's may have gone with the pod.
            past.done.get_or_insert_default();
        }
        past
    }

    fn config(&self, wait: Option<Duration>) -> Config {
        let (plan, prepared) = (&self.peer.plan, &self.prepared);
        let run = config::RunIdentity {
            run: self.membership.run,
            attempt: self.membership.attempt,
            incarnation: self.membership.incarnation,
            plan: plan.hash(),
            data: prepared.label_hash,
        };
        let (layout, start) = (prepared.layout, &prepared.start);
        let mut config = config::swarm(plan, &config::Wiring::of(plan), self.peer.index, &run, layout, start);
        // Where another process was before, the others have been there.
        let wait = wait.filter(|_| self.beginning == Beginning::Together);
        config.join_within = wait.unwrap_or(config.join_within);
        config.beginning = self.beginning;
        config.kept = self.kept.content();
        config.has_first_model = prepared.has_first_model;
        config.counts = Some(Arc::clone(&prepared.counts));
        config
    }

    fn transport(
        &self,
        socket: Socket,
        limits: Limits,
        is_open: bool,
        events: mpsc::Sender<transport::Event>,
    ) -> Result<Transport> {
        let (plan, index) = (&self.peer.plan, self.peer.index);
        let own = &plan.peers[index as usize];
        let late: Vec<u32> = plan.late(self.prepared.start.round).map(|(peer, _)| peer).collect();
        if late.contains(&index) {
            socket::drop_waiting(&socket);
        }
        let socket = match &own.link {
            Some(link) => transport::shape(socket, link, plan.seed, index),
            None => socket,
        };
        Ok(Transport::start(
            socket,
            &self.credentials,
            &plan.transport,
            &plan.liveness,
            &own.link.unwrap_or_default(),
            &self.buffers,
            &own.neighbours,
            &self.membership.addresses,
            &late,
            is_open,
            plan.exchange.chunk_selection.has_suppliers(),
            limits,
            events,
        )?)
    }

    fn reporter(&self) -> Result<Option<Reporter>> {
        let start = |address: &fltorrent_crds::PeerAddress| {
            let tls = self.credentials.client_config(&[HTTP_ALPN])?;
            let auto = Backoff {
                first: FIRST_BACKOFF,
                longest: MAX_BACKOFF,
            };
            let waits = retries::waits(&self.peer.plan.liveness.retries, auto, self.peer.index.into());
            Ok(Reporter::start(&address.to_string(), self.membership.run, tls, waits)?)
        };
        self.membership.coordinator.as_ref().map(start).transpose()
    }

    fn verifier(&self) -> Result<CertificateVerifier> {
        let (run, peers) = (self.membership.run, self.peer.plan.peers.len());
        let verifier = SignatureVerifier::new(&self.membership.authority, run, peers)?;
        let credentials = self.membership.credentials.clone();
        Ok(CertificateVerifier::new(verifier, self.membership.attempt, credentials))
    }

    fn metrics_file(&self) -> Result<MetricsFile> {
        let path = self.peer.metrics_file();
        Ok(match (self.peer.incarnation, self.peer.resume) {
            (0, None) => MetricsFile::create(&path)?,
            (0, Some(_)) => MetricsFile::resume(&path, self.prepared.start.round)?,
            (incarnation, _) => MetricsFile::take_over(&path, incarnation)?,
        })
    }

    fn work(self, churn: Churn) -> Work {
        let (peer, prepared) = (self.peer, self.prepared);
        let plan = &peer.plan;
        // Where a loss ends the run nobody catches up.
        let has_others = plan.on_peer_loss == OnPeerLoss::Continue && plan.peers.len() > 1;
        let checkpoints = plan.checkpoint_every.map(|every| {
            let folder = peer.places.checkpoints.clone();
            checkpoint::Writer::new(folder, every, plan.resume_hash())
        });
        Work {
            trainer: prepared.trainer,
            shard: prepared.shard,
            test_part: prepared.test_part,
            layout: prepared.layout,
            aggregation: aggregate::rule(&plan.aggregation),
            start: prepared.start,
            checkpoints: checkpoints.map(|writer| (writer, peer.metrics_file())),
            buffers: self.buffers,
            store: self.store,
            credentials: self.membership.credentials,
            peer: (peer.index, self.membership.attempt),
            incarnation: peer.incarnation,
            signed: self.signed,
            last_model: has_others.then_some(self.last_model),
            begins: self.beginning == Beginning::Together,
            peers: plan.peers.len() as u32,
            is_model_wanted: !peer.model_files().is_empty(),
            slowdown: plan.peers[peer.index as usize].compute_slowdown,
            churn,
        }
    }
}
