//! A peer that its user has started, among others on other machines: nobody holds its pipes, and nobody signs for it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use fltorrent_coordinator::{key::PeerKey, tls::Credentials};
use fltorrent_crds::{Bindings, Plan};
use tokio::sync::{mpsc, oneshot};

use super::{Options, Peer, log_to, prepare};
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

/// Everything that a peer needs when nobody hands it anything over.
pub struct ByHand {
    /// The peer's index in the plan.
    pub index: u32,
    /// What the experiment is.
    pub plan: Plan,
    /// The results folder, with an empty folder `peers` in it; the final model is written into it.
    pub results: PathBuf,
    /// The checkpoint in `results` that it goes on from; none: it begins anew.
    pub resume: Option<Resume>,
    /// Addresses and certificates.
    pub bindings: Bindings,
    /// The key of the certificate.
    pub key: PeerKey,
    /// Where to listen; none: at every address of the machine, at the port of the own entry in `bindings`.
    pub listen: Option<SocketAddr>,
    /// Where to serve metrics, if at all.
    pub metrics: Option<SocketAddr>,
    /// How long to wait for neighbours that are started later.
    pub wait: Duration,
    /// Where to tell what happens.
    pub news: mpsc::Sender<News>,
    /// Ends the run with a word on who wants it.
    pub stop: oneshot::Receiver<&'static str>,
}

/// A peer that holds its sockets and has loaded its data.
pub struct Ready {
    peer: Peer,
    bindings: Bindings,
    key: PeerKey,
    socket: socket::Socket,
    metrics: Arc<Metrics>,
    server: Option<tokio::task::JoinSet<()>>,
    prepared: prepare::Prepared,
    /// Where it listens for its neighbours (QUIC).
    pub address: SocketAddr,
    /// The round that it begins with: how many a run has finished that goes on.
    pub first_round: u32,
    /// Where it serves metrics (HTTP).
    pub metrics_address: Option<SocketAddr>,
}

impl ByHand {
    /// Binds the sockets and loads the data. Must be called within a tokio runtime, once a process, since it sets up the
    /// log.
    ///
    /// # Errors
    /// When this machine lacks something; the error says what to do.
    pub async fn prepare(self) -> Result<Ready> {
        let Self { index, plan, .. } = self;
        backend::probe(plan.training.backend)?;
        Credentials::new(
            &self.bindings.authority,
            &self.bindings.certificate,
            self.key.duplicate()?,
        )?
        .check_own(SystemTime::now())
        .context("the keys of this peer cannot be used")?;
        let folder = self.results.join("peers");
        log_to(
            &folder.join(format!("peer-{index}.log")),
            self.resume.is_some(),
        )?;
        let own = self
            .bindings
            .addresses
            .get(index as usize)
            .context("the bindings lack this peer")?;
        let socket = match self.listen {
            Some(address) => socket::bind(address)?,
            None => socket::bind_all(own.port())?,
        };
        let metrics = Arc::new(Metrics::new(&plan.name, index));
        let (metrics_address, server) = match self.metrics {
            Some(address) => {
                let (bound, server) = metrics::serve(address, Arc::clone(&metrics)).await?;
                (Some(bound), Some(server))
            }
            None => (None, None),
        };
        let address = socket.local_addr()?;
        let (to_prepare, place) = (plan.clone(), folder.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            prepare::prepare(&to_prepare, index, &place, self.resume)
        })
        .await??;
        let options = Options {
            index,
            manifest: self.results.join("manifest.yaml"),
            resume: self.resume,
            model_out: Some(self.results.join("model.safetensors")),
            results: self.results,
        };
        Ok(Ready {
            peer: Peer {
                options,
                plan,
                folder,
                watched: Some(Watched {
                    wait: self.wait,
                    news: self.news,
                    stop: self.stop,
                }),
            },
            bindings: self.bindings,
            key: self.key,
            socket,
            metrics,
            server,
            first_round: prepared.start.round,
            prepared,
            address,
            metrics_address,
        })
    }
}

impl Ready {
    /// Trains and exchanges to the end.
    ///
    /// # Errors
    /// Whatever ends the run early; the neighbours have been told by then.
    pub async fn run(self) -> Result<()> {
        let _span = tracing::info_span!("peer", peer = self.peer.options.index).entered();
        let _server = self.server;
        self.peer
            .train(
                self.bindings,
                self.key,
                self.socket,
                self.metrics,
                self.prepared,
            )
            .await
    }
}
