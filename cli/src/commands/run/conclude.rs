//! Says how a run ended, in `summary.json`, in its report, and to its user.

use fltorrent_report as report;

use super::{
    super::report::subject,
    Done, RunError, RunFailure, result,
    summary::{Times, summary},
};
use crate::{
    launcher::Setup,
    output::{self, Event, Outcome, Printer, Summary},
    resume,
};

/// Writes what a run leaves, and prints that it is complete or gives why it is not.
pub(super) fn conclude(setup: &Setup, done: Done, times: Times, printer: &mut Printer) -> Result<Summary, RunFailure> {
    // Figures that did not come through the status endpoint come from the peers' files.
    let rounds = done.ended.measured.rounds.iter();
    for round in rounds.filter(|round| round.summary.round >= done.next_printed) {
        printer.print(&Event::Round {
            rounds: setup.plan.training.rounds,
            peers: setup.plan.peers.len(),
            summary: &round.summary,
        });
    }
    let result = done.result.and_then(|()| result::check(setup, &done.ended));
    let mut summary = summary(setup, done.run, &done.ended, times);
    if let Err(error) = &result {
        blame(&mut summary, error);
        summary.resume = match error {
            // It would end the same way again.
            RunError::FiguresLost { .. } => None,
            _ => result::keep(setup, &done.ended.measured),
        };
    }
    let was_complete = result.is_ok();
    let result = write(setup, &mut summary, result);
    match result {
        Ok(()) => {
            printer.print(&Event::Finished(&summary));
            Ok(summary)
        }
        Err(error) => {
            if was_complete {
                summary.resume = resume::command(&setup.results, &setup.plan);
            }
            Err(RunFailure {
                error,
                summary: Some(Box::new(summary)),
            })
        }
    }
}

/// Makes it the summary of a run that ended with this error.
fn blame(summary: &mut Summary, error: &RunError) {
    summary.outcome = match error {
        RunError::Interrupted(_) => Outcome::Stopped,
        _ => Outcome::Failed,
    };
    summary.error = Some(crate::chain(error));
    summary.reason = None;
    if summary.outcome == Outcome::Failed {
        // That of an earlier round would pass for the result.
        summary.model_hash = None;
    }
    if let RunError::FiguresLost { hash, .. } = error {
        summary.model_hash = Some(*hash);
        (summary.accuracy, summary.loss, summary.test_samples) = (None, None, None);
        summary.classes.clear();
    }
}

/// Writes summary and report of a run with this result. What is missing then makes a good one bad.
fn write(setup: &Setup, summary: &mut Summary, result: Result<(), RunError>) -> Result<(), RunError> {
    let written = setup.results.write_json("summary.json", summary);
    let result = match (result, written) {
        (Err(error), Err(lost)) => {
            output::warning(&format!("the summary could not be written: {}", crate::chain(&lost)));
            Err(error)
        }
        (result, written) => result.and_then(|()| written.map_err(Into::into)),
    };
    let folder = setup.results.path().to_owned();
    let page = folder.join(report::FILE);
    match (report::write(&[folder], &page, &subject), result) {
        (Ok(_), result) => {
            summary.report = Some(page.display().to_string());
            result
        }
        (Err(error), Ok(())) if error.is_for_want_of_room() => Err(RunError::NoReport(error)),
        // Whatever else hinders the page says nothing about the run: `fltorrent report` makes it anew.
        (Err(error), result) => {
            output::warning(&format!("the report could not be written: {}", crate::chain(&error)));
            result
        }
    }
}
