//! One peer, whoever starts it: a launcher, its user among others on other machines, or a cluster.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fltorrent_crds::Plan;
use fltorrent_swarm::EvaluationCounts;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Membership, Places,
    assembly::Assembly,
    prepare::{self, Prepared},
};
use crate::{
    checkpoint::Resume,
    metrics::{self, Metrics},
    news::News,
    train::{backend, safetensors},
    transport::socket,
    worker,
};

/// Everything that a peer needs beside what the others are.
pub struct Peer {
    /// The peer's index in the plan.
    pub index: u32,
    /// What the experiment is.
    pub plan: Plan,
    /// Folders that are there, without files of another run.
    pub places: Places,
    /// Where the final model goes, when this peer is to write it.
    pub model_out: Option<PathBuf>,
    /// The checkpoint that it goes on from; none: it begins anew.
    pub resume: Option<Resume>,
    /// Whether it warns of data that is probably not meant; somebody may have looked at it before.
    pub warns: bool,
    /// Where to listen.
    pub listen: Listen,
    /// Where to serve metrics, if at all.
    pub metrics: Option<SocketAddr>,
    /// Who watches it beside its launcher.
    pub watch: Option<Watch>,
}

/// Who watches a peer that no launcher holds.
pub struct Watch {
    /// How long to wait for neighbours that are started later.
    pub wait: Duration,
    /// Where to tell what happens.
    pub news: mpsc::Sender<News>,
    /// Ends the run with a word on who wants it, such as `its user (SIGINT)`.
    pub stop: oneshot::Receiver<&'static str>,
}

/// Where a peer listens for its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At one address.
    At(SocketAddr),
    /// At every address of the machine.
    Port(u16),
}

/// A peer that holds its sockets.
pub struct Bound {
    peer: Peer,
    socket: socket::Socket,
    metrics: Arc<Metrics>,
    server: Option<JoinSet<()>>,
    /// Where it listens for its neighbours (QUIC).
    pub address: SocketAddr,
    /// Where it serves metrics (HTTP).
    pub metrics_address: Option<SocketAddr>,
}

/// A peer that has loaded its data as well.
pub struct Ready {
    bound: Bound,
    prepared: Prepared,
    /// Where it listens for its neighbours (QUIC).
    pub address: SocketAddr,
    /// The round that it begins with: how many a run has finished that goes on.
    pub first_round: u32,
    /// The checkpoint's model, and how it does on this peer's part of the test split; none for a run that begins anew.
    pub resumed: Option<([u8; 32], EvaluationCounts)>,
    /// Where it serves metrics (HTTP).
    pub metrics_address: Option<SocketAddr>,
}

impl Peer {
    /// Binds the sockets and serves metrics. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When this machine lacks something; the error says what to do.
    pub fn bind(self) -> Result<Bound> {
        let Self { index, plan, .. } = &self;
        backend::probe(plan.training.backend)?;
        plan.peers.get(*index as usize).context("the plan lacks this peer")?;
        let socket = match self.listen {
            Listen::At(address) => socket::bind(address)?,
            Listen::Port(port) => socket::bind_all(port)?,
        };
        let metrics = Arc::new(Metrics::new(&plan.name, *index, plan.training.rounds));
        let served = self.metrics;
        let served = served.map(|address| metrics::serve(address, Arc::clone(&metrics)));
        let (metrics_address, server) = served.transpose()?.unzip();
        Ok(Bound {
            address: socket.local_addr()?,
            peer: self,
            socket,
            metrics,
            server,
            metrics_address,
        })
    }

    pub(super) fn metrics_file(&self) -> PathBuf {
        self.places.records.join(format!("peer-{}.jsonl", self.index))
    }

    /// Where the final model goes.
    pub(super) fn model_files(&self) -> Vec<PathBuf> {
        let own = format!("peer-{}.safetensors", self.index);
        let own = self.places.records.join(own);
        let own = self.plan.output.peer_models.then_some(own);
        own.into_iter().chain(self.model_out.clone()).collect()
    }
}

impl Bound {
    /// Loads the data and makes the model on another thread, from now on.
    pub fn load(self) -> impl Future<Output = Result<Ready>> {
        let (index, resume, warns) = (self.peer.index, self.peer.resume, self.peer.warns);
        let (plan, folder) = (self.peer.plan.clone(), self.peer.places.checkpoints.clone());
        let loading = tokio::task::spawn_blocking(move || prepare::prepare(&plan, index, &folder, resume, warns));
        async move {
            let prepared = loading.await??;
            let start = &prepared.start;
            Ok(Ready {
                address: self.address,
                first_round: start.round,
                resumed: resume.map(|_| (start.model, start.evaluation)),
                metrics_address: self.metrics_address,
                bound: self,
                prepared,
            })
        }
    }
}

impl Ready {
    /// Trains and exchanges to the end. Where all rounds were finished before, only the result is written.
    ///
    /// # Errors
    /// Whatever ends the run early; the neighbours have been told by then. A [`RunError`](crate::driver::RunError) in it says whose fault
    /// it was.
    pub async fn run(self, membership: Membership) -> Result<()> {
        let (peer, prepared) = (self.bound.peer, self.prepared);
        let _span = tracing::info_span!("peer", peer = peer.index).entered();
        let _server = self.bound.server;
        let (files, model) = (peer.model_files(), peer.plan.model.clone());
        let save = |parameters: &[f32]| {
            let mut files = files.iter();
            files.try_for_each(|path| safetensors::save_model(path, &model, parameters))
        };
        if prepared.start.is_over {
            let rounds = prepared.start.round;
            tracing::info!(rounds, "all rounds were finished before");
            if files.is_empty() {
                return Ok(());
            }
            return Ok(save(&worker::flat(prepared.trainer.as_ref())?)?);
        }
        let assembly = Assembly::new(peer, membership, prepared)?;
        let (driver, work) = assembly.connect(self.bound.socket, self.bound.metrics)?;
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new().name("train".to_owned()).spawn(move || {
            let _span = span.entered();
            work();
        })?;
        let parameters = driver.run().await?;
        // It has sent its last word already.
        thread.join().ok();
        Ok(save(&parameters)?)
    }
}
