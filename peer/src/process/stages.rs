//! How a peer gets going: it binds its sockets, loads, and runs.

use std::{future::Future, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use fltorrent_swarm::EvaluationCounts;
use tokio::task::JoinSet;

use super::{
    Membership, ModelOut, Peer,
    assembly::Assembly,
    peer::Listen,
    prepare::{self, Prepared},
};
use crate::{
    driver::Finished,
    kept,
    metrics::{self, Metrics},
    train::backend,
    transport::socket,
    worker,
};

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
}

impl Bound {
    /// Loads the data and makes the model on another thread, from now on.
    pub fn load(self) -> impl Future<Output = Result<Ready>> {
        let (index, warns) = (self.peer.index, self.peer.warns);
        let (resume, incarnation) = (self.peer.resume, self.peer.incarnation);
        let (plan, folder) = (self.peer.plan.clone(), self.peer.places.checkpoints.clone());
        let loading =
            tokio::task::spawn_blocking(move || prepare::prepare(&plan, index, &folder, (resume, incarnation), warns));
        async move {
            let prepared = loading.await??;
            let start = &prepared.start;
            Ok(Ready {
                address: self.address,
                first_round: start.round,
                resumed: prepared.resumes.then_some((start.model, start.evaluation)),
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
        let save = |files: &[ModelOut], parameters: &[f32]| {
            let mut files = files.iter();
            files.try_for_each(|file| file.write(&model, parameters))
        };
        let index = peer.index;
        let left = peer.is_launched().then(|| peer.places.scratch.clone());
        let own = |first: Option<u32>| {
            let own = files.iter().filter(|file| file.is_for(index, first));
            own.cloned().collect::<Vec<_>>()
        };
        if prepared.start.is_over {
            let rounds = prepared.start.round;
            tracing::info!(rounds, "all rounds were finished before");
            // All peers are here, and know it alike.
            let files = own(Some(0));
            if files.is_empty() {
                return Ok(());
            }
            return Ok(save(&files, &worker::flat(prepared.trainer.as_ref())?)?);
        }
        let assembly = Assembly::new(peer, membership, prepared)?;
        let (driver, work) = assembly.connect(self.bound.socket, self.bound.metrics)?;
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new().name("train".to_owned()).spawn(move || {
            let _span = span.entered();
            work();
        })?;
        let result = driver.run().await;
        let leaves = result.as_ref().is_err_and(|error| error.leaves_files());
        if let Some(folder) = left.filter(|_| !leaves) {
            kept::remove(&folder, index);
        }
        let Finished { parameters, first } = result?;
        // It has sent its last word already.
        thread.join().ok();
        Ok(save(&own(first), &parameters)?)
    }
}
