//! A peer that nobody holds by its pipes: its user has started it, among others on other machines, or a cluster has.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fltorrent_crds::Plan;
use fltorrent_swarm::EvaluationCounts;
use tokio::sync::{mpsc, oneshot};

use super::{Membership, Peer, Places, prepare};
use crate::{
    checkpoint::Resume,
    metrics::{self, Metrics},
    news::News,
    train::backend,
    transport::socket,
};

/// Who watches a peer that was started by hand, and how long it waits for the others.
pub(super) struct Watched {
    pub(super) wait: Duration,
    pub(super) news: mpsc::Sender<News>,
    pub(super) stop: oneshot::Receiver<&'static str>,
}

/// Where a peer listens for its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At one address.
    At(SocketAddr),
    /// At every address of the machine.
    Port(u16),
}

/// Everything that a peer needs beside what the others are, when nobody hands it anything over.
pub struct ByHand {
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
    /// How long to wait for neighbours that are started later.
    pub wait: Duration,
    /// Where to tell what happens.
    pub news: mpsc::Sender<News>,
    /// Ends the run with a word on who wants it, such as `its user (SIGINT)`.
    pub stop: oneshot::Receiver<&'static str>,
}

/// A peer that holds its sockets and has loaded its data.
pub struct Ready {
    peer: Peer,
    socket: socket::Socket,
    metrics: Arc<Metrics>,
    server: Option<tokio::task::JoinSet<()>>,
    prepared: prepare::Prepared,
    /// Where it listens for its neighbours (QUIC).
    pub address: SocketAddr,
    /// The round that it begins with: how many a run has finished that goes on.
    pub first_round: u32,
    /// The checkpoint's model, and how it does on this peer's part of the test split; none for a run that begins anew.
    pub resumed: Option<([u8; 32], EvaluationCounts)>,
    /// Where it serves metrics (HTTP).
    pub metrics_address: Option<SocketAddr>,
}

impl ByHand {
    /// Binds the sockets, serves metrics, and loads the data. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When this machine lacks something; the error says what to do.
    pub async fn prepare(self) -> Result<Ready> {
        let Self { index, plan, .. } = self;
        backend::probe(plan.training.backend)?;
        plan.peers
            .get(index as usize)
            .context("the plan lacks this peer")?;
        let socket = match self.listen {
            Listen::At(address) => socket::bind(address)?,
            Listen::Port(port) => socket::bind_all(port)?,
        };
        let metrics = Arc::new(Metrics::new(&plan.name, index, plan.training.rounds));
        let (metrics_address, server) = match self.metrics {
            Some(address) => {
                let (bound, server) = metrics::serve(address, Arc::clone(&metrics))?;
                (Some(bound), Some(server))
            }
            None => (None, None),
        };
        let address = socket.local_addr()?;
        let (to_prepare, place) = (plan.clone(), self.places.checkpoints.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            prepare::prepare(&to_prepare, index, &place, self.resume, self.warns)
        })
        .await??;
        Ok(Ready {
            peer: Peer {
                index,
                plan,
                places: self.places,
                resume: self.resume,
                model_out: self.model_out,
                watched: Some(Watched {
                    wait: self.wait,
                    news: self.news,
                    stop: self.stop,
                }),
            },
            socket,
            metrics,
            server,
            first_round: prepared.start.round,
            resumed: self
                .resume
                .map(|_| (prepared.start.model, prepared.start.evaluation)),
            prepared,
            address,
            metrics_address,
        })
    }
}

impl Ready {
    /// Trains and exchanges to the end. Where all rounds were finished before, only the result is written.
    ///
    /// # Errors
    /// Whatever ends the run early; the neighbours have been told by then. A [`RunError`](crate::driver::RunError) in it says whose fault
    /// it was.
    pub async fn run(self, membership: Membership) -> Result<()> {
        let _span = tracing::info_span!("peer", peer = self.peer.index).entered();
        let _server = self.server;
        self.peer
            .train(membership, self.socket, self.metrics, self.prepared)
            .await
    }
}
