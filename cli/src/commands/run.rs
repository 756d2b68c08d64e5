//! `fltorrent run`: from a manifest to a results folder.

mod conclude;
mod finish;
mod result;
mod signals;
mod summary;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::plan::Warning;
use fltorrent_peer::{checkpoint::Common, kept, metrics_file::MetricsFileError, train::safetensors::LoadError};
use fltorrent_records::{file, report::ModelHash};
use fltorrent_report::ReportError;
use thiserror::Error;
use tokio::runtime::{self, Runtime};

use super::{FAILED, INTERRUPTED, USAGE, refuse_manifest};
use crate::{
    arguments::RunArguments,
    launcher::{self, Ended, LaunchError, Launcher, Lock, Measured, Results, ResultsError, Setup, raise_open_files},
    live::{Live, UserRequest},
    manifest::{ManifestError, Resolved},
    output::{self, Description, Event, Failed, Printer, Started, Summary, describe},
    preflight::{self, Checked, PreflightError},
    resume::{self, ResultError, ResumeError},
};
use conclude::conclude;
pub use result::WhyModelsDiffer;
pub use signals::Signals;
pub(super) use signals::watch;
use summary::Times;
pub(super) use summary::of_metrics;

/// Why a run is not complete.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum RunError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    #[error(transparent)]
    InitialModel(#[from] LoadError),
    #[error(transparent)]
    Journal(#[from] MetricsFileError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("the launcher could not be set up")]
    System(#[source] io::Error),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("interrupted by {0}; all peers have ended")]
    Interrupted(&'static str),
    #[error("peer {peer} ended after {found} of {expected} rounds; see {}", log.display())]
    Incomplete {
        peer: usize,
        found: u32,
        expected: u32,
        log: PathBuf,
    },
    #[error("the run is complete and its model is in {}, but of peer {peer} the figures of {lost} rounds are lost: its metrics file was incomplete when the run resumed", model.display())]
    FiguresLost {
        peer: u32,
        lost: u32,
        hash: ModelHash,
        model: PathBuf,
    },
    #[error("the run is complete, but the disk is too full for its report; free space, then run `fltorrent report`")]
    NoReport(#[source] ReportError),
    #[error("after round {} the peers had different models, so none of them is the result: {why}; compare modelHash in {}", round + 1, folder.display())]
    ModelsDiffer {
        round: u32,
        why: WhyModelsDiffer,
        folder: PathBuf,
    },
    #[error(transparent)]
    Result(#[from] ResultError),
    #[error("{}: the final model is missing; see the logs of the peers", path.display())]
    NoModel { path: PathBuf },
}

/// A run that is not complete, with what was measured.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct RunFailure {
    /// The cause.
    #[source]
    pub error: RunError,
    /// How far it came; none when it did not start.
    pub summary: Option<Box<Summary>>,
}

impl<E: Into<RunError>> From<E> for RunFailure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            summary: None,
        }
    }
}

/// One run to make.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Manifest and plan.
    pub resolved: &'a Resolved,
    /// The results folder; none: a new one in the manifest's `output.directory`.
    pub out: Option<&'a Path>,
    /// The run to resume instead of a new one: its folder and its finished rounds.
    pub resume: Option<(&'a Results, u32)>,
    /// When the command began.
    pub started: SystemTime,
    /// True if the run is shown on the terminal while it goes on.
    pub live: bool,
}

pub(super) fn run(arguments: &RunArguments, started: SystemTime) -> ExitCode {
    let mut printer = Printer::new(arguments.output, arguments.quiet);
    let (resolved, resumed) = match what(arguments) {
        Ok(what) => what,
        Err(ResumeError::Manifest(error)) => return refuse_manifest(&error, &mut printer),
        Err(error) => return refuse_resume(&error, &mut printer),
    };
    printer.warnings(&resolved.plan.warnings);
    let request = Request {
        resolved: &resolved,
        out: arguments.out.as_deref(),
        resume: resumed.as_ref().map(|(results, common)| (results, common.rounds)),
        started,
        live: arguments.wants_live() && Live::is_possible(),
    };
    let result = match &resumed {
        Some((results, common)) if common.is_over => finish::finish(request, results, common, &mut printer),
        _ => execute(request, &mut printer),
    };
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, &mut printer),
    }
}

