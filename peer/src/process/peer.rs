//! One peer, whoever starts it: a launcher, its user among others on other machines, or a cluster.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use fltorrent_crds::Plan;
use tokio::sync::{mpsc, oneshot};

use super::{ModelOut, Places};
use crate::{checkpoint::Resume, churn::LastWord, news::News};

/// Everything that a peer needs beside what the others are.
pub struct Peer {
    /// The peer's index in the plan.
    pub index: u32,
    /// The number of this process among those of the peer in this attempt: one that is not the first catches up with the others.
    pub incarnation: u32,
    /// The experiment's plan.
    pub plan: Plan,
    /// Folders that are there, without files of another run.
    pub places: Places,
    /// Where the final model goes, if anywhere.
    pub model_out: Option<ModelOut>,
    /// The checkpoint that it goes on from; none: it begins anew.
    pub resume: Option<Resume>,
    /// Whether it warns of data that is probably not meant; somebody may have looked at it before.
    pub warns: bool,
    /// Where to listen.
    pub listen: Listen,
    /// Where to serve metrics, if at all.
    pub metrics: Option<SocketAddr>,
    /// The observer beside its launcher, if any.
    pub watch: Option<Watch>,
}

/// The observer of a peer that no launcher holds.
pub struct Watch {
    /// How long to wait for neighbours that are started later.
    pub wait: Duration,
    /// Where to tell what happens.
    pub news: mpsc::Sender<News>,
    /// Ends the run with a word on who wants it, such as `its user (SIGINT)`.
    pub stop: oneshot::Receiver<&'static str>,
    /// Called with the round when the plan lets the process die for good: nothing can be told afterwards.
    pub last_word: Option<LastWord>,
}

/// Where a peer listens for its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At one address.
    At(SocketAddr),
    /// At every address of the machine.
    Port(u16),
}

impl Peer {
    /// Whether a launcher holds it, which starts another process in its place and removes what is left.
    pub(super) const fn is_launched(&self) -> bool {
        self.watch.is_none()
    }

    pub(super) fn signed_record(&self) -> PathBuf {
        self.places.scratch.join(format!("peer-{}.signed", self.index))
    }

    pub(super) fn metrics_file(&self) -> PathBuf {
        self.places.records.join(format!("peer-{}.jsonl", self.index))
    }

    /// All places that the final model goes to.
    pub(super) fn model_files(&self) -> Vec<ModelOut> {
        let own = format!("peer-{}.safetensors", self.index);
        let own = self.places.records.join(own);
        let own = self.plan.output.peer_models.then_some(ModelOut::Own(own));
        own.into_iter().chain(self.model_out.clone()).collect()
    }
}
