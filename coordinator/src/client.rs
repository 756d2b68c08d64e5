//! A peer's end of `bt_complete`. Whatever happens to the coordinator, the peer trains on: reports wait here until they are acknowledged.

mod outbox;
mod post;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::identity::{Identity, RunId};
use crate::report::{ReportError, RoundReport};
use outbox::Outbox;
use post::{PostError, Target, post};

pub use outbox::MAX_WAITING;

/// The wait after a first failure; it doubles up to [`MAX_BACKOFF`]. Of each wait, between half and all is kept, so that peers that
/// failed together do not come back together.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// The longest wait between two attempts to reach the coordinator.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// How long one attempt may last, from dialling to the answer.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no reporter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReporterError {
    /// An address without a port.
    #[error("the coordinator's address `{0}` is not `host:port`")]
    Address(String),
    /// The coordinator's name is no DNS name.
    #[error("the coordinator's name cannot be dialled")]
    Name(#[source] rustls_pki_types::InvalidDnsNameError),
}

/// Sends reports in the background. Dropping it stops it at once; see [`close`](Self::close).
pub struct Reporter {
    shared: Arc<Shared>,
    driver: DriverTask,
}

impl Reporter {
    /// Reports to the coordinator of `run` at `address` (`host:port`, looked up at each attempt). Equal `jitter_seed`s wait equally; a
    /// peer's index is a good one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address has no port.
    pub fn start(
        address: &str,
        run: RunId,
        tls: Arc<ClientConfig>,
        jitter_seed: u64,
    ) -> Result<Self, ReporterError> {
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(ReporterError::Address(address.chars().take(80).collect()));
        }
        let host = Identity::coordinator(run).server_name();
        let name = ServerName::try_from(host.clone()).map_err(ReporterError::Name)?;
        let target = Target {
            address: address.to_owned(),
            host,
            name,
            tls: tls.into(),
        };
        let shared = Arc::new(Shared::default());
        let driver = DriverTask(tokio::spawn(drive(
            target,
            Arc::clone(&shared),
            ChaCha8Rng::seed_from_u64(jitter_seed),
        )));
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
                "a report was dropped: {MAX_WAITING} newer ones wait for the coordinator"
            );
        }
        self.shared.changed.notify_one();
        Ok(())
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

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    outbox: Outbox,
    closing: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drive(target: Target, shared: Arc<Shared>, mut jitter: ChaCha8Rng) {
    let mut failures = 0_u32;
    loop {
        let (batch, closing) = {
            let state = shared.state();
            (state.outbox.batch(), state.closing)
        };
        if batch.is_empty() {
            if closing {
                return;
            }
            shared.changed.notified().await;
            continue;
        }
        let posted = timeout(ATTEMPT_TIMEOUT, post(&target, &batch))
            .await
            .unwrap_or(Err(PostError::Timeout));
        match posted {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(address = %target.address, "the coordinator takes reports again");
                }
                failures = 0;
                shared.state().outbox.acknowledged(&batch);
            }
            Err(error) if error.is_final() => {
                let lost = shared.state().outbox.refused(&batch);
                if let Some(lost) = lost {
                    tracing::error!(round = lost.round, %error, "the coordinator refused a report; it is dropped");
                }
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(address = %target.address, %error, "the coordinator is away; reports wait, training goes on");
                }
                if closing {
                    return;
                }
                failures = failures.saturating_add(1);
                wait(&shared, backoff(failures, &mut jitter)).await;
            }
        }
    }
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

/// The wait after so many failures in a row, at least one.
fn backoff(failures: u32, jitter: &mut ChaCha8Rng) -> Duration {
    let longest = FIRST_BACKOFF
        .saturating_mul(1 << (failures - 1).min(16))
        .min(MAX_BACKOFF);
    longest.mul_f64(0.5 + 0.5 * f64::from(jitter.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ_between_peers() {
        let waits = |seed| {
            let mut jitter = ChaCha8Rng::seed_from_u64(seed);
            [1, 2, 3, 6, 7, 30, u32::MAX].map(|failures| backoff(failures, &mut jitter))
        };
        for (wait, longest) in waits(3)
            .into_iter()
            .zip([200, 400, 800, 6400, 10_000, 10_000, 10_000])
        {
            let longest = Duration::from_millis(longest);
            assert!(
                longest / 2 <= wait && wait <= longest,
                "{wait:?} of {longest:?}"
            );
        }
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }
}