/// The manifest, and of a resumed run its folder and checkpoint.
fn what(arguments: &RunArguments) -> Result<(Resolved, Option<(Results, Common)>), ResumeError> {
    let (file, sets) = (arguments.file.as_deref(), arguments.settings.sets());
    let Some(folder) = &arguments.resume else {
        let resolved = Resolved::read(file.unwrap_or_else(|| Path::new("")), &sets);
        let resolved = resolved.map_err(ResumeError::Manifest)?;
        return Ok((resolved.anchored(), None));
    };
    let found = resume::find(folder, file, &sets)?;
    for warning in found.warnings() {
        output::warning(&warning);
    }
    Ok((found.resolved, Some((found.results, found.common))))
}

fn refuse_resume(error: &ResumeError, printer: &mut Printer) -> ExitCode {
    let text = crate::chain(error);
    printer.print(&Event::Failed(Failed {
        error: text.clone(),
        fields: Vec::new(),
        exit_code: USAGE,
        summary: None,
    }));
    output::error(&text);
    ExitCode::from(USAGE)
}

/// Prints a failure and gives its exit code.
pub fn report(failure: &RunFailure, printer: &mut Printer) -> ExitCode {
    let RunFailure { error, summary } = failure;
    let exit_code = match error {
        RunError::Interrupted(_) => INTERRUPTED,
        _ => FAILED,
    };
    let text = crate::chain(error);
    printer.print(&Event::Failed(Failed {
        error: text.clone(),
        fields: Vec::new(),
        exit_code,
        summary: summary.as_deref(),
    }));
    match summary {
        Some(summary) => output::error(&format!(
            "{text}\n  {}results so far are in {}{}",
            match error {
                RunError::FiguresLost { .. } => String::new(),
                _ => match summary.rounds.len() {
                    1 => "1 of its rounds was finished; ".to_owned(),
                    rounds => format!("{rounds} of its rounds were finished; "),
                },
            },
            summary.results,
            match &summary.resume {
                Some(command) => format!("\n  resume with: {command}"),
                None => String::new(),
            }
        )),
        None => output::error(&text),
    }
    ExitCode::from(exit_code)
}

/// Makes a run, from the first check to `summary.json`.
///
/// # Errors
/// When it cannot start, fails or is interrupted. All processes have ended then, and what was measured is kept.
pub fn execute(request: Request<'_>, printer: &mut Printer) -> Result<Summary, RunFailure> {
    let Resolved { experiment, plan } = request.resolved;
    let checked = preflight::check(plan)?;
    printer.warnings(&checked.warnings);
    let warnings = [plan.warnings.as_slice(), &checked.warnings].concat();
    let description = describe(experiment, plan, Some(checked.samples));
    if request.resume.is_none() {
        preflight::check_initial_model(plan)?;
    }
    let peers = plan.peers.len() as u32;
    raise_open_files(plan.peers.len())?;
    // From here on a signal is waited for, so that nothing half made is left behind.
    let signals = Signals::new().map_err(RunError::System)?;
    let results = match (request.resume, request.out) {
        (Some((results, _)), _) => results.clone(),
        (None, Some(path)) => Results::at(path)?,
        (None, None) => Results::within(Path::new(&plan.output.directory), &plan.name, request.started)?,
    };
    let begun = begin(request, &results, &checked).and_then(|begun| {
        let (_, _, setup) = &begun;
        let told = (&description, warnings.as_slice());
        let done = begun.1.block_on(drive(request, setup, signals, told, printer));
        match done {
            // Nobody has anything to look at in a new folder.
            Done {
                run: None,
                result: Err(error),
                ..
            } if request.resume.is_none() => Err(error),
            done => Ok((begun, done)),
        }
    });
    let ((_lock, _, setup), done) = begun.inspect_err(|_| results.abandon(0..peers))?;
    let times = Times::of_command(request.started, &done.ended.measured);
    conclude(&setup, done, times, printer)
}

