//! The loop that ties a swarm to its transport, its store and its training thread. It decides nothing itself.

mod churn;
mod error;
mod hanging;
mod links;
mod models;
mod recalls;
mod training;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use fltorrent_coordinator::{
    identity::Role,
    signature::{SignatureError, SignatureVerifier},
};
use fltorrent_records::status::State;
use fltorrent_swarm::{Action, HelloMismatch, Signed, Signer, Swarm, Time, Verifier, Violation, churn::Churn};
use tokio::sync::{mpsc, oneshot};

use crate::{
    CurrentCredentials,
    churn::LastWord,
    kept::Kept,
    last_model::LastModel,
    news::News,
    observer::{Observer, Outlets},
    orders::{Order, Orders},
    store::{ChunkStore, RoundHold},
    transport::{CLOSE_FAILED, CLOSE_LEFT, CLOSE_VIOLATION, Event, Link, Transport},
    worker::{Progress, sign},
};
pub use error::RunError;
use hanging::Hang;
pub use models::Rule;
use models::{Closed, Made};
use recalls::Recalls;

/// Events taken before the swarm's actions are carried out: announcements of chunks that came together go together.
const BATCH: usize = 32;
/// How long the end of the run may take to reach the neighbours.
const GRACE: Duration = Duration::from_secs(3);

/// The parts that the driver ties together.
pub struct Parts {
    /// The state machine.
    pub swarm: Swarm,
    /// When the swarm's time began.
    pub epoch: Instant,
    /// Connections.
    pub transport: Transport,
    /// Their events.
    pub events: mpsc::Receiver<Event>,
    /// Where chunks are.
    pub store: ChunkStore,
    /// What earlier processes of this peer have left.
    pub kept: Kept,
    /// Reports of the training thread.
    pub progress: mpsc::Receiver<Progress>,
    /// What it has to do next.
    pub orders: Orders,
    /// The rule that folds a round.
    pub rule: Rule,
    /// The last model that the training thread has made.
    pub last_model: LastModel,
    /// Credentials of new connections, reports and signatures.
    pub credentials: CurrentCredentials,
    /// Ends the run with a word on who wants it; for ever open when nobody does.
    pub stop: oneshot::Receiver<&'static str>,
    /// This peer's index and attempt.
    pub peer: (u32, u32),
    /// What happens to this peer.
    pub churn: Churn,
    /// Called with the round before that kills the process for good.
    pub last_word: Option<LastWord>,
    /// Peers × chunks.
    pub positions: u64,
}

/// One peer's run.
pub struct Driver {
    parts: Parts,
    observer: Observer,
    links: BTreeMap<u32, Link>,
    /// Rounds whose chunks neighbours may still ask for.
    held: BTreeMap<u32, RoundHold>,
    /// The last two rounds that were closed.
    last_closed: [Option<Closed>; 2],
    /// When it was last looked at what the uplink carries.
    measured_at: Time,
    /// Models that were made once more.
    made: (mpsc::Sender<Made>, mpsc::Receiver<Made>),
    recalls: Recalls,
    /// The round whose model somebody wants, which is not there yet.
    wanted: Option<u32>,
    /// Neighbours that mean another experiment.
    unlike: BTreeSet<u32>,
    /// When this process began to train, and the round that it trains for.
    trains: Option<(Time, u32)>,
    /// Steps that the training thread had done when that was last looked at.
    beats: u64,
    /// Its training hangs, as the plan says.
    hangs: Option<Hang>,
    leaving: bool,
    /// When the others had finished.
    left_at: Option<Time>,
    parameters: Option<Vec<f32>>,
    /// Of the peers whose updates the last round has the lowest; none where it has none, or was not closed here.
    first: Option<u32>,
}

/// What a peer has at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The parameters in declared order; none where nobody wants them.
    pub parameters: Vec<f32>,
    /// Of the peers whose updates are in the last round the lowest, the same at all that closed it; none where it has none, or was not
    /// closed here.
    pub first: Option<u32>,
}

impl Driver {
    /// Ready to run.
    pub fn new(mut parts: Parts, outlets: Outlets) -> Self {
        let peers = parts.swarm.peers();
        Self {
            recalls: Recalls::new(std::mem::take(&mut parts.kept)),
            observer: Observer::new(outlets, parts.peer, peers, parts.positions),
            parts,
            links: BTreeMap::new(),
            held: BTreeMap::new(),
            last_closed: [None, None],
            measured_at: Time::ZERO,
            made: mpsc::channel(2),
            wanted: None,
            unlike: BTreeSet::new(),
            trains: None,
            beats: 0,
            hangs: None,
            leaving: false,
            left_at: None,
            parameters: None,
            first: None,
        }
    }

