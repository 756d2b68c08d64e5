//! A peer that joins when the others have begun: until the operator says that its time has come it says nothing to them.

use std::{sync::Arc, time::Duration};

use fltorrent_coordinator::{
    backoff::JitteredBackoff,
    client::{TargetError, certificate::ApplyError, course::Questioner},
    tls::{Credentials, HTTP_ALPN, TlsError},
};
use fltorrent_crds::plan::At;
use fltorrent_records::report::Joining;
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::settings::Settings;

/// Time between two questions of one peer, unless many ask.
const OFTEN: Duration = Duration::from_secs(1);
/// Questions of all peers that wait, in a second: each is a connection.
const MOST_A_SECOND: u32 = 50;
/// The longest wait for an operator that does not answer.
const LONGEST: Duration = Duration::from_secs(15);
/// Time between two words on one that does not.
const NEWS: Duration = Duration::from_secs(30);

/// Why a peer does not join.
#[derive(Debug, Error)]
pub(super) enum JoinError {
    #[error("the operator cannot be asked how far the run is")]
    Target(#[from] TargetError),
    #[error("the operator cannot be asked with this certificate")]
    Certificate(#[from] TlsError),
    #[error("the operator does not say how far the run is: {0}")]
    Refused(String),
    #[error("{0}: another process has taken the place of this one")]
    Replaced(String),
    #[error("peer {0} had yet to join when the others finished")]
    Over(u32),
}

/// Waits until this peer's time has come, if it joins later a run that begins with `first_round`.
pub(super) async fn wait(
    settings: &Settings,
    first_round: u32,
    credentials: &watch::Receiver<Arc<Credentials>>,
) -> Result<(), JoinError> {
    let late: Vec<(u32, At)> = settings.plan.late(first_round).collect();
    let Some((_, at)) = late.iter().find(|(peer, _)| *peer == settings.index) else {
        return Ok(());
    };
    let address = settings.coordinator.to_string();
    let questioner = Questioner::new(&address, settings.run)?;
    let often = often(late.len());
    let mut backoff = JitteredBackoff::new(LONGEST, settings.index.into());
    let mut told = None::<Instant>;
    tracing::info!("waiting to join, as `churn` says");
    loop {
        let tls = credentials.borrow().client_config(&[HTTP_ALPN])?;
        let pause = match questioner.ask(tls).await {
            Ok(course) => {
                backoff.reset();
                match course.joining(*at, often) {
                    Joining::Now => {
                        tracing::info!(rounds = course.rounds, "joining, as `churn` says");
                        return Ok(());
                    }
                    Joining::Never => return Err(JoinError::Over(settings.index)),
                    Joining::Later(pause) => pause,
                }
            }
            Err(ApplyError::Replaced { reason }) => return Err(JoinError::Replaced(reason)),
            Err(error @ ApplyError::Refused { .. }) => return Err(JoinError::Refused(error.to_string())),
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= NEWS) {
                    told = Some(Instant::now());
                    tracing::warn!(operator = %address, %error, "waiting to join; retrying");
                }
                backoff.next_wait()
            }
        };
        sleep(pause).await;
    }
}

/// How often one of so many peers asks.
fn often(waiting: usize) -> Duration {
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    OFTEN.max(Duration::from_secs(waiting.into()) / MOST_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ask_less_often() {
        for (waiting, seconds) in [(1, 1), (50, 1), (100, 2), (10_000, 200)] {
            assert_eq!(often(waiting), Duration::from_secs(seconds));
        }
    }
}