/// Makes everything ready in the results folder, which others are kept out of then.
fn begin(request: Request<'_>, results: &Results, checked: &Checked) -> Result<(Lock, Runtime, Setup), RunError> {
    let plan = &request.resolved.plan;
    let lock = results.lock()?;
    lock.warning().iter().for_each(|text| output::warning(text));
    if let Some((_, rounds)) = request.resume {
        // Before anybody follows them.
        for peer in 0..plan.peers.len() as u32 {
            let path = results.of_peer(peer, "jsonl");
            file::trim(&path, rounds).map_err(|source| MetricsFileError { path, source })?;
        }
        results.drop_unconfirmed_model()?;
        // Of processes that were killed together with their launcher.
        kept::remove_all(&results.peers());
    }
    results.write_manifest(&request.resolved.yaml()?)?;
    results.write_json("plan.json", plan)?;
    results.write_json("histogram.json", &checked.histogram)?;
    let setup = Setup {
        program: std::env::current_exe().map_err(RunError::System)?,
        plan: plan.clone(),
        results: results.clone(),
        resume: request.resume.map(|(_, rounds)| rounds),
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    Ok((lock, runtime, setup))
}

/// A run whose processes are gone.
struct Done {
    run: Option<RunId>,
    ended: Ended,
    result: Result<(), RunError>,
    /// The first round that has not been printed.
    next_printed: u32,
}

/// Drives a run until all its processes are gone.
async fn drive(
    request: Request<'_>,
    setup: &Setup,
    mut signals: Signals,
    (description, warnings): (&Description, &[Warning]),
    printer: &mut Printer,
) -> Done {
    let mut done = Done {
        run: None,
        ended: Ended {
            exits: Vec::new(),
            restarts: Vec::new(),
            lost: Vec::new(),
            measured: Measured::default(),
        },
        result: Ok(()),
        next_printed: setup.resume.unwrap_or(0),
    };
    let mut launcher = match Launcher::start(setup.clone()) {
        Ok(launcher) => launcher,
        Err(error) => {
            done.result = Err(error.into());
            return done;
        }
    };
    done.run = Some(launcher.run());
    let mut live = request
        .live
        .then(|| {
            let first_round = setup.resume.unwrap_or(0);
            Live::open(&setup.plan, description, &setup.results, request.started, first_round)
        })
        .and_then(|opened| {
            opened
                .inspect_err(|error| output::warning(&format!("no live view: {error}")))
                .ok()
        });
    if live.is_some() {
        printer.hold();
    }
    printer.print(&Event::Started(Started {
        run: launcher.run().to_string(),
        results: setup.results.path(),
        description,
        resumed_after: setup.resume,
        warnings,
    }));
    done.result = loop {
        let event = tokio::select! {
            signal = signals.next() => break Err(RunError::Interrupted(signal)),
            wanted = next_user_request(&mut live) => match wanted {
                UserRequest::Interrupt => break Err(RunError::Interrupted("Ctrl-C")),
                UserRequest::Plain => {
                    live = None;
                    printer.release();
                    continue;
                }
            },
            event = launcher.next() => event,
        };
        match event {
            Ok(Some(event)) => tell(&event, setup, &mut live, &mut done, printer),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    drop(live);
    printer.release();
    done.ended = launcher.end().await;
    done
}

/// Shows a step of a run.
fn tell(event: &launcher::Event, setup: &Setup, live: &mut Option<Live>, done: &mut Done, printer: &mut Printer) {
    let peers = setup.plan.peers.len();
    match event {
        launcher::Event::Starting { ready } => match live {
            Some(live) => live.ready(*ready),
            None => printer.print(&Event::Starting { ready: *ready, peers }),
        },
        launcher::Event::Started => {}
        launcher::Event::Round(summary) => {
            done.next_printed = summary.round + 1;
            printer.print(&Event::Round {
                rounds: setup.plan.training.rounds,
                peers,
                summary,
            });
        }
        launcher::Event::Restarted(restart) => {
            printer.print(&Event::Restarted(restart));
            printer.warn(&restart.to_string());
            if let Some(live) = live {
                live.restarted(restart.peer);
            }
        }
        launcher::Event::Lost(loss) => {
            printer.print(&Event::Lost(loss));
            printer.warn(&loss.to_string());
            if let Some(live) = live {
                live.lost(loss.peer);
            }
        }
    }
}

/// Waits for ever without a view.
async fn next_user_request(live: &mut Option<Live>) -> UserRequest {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}
