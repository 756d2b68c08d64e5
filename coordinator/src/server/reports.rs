//! Reports from a request's body into the progress of their run, and on to whoever reads them.

use std::sync::{Mutex, PoisonError};

use fltorrent_records::{
    progress::{Outcome, Progress, ProgressError, RoundSummary},
    report::{ReportError, RoundReport},
};
use hyper::StatusCode;
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};

use super::STEP_TIMEOUT;
use crate::identity::{Identity, Role, RunId};

/// Why reports are not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("the certificate is that of {certificate}, but the report that of peer {peer}, attempt {attempt}")]
    Foreign {
        certificate: Identity,
        peer: u32,
        attempt: u32,
    },
    #[error(transparent)]
    Progress(#[from] ProgressError),
    #[error("reports cannot be accepted now; retry later")]
    NotRead,
}

impl CountError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Report(ReportError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Foreign { .. } => StatusCode::FORBIDDEN,
            Self::Progress(ProgressError::Contradiction { .. }) => StatusCode::CONFLICT,
            Self::NotRead => StatusCode::SERVICE_UNAVAILABLE,
            Self::Report(_) | Self::Progress(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// A report that counts, and what it completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The report.
    pub report: RoundReport,
    /// The figures of the round, if this was the last report of it.
    pub summary: Option<RoundSummary>,
}

/// The number of new reports in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Receipt {
    new: usize,
    repeated: usize,
}

/// Refuses reports of others than the client, which has to be of this run.
pub(crate) fn check_owner(run: RunId, client: Identity, reports: &[RoundReport]) -> Result<(), CountError> {
    let mut reports = reports.iter();
    reports.try_for_each(|report| check_own(run, client, report.peer, report.attempt))
}

/// Refuses what is said of another peer or attempt than the client's, which has to be of this run.
pub(crate) fn check_own(run: RunId, client: Identity, peer: u32, attempt: u32) -> Result<(), CountError> {
    let is_own = match client.role {
        Role::Peer { index, attempt: of, .. } => client.run == run && (index, of) == (peer, attempt),
        Role::Coordinator => false,
    };
    let certificate = client;
    is_own.then_some(()).ok_or(CountError::Foreign {
        certificate,
        peer,
        attempt,
    })
}

/// Counts reports in order, and hands on what is new as `wrap` makes it. Those before one that is refused stay counted.
pub(crate) async fn count<T>(
    reports: &[RoundReport],
    progress: &Mutex<Progress>,
    reader: &mpsc::Sender<T>,
    wrap: impl Fn(Reported) -> T,
) -> Result<Receipt, CountError> {
    let (mut new, mut repeated) = (0, 0);
    for report in reports {
        // The place in the queue comes first: a report is never counted without being handed on, even if the client goes away.
        let place = timeout(STEP_TIMEOUT, reader.reserve()).await;
        let Ok(Ok(place)) = place else {
            return Err(CountError::NotRead);
        };
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress.handle_report(report)? {
            Outcome::New => {
                let summary = progress.round_summary(report.round).copied();
                let report = *report;
                place.send(wrap(Reported { report, summary }));
                new += 1;
            }
            Outcome::Repeated => repeated += 1,
        }
    }
    Ok(Receipt { new, repeated })
}
