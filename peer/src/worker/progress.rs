//! What the training thread tells the driver.

use std::{sync::mpsc::SyncSender, time::Duration};

use fltorrent_records::report::{EvaluationFigures, TrainFigures};
use fltorrent_swarm::{EvaluationCounts, Signed};

use super::WorkError;
use crate::observer::Aggregated;

/// The thread's reports to the driver.
#[derive(Debug)]
pub enum Progress {
    /// Training hangs, as the plan says.
    Hangs {
        /// Before that of this round.
        round: u32,
        /// How long; none: to the end of the run.
        lasts: Option<Duration>,
    },
    /// Training of a round begins.
    Training {
        /// The round.
        round: u32,
    },
    /// This peer's update is in the store.
    Published {
        /// The round.
        round: u32,
        /// Its signed description.
        metainfo: Signed,
        /// How training went.
        train: TrainFigures,
    },
    /// The round's updates are one model.
    Aggregated {
        /// The new model's figures.
        aggregated: Aggregated,
        /// Told once the figures are in the metrics file, where somebody waits for it.
        noted: Option<SyncSender<()>>,
    },
    /// This peer goes on from the model that others made of a round.
    Adopted {
        /// The round.
        round: u32,
    },
    /// The model that others were said to have made of a round has another hash.
    WrongModel {
        /// The round.
        round: u32,
    },
    /// All rounds are over.
    Finished {
        /// The final parameters in declared order; none where nobody wants them.
        parameters: Vec<f32>,
    },
    /// The thread ended early.
    Failed(WorkError),
}

/// An evaluation as it is reported.
pub(super) fn figures(counts: &EvaluationCounts, elapsed: Duration) -> EvaluationFigures {
    EvaluationFigures {
        correct: counts.correct.into(),
        total: counts.total.into(),
        loss_sum: Some(counts.loss_sum).filter(|sum| sum.is_finite()),
        seconds: elapsed.as_secs_f64(),
    }
}
