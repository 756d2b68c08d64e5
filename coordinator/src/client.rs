//! A peer's end of `bt_complete`, of the question for a certificate ([`certificate`]), and of the one how far the run is ([`course`]). Whatever happens to the coordinator, the peer
//! trains on: reports wait here until they are acknowledged.

pub mod certificate;
pub mod course;
mod outbox;
mod pausing;
mod post;

use std::{
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fltorrent_records::report::{PAUSE_PATH, PauseReport, REPORT_PATH, ReportError, RoundReport};
use rustls::ClientConfig;
use serde::Serialize;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{backoff::JitteredBackoff, identity::RunId};
pub use outbox::MAX_WAITING;
use outbox::Outbox;
use pausing::Pausing;
use post::{PostError, PostRequest, Target};

/// The longest wait between two attempts to reach the coordinator, unless the experiment gives another one.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Longest time that one attempt may last, from dialling to the answer.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the coordinator cannot be dialled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TargetError {
    #[error("the coordinator's address `{0}` is not `host:port`")]
    Address(String),
    #[error("the coordinator's name cannot be dialled")]
    Name(#[source] rustls_pki_types::InvalidDnsNameError),
}

/// Sends reports in the background. Dropping it stops it at once; see [`close`](Self::close).
pub struct Reporter {
    shared: Arc<Shared>,
    driver: DriverTask,
}

impl Reporter {
    /// Reports to the coordinator of `run` at `address` (`host:port`, looked up at each attempt), which is tried again as `backoff` says. Must
    /// be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address has no port.
    pub fn start(
        address: &str,
        run: RunId,
        tls: Arc<ClientConfig>,
        backoff: JitteredBackoff,
    ) -> Result<Self, TargetError> {
        let target = Target::new(address, run)?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            tls: Mutex::new(tls),
            changed: Notify::new(),
        });
        let driver = DriverTask(tokio::spawn(drive(target, Arc::clone(&shared), backoff)));
        Ok(Self { shared, driver })
    }

    /// Puts a report on its way. Never waits; callable from any thread.
    ///
    /// # Errors
    /// When the report has a value that the coordinator would refuse; it is not sent then.
    pub fn report(&self, report: RoundReport) -> Result<(), ReportError> {
        report.check()?;
        if let Some(lost) = self.shared.state().outbox.push(report) {
            tracing::warn!(
                round = lost.round,
                "a report was dropped: {MAX_WAITING} newer ones are queued for the coordinator"
            );
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Tells that this peer is paused, again and again until it is not any more (none). That a round's report follows tells the end of it.
    pub fn pause(&self, pause: Option<PauseReport>) {
        self.shared.state().pausing.set(pause, Instant::now());
        self.shared.changed.notify_one();
    }

    /// Shows another certificate from the next connection on.
    pub fn renew(&self, tls: Arc<ClientConfig>) {
        *self.shared.tls() = tls;
    }

    /// Reports that are not acknowledged yet.
    pub fn waiting(&self) -> usize {
        self.shared.state().outbox.len()
    }

    /// Tries a last time to send what waits, for at most `grace`, and says how many reports were not acknowledged.
    pub async fn close(mut self, grace: Duration) -> usize {
        self.shared.state().closing = true;
        self.shared.changed.notify_one();
        // A driver that ended or was cut off leaves its reports in the outbox, which is what counts.
        let _ = timeout(grace, &mut self.driver.0).await;
        self.waiting()
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Reporter({} reports waiting)", self.waiting())
    }
}

/// Ends its task when dropped.
struct DriverTask(JoinHandle<()>);

impl Drop for DriverTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    state: Mutex<State>,
    tls: Mutex<Arc<ClientConfig>>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    outbox: Outbox,
    pausing: Pausing,
    closing: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tls(&self) -> MutexGuard<'_, Arc<ClientConfig>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drive(target: Target, shared: Arc<Shared>, mut backoff: JitteredBackoff) {
    loop {
        let (batch, closing) = {
            let state = shared.state();
            (state.outbox.batch(), state.closing)
        };
        if batch.is_empty() {
            if closing {
                return;
            }
            tell_or_wait(&target, &shared).await;
            continue;
        }
        let tls = Arc::clone(&shared.tls());
        match hand_over(&target, tls, &batch).await {
            Ok(()) => {
                if backoff.failures() > 0 {
                    tracing::info!(address = %target.address, "reconnected to the coordinator");
                }
                backoff.reset();
                shared.state().outbox.acknowledged(&batch);
            }
            Err(error) if error.is_final() => {
                let lost = shared.state().outbox.refused(&batch);
                if let Some(lost) = lost {
                    tracing::error!(round = lost.round, %error, "the coordinator refused a report; it is dropped");
                }
            }
            Err(error) => {
                if backoff.failures() == 0 {
                    tracing::warn!(address = %target.address, %error, "the coordinator is unreachable; reports are queued, training continues");
                }
                if closing {
                    return;
                }
                let asked = error.retry_after().unwrap_or_default().min(MAX_BACKOFF);
                wait(&shared, backoff.next_wait().max(asked)).await;
            }
        }
    }
}

/// Tells of a pause when it is time for that; else waits until there is something to tell.
async fn tell_or_wait(target: &Target, shared: &Shared) {
    let now = Instant::now();
    let (told, due) = {
        let pausing = &mut shared.state().pausing;
        (pausing.take(now), pausing.due())
    };
    if let Some(pause) = told {
        let tls = Arc::clone(&shared.tls());
        // What fails now is told anew soon.
        if let Err(error) = post(target, tls, PAUSE_PATH, &pause).await {
            tracing::debug!(address = %target.address, %error, "the coordinator was not told of the pause");
        }
        return;
    }
    let due = async {
        match due {
            Some(due) => sleep(due.saturating_duration_since(Instant::now())).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = shared.changed.notified() => {}
        () = due => {}
    }
}

async fn hand_over(target: &Target, tls: Arc<ClientConfig>, reports: &[RoundReport]) -> Result<(), PostError> {
    post(target, tls, REPORT_PATH, &reports).await
}

async fn post(
    target: &Target,
    tls: Arc<ClientConfig>,
    path: &'static str,
    content: &impl Serialize,
) -> Result<(), PostError> {
    let request = PostRequest {
        path,
        kind: "application/json",
        token: None,
        body: serde_json::to_vec(content)?.into(),
    };
    timeout(ATTEMPT_TIMEOUT, target.post(tls, request))
        .await
        .unwrap_or(Err(PostError::Timeout))
        .map(drop)
}

/// Waits out a backoff; only closing cuts it short, not a new report.
async fn wait(shared: &Shared, backoff: Duration) {
    let until = Instant::now() + backoff;
    while !shared.state().closing {
        tokio::select! {
            () = shared.changed.notified() => {}
            () = sleep(until.saturating_duration_since(Instant::now())) => return,
        }
    }
}