    /// Runs until all rounds are over here and at the neighbours; gives what it has then.
    ///
    /// # Errors
    /// Whatever ends the run early; the neighbours have been told by then.
    pub async fn run(mut self) -> Result<Finished, RunError> {
        let result = match self.drive().await {
            Ok(()) => self.end_with(State::Finished),
            Err(error) => {
                let state = match error {
                    RunError::Left { .. } => State::Finished,
                    _ => State::Failed,
                };
                // The first error is the one that is told.
                self.end_with(state).ok();
                if error.leaves_files() {
                    self.parts.store.leave();
                }
                Err(error)
            }
        };
        let me = self.parts.peer.0;
        match result {
            // Of either the neighbours need nothing more.
            Ok(()) | Err(RunError::Hung { .. } | RunError::NoProgress { .. }) => {
                for link in std::mem::take(&mut self.links).into_values() {
                    link.finish().await;
                }
                self.parts
                    .transport
                    .close(crate::transport::CLOSE_FINISHED, "finished", GRACE)
                    .await;
            }
            Err(RunError::Left { .. }) => {
                self.flush().await;
                self.parts.transport.close(CLOSE_LEFT, "", GRACE).await;
            }
            Err(ref error) => {
                if let Some(verdict) = error.verdict() {
                    // In the file before anybody can hear of it, so that whoever reads all files after any peer's end has it.
                    self.observer.verdict(verdict);
                }
                if error.is_for_all_to_see() {
                    self.flush().await;
                }
                self.parts.transport.close(CLOSE_FAILED, &error.told(me), GRACE).await
            }
        }
        self.observer.close(GRACE).await;
        result.map(|()| Finished {
            parameters: self.parameters.unwrap_or_default(),
            first: self.first,
        })
    }

    /// Queued messages go out first: the neighbours shall have the proof, or this peer's hello, not only its word. The links stay: a connection
    /// whose last handle goes is closed without a word.
    async fn flush(&mut self) {
        let flushed = async {
            for link in self.links.values_mut() {
                link.flush().await;
            }
        };
        // Whoever has not taken it by then gets the word alone.
        tokio::time::timeout(GRACE, flushed).await.ok();
    }

    async fn drive(&mut self) -> Result<(), RunError> {
        loop {
            self.feel_pulse();
            self.measure_uplink();
            self.act()?;
            self.churn()?;
            self.observer.observe(self.now(), &self.parts.swarm)?;
            if self.leaving && self.parameters.is_some() {
                return Ok(());
            }
            self.has_hung_for_too_long()?;
            let timeout = self.parts.swarm.poll_timeout();
            let timeout = timeout.map(|at| self.parts.epoch + at);
            let due = self.observer.due().map(|at| self.parts.epoch + at);
            let hung = self.hung_until().map(|at| self.parts.epoch + at);
            let wake = [timeout, due, self.churn_due(), hung].into_iter().flatten().min();
            tokio::select! {
                event = self.parts.events.recv() => {
                    if let Some(event) = event {
                        self.take(event)?;
                    }
                    for _ in 0..BATCH {
                        let Ok(event) = self.parts.events.try_recv() else { break };
                        self.take(event)?;
                    }
                }
                progress = self.parts.progress.recv(), if self.parameters.is_none() => match progress {
                    Some(progress) => self.progressed(progress)?,
                    None => return Err(RunError::WorkerGone),
                },
                Some(made) = self.made.1.recv() => self.offer(made),
                Some(found) = self.recalls.next() => self.found(found)?,
                Ok(()) = self.parts.credentials.changed() => self.renewed(),
                Ok(by) = &mut self.parts.stop, if !self.parts.stop.is_terminated() => {
                    return Err(RunError::Stopped(by));
                }
                () = sleep_until(wake) => {
                    if timeout.is_some_and(|at| at <= Instant::now()) {
                        self.feel_pulse();
                        let now = self.now();
                        self.parts.swarm.handle_timeout(now);
                    }
                }
            }
        }
    }

    /// The own certificate is a new one. Neighbours and coordinator see it when they are next connected to.
    fn renewed(&mut self) {
        let credentials = Arc::clone(&self.parts.credentials.borrow_and_update());
        if let Err(error) = self.parts.transport.renew(&credentials) {
            tracing::error!(error = crate::chain(&error), "the new certificate cannot be shown");
            return;
        }
        self.observer.renewed(&credentials);
    }

    fn hold(&mut self, round: u32) {
        let store = &self.parts.store;
        self.held.entry(round).or_insert_with(|| store.hold(round));
    }

    /// The last status, whatever was written when.
    fn end_with(&mut self, state: State) -> Result<(), RunError> {
        let now = self.now();
        Ok(self.observer.end_with(state, now, &self.parts.swarm)?)
    }

    fn now(&self) -> Time {
        self.parts.epoch.elapsed()
    }

    /// Whether this peer has nobody to run with, now that a neighbour means another experiment: it will mean the same when it comes
    /// back. Where the run goes on without some, it has to be all of them.
    fn stands_alone(&mut self, unlike: u32) -> bool {
        let swarm = &self.parts.swarm;
        if swarm.has_met(unlike) {
            return false;
        }
        self.unlike.insert(unlike);
        let mut neighbours = swarm.neighbours().iter();
        !swarm.goes_on_without() || neighbours.all(|peer| self.unlike.contains(peer) && !swarm.has_met(*peer))
    }

    /// Closes the connection to a neighbour that broke the rules.
    fn disconnect(&mut self, peer: u32, violation: Violation) -> Result<(), RunError> {
        tracing::warn!(neighbour = peer, round = self.parts.swarm.round(), %violation, "connection closed");
        if let Violation::Hello(mismatch) = &violation {
            let is_late = matches!(mismatch, HelloMismatch::Superseded { .. });
            if !is_late && self.stands_alone(peer) {
                let mismatch = mismatch.clone();
                return Err(RunError::Unlike { peer, mismatch });
            }
            let why = mismatch.to_string();
            self.observer.tell(News::Away { neighbour: peer, why });
        }
        let Some(link) = self.links.remove(&peer) else {
            return Ok(());
        };
        self.observer.link_gone(link.figures());
        let reason = violation.to_string();
        match violation {
            // It shall see this peer's hello as well, and know for itself.
            Violation::Hello(_) => drop(tokio::spawn(async move {
                link.close_after_all(CLOSE_VIOLATION, &reason).await;
            })),
            _ => link.close(CLOSE_VIOLATION, &reason),
        }
        Ok(())
    }

    /// Carries out what the swarm wants.
    fn act(&mut self) -> Result<(), RunError> {
        while let Some(action) = self.parts.swarm.poll_action() {
            match action {
                Action::Send { to, message } => {
                    if let Some(link) = self.links.get(&to) {
                        self.observer.control_sent(link.send(&message));
                    }
                }
                Action::Fence { to } => {
                    if let Some(link) = self.links.get(&to) {
                        link.fence();
                    }
                }
                Action::Upload { to, request, chunk } => self.upload(to, request, chunk)?,
                Action::AbortUpload { to, request } => {
                    if let Some(link) = self.links.get(&to) {
                        link.abort_upload(request);
                    }
                }
                Action::AbortDownload { from, request } => {
                    if let Some(link) = self.links.get(&from) {
                        link.abort_download(request);
                    }
                }
                Action::Recall(recall) => self.recall(recall),
                Action::Complete { round } => self.closed(round)?,
                Action::Begin { gives_from } => self.parts.orders.give(Order::Begin { gives_from }),
                Action::Adopt(adoption) => self.adopt(adoption),
                Action::MakeModel { round } => self.make_model(round),
                // The training thread may still hold it.
                Action::Release { round } => drop(self.held.remove(&round)),
                Action::Disconnect { peer, violation } => self.disconnect(peer, violation)?,
                // One that has come meanwhile is as good.
                Action::Dial { peer } if self.links.contains_key(&peer) => {}
                Action::Dial { peer } => self.parts.transport.dial(peer),
                Action::Hangup { peer } => self.hang_up(peer),
                Action::Notice(notice) => {
                    tracing::warn!(round = self.parts.swarm.round(), "{notice}");
                    self.observer.noticed(&notice, &self.parts.swarm)?;
                }
                Action::Leave => self.leaving = true,
                Action::Fail(failure) => {
                    if let Some(proof) = failure.proof() {
                        tracing::error!(round = self.parts.swarm.round(), proof, "{failure}");
                    }
                    return Err(failure.into());
                }
            }
        }
        let now = self.now();
        self.observer.acted(now, &self.parts.swarm, &self.parts.store);
        Ok(())
    }
}

/// Waits for ever without a time.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Checks what peers sign under the run's authority, and signs what this one says.
pub struct CertificateVerifier {
    verifier: SignatureVerifier,
    attempt: u32,
    credentials: CurrentCredentials,
}

impl CertificateVerifier {
    /// For one attempt of a run.
    pub fn new(verifier: SignatureVerifier, attempt: u32, credentials: CurrentCredentials) -> Self {
        Self {
            verifier,
            attempt,
            credentials,
        }
    }
}

impl Verifier for CertificateVerifier {
    fn verify(&mut self, signer: Signer, signed: &Signed) -> Result<(), String> {
        let Signed {
            body,
            certificate,
            signature,
        } = signed;
        let identity = self
            .verifier
            .verify(certificate, body, signature, SystemTime::now())
            .map_err(|error: SignatureError| crate::chain(&error))?;
        let expected = Role::Peer {
            index: signer.peer,
            attempt: self.attempt,
            incarnation: signer.incarnation,
        };
        if identity.role == expected {
            Ok(())
        } else {
            Err(format!("it is signed by {}, not by {expected}", identity.role))
        }
    }

    fn sign(&mut self, body: Bytes) -> Result<Signed, String> {
        sign(&self.credentials, body).map_err(|error| crate::chain(&error))
    }
}
